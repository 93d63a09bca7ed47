#include "tests/collector/token/token_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace skimwatch::testing {
namespace {

std::string Number(const EVP_PKEY* key, const char* name, int bytes) {
  BIGNUM* number = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &number), 1);
  std::string text(static_cast<size_t>(bytes > 0 ? bytes : BN_num_bytes(number)), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(text.data()),
               static_cast<int>(text.size()));
  BN_free(number);
  return text;
}

int PointBytes(std::string_view curve) {
  return curve == "P-256" ? 32 : curve == "P-384" ? 48 : 66;
}

const EVP_MD* Digest(std::string_view algorithm) {
  return algorithm.ends_with("384")   ? EVP_sha384()
         : algorithm.ends_with("512") ? EVP_sha512()
                                      : EVP_sha256();
}

// r and s side by side (RFC 7518, 3.4), of OpenSSL's DER.
std::string Concatenated(const std::string& der, int bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* const signature =
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));  // NOLINT
  std::string text(static_cast<size_t>(2 * bytes), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(text.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + bytes, bytes);
  ECDSA_SIG_free(signature);
  return text;
}

}  // namespace

std::string Base64Url(std::string_view bytes) {
  std::string text;
  absl::WebSafeBase64Escape({bytes.data(), bytes.size()}, &text);
  return text;
}

TokenKey::TokenKey(std::string kind, std::string id, unsigned bits)
    : kind_(std::move(kind)),
      id_(std::move(id)),
      key_(kind_ == "RSA"       ? EVP_RSA_gen(bits)
           : kind_ == "Ed25519" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                : EVP_EC_gen(kind_.c_str())) {
  EXPECT_NE(key_, nullptr) << kind_;
}

std::string TokenKey::Jwk(std::string_view more) const {
  std::string members = absl::StrCat("\"kid\":\"", id_, "\"");
  if (kind_ == "RSA") {
    absl::StrAppend(&members, R"(,"kty":"RSA","n":")", Base64Url(Number(key_.get(), "n", 0)),
                    R"(","e":")", Base64Url(Number(key_.get(), "e", 0)), "\"");
  } else if (kind_ == "Ed25519") {
    std::string point(32, '\0');
    size_t size = point.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(point.data()), &size);
    absl::StrAppend(&members, R"(,"kty":"OKP","crv":"Ed25519","x":")", Base64Url(point), "\"");
  } else {
    const int bytes = PointBytes(kind_);
    absl::StrAppend(&members, R"(,"kty":"EC","crv":")", kind_, R"(","x":")",
                    Base64Url(Number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, bytes)), R"(","y":")",
                    Base64Url(Number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, bytes)), "\"");
  }
  return absl::StrCat("{", members, more.empty() ? "" : ",", std::string(more), "}");
}

std::string TokenKey::Signature(std::string_view algorithm, std::string_view text) const {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (algorithm == "none") return "";
  if (algorithm == "HS256") {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key_.get());
    char* pem = nullptr;
    const auto size = static_cast<int>(BIO_get_mem_data(bio, &pem));
    unsigned char code[EVP_MAX_MD_SIZE];
    unsigned code_size = 0;
    HMAC(EVP_sha256(), pem, size, bytes, text.size(), code, &code_size);
    BIO_free(bio);
    return {reinterpret_cast<char*>(code), code_size};
  }
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  EXPECT_EQ(EVP_DigestSignInit(context, &options, kind_ == "Ed25519" ? nullptr : Digest(algorithm),
                               nullptr, key_.get()),
            1);
  if (algorithm.starts_with("PS")) {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
  }
  size_t size = 0;
  EXPECT_EQ(EVP_DigestSign(context, nullptr, &size, bytes, text.size()), 1);
  std::string signature(size, '\0');
  EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                           bytes, text.size()),
            1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  return kind_.starts_with("P-") ? Concatenated(signature, PointBytes(kind_)) : signature;
}

std::string TokenKey::Sign(std::string_view algorithm, std::string_view header,
                           std::string_view claims) const {
  const std::string text = absl::StrCat(Base64Url(header), ".", Base64Url(claims));
  return absl::StrCat(text, ".", Base64Url(Signature(algorithm, text)));
}

std::string TokenKey::Token(std::string_view algorithm, std::string_view claims) const {
  return Sign(
      algorithm,
      absl::StrCat(R"({"alg":")", std::string(algorithm), R"(","typ":"JWT","kid":")", id_, "\"}"),
      claims);
}

std::string Jwks(const std::vector<std::string>& keys) {
  return absl::StrCat(R"({"keys":[)", absl::StrJoin(keys, ","), "]}");
}

std::string ClaimsOfAlice(absl::Time now, std::string_view more) {
  return absl::StrCat(
      R"({"iss":"https://login.example.com","aud":"skimwatch","sub":"alice","iat":)",
      absl::ToUnixSeconds(now), R"(,"exp":)", absl::ToUnixSeconds(now) + 600,
      more.empty() ? "" : ",", std::string(more), "}");
}

}  // namespace skimwatch::testing
