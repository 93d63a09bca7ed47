#include "agent/script/judge/script_version.h"

#include <openssl/evp.h>

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::script {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

Context Begin(const EVP_MD* digest) {
  Context context(EVP_MD_CTX_new());
  EVP_DigestInit_ex(context.get(), digest, nullptr);
  return context;
}

std::string End(Context& context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

}  // namespace

struct VersionHasher::Contexts {
  Context sha256 = Begin(EVP_sha256());
  Context sha384 = Begin(EVP_sha384());
};

VersionHasher::VersionHasher() : contexts_(std::make_unique<Contexts>()) {}
VersionHasher::~VersionHasher() = default;

void VersionHasher::Add(std::string_view bytes) {
  EVP_DigestUpdate(contexts_->sha256.get(), bytes.data(), bytes.size());
  EVP_DigestUpdate(contexts_->sha384.get(), bytes.data(), bytes.size());
  size_bytes_ += bytes.size();
}

v1::ScriptVersion VersionHasher::Finish() {
  v1::ScriptVersion version;
  version.set_sha256(End(contexts_->sha256));
  version.set_size_bytes(size_bytes_);
  version.set_integrity(absl::StrCat("sha384-", absl::Base64Escape(End(contexts_->sha384))));
  return version;
}

v1::ScriptVersion VersionOf(std::string_view bytes) {
  VersionHasher hasher;
  hasher.Add(bytes);
  return hasher.Finish();
}

std::string Sha256(std::string_view bytes) {
  Context context = Begin(EVP_sha256());
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  return End(context);
}

}  // namespace skimwatch::script
