#include "agent/script/source/browser_report/report_noise.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "agent/script/source/browser_report/report_address.h"

namespace skimwatch::script {
namespace {

// Schemes that only a browser's own parts and its extensions have; some browsers report them
// without what follows the scheme.
constexpr std::array<std::string_view, 11> kExtensionSchemes = {
    "chrome-extension",  "moz-extension",
    "safari-extension",  "safari-web-extension",
    "edge-extension",    "ms-browser-extension",
    "opera-extension",   "extension",
    "webkit-masked-url", "mx",
    "mxjscall"};
constexpr std::array<std::string_view, 8> kInternalSchemes = {
    "about",     "chrome", "resource", "edge", "brave", "view-source", "webviewprogressproxy",
    "chromenull"};

// Words that stand for something without an address (CSP Level 3, 5.2).
constexpr std::array<std::string_view, 7> kWords = {
    "inline", "eval", "wasm-eval", "trusted-types-policy", "trusted-types-sink", "data", "blob"};

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsInline(std::string_view word) {
  return word == "inline" || word == "eval" || word == "wasm-eval";
}

}  // namespace

ReportNoise::ReportNoise(const std::vector<std::string>& hosts) {
  for (const std::string& host : hosts) {
    const std::string lower = absl::AsciiStrToLower(host);
    if (lower.starts_with("*.")) {
      suffixes_.push_back(lower.substr(1));
    } else {
      hosts_.push_back(lower);
    }
  }
}

bool ReportNoise::IsNoisyHost(std::string_view host) const {
  return std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end() ||
         std::any_of(suffixes_.begin(), suffixes_.end(),
                     [&](const std::string& suffix) { return host.ends_with(suffix); });
}

ReportNoise::Kind ReportNoise::KindOf(const Report& report) const {
  const std::string source_scheme = SchemeOf(report.source_file);
  if (IsOneOf(kExtensionSchemes, source_scheme)) return Kind::kExtension;
  if (IsOneOf(kInternalSchemes, source_scheme)) return Kind::kInternal;

  const std::string scheme = SchemeOf(report.blocked_url);
  if (!scheme.empty()) {
    if (IsOneOf(kExtensionSchemes, scheme)) return Kind::kExtension;
    if (IsOneOf(kInternalSchemes, scheme)) return Kind::kInternal;
    const std::optional<ReportedAddress> address = ParseReportedAddress(report.blocked_url);
    return address.has_value() && IsNoisyHost(address->host) ? Kind::kHost : Kind::kNone;
  }
  const std::string word = absl::AsciiStrToLower(report.blocked_url);
  if (IsOneOf(kExtensionSchemes, word)) return Kind::kExtension;
  // Older browsers report an inline script as `self` or as nothing.
  if (IsInline(word) || word == "self" || word.empty()) {
    return report.source_file.empty() ? Kind::kInline : Kind::kNone;
  }
  return IsOneOf(kWords, word) ? Kind::kNone : Kind::kInternal;
}

}  // namespace skimwatch::script
