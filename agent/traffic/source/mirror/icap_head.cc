#include "agent/traffic/source/mirror/icap_head.h"

#include <array>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::StatusOr<IcapMethod> ParseRequestLine(absl::string_view line, IcapHead& head) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3) return Wrong("the first line is not `METHOD icap://... ICAP/1.0`");
  if (words[2] != "ICAP/1.0") return Wrong("the version is not ICAP/1.0");
  absl::string_view uri = words[1];
  if (const size_t scheme = uri.find("://"); scheme != absl::string_view::npos) {
    if (!absl::StartsWithIgnoreCase(uri, "icap")) return Wrong("the URI's scheme is not icap");
    uri.remove_prefix(scheme + 3);
    const size_t slash = uri.find('/');
    uri = slash == absl::string_view::npos ? "/" : uri.substr(slash);
  }
  head.service = std::string(uri.substr(0, uri.find('?')));
  if (words[0] == "OPTIONS") return IcapMethod::kOptions;
  if (words[0] == "REQMOD") return IcapMethod::kReqmod;
  if (words[0] == "RESPMOD") return IcapMethod::kRespmod;
  return IcapMethod::kOther;
}

// `req-hdr=0, res-hdr=412, res-body=733`: where each begins, in the order that RFC 3507, 4.4.1
// gives, so that each head ends where the next section begins.
absl::Status ParseEncapsulated(absl::string_view value, IcapHead& head) {
  struct Section {
    absl::string_view name;
    size_t offset;
  };
  std::vector<Section> sections;
  for (absl::string_view text : absl::StrSplit(value, ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(absl::StripAsciiWhitespace(text), absl::MaxSplits('=', 1));
    Section section{pair.first, 0};
    if (!absl::SimpleAtoi(pair.second, &section.offset) ||
        section.offset > kEncapsulatedHeadBytesMax) {
      return Wrong("Encapsulated: an offset is no number, or too large");
    }
    if (sections.empty() ? section.offset != 0 : section.offset < sections.back().offset) {
      return Wrong("Encapsulated: offsets do not begin at 0 and grow");
    }
    sections.push_back(section);
    if (sections.size() > 3) return Wrong("Encapsulated: more than two heads and a body");
  }
  for (size_t i = 0; i < sections.size(); ++i) {
    const bool is_last = i + 1 == sections.size();
    const absl::string_view name = sections[i].name;
    if (is_last) {
      head.has_body = name == "req-body" || name == "res-body" || name == "opt-body";
      if (!head.has_body && name != "null-body") return Wrong("Encapsulated: no body comes last");
      continue;
    }
    const size_t bytes = sections[i + 1].offset - sections[i].offset;
    if (name == "req-hdr" && i == 0) {
      head.request_head_bytes = bytes;
    } else if (name == "res-hdr" && head.response_head_bytes == 0) {
      head.response_head_bytes = bytes;
    } else {
      return Wrong("Encapsulated: a section that is not known, or out of order");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IcapHead> ParseIcapHead(std::string_view text) {
  IcapHead head;
  bool has_encapsulated = false;
  bool is_first = true;
  for (absl::string_view line : absl::StrSplit(View(text), '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (is_first) {
      absl::StatusOr<IcapMethod> method = ParseRequestLine(line, head);
      if (!method.ok()) return method.status();
      head.method = *method;
      is_first = false;
      continue;
    }
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos || colon == 0) return Wrong("a header without a colon");
    const absl::string_view name = line.substr(0, colon);
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (absl::EqualsIgnoreCase(name, "Encapsulated")) {
      if (has_encapsulated) return Wrong("Encapsulated: given twice");
      has_encapsulated = true;
      if (absl::Status s = ParseEncapsulated(value, head); !s.ok()) return s;
    } else if (absl::EqualsIgnoreCase(name, "Preview")) {
      uint64_t bytes = 0;
      if (!absl::SimpleAtoi(value, &bytes)) return Wrong("Preview: not a number");
      head.preview = bytes;
    } else if (absl::EqualsIgnoreCase(name, "Allow")) {
      for (absl::string_view code : absl::StrSplit(value, ',')) {
        if (absl::StripAsciiWhitespace(code) == "204") head.allows_204 = true;
      }
    } else if (absl::EqualsIgnoreCase(name, "Connection")) {
      head.closes = absl::EqualsIgnoreCase(value, "close");
    } else if (absl::EqualsIgnoreCase(name, "X-Client-IP")) {
      if (std::optional<IpAddress> ip = IpAddress::Parse({value.data(), value.size()})) {
        head.client_ip = ip->ToString();
      }
    }
  }
  const bool modifies = head.method == IcapMethod::kReqmod || head.method == IcapMethod::kRespmod;
  if (modifies && !has_encapsulated) return Wrong("Encapsulated: missing");
  if (head.method == IcapMethod::kReqmod && head.request_head_bytes == 0) {
    return Wrong("Encapsulated: REQMOD without req-hdr");
  }
  return head;
}

}  // namespace skimwatch::traffic
