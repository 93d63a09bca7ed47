#include "tests/collector/support/test_ca.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "gtest/gtest.h"
#include "openssl/evp.h"
#include "openssl/pem.h"
#include "openssl/x509.h"
#include "openssl/x509v3.h"

namespace skimwatch::testing {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate Make(const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                 const std::string& alternative_names) {
  static int64_t serial = 1;
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
  X509* const signer = issuer != nullptr ? issuer : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (issuer == nullptr) {
    AddExtension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    AddExtension(certificate.get(), signer, NID_subject_alt_name, alternative_names);
  }
  EXPECT_NE(X509_sign(certificate.get(), issuer_key, EVP_sha256()), 0);
  return certificate;
}

void Write(const std::string& path, X509* certificate, EVP_PKEY* key) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FILE* file = fdopen(fd, "w");
  ASSERT_NE(file, nullptr);
  if (certificate != nullptr) PEM_write_X509(file, certificate);
  if (key != nullptr) PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  ASSERT_EQ(fclose(file), 0);
}

}  // namespace

struct TestCa::Keys {
  Key key;
  Certificate certificate;
};

TestCa::TestCa(std::string folder) : folder_(std::move(folder)), keys_(std::make_unique<Keys>()) {
  mkdir(folder_.c_str(), 0700);
  keys_->key.reset(EVP_EC_gen("P-256"));
  keys_->certificate = Make("test authority", keys_->key.get(), nullptr, keys_->key.get(), "");
  Write(folder_ + "/ca.pem", keys_->certificate.get(), nullptr);
}

TestCa::~TestCa() = default;

config::v1::Tls TestCa::Issue(const std::string& name, const std::string& uri) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate =
      Make(name, key.get(), keys_->certificate.get(), keys_->key.get(),
           "DNS:localhost,IP:127.0.0.1" + (uri.empty() ? "" : ",URI:" + uri));
  config::v1::Tls tls;
  tls.set_certificate_file(folder_ + "/" + name + ".pem");
  tls.set_key_file(folder_ + "/" + name + ".key");
  tls.set_ca_file(folder_ + "/ca.pem");
  tls.set_reload_interval_seconds(60);
  Write(tls.certificate_file(), certificate.get(), nullptr);
  Write(tls.key_file(), nullptr, key.get());
  return tls;
}

}  // namespace skimwatch::testing
