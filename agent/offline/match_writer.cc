#include "agent/offline/match_writer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/card/mask.h"
#include "nlohmann/json.hpp"
#include "proto/text/table.h"

namespace skimwatch::offline {
namespace {

using nlohmann::ordered_json;

ordered_json JsonOf(const FlowPlace& flow) {
  return {{"src", flow.src},
          {"dst", flow.dst},
          {"host", flow.host},
          {"method", flow.method},
          {"path", flow.path},
          {"part", flow.part},
          {"direction", flow.direction},
          {"time", flow.time}};
}

// Compressions of the file and encodings inside, outermost first.
std::string Layers(const Place& place, const card::CardMatch& match) {
  std::vector<std::string> layers(place.container.begin(), place.container.end());
  for (const card::Encoding encoding : match.encodings) {
    layers.emplace_back(card::EncodingName(encoding));
  }
  return layers.empty() ? "plain" : absl::StrJoin(layers, ">");
}

// The file, and what of it where it is a capture.
std::string Where(const Place& place) {
  if (!place.flow.has_value()) return place.path;
  const FlowPlace& flow = *place.flow;
  std::string what = flow.method;
  if (!flow.host.empty() || !flow.path.empty()) {
    absl::StrAppend(&what, what.empty() ? "" : " ", flow.host, flow.path);
  }
  absl::StrAppend(&what, what.empty() ? "" : " ", std::string(flow.part), " ", flow.src, "->",
                  flow.dst);
  return absl::StrCat(place.path, ": ", what);
}

text::Table NewTable() {
  return text::Table({{.name = "CONFIDENCE", .columns_min = 10},
                      {.name = "KIND", .columns_min = 12},
                      {.name = "BRAND", .columns_min = 10},
                      {.name = "NUMBER", .columns_min = 19},
                      {.name = "OFFSET", .right = true, .columns_min = 10},
                      {.name = "ENCODING", .columns_min = 10},
                      {.name = "PATH", .shrinks = true, .columns_min = 20},
                      {.name = "EVIDENCE", .shrinks = true}});
}

}  // namespace

std::string TableWriter::Header() const { return NewTable().Render(columns_, /*headers=*/true); }

std::string TableWriter::Item(const Finding& finding) const {
  const card::CardMatch& match = finding.match;
  text::Table table = NewTable();
  std::vector<std::string> evidence(match.evidence.begin(), match.evidence.end());
  if (match.test_card) evidence.insert(evidence.begin(), "test_card");
  table.AddRow({std::string(card::ConfidenceName(match.confidence)),
                std::string(card::MatchKindName(match.kind)), std::string(match.brand),
                card::Mask(match.digits, mask_, match.iin_digits), absl::StrCat(finding.offset),
                Layers(finding.place, match), Where(finding.place), absl::StrJoin(evidence, " ")});
  return table.Render(columns_, /*headers=*/false);
}

std::string JsonWriter::Item(const Finding& finding) const {
  const Place& place = finding.place;
  const card::CardMatch& match = finding.match;
  ordered_json encoding = ordered_json::array();
  for (const card::Encoding layer : match.encodings) encoding.push_back(card::EncodingName(layer));
  ordered_json line = {{"path", place.path},
                       {"offset", finding.offset},
                       {"length", match.length},
                       {"kind", card::MatchKindName(match.kind)},
                       {"brand", match.brand},
                       {"masked", card::Mask(match.digits, mask_, match.iin_digits)},
                       {"confidence", card::ConfidenceName(match.confidence)},
                       {"score", match.score},
                       {"encoding", std::move(encoding)},
                       {"test_card", match.test_card},
                       {"evidence", ordered_json::array()},
                       {"container", ordered_json::array()}};
  for (const std::string& evidence : match.evidence) line["evidence"].push_back(evidence);
  for (const std::string_view layer : place.container) line["container"].push_back(layer);
  if (finding.begin.has_value()) {
    line["line"] = finding.begin->line;
    line["column"] = finding.begin->column;
  }
  if (!finding.fingerprint.empty()) {
    line["fingerprint"] = finding.fingerprint;
    line["key_id"] = finding.key_id;
  }
  if (place.flow.has_value()) line["flow"] = JsonOf(*place.flow);
  return line.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace skimwatch::offline
