#include "tests/e2e/incident/shoppers.h"

#include <algorithm>
#include <regex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/support/browser_site.h"
#include "tests/integration/support/cards.h"
#include "tests/support/daemon.h"
#include "tests/support/nginx.h"

namespace skimwatch::e2e {
namespace {

constexpr char kScript[] = SKIMWATCH_SOURCE_DIR "/tests/e2e/incident/shoppers.mjs";

bool HasLine(const std::string& out, const std::string& line) {
  const std::vector<std::string> lines = absl::StrSplit(out, '\n');
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

// The line that says why a visit failed; empty where it did not.
std::string FailureOf(const std::string& out, const std::string& id) {
  const std::vector<std::string> lines = absl::StrSplit(out, '\n');
  const std::string mark = absl::StrCat(id, " failed: ");
  for (const std::string& line : lines) {
    if (line.starts_with(mark)) return line;
  }
  return "";
}

// What the browser logged, without what could hold a card: queries, and long runs of digits.
std::string BrowserLog(const std::string& path) {
  return std::regex_replace(testing::ReadFile(path), std::regex("\\?[^ \n]*|[0-9]{12,}"), "#");
}

}  // namespace

bool Shoppers::ArePossible() {
  return integration::BrowserSite::HasChromium() && !testing::Where("node").empty();
}

Shoppers::Shoppers(const std::string& key_digest)
    : process_(std::make_unique<testing::ChildProcess>(testing::ChildProcess::Options{
          .command = {testing::Where("node"), kScript, "/usr/bin/chromium", profile_.path(),
                      key_digest},
          .environment = {"PATH=/usr/bin:/bin", "HOME=" + profile_.path()},
          .patience = absl::Seconds(60)})) {}

Shoppers::~Shoppers() {
  process_->CloseInput();
  process_->Wait();
}

void Shoppers::Go(const std::vector<Visit>& visits) {
  std::vector<std::pair<std::string, std::string>> awaited;
  for (const Visit& visit : visits) {
    const std::string id = absl::StrCat("shopper-", ++visits_);
    nlohmann::json command = {
        {"id", id}, {"url", visit.url}, {"address", visit.address}, {"port", visit.port}};
    if (!visit.referrer.empty()) command["referrer"] = visit.referrer;
    if (visit.card.has_value()) {
      command["card"] = integration::CardNumber(*visit.card);
      command["expiry"] = "12/30";
      command["cvc"] = "123";
    }
    process_->Write(command.dump() + "\n");
    awaited.emplace_back(id, absl::StrCat(id, visit.card.has_value() ? " paid" : " opened"));
  }
  std::string said;
  process_->ReadUntil([&](const std::string& out) {
    said = out;
    return std::all_of(awaited.begin(), awaited.end(), [&](const auto& one) {
      return HasLine(out, one.second) || !FailureOf(out, one.first).empty();
    });
  });
  for (const auto& [id, line] : awaited) {
    EXPECT_TRUE(HasLine(said, line)) << id << ": " << FailureOf(said, id) << "\n"
                                     << BrowserLog(profile_.File("log"));
  }
}

void Shoppers::Leave() {
  ++leavings_;
  process_->Write("{\"close\": true}\n");
  EXPECT_TRUE(process_->ReadUntil([&](const std::string& out) {
    const std::vector<std::string> lines = absl::StrSplit(out, '\n');
    return static_cast<size_t>(std::count(lines.begin(), lines.end(), "closed")) >= leavings_;
  }));
}

}  // namespace skimwatch::e2e
