#include "agent/script/source/browser_report/report_address.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/web_address.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

// Fewer make no card number, in hexadecimal neither.
constexpr auto kNumberDigitsMin = 12;
// RFC 1035, 2.3.4, and a scheme and port.
constexpr size_t kOriginBytesMax = 280;
constexpr size_t kSchemeBytesMax = 32;

}  // namespace

std::optional<ReportedAddress> ParseReportedAddress(std::string_view url) {
  // Relative addresses have no place in a report.
  const std::string scheme = SchemeOf(url);
  if (scheme != "https" && scheme != "http" && scheme != "wss" && scheme != "ws") {
    return std::nullopt;
  }
  WebAddress address = ParseWebAddress(url);
  if (address.kind != WebAddress::Kind::kHost || address.host.empty()) return std::nullopt;
  const size_t authority = address.base.find("://");
  if (authority == std::string::npos) return std::nullopt;
  const size_t slash = std::min(address.base.find('/', authority + 3), address.base.size());
  if (slash > kOriginBytesMax) return std::nullopt;
  ReportedAddress parsed;
  parsed.host = std::move(address.host);
  parsed.origin = address.base.substr(0, slash);
  parsed.path = address.base.substr(slash);
  if (parsed.path.empty()) parsed.path = "/";
  return parsed;
}

std::string SchemeOf(std::string_view url) {
  const size_t colon = url.substr(0, kSchemeBytesMax + 1).find(':');
  if (colon == std::string_view::npos || colon == 0) return "";
  const std::string_view scheme = url.substr(0, colon);
  // RFC 3986, 3.1.
  const bool is_scheme = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
  });
  if (!is_scheme || !absl::ascii_isalpha(static_cast<unsigned char>(scheme.front()))) return "";
  return absl::AsciiStrToLower(std::string(scheme));
}

std::string ShownHost(std::string_view host) {
  std::string shown(host);
  validation::ReplaceUnprintable(shown, /*lines=*/false);
  if (std::count_if(shown.begin(), shown.end(), absl::ascii_isdigit) < kNumberDigitsMin) {
    return shown;
  }
  shown = RedactCards(shown).text;
  validation::MaskCardNumbers(shown);
  return shown;
}

std::string ShownAddress(const ReportedAddress& address,
                         const PathTemplateFunction& path_template) {
  std::string shown = absl::StrCat(ShownHost(address.origin), path_template(address.path));
  // Digits of host and path side by side.
  validation::MaskCardNumbers(shown);
  return shown;
}

}  // namespace skimwatch::script
