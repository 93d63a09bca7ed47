#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ADDRESS_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ADDRESS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace skimwatch::script {

// The path of an address with every part replaced that looks like data (traffic::PathTemplate).
using PathTemplateFunction = std::function<std::string(std::string_view path)>;

// An address of a report in its parts. The host may hold a card number still, the path too.
struct ReportedAddress {
  // In lower case.
  std::string host;
  // `https://host:port`, without a default port.
  std::string origin;
  // From its first slash, without query and fragment.
  std::string path;
};

// nullopt for what names no host: a word such as `inline`, `data:`, `about:blank`.
std::optional<ReportedAddress> ParseReportedAddress(std::string_view url);

// The scheme, in lower case, as far as the text begins with one (`https`, `moz-extension`); empty
// when it does not.
std::string SchemeOf(std::string_view url);

// A name that a stranger chose, with the card numbers in it overwritten.
std::string ShownHost(std::string_view host);

// Origin and path template, fit to be shown and to tell places apart by.
std::string ShownAddress(const ReportedAddress& address, const PathTemplateFunction& path_template);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_REPORT_ADDRESS_H_
