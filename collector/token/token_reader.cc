#include "collector/token/token_reader.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/text/printable.h"
#include "proto/tls/certificate_files.h"
#include "proto/validation/text.h"

namespace skimwatch::token {
namespace {

constexpr size_t kClaimsMax = 2048;
constexpr int kDepthMax = 8;
constexpr size_t kNameBytesMax = 200;
constexpr size_t kShownBytesMax = 128;
// 9999-12-31T23:59:59Z, which is as far as times are written with four digits.
constexpr double kSecondsMax = 253402300799.0;

absl::Status Refused(std::string_view why) {
  return absl::UnauthenticatedError(
      absl::StrCat("the token is refused: ", absl::string_view(why.data(), why.size())));
}

std::string Shown(std::string_view text) { return text::Printable(text.substr(0, kShownBytesMax)); }

// Decodes base64url without padding, in the one form that its bytes have: two texts that decode
// alike could be two things to two readers.
bool DecodePart(std::string_view part, std::string* bytes) {
  if (!absl::WebSafeBase64Unescape({part.data(), part.size()}, bytes)) return false;
  std::string again;
  absl::WebSafeBase64Escape(*bytes, &again);
  return again == part;
}

// RFC 8725, 3.11: a token that says to be something else is something else.
bool IsTypeOfToken(std::string_view type) {
  std::string lower = absl::AsciiStrToLower(std::string(type));
  constexpr std::string_view kPrefix = "application/";
  if (lower.starts_with(kPrefix)) lower.erase(0, kPrefix.size());
  return lower == "jwt" || lower == "at+jwt";
}

// All claims by their names, as Token::claims has them.
class Flattened {
 public:
  absl::Status Add(const std::string& name, const json_t* value, int depth) {
    if (depth > kDepthMax) return Refused("its claims are nested too deeply");
    if (json_is_object(value)) {
      const char* key = nullptr;
      json_t* member = nullptr;
      json_object_foreach(const_cast<json_t*>(value), key, member) {
        const std::string path = name.empty() ? key : absl::StrCat(name, ".", key);
        if (absl::Status s = Add(path, member, depth + 1); !s.ok()) return s;
      }
      return absl::OkStatus();
    }
    // `a.b` beside `a: {b: ...}`: who sets the one need not be who may set the other.
    if (!names_.insert(name).second) {
      return Refused(absl::StrCat("two of its claims are called '", Shown(name), "'"));
    }
    if (!json_is_array(value)) return AddValue(name, value);
    size_t index = 0;
    json_t* entry = nullptr;
    json_array_foreach(value, index, entry) {
      if (absl::Status s = AddValue(name, entry); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

  std::vector<std::pair<std::string, std::string>> Take() { return std::move(claims_); }

 private:
  absl::Status AddValue(const std::string& name, const json_t* value) {
    std::string text;
    if (json_is_string(value)) {
      text = TextOf(value);
    } else if (json_is_integer(value)) {
      text = absl::StrCat(json_integer_value(value));
    } else if (json_is_boolean(value)) {
      text = json_is_true(value) ? "true" : "false";
    } else {
      // Fractions, nulls, and lists of lists or objects: no rule can name them.
      return absl::OkStatus();
    }
    if (claims_.size() >= kClaimsMax) return Refused("it has too many claims");
    claims_.emplace_back(name, std::move(text));
    return absl::OkStatus();
  }

  std::set<std::string> names_;
  std::vector<std::pair<std::string, std::string>> claims_;
};

absl::StatusOr<std::optional<absl::Time>> TimeClaim(const json_t& claims, const char* name) {
  const json_t* const value = json_object_get(&claims, name);
  if (value == nullptr) return std::nullopt;
  const double seconds = json_is_number(value) ? json_number_value(value) : -1;
  if (!(seconds >= 0 && seconds <= kSecondsMax)) {
    return Refused(absl::StrCat("its ", name, " is no time"));
  }
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

bool IsFor(const json_t* audience, std::string_view wanted) {
  if (json_is_string(audience)) return TextOf(audience) == wanted;
  size_t index = 0;
  json_t* entry = nullptr;
  json_array_foreach(audience, index, entry) {
    if (json_is_string(entry) && TextOf(entry) == wanted) return true;
  }
  return false;
}

std::string Utc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<std::string> NameOf(const Token& token, std::string_view claim) {
  const std::string* name = nullptr;
  for (const auto& [its_claim, value] : token.claims) {
    if (its_claim != claim) continue;
    if (name != nullptr) return Refused(absl::StrCat("its claim '", Shown(claim), "' is a list"));
    name = &value;
  }
  if (name == nullptr || name->empty()) {
    return Refused(absl::StrCat("it has no claim '", Shown(claim), "'"));
  }
  const bool is_plain = validation::IsUtf8(*name) &&
                        std::none_of(name->begin(), name->end(),
                                     [](unsigned char c) { return absl::ascii_iscntrl(c); });
  if (!is_plain || name->size() > kNameBytesMax) {
    return Refused(absl::StrCat("its claim '", Shown(claim), "' is longer than ", kNameBytesMax,
                                " bytes or holds control characters"));
  }
  return *name;
}

}  // namespace

absl::StatusOr<UncheckedToken> ReadToken(std::string_view compact) {
  if (compact.size() > kTokenBytesMax) {
    return Refused(absl::StrCat("it is longer than ", kTokenBytesMax, " bytes"));
  }
  const size_t first = compact.find('.');
  const size_t last = compact.rfind('.');
  if (first == std::string_view::npos || first == last) {
    return Refused("it is no JWT in three parts");
  }
  std::string header_text;
  std::string claims_text;
  std::string signature;
  if (!DecodePart(compact.substr(0, first), &header_text) ||
      !DecodePart(compact.substr(first + 1, last - first - 1), &claims_text) ||
      !DecodePart(compact.substr(last + 1), &signature)) {
    return Refused("one of its parts is no base64url");
  }
  const Json header = ParseObject(header_text);
  if (header == nullptr) return Refused("its header is no JSON object, or says something twice");
  UncheckedToken token;
  token.claims = ParseObject(claims_text);
  if (token.claims == nullptr) {
    return Refused("its claims are no JSON object, or say something twice");
  }
  token.signature.algorithm = TextMember(header.get(), "alg").value_or("");
  if (!IsSignatureAlgorithm(token.signature.algorithm)) {
    return Refused(absl::StrCat("the algorithm '", Shown(token.signature.algorithm),
                                "' of its signature is not taken"));
  }
  if (signature.empty()) return Refused("it is not signed");
  if (json_object_get(header.get(), "crit") != nullptr) {
    return Refused("its header asks for something that is not understood (crit)");
  }
  const json_t* const type = json_object_get(header.get(), "typ");
  if (type != nullptr && (!json_is_string(type) || !IsTypeOfToken(TextOf(type)))) {
    return Refused("its header says that it is no token of access or identity (typ)");
  }
  const json_t* const key_id = json_object_get(header.get(), "kid");
  if (key_id != nullptr && (!json_is_string(key_id) || TextOf(key_id).empty())) {
    return Refused("its header names no key (kid)");
  }
  token.signature.key_id = TextMember(header.get(), "kid").value_or("");
  token.issuer = TextMember(token.claims.get(), "iss").value_or("");
  return token;
}

absl::StatusOr<Token> CheckClaims(const json_t& claims, const config::v1::TokenIssuer& issuer,
                                  absl::Time now) {
  if (TextMember(&claims, "iss").value_or("") != issuer.issuer()) {
    return Refused("it is of another issuer");
  }
  if (!IsFor(json_object_get(&claims, "aud"), issuer.audience())) {
    return Refused(absl::StrCat("it is not for the audience '", Shown(issuer.audience()), "'"));
  }
  const absl::Duration leeway = absl::Seconds(issuer.leeway_seconds());
  absl::StatusOr<std::optional<absl::Time>> expires = TimeClaim(claims, "exp");
  if (!expires.ok()) return expires.status();
  if (!expires->has_value()) return Refused("it never expires (no exp)");
  if (now >= **expires + leeway) {
    return Refused(absl::StrCat("it expired at ", Utc(**expires), "; get a new one"));
  }
  for (const char* const name : {"nbf", "iat"}) {
    absl::StatusOr<std::optional<absl::Time>> from = TimeClaim(claims, name);
    if (!from.ok()) return from.status();
    if (from->has_value() && now + leeway < **from) {
      return Refused(absl::StrCat("it is good only from ", Utc(**from), " (", name,
                                  "); are the clocks right?"));
    }
  }
  Flattened flattened;
  if (absl::Status s = flattened.Add("", &claims, 0); !s.ok()) return s;
  Token token{.issuer = issuer.issuer(), .expires = **expires + leeway};
  token.claims = flattened.Take();
  absl::StatusOr<std::string> name = NameOf(token, issuer.name_claim());
  if (!name.ok()) return name.status();
  const std::string_view address = issuer.issuer();
  const size_t scheme = address.find("://");
  token.identity = absl::StrCat(
      std::string(tls::kTokenIdentityPrefix),
      std::string(scheme == std::string_view::npos ? address : address.substr(scheme + 3)), "#",
      *name);
  return token;
}

}  // namespace skimwatch::token
