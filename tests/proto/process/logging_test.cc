#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/process/process.h"
#include "spdlog/spdlog.h"

namespace skimwatch::process {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

config::v1::Logging Settings(const std::string& level, const std::string& format) {
  config::v1::Logging logging;
  logging.set_level(level);
  logging.set_format(format);
  return logging;
}

// What the program writes to standard error.
std::vector<std::string> LinesOf(const config::v1::Logging& logging, void (*log)()) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(SetUpLogging(logging, "skimwatch-test").ok());
  log();
  return absl::StrSplit(::testing::internal::GetCapturedStderr(), '\n', absl::SkipEmpty());
}

TEST(Logging, IsOneLineAnEvent) {
  const auto lines = LinesOf(Settings("", ""), [] {
    spdlog::info("connected to {}", "a\nb\x1b[2J");
    spdlog::debug("not shown");
    spdlog::warn("careful");
    spdlog::error("failed");
  });
  ASSERT_EQ(lines.size(), 3u);
  const std::string time = "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z ";
  EXPECT_THAT(lines[0],
              MatchesRegex(time + "info skimwatch-test: connected to a\\\\nb\\\\x1b\\[2J"));
  EXPECT_THAT(lines[1], MatchesRegex(time + "warning skimwatch-test: careful"));
  EXPECT_THAT(lines[2], MatchesRegex(time + "error skimwatch-test: failed"));
}

TEST(Logging, IsJsonWhenAskedFor) {
  const auto lines = LinesOf(Settings("debug", "json"), [] {
    spdlog::debug("quoted \"{}\"", "a\nb\\\xff");
    spdlog::info("{}", std::string(100'000, 'x'));
  });
  ASSERT_EQ(lines.size(), 2u);
  const nlohmann::json event = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(event["level"], "debug");
  EXPECT_EQ(event["program"], "skimwatch-test");
  EXPECT_EQ(event["message"], "quoted \"a\nb\\\ufffd\"");
  EXPECT_THAT(event["time"].get<std::string>(), MatchesRegex("[-0-9]+T[:0-9.]+Z"));
  EXPECT_EQ(nlohmann::json::parse(lines[1])["message"].get<std::string>().size(), 100'000u);
}

TEST(Logging, ShowsNoCardNumberWhateverItIsAskedToLog) {
  for (const char* format : {"text", "json"}) {
    const auto lines = LinesOf(Settings("", format), [] {
      spdlog::warn("order-{}.samples is broken at offset {}", "4111111111111111", 1234567890123456);
      spdlog::warn("{}", "/srv/4111 1111 1111 1111");
    });
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_THAT(lines[0], HasSubstr("order-****************.samples is broken at offset "
                                    "1234567890123456"));
    EXPECT_THAT(lines[1], HasSubstr("/srv/**** **** **** ****"));
  }
}

TEST(Logging, KeepsToItsLevel) {
  const auto log = [] {
    spdlog::debug("d");
    spdlog::info("i");
    spdlog::warn("w");
    spdlog::error("e");
  };
  EXPECT_EQ(LinesOf(Settings("debug", ""), log).size(), 4u);
  EXPECT_EQ(LinesOf(Settings("info", ""), log).size(), 3u);
  EXPECT_EQ(LinesOf(Settings("warning", ""), log).size(), 2u);
  EXPECT_EQ(LinesOf(Settings("error", ""), log).size(), 1u);
}

TEST(Logging, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(SetUpLogging(Settings("verbose", ""), "p"),
            absl::InvalidArgumentError(
                "logging.level: found `verbose`, expected debug, info, warning or error"));
  EXPECT_EQ(SetUpLogging(Settings("", "xml"), "p"),
            absl::InvalidArgumentError("logging.format: found `xml`, expected text or json"));
}

}  // namespace
}  // namespace skimwatch::process
