#ifndef SKIMWATCH_COLLECTOR_CTL_CARD_LIST_H_
#define SKIMWATCH_COLLECTOR_CTL_CARD_LIST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "collector/ctl/card_input.h"

namespace skimwatch::ctl {

// Reads cards from a file, one a line: a card number with blanks or hyphens at most, or its
// fingerprint in 64 hex digits. Empty lines are passed over. What was read is wiped.
class CardList {
 public:
  struct Entry {
    // From 1.
    uint64_t line = 0;
    // One of the two.
    std::unique_ptr<CardInput> card;
    std::string fingerprint;
  };

  // `-` is standard input. An error names the file.
  static absl::StatusOr<std::unique_ptr<CardList>> Open(const std::string& path);
  ~CardList();
  CardList(const CardList&) = delete;
  CardList& operator=(const CardList&) = delete;

  // OUT_OF_RANGE at the end. INVALID_ARGUMENT names a line that holds no card, and the next call
  // goes on behind it.
  absl::StatusOr<Entry> Next();

 private:
  explicit CardList(int fd) : fd_(fd) {}

  const int fd_;
  uint64_t line_ = 0;
  // Read and not taken yet.
  std::array<char, 4096> buffer_{};
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_CARD_LIST_H_
