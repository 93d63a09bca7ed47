#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/process/log_formatter.h"
#include "proto/process/process.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace skimwatch::process {

absl::Status SetUpLogging(const config::v1::Logging& logging, std::string_view program) {
  spdlog::level::level_enum level = spdlog::level::info;
  if (logging.level() == "debug") {
    level = spdlog::level::debug;
  } else if (logging.level() == "warning") {
    level = spdlog::level::warn;
  } else if (logging.level() == "error") {
    level = spdlog::level::err;
  } else if (!logging.level().empty() && logging.level() != "info") {
    return absl::InvalidArgumentError(absl::StrCat("logging.level: found `", logging.level(),
                                                   "`, expected debug, info, warning or error"));
  }
  LogFormatter::Format format = LogFormatter::Format::kText;
  if (logging.format() == "json") {
    format = LogFormatter::Format::kJson;
  } else if (!logging.format().empty() && logging.format() != "text") {
    return absl::InvalidArgumentError(
        absl::StrCat("logging.format: found `", logging.format(), "`, expected text or json"));
  }
  auto logger = std::make_shared<spdlog::logger>(std::string(program),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<LogFormatter>(format, program));
  logger->set_level(level);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace skimwatch::process
