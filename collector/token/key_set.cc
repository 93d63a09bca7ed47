#include "collector/token/key_set.h"

#include <cjose/cjose.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/token/json.h"
#include "proto/text/printable.h"

namespace skimwatch::token {
namespace {

// RFC 7518, 3.3 and NIST SP 800-131A want 2048; a huge modulus is a way to keep a processor busy.
constexpr size_t kRsaBytesMin = 256;
constexpr size_t kRsaBytesMax = 1024;
constexpr size_t kEd25519Bytes = 32;
constexpr size_t kEd25519SignatureBytes = 64;
constexpr size_t kKeyIdBytesMax = 256;
constexpr size_t kShownBytesMax = 128;

// An id that anybody may have sent, for a line of the log.
std::string Shown(std::string_view id) { return text::Printable(id.substr(0, kShownBytesMax)); }

struct KeyDeleter {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  void operator()(cjose_jws_t* signed_text) const { cjose_jws_release(signed_text); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

bool DecodeBase64(std::string_view text, std::string* bytes) {
  return absl::WebSafeBase64Unescape({text.data(), text.size()}, bytes);
}

// Signatures that a key can make. `curve` is empty for RSA.
struct Algorithm {
  std::string_view name;
  std::string_view type;
  std::string_view curve;
};
constexpr Algorithm kAlgorithms[] = {{"RS256", "RSA", ""},     {"RS384", "RSA", ""},
                                     {"RS512", "RSA", ""},     {"PS256", "RSA", ""},
                                     {"PS384", "RSA", ""},     {"PS512", "RSA", ""},
                                     {"ES256", "EC", "P-256"}, {"ES384", "EC", "P-384"},
                                     {"ES512", "EC", "P-521"}, {"EdDSA", "OKP", "Ed25519"}};

const Algorithm* FindAlgorithm(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms),
                   [&](const Algorithm& known) { return known.name == name; });
  return found == std::end(kAlgorithms) ? nullptr : found;
}

bool IsForSignatures(const json_t* jwk) {
  const json_t* const use = json_object_get(jwk, "use");
  if (use != nullptr && (!json_is_string(use) || TextOf(use) != "sig")) return false;
  const json_t* const operations = json_object_get(jwk, "key_ops");
  if (operations == nullptr) return true;
  size_t index = 0;
  json_t* operation = nullptr;
  json_array_foreach(operations, index, operation) {
    if (json_is_string(operation) && TextOf(operation) == "verify") return true;
  }
  return false;
}

// The bytes of the modulus, without zeros in front.
size_t ModulusBytes(const json_t* jwk) {
  std::string modulus;
  const std::optional<std::string_view> text = TextMember(jwk, "n");
  if (!text.has_value() || !DecodeBase64(*text, &modulus)) return 0;
  const size_t zeros = modulus.find_first_not_of('\0');
  return zeros == std::string::npos ? 0 : modulus.size() - zeros;
}

}  // namespace

bool IsSignatureAlgorithm(std::string_view algorithm) {
  return FindAlgorithm(algorithm) != nullptr;
}

struct KeySet::Key {
  std::string id;
  std::string type;
  std::string curve;
  // The only one that it is for; empty for all of its type and curve.
  std::string algorithm;
  std::unique_ptr<cjose_jwk_t, KeyDeleter> jwk;
  // Of Ed25519, which cjose does not know.
  std::unique_ptr<EVP_PKEY, KeyDeleter> ed25519;

  bool Fits(const Algorithm& wanted) const {
    return type == wanted.type && curve == wanted.curve &&
           (algorithm.empty() || algorithm == wanted.name);
  }

  bool Made(std::string_view compact) const {
    return ed25519 != nullptr ? MadeEdDsa(compact) : MadeJws(compact);
  }

  bool MadeJws(std::string_view compact) const {
    cjose_err error{};
    const std::unique_ptr<cjose_jws_t, KeyDeleter> text(
        cjose_jws_import(compact.data(), compact.size(), &error));
    const bool made = text != nullptr && cjose_jws_verify(text.get(), jwk.get(), &error);
    ERR_clear_error();
    return made;
  }

  // RFC 8037, 3.1: over the text before the signature as it stands.
  bool MadeEdDsa(std::string_view compact) const {
    const size_t dot = compact.rfind('.');
    if (dot == std::string_view::npos) return false;
    std::string signature;
    if (!DecodeBase64(compact.substr(dot + 1), &signature)) return false;
    if (signature.size() != kEd25519SignatureBytes) return false;
    const std::unique_ptr<EVP_MD_CTX, KeyDeleter> context(EVP_MD_CTX_new());
    const bool made =
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, ed25519.get()) == 1 &&
        EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                         signature.size(), reinterpret_cast<const unsigned char*>(compact.data()),
                         dot) == 1;
    ERR_clear_error();
    return made;
  }

  // False for a key that is of no use here.
  bool Load(const json_t* object) {
    const std::optional<std::string_view> its_type = TextMember(object, "kty");
    if (!its_type.has_value() || !IsForSignatures(object)) return false;
    type = *its_type;
    curve = type == "RSA" ? "" : TextMember(object, "crv").value_or("");
    id = TextMember(object, "kid").value_or("");
    algorithm = TextMember(object, "alg").value_or("");
    if (id.size() > kKeyIdBytesMax) return false;
    if (std::none_of(std::begin(kAlgorithms), std::end(kAlgorithms),
                     [this](const Algorithm& known) { return Fits(known); })) {
      return false;
    }
    if (type == "OKP") {
      std::string point;
      const std::optional<std::string_view> x = TextMember(object, "x");
      if (!x.has_value() || !DecodeBase64(*x, &point) || point.size() != kEd25519Bytes) {
        return false;
      }
      ed25519.reset(EVP_PKEY_new_raw_public_key(
          EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(point.data()),
          point.size()));
      return ed25519 != nullptr;
    }
    if (type == "RSA") {
      const size_t bytes = ModulusBytes(object);
      if (bytes < kRsaBytesMin || bytes > kRsaBytesMax) return false;
    }
    char* const text = json_dumps(object, JSON_COMPACT);
    if (text == nullptr) return false;
    cjose_err error{};
    jwk.reset(cjose_jwk_import(text, std::char_traits<char>::length(text), &error));
    free(text);  // NOLINT: jansson's, made by malloc.
    ERR_clear_error();
    return jwk != nullptr;
  }
};

KeySet::KeySet() = default;
KeySet::KeySet(KeySet&&) noexcept = default;
KeySet& KeySet::operator=(KeySet&&) noexcept = default;
KeySet::~KeySet() = default;

size_t KeySet::size() const { return keys_.size(); }

absl::StatusOr<KeySet> KeySet::Parse(std::string_view json) {
  if (json.size() > kBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("is larger than ", kBytesMax, " bytes"));
  }
  const Json root = ParseObject(json);
  const json_t* const keys = root == nullptr ? nullptr : json_object_get(root.get(), "keys");
  if (!json_is_array(keys)) {
    return absl::InvalidArgumentError("is no JWKS (RFC 7517: a JSON object with `keys`)");
  }
  if (json_array_size(keys) > kKeysMax) {
    return absl::InvalidArgumentError(absl::StrCat("has more than ", kKeysMax, " keys"));
  }
  KeySet set;
  size_t index = 0;
  json_t* object = nullptr;
  json_array_foreach(keys, index, object) {
    if (json_object_get(object, "d") != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("keys[", index, "] is a private key; give the public keys alone"));
    }
    auto key = std::make_unique<Key>();
    if (key->Load(object)) {
      set.keys_.push_back(std::move(key));
    } else {
      ++set.skipped_;
    }
  }
  if (set.keys_.empty()) {
    return absl::InvalidArgumentError(
        "has no key that tokens can be checked with (RSA of 2048 bits or more, EC on P-256, P-384 "
        "or P-521, Ed25519)");
  }
  return set;
}

absl::Status KeySet::Verify(const Signature& signature, std::string_view compact) const {
  const Algorithm* const algorithm = FindAlgorithm(signature.algorithm);
  if (algorithm == nullptr) return absl::UnauthenticatedError("the algorithm is not taken");
  const Key* fitting = nullptr;
  bool is_named = false;
  for (const std::unique_ptr<Key>& key : keys_) {
    if (!signature.key_id.empty() && key->id != signature.key_id) continue;
    is_named = true;
    if (!key->Fits(*algorithm)) continue;
    if (fitting != nullptr) {
      return absl::UnauthenticatedError(
          "several keys of the issuer could have signed the token, and it does not say which");
    }
    fitting = key.get();
  }
  if (fitting == nullptr && is_named && !signature.key_id.empty()) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the key '", Shown(signature.key_id), "' makes no signatures of ", signature.algorithm));
  }
  if (fitting == nullptr) {
    return absl::NotFoundError(absl::StrCat("the issuer has no key '", Shown(signature.key_id),
                                            "' for ", signature.algorithm));
  }
  if (!fitting->Made(compact)) {
    return absl::UnauthenticatedError("the signature is not the issuer's");
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::token
