#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_

#include <cstddef>
#include <fstream>
#include <string>

#include "tests/integration/support/cards.h"

namespace skimwatch::integration {

// A shop's log, in which each line carries the next planted card.
class LogWriter {
 public:
  explicit LogWriter(std::string path) : path_(std::move(path)), file_(path_, std::ios::app) {
    file_.flush();
  }

  void Write(size_t cards) {
    for (size_t i = 0; i < cards; ++i) {
      file_ << "order failed: card=" << CardNumber(written_++) << " declined\n";
    }
    file_.flush();
  }

  const std::string& path() const { return path_; }
  // Cards so far: those with an index below.
  size_t written() const { return written_; }

 private:
  const std::string path_;
  std::ofstream file_;
  size_t written_ = 0;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_LOG_WRITER_H_
