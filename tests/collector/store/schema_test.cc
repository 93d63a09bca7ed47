#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/store/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/audit/seal.h"
#include "sqlite3.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::store {
namespace {

using ::testing::HasSubstr;

// Runs SQL on a file as a program of its own would.
void Execute(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_free(error);
  sqlite3_close(db);
}

absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path) {
  Options options;
  options.config.set_path(path);
  return OpenSqliteStore(std::move(options));
}

class Schema : public ::testing::Test {
 protected:
  const testing::TempFolder folder_;
  const std::string path_ = folder_.File("store.db");
};

// A store of the first schema, with an exposure that was sampled.
std::string FirstSchema() {
  v1::Exposure exposure;
  exposure.set_site("shop");
  exposure.set_kind(v1::FINDING_KIND_CARD_NUMBER);
  exposure.set_severity(v1::SEVERITY_HIGH);
  exposure.set_state(v1::Exposure::STATE_OPEN);
  exposure.set_distinct_cards(3);
  exposure.set_occurrences(12);
  exposure.set_estimated_occurrences(120.5);
  exposure.set_sampled(true);
  return absl::StrCat(
      testing::ReadFile(std::string(SKIMWATCH_SOURCE_DIR) + "/tests/data/store-schema-1.sql"),
      "INSERT INTO exposures VALUES (7, 'shop', ", static_cast<int>(exposure.kind()),
      ", 'POST /collect', 'cdn.example', 1, ", static_cast<int>(exposure.severity()),
      ", 3, 1767225600000000, 1767225600000000, x'",
      absl::BytesToHexString(exposure.SerializeAsString()),
      "');"
      "INSERT INTO sightings VALUES (x'01', 1, 7, 1767225600000000, 1767225600000000, 2),"
      " (x'02', 1, 7, 1767226000000000, 1767226000000000, 1),"
      " (x'', 1, 7, 1767225600000000, 1767225600000000, 9),"
      " (x'01', 2, 0, 1767225600000000, 1767225600000000, 1);");
}

TEST_F(Schema, OfAnOlderProgramIsBroughtUpToDateWithWhatIsInIt) {
  Execute(path_, FirstSchema());
  for (int opened = 0; opened < 2; ++opened) {
    auto store = Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ(*(*store)->PolicyVersion(), 1u);
    auto decisions = (*store)->ListDecisions({});
    ASSERT_TRUE(decisions.ok()) << decisions.status();
    ASSERT_EQ(decisions->decisions_size(), 2);
    std::string seal = audit::FirstSeal();
    for (const v1::Decision& decision : decisions->decisions()) {
      seal = audit::Seal(seal, decision);
      EXPECT_EQ(decision.seal(), seal) << decision.id();
    }
    EXPECT_EQ(decisions->decisions(0).who(), "spiffe://shop/operator/alice");
    const auto summary = (*store)->Summarize();
    ASSERT_TRUE(summary.ok()) << summary.status();
    ASSERT_EQ(summary->open_exposures.size(), 1u);
    EXPECT_EQ(summary->open_exposures[0].distinct_cards, 3u);
    EXPECT_DOUBLE_EQ(summary->open_exposures[0].estimated_occurrences, 120.5);
    EXPECT_TRUE(summary->open_exposures[0].sampled);
    EXPECT_TRUE((*store)->ListDestinations({}).ok());
    EXPECT_TRUE((*store)->ReadChanges({}, 10).ok());
    EXPECT_TRUE((*store)->ListCoverage(absl::UnixEpoch(), absl::Now()).ok());
    // Two cards in the hour of their first sighting; that without a fingerprint is none.
    const auto growth = (*store)->ListGrowth(7);
    ASSERT_TRUE(growth.ok()) << growth.status();
    ASSERT_EQ(growth->size(), 1u);
    EXPECT_EQ(growth->front().new_cards(), 2u);
    EXPECT_EQ(growth->front().start().seconds(), 1'767'225'600);
  }
}

TEST_F(Schema, OfANewerProgramIsRefused) {
  ASSERT_TRUE(Open(path_).ok());
  Execute(path_, "PRAGMA user_version = 1000");
  const auto store = Open(path_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("schema version 1000"));
}

TEST_F(Schema, StaysAsItWasWhereItCanNotBeBroughtUpToDate) {
  // In the way of the last step.
  Execute(path_, FirstSchema() + "CREATE TABLE destinations (something TEXT);");
  EXPECT_FALSE(Open(path_).ok());
  Execute(path_, "DROP TABLE destinations");
  auto store = Open(path_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->ListDecisions({})->decisions_size(), 2);
}

}  // namespace
}  // namespace skimwatch::store
