// What an operator may show as a token, and what a provider may give as its keys: never a crash, a
// hang, or a token that no key signed.
//
// Input: one byte, then a token (0), a header and claims, with a zero between them, to be made a
// token of (1), a JWKS (2), or the claims of a token whose signature is good (3).

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/token/key_set.h"
#include "collector/token/token_reader.h"

namespace {

namespace token = skimwatch::token;

// Public keys whose private halves nobody has: points and a modulus out of published standards
// (RFC 7517, A.1; RFC 8037, A.2).
constexpr std::string_view kKeys = R"({"keys":[
{"kty":"EC","crv":"P-256","kid":"ec","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
 "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
{"kty":"RSA","kid":"rsa","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

std::string Base64(std::string_view bytes) {
  std::string text;
  absl::WebSafeBase64Escape({bytes.data(), bytes.size()}, &text);
  return text;
}

void Check(const token::KeySet& keys, std::string_view compact) {
  const auto read = token::ReadToken(compact);
  if (!read.ok()) return;
  if (!token::IsSignatureAlgorithm(read->signature.algorithm)) abort();
  // The RFC's own example signatures may be found by a fuzzer's dictionary; their claims are not
  // ours.
  (void)keys.Verify(read->signature, compact);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto keys = *token::KeySet::Parse(kKeys);
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      Check(keys, input);
      break;
    case 1: {
      const size_t zero = input.find('\0');
      if (zero == std::string_view::npos) break;
      Check(keys, absl::StrCat(Base64(input.substr(0, zero)), ".", Base64(input.substr(zero + 1)),
                               ".", Base64(std::string(64, 's'))));
      break;
    }
    case 2: {
      const auto parsed = token::KeySet::Parse(input);
      if (parsed.ok() && (parsed->size() == 0 || parsed->size() > token::KeySet::kKeysMax)) abort();
      break;
    }
    default: {
      const token::Json claims = token::ParseObject(input);
      if (claims == nullptr) break;
      skimwatch::config::v1::TokenIssuer issuer;
      issuer.set_issuer("https://a");
      issuer.set_audience("s");
      issuer.set_name_claim("sub");
      const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
      const auto checked = token::CheckClaims(*claims, issuer, now);
      if (checked.ok() && (checked->expires <= now || checked->identity.size() > 300)) abort();
    }
  }
  return 0;
}
