#include <string>

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

TEST_F(Schema, OfAnOlderProgramIsBroughtUpToDateWithWhatIsInIt) {
  Execute(path_,
          testing::ReadFile(std::string(SKIMWATCH_SOURCE_DIR) + "/tests/data/store-schema-1.sql"));
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
    EXPECT_TRUE((*store)->ListDestinations({}).ok());
    EXPECT_TRUE((*store)->ListCoverage(absl::UnixEpoch(), absl::Now()).ok());
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
  Execute(path_, absl::StrCat(testing::ReadFile(std::string(SKIMWATCH_SOURCE_DIR) +
                                                "/tests/data/store-schema-1.sql"),
                              // In the way of the last step.
                              "CREATE TABLE coverage_hours (something TEXT);"));
  EXPECT_FALSE(Open(path_).ok());
  Execute(path_, "DROP TABLE coverage_hours");
  auto store = Open(path_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->ListDecisions({})->decisions_size(), 2);
}

}  // namespace
}  // namespace skimwatch::store
