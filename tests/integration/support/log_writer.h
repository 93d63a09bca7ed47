#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_

#include <cstddef>
#include <fstream>
#include <string>
#include <utility>

#include "tests/integration/support/cards.h"

namespace skimwatch::integration {

// A shop's log, in which each line carries the next planted card.
class LogWriter {
 public:
  static constexpr size_t kLineBytes = 45;

  // `first` is the index of the first card. The file is there from now on.
  explicit LogWriter(std::string path, size_t first = 0)
      : path_(std::move(path)), file_(path_, std::ios::app), written_(first) {}

  void Write(size_t cards) {
    for (size_t i = 0; i < cards; ++i) {
      file_ << "order failed: card=" << CardNumber(written_++) << " declined\n";
    }
    file_.flush();
  }

  const std::string& path() const { return path_; }
  // The index of the next card.
  size_t written() const { return written_; }

 private:
  const std::string path_;
  std::ofstream file_;
  size_t written_;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_
