#include "proto/process/log_formatter.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/text/printable.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::process {
namespace {

absl::string_view LevelName(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warning";
    default:
      return "error";
  }
}

}  // namespace

void LogFormatter::format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& line) {
  std::string message(event.payload.data(), event.payload.size());
  // Whoever logs a name that others chose takes numbers out of it in every encoding; this is for
  // the one who forgets.
  validation::MaskCardNumbers(message);
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(event.time), absl::UTCTimeZone());
  const std::string out =
      format_ == Format::kJson
          ? absl::StrCat("{\"time\":\"", time, "\",\"level\":\"", LevelName(event.level),
                         "\",\"program\":\"", text::JsonEscaped(program_), "\",\"message\":\"",
                         text::JsonEscaped(message), "\"}\n")
          : absl::StrCat(time, " ", LevelName(event.level), " ", text::Printable(program_), ": ",
                         text::Printable(message), "\n");
  line.append(out.data(), out.data() + out.size());
}

std::unique_ptr<spdlog::formatter> LogFormatter::clone() const {
  return std::make_unique<LogFormatter>(format_, program_);
}

}  // namespace skimwatch::process
