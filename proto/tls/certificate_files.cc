#include "proto/tls/certificate_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/validation/text.h"

namespace skimwatch::tls {
namespace {

// A certificate file is a few KiB, a bundle of authorities a few hundred.
constexpr size_t kFileBytesMax = 4 << 20;
constexpr size_t kIdentityBytesMax = 255;
constexpr std::string_view kSpiffeScheme = "spiffe://";

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* value) const {
    Free(value);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

Bio MemoryBio(std::string_view bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// Status::code kept, the file said first.
absl::Status InFile(const std::string& file, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(file, ": ", std::string(status.message())));
}

absl::Status ReadError(const std::string& file, std::string_view doing, int error) {
  const std::string text = absl::StrCat(file, ": can't ", std::string(doing), ": ",
                                        strerror(error));  // NOLINT(concurrency-mt-unsafe)
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

// Reads `file` whole. `secret`, where it is not empty, says what is in it, and a file that others
// may read or change is refused.
absl::StatusOr<std::string> ReadFile(const std::string& file, std::string_view secret) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return ReadError(file, "open", errno);
  struct Closer {
    int fd;
    ~Closer() { close(fd); }
  } closer{fd};
  struct stat info {};
  if (fstat(fd, &info) != 0) return ReadError(file, "stat", errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": is not a regular file"));
  }
  // A group may read a key: that is how a service that does not run as root is given one.
  constexpr mode_t kForbidden = S_IWGRP | S_IRWXO;
  if (!secret.empty() && (info.st_mode & kForbidden) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        file, ": ", std::string(secret), " must not be readable by others (mode is 0",
        (info.st_mode >> 6) & 7, (info.st_mode >> 3) & 7, info.st_mode & 7, "); chmod 600 it"));
  }
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ReadError(file, "read", errno);
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kFileBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, ": is larger than ", kFileBytesMax, " bytes, not a certificate"));
    }
  }
  if (!secret.empty()) OPENSSL_cleanse(buffer, sizeof buffer);
  return text;
}

// All certificates of a PEM text, in their order; at least one.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(std::string_view pem) {
  if (pem.size() > kFileBytesMax) return absl::InvalidArgumentError("certificate is too large");
  ERR_clear_error();
  Bio bio = MemoryBio(pem);
  std::vector<Certificate> certificates;
  while (true) {
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() && at_end) {
    return absl::InvalidArgumentError("holds no PEM certificate (-----BEGIN CERTIFICATE-----)");
  }
  if (!at_end) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate ", certificates.size() + 1, " in it is not valid PEM"));
  }
  return certificates;
}

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const std::string& file) {
  absl::StatusOr<std::string> pem = ReadFile(file, /*secret=*/"");
  if (!pem.ok()) return pem.status();
  absl::StatusOr<std::vector<Certificate>> certificates = ParseCertificates(*pem);
  if (!certificates.ok()) return InFile(file, certificates.status());
  return certificates;
}

absl::StatusOr<PrivateKey> ReadPrivateKey(const std::string& file) {
  absl::StatusOr<std::string> pem = ReadFile(file, "a private key");
  if (!pem.ok()) return pem.status();
  bool asked_for_password = false;
  ERR_clear_error();
  PrivateKey key;
  {
    Bio bio = MemoryBio(*pem);
    key.reset(PEM_read_bio_PrivateKey(
        bio.get(), nullptr,
        [](char*, int, int, void* asked) {
          *static_cast<bool*>(asked) = true;
          return -1;
        },
        &asked_for_password));
  }
  ERR_clear_error();
  OPENSSL_cleanse(pem->data(), pem->size());
  if (asked_for_password) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": the private key is encrypted; keys with a password are not supported"));
  }
  if (key == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(file, ": holds no PEM private key"));
  return key;
}

absl::Time FromAsn1(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::Status CheckValidity(const X509& certificate, absl::Time now) {
  const absl::Time from = FromAsn1(X509_get0_notBefore(&certificate));
  const absl::Time until = FromAsn1(X509_get0_notAfter(&certificate));
  if (now > until) {
    return absl::FailedPreconditionError(
        absl::StrCat("the certificate expired at ", Utc(until), " (now ", Utc(now), ")"));
  }
  if (now < from) {
    return absl::FailedPreconditionError(absl::StrCat("the certificate is valid only from ",
                                                      Utc(from), " (now ", Utc(now),
                                                      "); is this host's clock right?"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CommonName(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) {
    return absl::UnauthenticatedError("the certificate has neither a SPIFFE URI nor a CN");
  }
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0) {
    return absl::UnauthenticatedError("the certificate's subject has several CNs");
  }
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return absl::UnauthenticatedError("the certificate's CN can't be decoded");
  std::string name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return name;
}

absl::StatusOr<std::string> IdentityOf(const X509& certificate) {
  std::string name;
  Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names.get(), i);
    if (entry->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = entry->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<size_t>(ASN1_STRING_length(uri)));
    if (!text.starts_with(kSpiffeScheme)) continue;
    if (!name.empty()) {
      return absl::UnauthenticatedError("the certificate has several SPIFFE URIs");
    }
    name = text;
  }
  if (name.empty()) {
    absl::StatusOr<std::string> common_name = CommonName(certificate);
    if (!common_name.ok()) return common_name.status();
    name = *std::move(common_name);
    if (absl::StartsWithIgnoreCase(name, "spiffe:")) {
      return absl::UnauthenticatedError("the certificate's CN poses as a SPIFFE URI");
    }
    if (absl::StartsWithIgnoreCase(
            name, absl::string_view(kTokenIdentityPrefix.data(), kTokenIdentityPrefix.size()))) {
      return absl::UnauthenticatedError("the certificate's CN poses as the name of a token");
    }
  }
  if (name.empty() || name.size() > kIdentityBytesMax) {
    return absl::UnauthenticatedError(
        absl::StrCat("the certificate's name is empty or longer than ", kIdentityBytesMax));
  }
  // An IA5String is ASCII, but nothing enforces that; names are texts in messages and databases.
  if (!validation::IsUtf8(name)) {
    return absl::UnauthenticatedError("the certificate's name is not UTF-8");
  }
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return absl::UnauthenticatedError("the certificate's name holds a control character");
    }
  }
  return name;
}

}  // namespace

bool IsLocalAddress(std::string_view address) {
  if (address.starts_with("unix:")) return true;
  if (address.starts_with("[::1]:") || address.starts_with("localhost:")) return true;
  if (!address.starts_with("127.")) return false;
  // All of 127.0.0.0/8, and nothing that only begins like it (`127.evil.example`).
  const std::string_view host = address.substr(0, address.rfind(':'));
  int dots = 0;
  int octet = 0;
  int digits = 0;
  for (const char c : host) {
    if (c == '.') {
      if (digits == 0) return false;
      ++dots;
      octet = digits = 0;
    } else if (c >= '0' && c <= '9') {
      octet = octet * 10 + (c - '0');
      if (++digits > 3 || octet > 255) return false;
    } else {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

absl::Status CheckTransport(const config::v1::Tls& tls, std::string_view address) {
  if (tls.plaintext()) {
    if (!tls.certificate_file().empty() || !tls.key_file().empty() || !tls.ca_file().empty()) {
      return absl::InvalidArgumentError(
          "tls.plaintext: true, and certificate files are named too; remove one or the other");
    }
    if (!IsLocalAddress(address)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tls.plaintext: allowed only with a loopback address or a Unix socket, not with ",
          std::string(address), "; set tls.certificate_file, tls.key_file and tls.ca_file"));
    }
    return absl::OkStatus();
  }
  const std::pair<std::string_view, const std::string&> files[] = {
      {"certificate_file", tls.certificate_file()},
      {"key_file", tls.key_file()},
      {"ca_file", tls.ca_file()}};
  for (const auto& [field, file] : files) {
    if (file.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tls.", std::string(field),
                       ": required (or tls.plaintext with a loopback address or a Unix socket)"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCertificateFiles(const config::v1::Tls& tls, absl::Time now) {
  absl::StatusOr<std::vector<Certificate>> chain = ReadCertificates(tls.certificate_file());
  if (!chain.ok()) return chain.status();
  for (const Certificate& certificate : *chain) {
    if (absl::Status valid = CheckValidity(*certificate, now); !valid.ok()) {
      return InFile(tls.certificate_file(), valid);
    }
  }
  absl::StatusOr<PrivateKey> key = ReadPrivateKey(tls.key_file());
  if (!key.ok()) return key.status();
  const bool match = X509_check_private_key(chain->front().get(), key->get()) == 1;
  ERR_clear_error();
  if (!match) {
    return absl::FailedPreconditionError(absl::StrCat(
        tls.key_file(), ": is not the key of the certificate in ", tls.certificate_file(),
        "; replace both at once, by switching a directory link"));
  }
  absl::StatusOr<std::vector<Certificate>> authorities = ReadCertificates(tls.ca_file());
  if (!authorities.ok()) return authorities.status();
  // A bundle may carry an authority that is over; it must not carry only such.
  absl::Status first;
  for (const Certificate& authority : *authorities) {
    absl::Status valid = CheckValidity(*authority, now);
    if (valid.ok()) return absl::OkStatus();
    if (first.ok()) first = InFile(tls.ca_file(), valid);
  }
  return first;
}

absl::Status CheckIssuer(const config::v1::Tls& tls) {
  absl::StatusOr<std::vector<Certificate>> chain = ReadCertificates(tls.certificate_file());
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::vector<Certificate>> authorities = ReadCertificates(tls.ca_file());
  if (!authorities.ok()) return authorities.status();
  for (const Certificate& certificate : *chain) {
    for (const Certificate& authority : *authorities) {
      const bool issued = X509_check_issued(authority.get(), certificate.get()) == X509_V_OK &&
                          X509_verify(certificate.get(), X509_get0_pubkey(authority.get())) == 1;
      ERR_clear_error();
      if (issued) return absl::OkStatus();
    }
  }
  std::array<char, 256> issuer{};
  X509_NAME_oneline(X509_get_issuer_name(chain->back().get()), issuer.data(), issuer.size());
  return absl::FailedPreconditionError(absl::StrCat(
      tls.certificate_file(), ": was issued by '", issuer.data(), "', which is none of ",
      tls.ca_file(), "; unless the collector knows that authority, replace it"));
}

absl::StatusOr<absl::Time> CertificateExpiryOfPem(std::string_view pem) {
  absl::StatusOr<std::vector<Certificate>> certificates = ParseCertificates(pem);
  if (!certificates.ok()) return certificates.status();
  return FromAsn1(X509_get0_notAfter(certificates->front().get()));
}

absl::StatusOr<absl::Time> CertificateExpiry(const std::string& certificate_file) {
  absl::StatusOr<std::vector<Certificate>> certificates = ReadCertificates(certificate_file);
  if (!certificates.ok()) return certificates.status();
  return FromAsn1(X509_get0_notAfter(certificates->front().get()));
}

absl::StatusOr<std::string> CertificateIdentityOfPem(std::string_view pem) {
  absl::StatusOr<std::vector<Certificate>> certificates = ParseCertificates(pem);
  if (!certificates.ok()) return certificates.status();
  return IdentityOf(*certificates->front());
}

absl::StatusOr<std::string> CertificateIdentity(const std::string& certificate_file) {
  absl::StatusOr<std::vector<Certificate>> certificates = ReadCertificates(certificate_file);
  if (!certificates.ok()) return certificates.status();
  absl::StatusOr<std::string> identity = IdentityOf(*certificates->front());
  if (!identity.ok()) return InFile(certificate_file, identity.status());
  return identity;
}

absl::Status CheckCertificateName(std::string_view pem, std::string_view name) {
  absl::StatusOr<std::vector<Certificate>> certificates = ParseCertificates(pem);
  if (!certificates.ok()) return certificates.status();
  X509& certificate = *certificates->front();
  const std::string wanted(name);
  bool match = false;
  if (name.starts_with(kSpiffeScheme)) {
    absl::StatusOr<std::string> identity = IdentityOf(certificate);
    match = identity.ok() && *identity == wanted;
  } else {
    match = !wanted.empty() && (X509_check_ip_asc(&certificate, wanted.c_str(), 0) == 1 ||
                                X509_check_host(&certificate, wanted.data(), wanted.size(),
                                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1);
  }
  ERR_clear_error();
  if (match) return absl::OkStatus();
  return absl::UnauthenticatedError(absl::StrCat(
      "the peer's certificate is not issued to ", wanted,
      " (looked for it in the subject alternative names; set tls.server_name to the name it has)"));
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& file, std::string_view what) {
  return ReadFile(file, what);
}

}  // namespace skimwatch::tls
