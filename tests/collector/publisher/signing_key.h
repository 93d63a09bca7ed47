#ifndef SKIMWATCH_TESTS_COLLECTOR_PUBLISHER_SIGNING_KEY_H_
#define SKIMWATCH_TESTS_COLLECTOR_PUBLISHER_SIGNING_KEY_H_

#include <memory>
#include <string>
#include <string_view>

#include "openssl/evp.h"

namespace skimwatch::testing {

// A publisher's key, as `openssl genpkey` makes one.
class SigningKey {
 public:
  // `type` is EVP_PKEY_ED25519, or another that a collector must refuse.
  explicit SigningKey(int type = EVP_PKEY_ED25519);

  // Writes the public key to a PEM file.
  void WritePublic(const std::string& file) const;
  // Ed25519 over `bytes`: what `openssl pkeyutl -sign -rawin` writes.
  std::string Sign(std::string_view bytes) const;

 private:
  struct Deleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::unique_ptr<EVP_PKEY, Deleter> key_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_PUBLISHER_SIGNING_KEY_H_
