#include "collector/publisher/publishers.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/publisher/signing_key.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::publisher {
namespace {

using ::testing::HasSubstr;
using testing::SigningKey;
using ::testing::SizeIs;

// 2026-01-10T00:00:00Z.
const absl::Time kNow = absl::FromUnixSeconds(1'768'003'200);

std::string Hash(char digit) { return std::string(64, digit); }

constexpr char kList[] = R"({
  "format": 1, "publisher": "chat", "serial": 7,
  "issued": "2026-01-01T00:00:00Z", "expires": "2026-02-01T00:00:00Z",
  "scripts": [
    {"script": "https://chat.example/x.js", "sha256": "HASH_A", "version": "4.1"},
    {"script": "https://chat.example/lib/*", "sha256": "HASH_B", "expires": "2026-01-20T00:00:00Z"}
  ],
  "revoked": [{"sha256": "HASH_C", "reason": "its build machine was broken into"}]
})";

std::string List(const std::vector<std::pair<absl::string_view, std::string>>& edits = {}) {
  std::string list = absl::StrReplaceAll(kList, edits);
  return absl::StrReplaceAll(list,
                             {{"HASH_A", Hash('a')}, {"HASH_B", Hash('B')}, {"HASH_C", Hash('c')}});
}

class PublishersTest : public ::testing::Test {
 protected:
  PublishersTest() {
    key_.WritePublic(folder_.File("chat.pem"));
    build_key_.WritePublic(folder_.File("build.pem"));
    config::v1::ScriptPublisher& chat = *config_.add_publishers();
    chat.set_id("chat");
    chat.add_public_keys(folder_.File("chat.pem"));
    chat.add_scripts("https://chat.example/*");
    config::v1::ScriptPublisher& build = *config_.add_publishers();
    build.set_id("build");
    build.add_public_keys(folder_.File("build.pem"));
    build.add_sites("shop");
    build.add_sites("blog");
    build.add_scripts("js/*");
  }

  absl::StatusOr<CheckedList> Check(const std::string& list, const std::string& signature,
                                    absl::Time now = kNow) {
    absl::StatusOr<Publishers> publishers = Publishers::Load(config_);
    if (!publishers.ok()) return publishers.status();
    return publishers->Check(list, signature, now);
  }
  std::string Refusal(const std::string& list, absl::Time now = kNow) {
    return std::string(Check(list, key_.Sign(list), now).status().message());
  }

  const testing::TempFolder folder_;
  const SigningKey key_;
  const SigningKey build_key_;
  config::v1::ScriptApprovals config_;
};

TEST_F(PublishersTest, TakeASignedList) {
  const absl::StatusOr<CheckedList> list = Check(List(), key_.Sign(List()));
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->publisher, "chat");
  EXPECT_EQ(list->serial, 7u);
  ASSERT_THAT(list->scripts, SizeIs(2));
  EXPECT_EQ(list->scripts[0].script(), "https://chat.example/x.js");
  EXPECT_EQ(list->scripts[0].sha256(), std::string(32, '\xaa'));
  EXPECT_EQ(list->scripts[0].site(), "");
  EXPECT_EQ(list->scripts[0].expires_at().seconds(), absl::ToUnixSeconds(list->expires));
  EXPECT_LT(list->scripts[1].expires_at().seconds(), absl::ToUnixSeconds(list->expires));
  EXPECT_EQ(list->revoked.at(std::string(32, '\xcc')), "its build machine was broken into");
}

TEST_F(PublishersTest, SpeakForTheirSitesOnly) {
  const std::string list = List({{"\"chat\"", "\"build\""},
                                 {"https://chat.example/x.js", "js/app.js"},
                                 {"https://chat.example/lib/*", "js/lib/*"}});
  const absl::StatusOr<CheckedList> checked = Check(list, build_key_.Sign(list));
  ASSERT_TRUE(checked.ok()) << checked.status();
  ASSERT_THAT(checked->scripts, SizeIs(4));
  EXPECT_EQ(checked->scripts[0].site(), "shop");
  EXPECT_EQ(checked->scripts[1].site(), "blog");
}

TEST_F(PublishersTest, SignAsOpensslDoes) {
  const std::string list = folder_.File("list.json");
  std::ofstream(list) << List();
  // As docs/approvals.md says.
  const std::string commands = absl::StrCat(
      "cd ", folder_.path(), " && openssl genpkey -algorithm ed25519 -out key.pem",
      " && openssl pkey -in key.pem -pubout -out chat.pem",
      " && openssl pkeyutl -sign -rawin -inkey key.pem -in list.json -out list.json.sig");
  ASSERT_EQ(std::system(commands.c_str()), 0);
  std::ifstream file(list + ".sig", std::ios::binary);
  const std::string signature((std::istreambuf_iterator<char>(file)), {});
  const absl::StatusOr<CheckedList> checked = Check(List(), signature);
  EXPECT_TRUE(checked.ok()) << checked.status();
}

TEST_F(PublishersTest, RefuseWhatNobodySigned) {
  const std::string list = List();
  const std::string signature = key_.Sign(list);
  std::string other = list;
  other[other.find('7')] = '8';
  EXPECT_THAT(std::string(Check(other, signature).status().message()),
              HasSubstr("signature: by none of the publishers' keys (chat, build)"));
  for (size_t i = 0; i < signature.size(); ++i) {
    std::string altered = signature;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(Check(list, altered).ok()) << i;
  }
  EXPECT_THAT(std::string(Check(list, signature.substr(1)).status().message()),
              HasSubstr("signature: 63 bytes, expected 64"));
  EXPECT_THAT(std::string(Check(list, "").status().message()), HasSubstr("expected 64"));
}

TEST_F(PublishersTest, RefuseAListOfAnotherOne) {
  EXPECT_THAT(Refusal(List({{"\"chat\"", "\"build\""}})),
              HasSubstr("publisher: found `build`, but the signature is by chat"));
}

TEST_F(PublishersTest, NameTheFieldThatIsWrong) {
  struct Case {
    const char* from;
    const char* to;
    const char* said;
  };
  constexpr Case kCases[] = {
      {"\"format\": 1", "\"format\": 2", "format: found 2"},
      {"\"serial\": 7", "\"serial\": 0", "serial: missing"},
      {"\"serial\": 7", "\"serial\": -7", "no list in JSON"},
      {"2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z", "issued: 2026-01-11T00:00:00Z is in the"},
      {"2026-01-01T00:00:00Z", "yesterday", "no list in JSON"},
      {"2026-02-01T00:00:00Z", "2025-12-01T00:00:00Z", "expires: not later than `issued`"},
      {"2026-02-01T00:00:00Z", "2026-01-09T00:00:00Z", "expires: the list expired on 2026-01-09"},
      {"2026-01-20T00:00:00Z", "2026-02-02T00:00:00Z", "scripts[1].expires: later than the list's"},
      {"HASH_A", "abc", "scripts[0].sha256: found `abc`, expected the SHA-256"},
      {"HASH_C", "xyz", "revoked[0].sha256: found `xyz`"},
      {"HASH_C", "HASH_B", "scripts[1].sha256: is among `revoked`, too"},
      {"its build machine was broken into", "", "revoked[0].reason: missing"},
      {"https://chat.example/x.js", "https://pay.example/x.js",
       "scripts[0].script: chat may not speak for `https://pay.example/x.js`, only for "
       "https://chat.example/*"},
      {"https://chat.example/lib/*", "https://*", "scripts[1].script: has a `*` before"},
      {"\"version\"", "\"versoin\"", "no list in JSON"},
      {"\"scripts\": [", "\"scripts\": [[", "no list in JSON"},
  };
  for (const Case& one : kCases) {
    EXPECT_THAT(Refusal(List({{one.from, one.to}})), HasSubstr(one.said)) << one.to;
  }
  EXPECT_THAT(Refusal(std::string(kListBytesMax + 1, ' ')), HasSubstr("list: 1048577 bytes"));
  EXPECT_THAT(Refusal("\xff\xfe"), HasSubstr("list: not UTF-8"));
  EXPECT_THAT(Refusal(""), HasSubstr("list"));
}

TEST_F(PublishersTest, KeepAListInForceWhoseTimeIsOverWithoutItsEntries) {
  const std::string list = List();
  absl::StatusOr<Publishers> publishers = Publishers::Load(config_);
  ASSERT_TRUE(publishers.ok());
  const auto stored = publishers->CheckStored(list, key_.Sign(list), kNow + absl::Hours(24 * 365));
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_THAT(stored->scripts, SizeIs(0));
}

TEST_F(PublishersTest, RefuseKeysThatAreNone) {
  config_.mutable_publishers(0)->set_public_keys(0, folder_.File("missing.pem"));
  EXPECT_THAT(std::string(Publishers::Load(config_).status().message()),
              HasSubstr("script_approvals.publishers: chat: public_keys: "));
  std::ofstream(folder_.File("garbage.pem")) << "-----BEGIN PUBLIC KEY-----\nAAAA\n";
  config_.mutable_publishers(0)->set_public_keys(0, folder_.File("garbage.pem"));
  EXPECT_THAT(std::string(Publishers::Load(config_).status().message()),
              HasSubstr("no public key in PEM"));
  SigningKey(EVP_PKEY_ED448).WritePublic(folder_.File("other.pem"));
  config_.mutable_publishers(0)->set_public_keys(0, folder_.File("other.pem"));
  EXPECT_THAT(std::string(Publishers::Load(config_).status().message()),
              HasSubstr("not an Ed25519 key"));
}

// Whatever a signer writes: an answer, and never a script that it may not speak for.
TEST_F(PublishersTest, SurviveWhateverIsSigned) {
  std::mt19937 random(1);
  const std::string good = List();
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string list = good;
    for (int edits = std::uniform_int_distribution<>(1, 4)(random); edits > 0; --edits) {
      const size_t at = std::uniform_int_distribution<size_t>(0, list.size() - 1)(random);
      switch (std::uniform_int_distribution<>(0, 3)(random)) {
        case 0:
          list[at] = static_cast<char>(std::uniform_int_distribution<>(0, 255)(random));
          break;
        case 1:
          list.erase(at, std::uniform_int_distribution<size_t>(1, 40)(random));
          break;
        case 2:
          list.insert(
              at,
              good.substr(std::uniform_int_distribution<size_t>(0, good.size() - 1)(random), 30));
          break;
        default:
          list[at] = "0123456789*\"{}[],:"[std::uniform_int_distribution<size_t>(0, 17)(random)];
      }
      if (list.empty()) list = " ";
    }
    const absl::StatusOr<CheckedList> checked =
        ListReader(config_.publishers(0), kNow, /*is_stored=*/false).Read(list);
    if (!checked.ok()) {
      EXPECT_FALSE(checked.status().message().empty());
      continue;
    }
    ++taken;
    EXPECT_EQ(checked->publisher, "chat");
    for (const v1::PublishedScript& script : checked->scripts) {
      EXPECT_TRUE(script.script().starts_with("https://chat.example/")) << script.script();
      EXPECT_EQ(script.sha256().size(), 32u);
    }
  }
  // Some edits leave a list that is one.
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace skimwatch::publisher
