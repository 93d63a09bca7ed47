#include "tests/proto/tls/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace skimwatch::testing {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* value) const {
    Free(value);
  }
};
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "test certificates: %s failed\n", what);
  std::abort();
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string Pem(X509* certificate) {
  Bio bio(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_X509(bio.get(), certificate) == 1, "PEM_write_bio_X509");
  return Text(bio.get());
}

std::string Pem(EVP_PKEY* key) {
  Bio bio(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "PEM_write_bio_PKCS8PrivateKey");
  return Text(bio.get());
}

PrivateKey NewKey() {
  PrivateKey key(EVP_EC_gen("P-256"));
  Require(key != nullptr, "EVP_EC_gen");
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr, value.c_str());
  Require(X509_add_ext(certificate, extension, -1) == 1, "X509_add_ext");
  X509_EXTENSION_free(extension);
}

Certificate NewCertificate(const std::string& common_name, EVP_PKEY* key, absl::Time not_before,
                           absl::Time not_after) {
  Certificate certificate(X509_new());
  Require(X509_set_version(certificate.get(), X509_VERSION_3) == 1, "X509_set_version");
  uint64_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "RAND_bytes");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  Require(
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(not_before)) != nullptr &&
          ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(not_after)) != nullptr,
      "ASN1_TIME_set");
  if (!common_name.empty()) {
    Require(X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate.get()), NID_commonName,
                                       MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(common_name.data()),
                                       static_cast<int>(common_name.size()), -1, 0) == 1,
            "X509_NAME_add_entry_by_NID");
  }
  Require(X509_set_pubkey(certificate.get(), key) == 1, "X509_set_pubkey");
  return certificate;
}

}  // namespace

struct CertificateAuthority::Keys {
  PrivateKey key;
  Certificate certificate;
};

CertificateAuthority::CertificateAuthority(std::string_view common_name)
    : keys_(std::make_unique<Keys>()) {
  keys_->key = NewKey();
  keys_->certificate = NewCertificate(std::string(common_name), keys_->key.get(),
                                      absl::Now() - absl::Hours(48), absl::Now() + absl::Hours(48));
  X509* certificate = keys_->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate, certificate, NID_subject_key_identifier, "hash");
  Require(X509_sign(certificate, keys_->key.get(), EVP_sha256()) > 0, "X509_sign");
  certificate_pem_ = Pem(certificate);
}

CertificateAuthority::~CertificateAuthority() = default;

CertifiedKey CertificateAuthority::Issue(const LeafOptions& leaf) const {
  PrivateKey key = NewKey();
  Certificate certificate =
      NewCertificate(leaf.common_name, key.get(), leaf.not_before, leaf.not_after);
  X509* authority = keys_->certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(authority));
  AddExtension(certificate.get(), authority, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), authority, NID_key_usage, "critical,digitalSignature");
  AddExtension(certificate.get(), authority, NID_ext_key_usage, "serverAuth,clientAuth");
  AddExtension(certificate.get(), authority, NID_authority_key_identifier, "keyid:always");
  std::vector<std::string> names;
  for (const std::string& uri : leaf.uris) names.push_back(absl::StrCat("URI:", uri));
  for (const std::string& host : leaf.hosts) names.push_back(absl::StrCat("DNS:", host));
  for (const std::string& address : leaf.addresses) names.push_back(absl::StrCat("IP:", address));
  if (!names.empty()) {
    AddExtension(certificate.get(), authority, NID_subject_alt_name, absl::StrJoin(names, ","));
  }
  Require(X509_sign(certificate.get(), keys_->key.get(), EVP_sha256()) > 0, "X509_sign");
  return {.certificate_pem = Pem(certificate.get()), .key_pem = Pem(key.get())};
}

LeafOptions ServerLeaf() {
  LeafOptions leaf;
  leaf.common_name = "collector";
  leaf.hosts = {"localhost"};
  leaf.addresses = {"127.0.0.1", "::1"};
  return leaf;
}

LeafOptions SpiffeLeaf(std::string_view name) {
  LeafOptions leaf;
  leaf.uris = {absl::StrCat("spiffe://example.org/", std::string(name))};
  return leaf;
}

void ReplaceFile(const std::string& path, std::string_view content) {
  const std::string beside = path + ".new";
  std::FILE* file = std::fopen(beside.c_str(), "w");
  Require(file != nullptr, "fopen");
  Require(fchmod(fileno(file), S_IRUSR | S_IWUSR) == 0, "fchmod");
  Require(std::fwrite(content.data(), 1, content.size(), file) == content.size(), "fwrite");
  Require(std::fclose(file) == 0, "fclose");
  Require(std::rename(beside.c_str(), path.c_str()) == 0, "rename");
}

config::v1::Tls WriteTlsFiles(const std::string& directory, const CertifiedKey& own,
                              const CertificateAuthority& ca) {
  std::filesystem::create_directories(directory);
  config::v1::Tls tls;
  tls.set_certificate_file(directory + "/own.crt");
  tls.set_key_file(directory + "/own.key");
  tls.set_ca_file(directory + "/ca.crt");
  tls.set_reload_interval_seconds(1);
  ReplaceFile(tls.key_file(), own.key_pem);
  ReplaceFile(tls.certificate_file(), own.certificate_pem);
  ReplaceFile(tls.ca_file(), ca.certificate_pem());
  return tls;
}

}  // namespace skimwatch::testing
