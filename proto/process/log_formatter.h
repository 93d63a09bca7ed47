#ifndef SKIMWATCH_PROTO_PROCESS_LOG_FORMATTER_H_
#define SKIMWATCH_PROTO_PROCESS_LOG_FORMATTER_H_

#include <memory>
#include <string>
#include <string_view>

#include "spdlog/formatter.h"

namespace skimwatch::process {

// Formats one log event as one line, whatever bytes it holds: what comes from outside must not be
// able to forge a second event or to steer a terminal. The digits of what could be a card number
// become `*`.
//
//   text: 2026-03-01T12:00:00.123Z info skimwatch-agent: connected
//   json:
//   {"time":"2026-03-01T12:00:00.123Z","level":"info","program":"skimwatch-agent","message":"connected"}
class LogFormatter final : public spdlog::formatter {
 public:
  enum class Format { kText, kJson };

  LogFormatter(Format format, std::string_view program) : format_(format), program_(program) {}

  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) override;
  std::unique_ptr<spdlog::formatter> clone() const override;

 private:
  const Format format_;
  const std::string program_;
};

}  // namespace skimwatch::process

#endif  // SKIMWATCH_PROTO_PROCESS_LOG_FORMATTER_H_
