#include "collector/token/issuers.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collector/token/token_reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/token/token_key.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::token {
namespace {

using testing::Base64Url;
using testing::ClaimsOfAlice;
using ::testing::HasSubstr;
using testing::Jwks;
using testing::TokenKey;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

// Making RSA keys takes a while.
struct Keys {
  TokenKey rsa{"RSA", "rsa"};
  TokenKey p256{"P-256", "p256"};
  TokenKey p384{"P-384", "p384"};
  TokenKey p521{"P-521", "p521"};
  TokenKey ed25519{"Ed25519", "ed"};
  TokenKey stranger{"RSA", "rsa"};
  TokenKey stranger_p256{"P-256", "p256"};
};
const Keys& TheKeys() {
  static const Keys* const keys = new Keys;
  return *keys;
}

std::string TheJwks() {
  const Keys& keys = TheKeys();
  return Jwks({keys.rsa.Jwk(R"("use":"sig")"), keys.p256.Jwk(R"("alg":"ES256")"), keys.p384.Jwk(),
               keys.p521.Jwk(), keys.ed25519.Jwk(R"("key_ops":["verify"])"),
               R"({"kty":"oct","kid":"secret","k":"c2VjcmV0"})"});
}

class IssuersTest : public ::testing::Test {
 protected:
  void WriteKeys(const std::string& jwks) {
    std::ofstream(folder_.File("new")) << jwks;
    std::filesystem::rename(folder_.File("new"), folder_.File("jwks.json"));
  }

  config::v1::CollectorConfig Config() const {
    config::v1::CollectorConfig config;
    config::v1::TokenIssuer& issuer = *config.add_token_issuers();
    issuer.set_issuer("https://login.example.com");
    issuer.set_audience("skimwatch");
    issuer.set_jwks_file(folder_.File("jwks.json"));
    issuer.set_name_claim("sub");
    issuer.set_leeway_seconds(60);
    return config;
  }

  void Open() { Open(Config()); }
  // Waits until the keys are there.
  void Open(const config::v1::CollectorConfig& config) {
    if (!std::filesystem::exists(folder_.File("jwks.json"))) WriteKeys(TheJwks());
    issuers_ = std::make_unique<Issuers>(config, [] { return kNow; });
    const std::string token = TheKeys().p256.Token("ES256", ClaimsOfAlice(kNow));
    testing::WaitUntil([&] { return !absl::IsUnavailable(issuers_->Check(token).status()); });
  }

  absl::StatusOr<Token> Check(std::string_view token) { return issuers_->Check(token); }

  testing::TempFolder folder_;
  std::unique_ptr<Issuers> issuers_;
};

TEST_F(IssuersTest, TakeTokensOfEveryAlgorithm) {
  Open();
  const Keys& keys = TheKeys();
  const std::pair<const TokenKey*, const char*> cases[] = {
      {&keys.rsa, "RS256"},  {&keys.rsa, "RS384"},    {&keys.rsa, "RS512"},  {&keys.rsa, "PS256"},
      {&keys.rsa, "PS384"},  {&keys.rsa, "PS512"},    {&keys.p256, "ES256"}, {&keys.p384, "ES384"},
      {&keys.p521, "ES512"}, {&keys.ed25519, "EdDSA"}};
  for (const auto& [key, algorithm] : cases) {
    const absl::StatusOr<Token> token = Check(key->Token(algorithm, ClaimsOfAlice(kNow)));
    ASSERT_TRUE(token.ok()) << algorithm << ": " << token.status();
    EXPECT_EQ(token->identity, "oidc:login.example.com#alice");
    EXPECT_EQ(token->issuer, "https://login.example.com");
    EXPECT_EQ(token->expires, kNow + absl::Seconds(660));
    EXPECT_TRUE(token->Has("groups", "payments-oncall"));
    EXPECT_FALSE(token->Has("groups", "payments"));
    EXPECT_FALSE(token->Has("group", "payments-oncall"));
  }
}

struct Forged {
  std::string name;
  std::string token;
  std::string message;
};

std::string Flipped(std::string token, size_t from_end) {
  char& c = token[token.size() - from_end];
  c = c == 'A' ? 'B' : 'A';
  return token;
}

std::string With(std::string claims, const std::string& from, const std::string& to) {
  EXPECT_THAT(claims, HasSubstr(from));
  return absl::StrReplaceAll(claims, {{from, to}});
}

std::vector<Forged> ForgedTokens() {
  const Keys& keys = TheKeys();
  const std::string good = ClaimsOfAlice(kNow);
  const std::string exp = absl::StrCat(absl::ToUnixSeconds(kNow) + 600);
  const std::string iat = absl::StrCat(absl::ToUnixSeconds(kNow));
  const auto signed_as = [&](const std::string& claims) {
    return keys.p256.Token("ES256", claims);
  };
  const auto headed = [&](const std::string& header) {
    return keys.p256.Sign("ES256", header, good);
  };
  const std::string token = signed_as(good);
  std::string many;
  for (int i = 0; i < 2100; ++i) many += "1,";
  std::string deep = "1";
  for (int i = 0; i < 20; ++i) deep = absl::StrCat("{\"a\":", deep, "}");
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  return {
      {"AlgorithmNone", keys.rsa.Token("none", good), "'none' of its signature is not taken"},
      {"AlgorithmNoneInCapitals", keys.rsa.Sign("none", R"({"alg":"NONE"})", good), "is not taken"},
      {"AlgorithmNoneWithSignature", keys.rsa.Sign("RS256", R"({"alg":"none"})", good),
       "is not taken"},
      {"HmacWithThePublicKey", keys.rsa.Token("HS256", good), "'HS256' of its signature"},
      {"NoAlgorithm", headed(R"({"kid":"p256"})"), "is not taken"},
      {"AlgorithmNoText", headed(R"({"alg":5,"kid":"p256"})"), "is not taken"},
      {"Encryption", headed(R"({"alg":"RSA-OAEP","enc":"A128GCM"})"), "is not taken"},
      {"SignedByAnother", keys.stranger.Token("RS256", good), "signature is not the issuer's"},
      {"SignedByAnotherOnTheSameCurve", keys.stranger_p256.Token("ES256", good),
       "signature is not the issuer's"},
      {"OtherRsaPadding", keys.rsa.Sign("PS256", R"({"alg":"RS256","kid":"rsa"})", good),
       "signature is not the issuer's"},
      {"WrongCurve", keys.p384.Sign("ES256", R"({"alg":"ES256","kid":"p384"})", good),
       "'p384' makes no signatures of ES256"},
      {"EcSignatureOfAnRsaKey", keys.p256.Sign("ES256", R"({"alg":"ES256","kid":"rsa"})", good),
       "'rsa' makes no signatures of ES256"},
      {"KeyWithoutId", keys.stranger_p256.Sign("ES256", R"({"alg":"ES256"})", good),
       "signature is not the issuer's"},
      {"SymmetricKeyOfTheSet", keys.p256.Sign("ES256", R"({"alg":"ES256","kid":"secret"})", good),
       "no key 'secret'"},
      {"KeyIdNoText", headed(R"({"alg":"ES256","kid":1})"), "names no key"},
      {"KeyInTheHeader",
       keys.stranger_p256.Sign(
           "ES256",
           absl::StrCat(R"({"alg":"ES256","kid":"p256","jwk":)", keys.stranger_p256.Jwk(), "}"),
           good),
       "signature is not the issuer's"},
      {"Critical", headed(R"({"alg":"ES256","kid":"p256","crit":["b64"],"b64":false})"),
       "not understood"},
      {"AnotherType", headed(R"({"alg":"ES256","kid":"p256","typ":"logout+jwt"})"), "(typ)"},
      {"AlgorithmTwice", headed(R"({"alg":"ES256","alg":"none","kid":"p256"})"), "twice"},
      {"WrongIssuer", signed_as(With(good, "login.example.com", "evil.example.com")),
       "is none of the collector's `token_issuers`"},
      {"IssuerWithSlash", signed_as(With(good, "login.example.com", "login.example.com/")),
       "is none of"},
      {"NoIssuer", signed_as(With(good, "\"iss\"", "\"isss\"")), "is none of"},
      {"WrongAudience", signed_as(With(good, "\"aud\":\"skimwatch\"", "\"aud\":\"grafana\"")),
       "not for the audience"},
      {"AudienceThatBeginsAlike",
       signed_as(With(good, "\"aud\":\"skimwatch\"", "\"aud\":\"skimwatch2\"")),
       "not for the audience"},
      {"NoAudience", signed_as(With(good, "\"aud\"", "\"aut\"")), "not for the audience"},
      {"AudienceOfOthers",
       signed_as(With(good, "\"aud\":\"skimwatch\"", "\"aud\":[\"grafana\",[\"skimwatch\"]]")),
       "not for the audience"},
      {"Expired", signed_as(With(good, exp, absl::StrCat(absl::ToUnixSeconds(kNow) - 60))),
       "it expired at"},
      {"NeverExpires", signed_as(With(good, "\"exp\"", "\"expp\"")), "never expires"},
      {"ExpiryNoNumber", signed_as(With(good, exp, "\"tomorrow\"")), "exp is no time"},
      {"ExpiryNegative", signed_as(With(good, exp, "-1")), "exp is no time"},
      {"ExpiryBeyondTime", signed_as(With(good, exp, "1e300")), "exp is no time"},
      {"IssuedInTheFuture",
       signed_as(With(good, iat + ",", absl::StrCat(absl::ToUnixSeconds(kNow) + 61, ","))),
       "good only from"},
      {"NotYetGood",
       signed_as(ClaimsOfAlice(kNow, absl::StrCat("\"nbf\":", absl::ToUnixSeconds(kNow) + 61))),
       "good only from"},
      {"ClaimTwice", signed_as(ClaimsOfAlice(kNow, R"("sub":"mallory")")), "twice"},
      {"ClaimTwiceInside", signed_as(ClaimsOfAlice(kNow, R"("a":{"b":1,"b":2})")), "twice"},
      {"ClaimByTwoWays",
       signed_as(ClaimsOfAlice(kNow, R"("realm.roles":["admin"],"realm":{"roles":["none"]})")),
       "two of its claims are called 'realm.roles'"},
      {"TooManyClaims", signed_as(ClaimsOfAlice(kNow, absl::StrCat("\"a\":[", many, "1]"))),
       "too many claims"},
      {"NestedTooDeeply", signed_as(ClaimsOfAlice(kNow, absl::StrCat("\"a\":", deep))),
       "nested too deeply"},
      {"NoName", signed_as(With(good, "\"sub\"", "\"subb\"")), "has no claim 'sub'"},
      {"NameIsAList", signed_as(With(good, "\"alice\"", "[\"alice\",\"root\"]")), "is a list"},
      {"NameWithLineFeed", signed_as(With(good, "\"alice\"", "\"a\\nlice\"")),
       "holds control characters"},
      {"NameTooLong", signed_as(With(good, "alice", std::string(201, 'a'))), "longer than 200"},
      {"ClaimsNoObject", signed_as("[]"), "no JSON object"},
      {"ClaimsNoJson", signed_as("{"), "no JSON object"},
      {"HeaderNoJson", headed("x"), "no JSON object"},
      {"Huge",
       signed_as(ClaimsOfAlice(kNow, absl::StrCat("\"x\":\"", std::string(16384, 'x'), "\""))),
       "longer than 16384"},
      {"Empty", "", "three parts"},
      {"NoDots", "eyJhbGciOiJub25lIn0", "three parts"},
      {"TwoParts", token.substr(0, last), "three parts"},
      {"FourParts", token + ".x", "no base64url"},
      {"NoSignature", token.substr(0, last + 1), "it is not signed"},
      {"Truncated", token.substr(0, token.size() - 4), "the token is refused"},
      {"Longer", token + "AAAA", "signature is not the issuer's"},
      {"SignatureAltered", Flipped(token, 10), "signature is not the issuer's"},
      {"ClaimsAltered",
       token.substr(0, first + 1) + Base64Url(With(good, "alice", "admin")) + token.substr(last),
       "signature is not the issuer's"},
      {"Padding", token.substr(0, last) + "==" + token.substr(last), "no base64url"},
      {"Space", " " + token, "no base64url"},
      {"LineFeed", token + "\n", "no base64url"},
      {"OldAlphabet", token.substr(0, last) + ".+/" + token.substr(last + 3), "no base64url"},
  };
}

TEST_F(IssuersTest, RefuseForgedTokens) {
  Open();
  for (const Forged& forged : ForgedTokens()) {
    // Unknown key ids are UNAVAILABLE the first time, while the keys are loaded anew.
    absl::Status status;
    testing::WaitUntil([&] {
      status = Check(forged.token).status();
      return !absl::IsUnavailable(status);
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << forged.name << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(forged.message)) << forged.name;
    // Not even a refused one may come to a log.
    if (forged.token.size() > 40) {
      EXPECT_EQ(std::string(status.message()).find(forged.token.substr(0, 40)), std::string::npos)
          << forged.name;
    }
  }
}

TEST_F(IssuersTest, AllowForClocksThatDiffer) {
  Open();
  const auto at = [&](int64_t expires, int64_t not_before) {
    return Check(TheKeys().p256.Token(
                     "ES256",
                     absl::StrCat(R"({"iss":"https://login.example.com","aud":["a","skimwatch"],)",
                                  R"("sub":"alice","exp":)", absl::ToUnixSeconds(kNow) + expires,
                                  R"(,"nbf":)", absl::ToUnixSeconds(kNow) + not_before, "}")))
        .ok();
  };
  EXPECT_TRUE(at(-59, -100));
  EXPECT_FALSE(at(-60, -100));
  EXPECT_TRUE(at(100, 60));
  EXPECT_FALSE(at(100, 61));
}

TEST_F(IssuersTest, ReadNestedClaimsNumbersAndTruthValues) {
  Open();
  const absl::StatusOr<Token> token = Check(TheKeys().ed25519.Token(
      "EdDSA", ClaimsOfAlice(kNow, R"("realm_access":{"roles":["sre","pci"]},"level":3,"mfa":true,
                            "https://example.com/team":"shop","ratio":0.5,"none":null)")));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_TRUE(token->Has("realm_access.roles", "sre"));
  EXPECT_TRUE(token->Has("realm_access.roles", "pci"));
  EXPECT_TRUE(token->Has("level", "3"));
  EXPECT_TRUE(token->Has("mfa", "true"));
  EXPECT_TRUE(token->Has("https://example.com/team", "shop"));
}

TEST_F(IssuersTest, NamePeopleByTheClaimThatIsConfigured) {
  config::v1::CollectorConfig config = Config();
  config.mutable_token_issuers(0)->set_name_claim("person.email");
  Open(config);
  const absl::StatusOr<Token> token = Check(TheKeys().p256.Token(
      "ES256", ClaimsOfAlice(kNow, R"("person":{"email":"alice@example.com"})")));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->identity, "oidc:login.example.com#alice@example.com");
}

// One provider's key says nothing of another's people.
TEST_F(IssuersTest, KeepTheKeysOfIssuersApart) {
  config::v1::CollectorConfig config = Config();
  config::v1::TokenIssuer& other = *config.add_token_issuers();
  other = config.token_issuers(0);
  other.set_issuer("https://login.example.com/realms/other");
  other.set_jwks_file(folder_.File("other.json"));
  const TokenKey key("P-256", "p256");
  std::ofstream(folder_.File("other.json")) << Jwks({key.Jwk()});
  Open(config);
  const std::string of_other =
      With(ClaimsOfAlice(kNow), "login.example.com", "login.example.com/realms/other");
  absl::StatusOr<Token> token;
  testing::WaitUntil([&] {
    token = Check(key.Token("ES256", of_other));
    return !absl::IsUnavailable(token.status());
  });
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->identity, "oidc:login.example.com/realms/other#alice");
  EXPECT_FALSE(Check(key.Token("ES256", ClaimsOfAlice(kNow))).ok());
  EXPECT_FALSE(Check(TheKeys().p256.Token("ES256", of_other)).ok());
}

TEST_F(IssuersTest, ReadTheFileAnewForAKeyThatTheyDoNotKnow) {
  Open();
  const TokenKey next("P-256", "next");
  WriteKeys(Jwks({TheKeys().p256.Jwk(), next.Jwk()}));
  const std::string token = next.Token("ES256", ClaimsOfAlice(absl::Now()));
  // By the real clock, which says how often the file may be looked at.
  Issuers issuers(Config());
  EXPECT_TRUE(testing::WaitUntil([&] { return issuers.Check(token).ok(); }));
  const TokenKey last("P-256", "last");
  WriteKeys(Jwks({last.Jwk()}));
  const std::string of_last = last.Token("ES256", ClaimsOfAlice(absl::Now()));
  EXPECT_TRUE(testing::WaitUntil([&] { return issuers.Check(of_last).ok(); }));
  // A key that was taken out is out at once.
  EXPECT_FALSE(issuers.Check(token).ok());
}

TEST_F(IssuersTest, CheckTheFilesThatAreNamed) {
  EXPECT_THAT(std::string(CheckIssuerFiles(Config()).message()), HasSubstr("jwks.json"));
  WriteKeys("{}");
  EXPECT_THAT(std::string(CheckIssuerFiles(Config()).message()), HasSubstr("is no JWKS"));
  WriteKeys(TheJwks());
  EXPECT_TRUE(CheckIssuerFiles(Config()).ok());
}

}  // namespace
}  // namespace skimwatch::token
