#include "proto/config/tokens.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/config/shared_fields.h"
#include "proto/config/syntax.h"

namespace skimwatch::config {
namespace {

constexpr int kIssuersMax = 16;
constexpr size_t kTextBytesMax = 1024;

bool IsPlain(std::string_view text) {
  return text.size() <= kTextBytesMax && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isgraph(c);
         });
}

bool IsHttps(std::string_view text) {
  constexpr std::string_view kScheme = "https://";
  if (!IsPlain(text) || !text.starts_with(kScheme)) return false;
  const char after = text.size() > kScheme.size() ? text[kScheme.size()] : '/';
  // A name or a password before the host would be a secret in the configuration, and in logs.
  return after != '/' && text.find('@') == std::string_view::npos;
}

// OpenID Connect Core, 1.2: https, and neither query nor fragment. A `#` would also let one issuer
// speak of people of another in the log of decisions.
bool IsIssuer(std::string_view text) {
  return IsHttps(text) && text.find_first_of("?#") == std::string_view::npos;
}

bool IsClaim(std::string_view text) {
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 && equals + 1 < text.size() &&
         text.size() <= kTextBytesMax &&
         std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

bool IsText(std::string_view text) {
  return text.size() <= kTextBytesMax &&
         std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

void CheckIssuer(const Checker& issuer) {
  constexpr std::string_view kIssuer = "an address with https:// and without query or fragment";
  issuer.Required("issuer", kIssuer);
  issuer.Valid("issuer", IsIssuer, kIssuer);
  issuer.Required("audience", "what the tokens' `aud` must have");
  issuer.Valid("audience", IsText, absl::StrCat("at most ", kTextBytesMax, " bytes of text"));
  issuer.Valid("jwks_file", IsPath, "the path of a file");
  issuer.Valid("jwks_url", IsHttps, "an address with https://");
  issuer.Valid("jwks_ca_file", IsPath, "the path of a PEM file");
  const bool has_file = !issuer.Get("jwks_file").empty();
  const bool has_url = !issuer.Get("jwks_url").empty();
  if (has_file == has_url) {
    issuer.Error("", has_file ? "jwks_file beside jwks_url" : "neither jwks_file nor jwks_url",
                 "one of the two");
  }
  if (!issuer.Get("jwks_ca_file").empty() && !has_url) {
    issuer.Error("jwks_ca_file", "it without `jwks_url`", "both");
  }
  issuer.Number("jwks_refresh_seconds", 3600, 60, 86400);
  issuer.Text("name_claim", "sub");
  issuer.Valid("name_claim", IsText, "the name of a claim");
  issuer.Number("leeway_seconds", 60, 0, 300);
}

}  // namespace

void CheckTokens(const Checker& root, const v1::CollectorConfig& config) {
  std::map<std::string, std::string> issuers;
  root.Each("token_issuers", [&](const Checker& issuer) {
    CheckIssuer(issuer);
    issuer.Unique("issuer", issuers);
  });
  if (config.token_issuers_size() > kIssuersMax) {
    root.Error("token_issuers", absl::StrCat(config.token_issuers_size()),
               absl::StrCat("at most ", kIssuersMax));
  }
  if (config.token_issuers_size() > 0 && config.tls().plaintext()) {
    root.Error("token_issuers", "it beside `plaintext: true`",
               "TLS at `listen`, as tokens are secrets");
  }
  root.Each("roles", [&](const Checker& rule) {
    const bool has_claim = !rule.Get("claim").empty();
    const std::string issuer = rule.Get("issuer");
    if (!has_claim) {
      if (!issuer.empty()) rule.Error("issuer", "it without `claim`", "both");
      return;
    }
    rule.Valid("claim", IsClaim, "`name=value`");
    if (!rule.Get("identity").empty()) {
      rule.Error("claim", "it beside `identity`", "one of the two");
    }
    if (!issuer.empty() && !issuers.contains(issuer)) {
      rule.Error("issuer", Quoted(issuer), "the issuer of one of `token_issuers`");
    }
    if (issuer.empty() && issuers.size() != 1) {
      rule.Error("claim",
                 absl::StrCat("it without `issuer`, and ", issuers.size(), " token issuers"),
                 "the issuer that is believed");
    }
  });
}

}  // namespace skimwatch::config
