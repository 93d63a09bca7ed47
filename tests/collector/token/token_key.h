#ifndef SKIMWATCH_TESTS_COLLECTOR_TOKEN_TOKEN_KEY_H_
#define SKIMWATCH_TESTS_COLLECTOR_TOKEN_TOKEN_KEY_H_

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace skimwatch::testing {

std::string Base64Url(std::string_view bytes);

// A key of an identity provider, with which it signs tokens; made and used with OpenSSL alone.
class TokenKey {
 public:
  // `RSA` (2048 bits, or `bits`), `P-256`, `P-384`, `P-521` or `Ed25519`.
  TokenKey(std::string kind, std::string id, unsigned bits = 2048);

  // The public key as a JWK, with `more` members such as `"alg":"RS256"`.
  std::string Jwk(std::string_view more = "") const;
  // Any header and claims, signed as `algorithm` says whether that fits or not; HS256 with the
  // public key in PEM, as a forger has it.
  std::string Sign(std::string_view algorithm, std::string_view header,
                   std::string_view claims) const;
  // With the header that providers write.
  std::string Token(std::string_view algorithm, std::string_view claims) const;

 private:
  std::string Signature(std::string_view algorithm, std::string_view text) const;

  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  const std::string kind_;
  const std::string id_;
  std::unique_ptr<EVP_PKEY, Free> key_;
};

std::string Jwks(const std::vector<std::string>& keys);

// Claims that are good for the issuer https://login.example.com and the audience skimwatch: those
// of `alice` of `groups`, for ten minutes from `now`. `more` is put behind them.
std::string ClaimsOfAlice(absl::Time now,
                          std::string_view more = R"("groups":["payments-oncall"])");

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_TOKEN_TOKEN_KEY_H_
