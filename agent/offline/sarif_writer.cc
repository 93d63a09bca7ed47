#include "agent/offline/sarif_writer.h"

#include <array>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "agent/offline/findings.h"
#include "nlohmann/json.hpp"
#include "proto/process/process.h"

namespace skimwatch::offline {
namespace {

using nlohmann::ordered_json;

// A rule of the driver. Severities are those that code hosts sort by, of CVSS's scale: sensitive
// authentication data may not be kept at all (PCI DSS 4.0.1, 3.3.1), a number only unreadable
// (3.5.1).
struct Rule {
  card::MatchKind kind;
  const char* name;
  const char* summary;
  const char* description;
  const char* help;
  const char* severity;
};

constexpr const char* kHelp =
    "Remove the number, replace it by a token or a published test number, and look where it came "
    "from. It stays in the history of version control until that is rewritten. If it must be "
    "there, allow it by an entry of an allow-list with a reason and an end.";

constexpr std::array<Rule, 4> kRules = {{
    {card::MatchKind::kPan, "CardNumber", "Card number (PAN)",
     "A primary account number stands here in readable form. PCI DSS 4.0.1, 3.5.1, wants it "
     "unreadable wherever it is stored.",
     kHelp, "7.5"},
    {card::MatchKind::kPanWithCvv, "CardNumberWithSecurityCode",
     "Card number with its security code",
     "A primary account number stands here beside a card verification code. PCI DSS 4.0.1, "
     "3.3.1.2, forbids to store the code after authorization, encrypted or not.",
     kHelp, "9.0"},
    {card::MatchKind::kTrack1, "Track1", "Magnetic stripe data, track 1",
     "The content of a magnetic stripe's first track stands here. PCI DSS 4.0.1, 3.3.1.1, forbids "
     "to store it after authorization, encrypted or not.",
     kHelp, "9.5"},
    {card::MatchKind::kTrack2, "Track2", "Magnetic stripe data, track 2",
     "The content of a magnetic stripe's second track stands here. PCI DSS 4.0.1, 3.3.1.1, forbids "
     "to store it after authorization, encrypted or not.",
     kHelp, "9.5"},
}};

size_t RuleIndex(card::MatchKind kind) {
  size_t index = 0;
  while (index + 1 < kRules.size() && kRules[index].kind != kind) ++index;
  return index;
}

std::string_view Level(card::Confidence confidence) {
  switch (confidence) {
    case card::Confidence::kHigh:
      return "error";
    case card::Confidence::kMedium:
      return "warning";
    case card::Confidence::kLow:
      return "note";
  }
  return "none";
}

// A path as a URI reference (RFC 3986).
std::string UriOf(std::string_view path) {
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain =
        absl::ascii_isalnum(byte) || std::string_view("/-._~").find(c) != std::string_view::npos;
    if (is_plain) {
      uri.push_back(c);
    } else {
      absl::StrAppendFormat(&uri, "%%%02X", byte);
    }
  }
  return uri;
}

std::string Dump(const ordered_json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace);
}

std::string Message(const Finding& finding, card::MaskStyle mask) {
  const card::CardMatch& match = finding.match;
  std::string text =
      absl::StrCat(kRules[RuleIndex(match.kind)].summary, ": ", std::string(match.brand), " ",
                   card::Mask(match.digits, mask, match.iin_digits), ", ",
                   std::string(card::ConfidenceName(match.confidence)), " confidence");
  if (match.test_card) text += ", a published test number";
  if (!match.encodings.empty()) {
    absl::StrAppend(
        &text, ", encoded in ",
        absl::StrJoin(match.encodings, " in ", [](std::string* out, card::Encoding encoding) {
          out->append(card::EncodingName(encoding));
        }));
  }
  if (finding.place.path.size() != finding.place.file().size()) {
    absl::StrAppend(&text, ", in ", finding.place.path);
  }
  return text + ".";
}

ordered_json RegionOf(const Finding& finding) {
  const bool is_in_file = finding.place.container.empty() && !finding.place.flow.has_value();
  // Of a file that holds others there is no line.
  if (!is_in_file) return {{"startLine", 1}};
  ordered_json region;
  if (finding.begin.has_value() && finding.end.has_value()) {
    region = {{"startLine", finding.begin->line},
              {"startColumn", finding.begin->column},
              {"endLine", finding.end->line},
              {"endColumn", finding.end->column}};
  }
  region["byteOffset"] = finding.offset;
  region["byteLength"] = finding.match.length;
  return region;
}

ordered_json PropertiesOf(const Finding& finding) {
  const card::CardMatch& match = finding.match;
  ordered_json properties = {{"brand", match.brand},
                             {"confidence", card::ConfidenceName(match.confidence)},
                             {"testCard", match.test_card},
                             {"evidence", ordered_json::array()}};
  for (const std::string& evidence : match.evidence) properties["evidence"].push_back(evidence);
  if (!finding.place.container.empty()) {
    for (const std::string_view layer : finding.place.container) {
      properties["container"].push_back(layer);
    }
    properties["offset"] = finding.offset;
    if (finding.begin.has_value()) properties["line"] = finding.begin->line;
  }
  return properties;
}

}  // namespace

std::string SarifWriter::Header() const {
  ordered_json rules = ordered_json::array();
  for (const Rule& rule : kRules) {
    rules.push_back({{"id", card::MatchKindName(rule.kind)},
                     {"name", rule.name},
                     {"shortDescription", {{"text", rule.summary}}},
                     {"fullDescription", {{"text", rule.description}}},
                     {"help", {{"text", rule.help}, {"markdown", rule.help}}},
                     {"defaultConfiguration", {{"level", "error"}}},
                     {"properties",
                      {{"tags", {"security", "pci-dss", "external/cwe/cwe-312"}},
                       {"precision", "high"},
                       {"security-severity", rule.severity}}}});
  }
  const ordered_json driver = {{"name", "skimwatch-agent"},
                               {"version", process::Version()},
                               {"semanticVersion", process::Version()},
                               {"rules", rules}};
  return absl::StrCat(R"({"$schema":"https://json.schemastore.org/sarif-2.1.0.json",)",
                      R"("version":"2.1.0","runs":[{"tool":{"driver":)", Dump(driver),
                      R"(},"columnKind":"utf16CodeUnits","results":[)", "\n");
}

std::string SarifWriter::Item(const Finding& finding) const {
  const std::string file = PathBelow(finding.place.file(), folder_);
  ordered_json artifact = {{"uri", UriOf(file == "-" ? "stdin" : file)}};
  if (!file.starts_with('/')) artifact["uriBaseId"] = "%SRCROOT%";
  ordered_json location = {
      {"physicalLocation", {{"artifactLocation", artifact}, {"region", RegionOf(finding)}}}};
  if (!finding.place.container.empty() || finding.place.flow.has_value()) {
    std::string name = finding.place.path;
    if (finding.place.flow.has_value()) {
      const FlowPlace& flow = *finding.place.flow;
      absl::StrAppend(&name, ": ", flow.src, "->", flow.dst, " ", flow.host, flow.path, " ",
                      std::string(flow.part));
    }
    location["logicalLocations"] = {{{"fullyQualifiedName", name}, {"kind", "resource"}}};
  }
  // Equal ones in one file are told apart by their order.
  const std::string identity = absl::StrCat(std::string(finding.identity), ":", finding.occurrence);
  const size_t rule = RuleIndex(finding.match.kind);
  const ordered_json result = {
      {"ruleId", card::MatchKindName(kRules[rule].kind)},
      {"ruleIndex", rule},
      {"level", Level(finding.match.confidence)},
      {"rank", finding.match.score},
      {"message", {{"text", Message(finding, mask_)}}},
      {"locations", {location}},
      {"partialFingerprints",
       {{finding.fingerprint.empty() ? "skimwatchMasked/v1" : "skimwatchKeyed/v1", identity}}},
      {"properties", PropertiesOf(finding)}};
  return Dump(result);
}

std::string SarifWriter::Footer(const RunOutcome& outcome) const {
  const ordered_json invocation = {{"executionSuccessful", outcome.complete},
                                   {"exitCode", outcome.exit_code}};
  return absl::StrCat("\n],\"invocations\":[", Dump(invocation), "]}]}\n");
}

}  // namespace skimwatch::offline
