#include "tests/collector/publisher/signing_key.h"

#include <cstdio>
#include <cstdlib>

#include "openssl/pem.h"

namespace skimwatch::testing {
namespace {

void Check(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

SigningKey::SigningKey(int type) {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_id(type, nullptr);
  Check(context != nullptr && EVP_PKEY_keygen_init(context) == 1);
  EVP_PKEY* key = nullptr;
  Check(EVP_PKEY_keygen(context, &key) == 1);
  EVP_PKEY_CTX_free(context);
  key_.reset(key);
}

void SigningKey::WritePublic(const std::string& file) const {
  FILE* const stream = fopen(file.c_str(), "we");
  Check(stream != nullptr && PEM_write_PUBKEY(stream, key_.get()) == 1);
  Check(fclose(stream) == 0);
}

std::string SigningKey::Sign(std::string_view bytes) const {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  Check(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_.get()) == 1);
  std::string signature(64, '\0');
  size_t size = signature.size();
  Check(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) == 1);
  EVP_MD_CTX_free(context);
  return signature;
}

}  // namespace skimwatch::testing
