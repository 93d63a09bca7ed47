// What an operator sets about cards (scan.brand_table, scan.mask, scan.fingerprint), by the real
// programs: from the configuration to what the collector stores and skimwatchctl says.

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"

namespace skimwatch::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class CardSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(deployment_.StartCollector());
    std::ofstream(log_) << "started\n";
  }

  // Starts the agent with lines of `scan`, and lets a card be logged.
  void WatchWith(const std::string& scan) {
    deployment_.agent_yaml = absl::StrCat("sources: { log_files: [{ paths: [", log_,
                                          "] }] }\nscan:\n  fold_window_seconds: 1\n", scan);
    ASSERT_NO_FATAL_FAILURE(deployment_.StartAgentAndWait());
    std::ofstream(log_, std::ios::app) << "card_number=" << CardNumber(1) << "&exp=12/29\n";
    ASSERT_TRUE(testing::WaitUntil([this] { return !deployment_.Findings().empty(); }));
  }

  v1::Card Stored() {
    const std::vector<v1::StoredFinding> findings = deployment_.Findings();
    EXPECT_THAT(findings, SizeIs(1));
    return findings.empty() ? v1::Card() : findings[0].finding().card_number().card();
  }

  // Runs the agent's program on a configuration with lines of `scan`.
  testing::Result RunAgent(const std::string& scan, const std::string& flag) const {
    const std::string file = deployment_.root() + "/agent.yaml";
    std::ofstream(file) << "sites: [{ name: shop }]\n"
                           "collector: { address: 127.0.0.1:1, tls: { plaintext: true } }\n"
                           "sources: { log_files: [{ paths: [/nowhere/*.log] }] }\n"
                           "state_directory: "
                        << deployment_.root() << "/state\nscan:\n"
                        << scan;
    return testing::RunProgram(
        {.command = {SKIMWATCH_BIN_DIR "/skimwatch-agent", "--config", file, flag},
         .environment = testing::SanitizerEnvironment()});
  }

  std::string WriteBrands(const std::string& yaml) const {
    const std::string path = deployment_.root() + "/brands.yaml";
    std::ofstream(path) << yaml;
    return path;
  }

  Deployment deployment_;
  const std::string log_ = deployment_.site_folder() + "/app.log";
};

TEST_F(CardSettings, BrandsOfAFileNameTheCardsThatAreStored) {
  const std::string brands =
      WriteBrands("ranges: [{brand: house-card, first: \"400001\", lengths: \"16\"}]\n");
  ASSERT_NO_FATAL_FAILURE(WatchWith("  brand_table: " + brands + "\n  mask: first8last4\n"));
  EXPECT_EQ(Stored().brand(), "house-card");
  // Its issuer numbers have six digits.
  EXPECT_EQ(Stored().masked().find('*'), 6u);
  EXPECT_THAT(deployment_.agent().Log(), HasSubstr(brands + ": 1 ranges of 1 brands"));
  EXPECT_THAT(deployment_.Exposures().at(0).brands(), ::testing::ElementsAre("house-card"));
}

TEST_F(CardSettings, MasksShowEightDigitsOfABrandThatHasThem) {
  ASSERT_NO_FATAL_FAILURE(WatchWith("  mask: first8last4\n"));
  EXPECT_EQ(Stored().brand(), "visa");
  const std::string number = CardNumber(1);
  EXPECT_EQ(Stored().masked(), number.substr(0, 8) + "****" + number.substr(12));
  EXPECT_THAT(Stored().fingerprint(), SizeIs(32));
}

TEST_F(CardSettings, FingerprintsThatAreOffAreMissedWhereTheyWouldBeUsed) {
  ASSERT_NO_FATAL_FAILURE(WatchWith("  fingerprint: false\n"));
  EXPECT_THAT(Stored().fingerprint(), IsEmpty());
  EXPECT_THAT(Stored().masked(), Not(IsEmpty()));
  const std::vector<v1::Exposure> exposures = deployment_.Exposures();
  ASSERT_THAT(exposures, SizeIs(1));
  EXPECT_EQ(exposures[0].distinct_cards(), 0u);
  EXPECT_EQ(exposures[0].occurrences_without_fingerprint(), 1u);
  EXPECT_THAT(deployment_.Ctl({"exposures", "list"}).out, HasSubstr(" >=0 "));
  // As the configuration wants it, so it is no lack of a key.
  EXPECT_EQ(deployment_.AgentMetric("skimwatch_findings_without_fingerprint_total"), 0);
}

TEST_F(CardSettings, AreShownAndCheckedBeforeAStart) {
  testing::Result result = RunAgent("  mask: last4\n", "--print-config");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("brand_table: built-in\n"));
  EXPECT_THAT(result.out, HasSubstr("fingerprint: true\n"));
  result = RunAgent("  mask: last4\n", "--check-config");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              ::testing::ContainsRegex("^brand table built-in: [0-9]+ ranges of [0-9]+ brands\n"));

  const std::string brands = WriteBrands("ranges: [{brand: b, first: \"4\", lengths: \"16\"}]\n");
  result = RunAgent("  brand_table: " + brands + "\n", "--check-config");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("brand table " + brands + ": 1 ranges of 1 brands\n"));
  result = RunAgent("  brand_table: " + brands + "\n", "--print-config");
  EXPECT_THAT(result.out, HasSubstr("brand_table: " + brands + "\n"));

  WriteBrands("ranges:\n  - {brand: b, first: \"4\", lengths: \"16\", luhn: never}\n");
  result = RunAgent("  brand_table: " + brands + "\n", "--check-config");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("scan.brand_table: " + brands + ":2:"));
  EXPECT_THAT(result.err, HasSubstr("ranges[0].luhn: found `never`, expected one of: required"));
  result = RunAgent("  brand_table: /nowhere/brands.yaml\n", "--check-config");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("/nowhere/brands.yaml"));
}

}  // namespace
}  // namespace skimwatch::integration
