#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "sqlite3.h"
#include "tests/collector/ctl/program.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/operator_server.h"

namespace skimwatch::ctl {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::Ctl;
using skimwatch::testing::OperatorServer;
using skimwatch::testing::Result;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Audit : public ::testing::Test {
 protected:
  Audit() : approver_(server_, "approver"), viewer_(server_, "viewer") {
    for (int i = 1; i <= 3; ++i) {
      const uint64_t id =
          server_.Add(CardFinding(static_cast<uint64_t>(i), {.path = absl::StrCat("/p", i)}));
      const Result closed = approver_.Run(
          {"exposures", "close", absl::StrCat(id), "--reason", absl::StrCat("dealt with ", i)});
      EXPECT_EQ(closed.code, 0) << closed.err;
    }
  }

  // As somebody does who may write to the store's file.
  void Tamper(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(server_.folder().File("store.db").c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    sqlite3_close(db);
  }
  std::string LastSeal() {
    const Result result = viewer_.Run({"audit", "verify"});
    EXPECT_THAT(result.out, StartsWith("Whole: "));
    return result.out.substr(result.out.rfind(' ') + 1, 64);
  }

  OperatorServer server_;
  Ctl approver_;
  Ctl viewer_;
};

TEST_F(Audit, ListsWhoDecidedWhatAndWhy) {
  const Result result = viewer_.Run({"audit", "list"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("exposure.close  1        dealt with 1"));
  const Result one = viewer_.Run({"audit", "list", "--subject", "2", "--output", "json"});
  const nlohmann::json answer = nlohmann::json::parse(one.out);
  ASSERT_EQ(answer["decisions"].size(), 1u);
  EXPECT_EQ(answer["decisions"][0]["reason"], "dealt with 2");
  EXPECT_EQ(answer["decisions"][0]["seal"].get<std::string>().size(), 64u);
}

TEST_F(Audit, IsWholeWhereNobodyAlteredIt) {
  const std::string seal = LastSeal();
  EXPECT_EQ(viewer_.Run({"audit", "verify", "--seal", seal}).code, 0);
  // Also when more was decided since.
  server_.Add(CardFinding(9, {.path = "/p9"}));
  ASSERT_EQ(approver_.Run({"exposures", "close", "4", "--reason", "again"}).code, 0);
  EXPECT_EQ(viewer_.Run({"audit", "verify", "--seal", seal}).code, 0);
}

TEST_F(Audit, ShowsADecisionThatWasAltered) {
  Tamper("UPDATE decisions SET reason = 'nothing to see' WHERE id = 2");
  const Result result = viewer_.Run({"audit", "verify"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("Altered: the seal of decision 2"));
}

TEST_F(Audit, ShowsADecisionThatWasTakenOut) {
  Tamper("DELETE FROM decisions WHERE id = 2");
  const Result result = viewer_.Run({"audit", "verify"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("decision 2 is missing"));
}

TEST_F(Audit, ShowsThatTheEndWasCutOffWhereItsSealWasNotedDown) {
  const std::string seal = LastSeal();
  Tamper("DELETE FROM decisions WHERE id = 3");
  EXPECT_EQ(viewer_.Run({"audit", "verify"}).code, 0);
  const Result result = viewer_.Run({"audit", "verify", "--seal", seal});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("no decision has the seal"));
}

TEST_F(Audit, TellsASealThatWasMistypedFromOneThatIsGone) {
  for (const char* const seal : {"zzz", "12345678zz", "3", "1234567", "  ", "\u2026"}) {
    const Result result = viewer_.Run({"audit", "verify", "--seal", seal});
    EXPECT_EQ(result.code, 2) << seal;
    EXPECT_EQ(result.out, "") << seal;
    EXPECT_THAT(result.err, HasSubstr("--seal: expected a seal as `audit verify` prints it"));
  }
  const std::string seal = LastSeal();
  for (const std::string& noted : {seal.substr(0, 8), " " + seal + "\n",
                                   seal.substr(0, 16) + "\u2026", seal.substr(0, 12) + "..."}) {
    EXPECT_EQ(viewer_.Run({"audit", "verify", "--seal", noted}).code, 0) << noted;
  }
}

TEST_F(Audit, VerifiesInJson) {
  const std::string seal = LastSeal();
  Result result = viewer_.Run({"audit", "verify", "--output", "json"});
  EXPECT_EQ(result.code, 0);
  nlohmann::json answer = nlohmann::json::parse(result.out);
  EXPECT_EQ(answer["whole"], true);
  EXPECT_EQ(answer["decisions"], 3);
  EXPECT_EQ(answer["last_seal"], seal);
  Tamper("DELETE FROM decisions WHERE id = 2");
  result = viewer_.Run({"audit", "verify", "--output", "json"});
  EXPECT_EQ(result.code, 1);
  answer = nlohmann::json::parse(result.out);
  EXPECT_EQ(answer["whole"], false);
  EXPECT_EQ(answer["why"], "decision 2 is missing.");
}

TEST_F(Audit, ListsWhatOnePersonDecidedAndWhatWasDecidedLately) {
  server_.Add(CardFinding(9, {.path = "/p9"}));
  ASSERT_EQ(Ctl(server_, "admin").Run({"exposures", "close", "4", "--reason", "by another"}).code,
            0);
  const auto count = [&](const std::vector<std::string>& filters) {
    std::vector<std::string> arguments = {"audit", "list", "--output", "json"};
    arguments.insert(arguments.end(), filters.begin(), filters.end());
    const Result result = viewer_.Run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    return nlohmann::json::parse(result.out)["decisions"].size();
  };
  EXPECT_EQ(count({}), 4u);
  EXPECT_EQ(count({"--who", "admin"}), 1u);
  EXPECT_EQ(count({"--who", "approver"}), 3u);
  EXPECT_EQ(count({"--who", "approver", "--limit", "2"}), 2u);
  EXPECT_EQ(count({"--since", "1h"}), 4u);
  EXPECT_EQ(count({"--since", "2099-01-01"}), 0u);
  const Result result = viewer_.Run({"audit", "list", "--since", "yesterday"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--since: found `yesterday`"));
}

}  // namespace
}  // namespace skimwatch::ctl
