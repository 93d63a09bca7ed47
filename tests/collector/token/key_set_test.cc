#include "collector/token/key_set.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/token/token_key.h"

namespace skimwatch::token {
namespace {

using ::testing::HasSubstr;
using testing::Jwks;
using testing::TokenKey;

TEST(KeySet, LeavesOutWhatSignsNoTokens) {
  const TokenKey good("P-256", "good");
  const std::vector<std::string> useless = {R"({"kty":"oct","k":"c2VjcmV0"})",
                                            good.Jwk(R"("use":"enc")"),
                                            good.Jwk(R"("use":5)"),
                                            good.Jwk(R"("key_ops":["encrypt"])"),
                                            good.Jwk(R"("alg":"HS256")"),
                                            good.Jwk(R"("alg":"ES384")"),
                                            TokenKey("RSA", "short", 1024).Jwk(),
                                            R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
                                            R"({"kty":"RSA"})",
                                            R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})",
                                            R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})",
                                            R"({"kty":"OKP","crv":"Ed25519","x":"AA"})",
                                            R"({"kty":"OKP","crv":"X25519","x":"AA"})",
                                            "{}",
                                            "5",
                                            "null"};
  for (const std::string& key : useless) {
    const absl::StatusOr<KeySet> keys = KeySet::Parse(Jwks({key, good.Jwk()}));
    ASSERT_TRUE(keys.ok()) << key << ": " << keys.status();
    EXPECT_EQ(keys->size(), 1u) << key;
    EXPECT_EQ(keys->skipped(), 1u) << key;
    EXPECT_THAT(std::string(KeySet::Parse(Jwks({key})).status().message()),
                HasSubstr("has no key that tokens can be checked with"))
        << key;
  }
}

TEST(KeySet, RefusesWhatIsNoSetOfPublicKeys) {
  const TokenKey key("P-256", "a");
  const std::pair<std::string, const char*> cases[] = {
      {"", "is no JWKS"},
      {"[]", "is no JWKS"},
      {"{}", "is no JWKS"},
      {R"({"keys":{}})", "is no JWKS"},
      {R"({"keys":[]})", "has no key"},
      {R"({"keys":[],"keys":[]})", "is no JWKS"},
      {Jwks({key.Jwk(R"("d":"AAAA")")}), "is a private key"},
      {Jwks(std::vector<std::string>(257, "{}")), "more than 256 keys"},
      {std::string(KeySet::kBytesMax + 1, ' '), "is larger than"}};
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(std::string(KeySet::Parse(text).status().message()), HasSubstr(message))
        << text.substr(0, 60);
  }
}

TEST(KeySet, TakesATokenWithoutKeyIdWhereOneKeyFits) {
  const TokenKey ec("P-256", "a");
  const TokenKey ed("Ed25519", "b");
  const std::string token = ec.Sign("ES256", R"({"alg":"ES256"})", "{}");
  absl::StatusOr<KeySet> keys = KeySet::Parse(Jwks({ec.Jwk(), ed.Jwk()}));
  ASSERT_TRUE(keys.ok());
  EXPECT_TRUE(keys->Verify({.algorithm = "ES256"}, token).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(keys->Verify({.algorithm = "EdDSA"}, token)));
  EXPECT_TRUE(absl::IsNotFound(keys->Verify({.algorithm = "RS256"}, token)));
  keys = KeySet::Parse(Jwks({ec.Jwk(), TokenKey("P-256", "c").Jwk()}));
  ASSERT_TRUE(keys.ok());
  const absl::Status status = keys->Verify({.algorithm = "ES256"}, token);
  EXPECT_TRUE(absl::IsUnauthenticated(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("several keys"));
}

}  // namespace
}  // namespace skimwatch::token
