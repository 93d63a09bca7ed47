#ifndef SKIMWATCH_COLLECTOR_TOKEN_KEY_SET_H_
#define SKIMWATCH_COLLECTOR_TOKEN_KEY_SET_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace skimwatch::token {

// Whether tokens signed so are taken: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512
// and EdDSA (RFC 7518, 3.1; RFC 8037). Never `none`, and no HMAC: a public key is no secret.
bool IsSignatureAlgorithm(std::string_view algorithm);

// The public keys of an issuer (JWKS, RFC 7517). Immutable, so thread-safe.
//
//   absl::StatusOr<KeySet> keys = KeySet::Parse(json);
//   status = keys->Verify({.algorithm = "ES256", .key_id = "2026"}, compact);
class KeySet {
 public:
  static constexpr size_t kBytesMax = size_t{1} << 20;
  static constexpr size_t kKeysMax = 256;

  // Takes RSA keys of 2048 to 8192 bits, EC keys on P-256, P-384 and P-521, and Ed25519 keys that
  // are not for something else than signatures. Others are left out. INVALID_ARGUMENT: no JWKS,
  // none of its keys can be used, or one is private and should be nowhere but at its issuer.
  static absl::StatusOr<KeySet> Parse(std::string_view json);

  KeySet(KeySet&&) noexcept;
  KeySet& operator=(KeySet&&) noexcept;
  ~KeySet();

  size_t size() const;
  // Keys that were left out.
  size_t skipped() const { return skipped_; }

  // What the header of a token says of its signature.
  struct Signature {
    // One of IsSignatureAlgorithm.
    std::string algorithm;
    // Empty where the token names no key.
    std::string key_id;
  };
  // Checks the signature of a token in compact form with the key that it names, or without a name
  // with the only key that such a signature can be of. NOT_FOUND: there is no such key.
  // UNAUTHENTICATED: there is, and it did not make the signature, or several could have.
  absl::Status Verify(const Signature& signature, std::string_view compact) const;

 private:
  struct Key;
  KeySet();

  std::vector<std::unique_ptr<Key>> keys_;
  size_t skipped_ = 0;
};

}  // namespace skimwatch::token

#endif  // SKIMWATCH_COLLECTOR_TOKEN_KEY_SET_H_
