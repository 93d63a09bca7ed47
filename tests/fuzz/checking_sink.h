#ifndef SKIMWATCH_TESTS_FUZZ_CHECKING_SINK_H_
#define SKIMWATCH_TESTS_FUZZ_CHECKING_SINK_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "agent/traffic/message.h"

namespace skimwatch::traffic::testing {

// Reads every byte, so that a sanitizer sees a bad one, and aborts on a part that is used after its
// end.
class CheckingSink final : public MessageSink {
 public:
  PartConsumer* BeginPart(const Provenance& /*provenance*/, Part /*part*/) override {
    consumers_.push_back(std::make_unique<Consumer>());
    return consumers_.back().get();
  }
  bool all_ended() const {
    for (const auto& consumer : consumers_) {
      if (!consumer->ended) return false;
    }
    return true;
  }

 private:
  struct Consumer final : PartConsumer {
    void Data(std::string_view bytes) override {
      if (ended) std::abort();
      for (char c : bytes) sum += static_cast<uint8_t>(c);
    }
    void Gap() override {
      if (ended) std::abort();
    }
    void End() override {
      if (ended) std::abort();
      ended = true;
    }
    bool ended = false;
    uint64_t sum = 0;
  };

  std::vector<std::unique_ptr<Consumer>> consumers_;
};

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_FUZZ_CHECKING_SINK_H_
