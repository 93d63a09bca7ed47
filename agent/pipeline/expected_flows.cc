#include "agent/pipeline/expected_flows.h"

#include <fnmatch.h>

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::pipeline {
namespace {

constexpr int kV4PrefixBits = 96;

bool HostMatches(const std::string& pattern, const std::string& host) {
  const std::string wanted = absl::AsciiStrToLower(pattern);
  if (!absl::StartsWith(wanted, "*.")) return wanted == host;
  // `*.example.com` stands for hosts below example.com, not for itself.
  return host.size() > wanted.size() - 1 && absl::EndsWith(host, wanted.substr(1));
}

// A path that climbs or hides a separator is not the path that it begins with.
bool IsPlainPath(std::string_view path) {
  const std::string lower = absl::AsciiStrToLower({path.data(), path.size()});
  return !absl::StrContains(lower, "/../") && !absl::EndsWith(lower, "/..") &&
         !absl::StrContains(lower, "/./") && !absl::StrContains(lower, "%2e") &&
         !absl::StrContains(lower, "%2f") && !absl::StrContains(lower, "%5c") &&
         !absl::StrContains(lower, "\\");
}

bool SameBits(const traffic::IpAddress& a, const traffic::IpAddress& b, int bits) {
  for (int i = 0; i < bits; i += 8) {
    const int left = bits - i;
    const uint8_t mask = left >= 8 ? 0xff : static_cast<uint8_t>(0xff << (8 - left));
    if (((a.bytes()[i / 8] ^ b.bytes()[i / 8]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<ExpectedFlows::Prefix> ExpectedFlows::ParsePrefix(const std::string& text) {
  const auto malformed = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "address `", text, "` is neither an IP address nor one with `/` and a prefix length"));
  };
  const size_t slash = text.find('/');
  const std::optional<traffic::IpAddress> ip = traffic::IpAddress::Parse(text.substr(0, slash));
  if (!ip.has_value()) return malformed();
  Prefix prefix{.ip = *ip, .bits = 128};
  if (slash != std::string::npos) {
    int bits = 0;
    if (!absl::SimpleAtoi(text.substr(slash + 1), &bits) || bits < 0) return malformed();
    if (ip->is_v4()) bits += kV4PrefixBits;
    if (bits > 128) return malformed();
    prefix.bits = bits;
  }
  return prefix;
}

absl::StatusOr<ExpectedFlows> ExpectedFlows::Create(const Rules& rules) {
  ExpectedFlows flows;
  for (const v1::ExpectedFlow& flow : rules) {
    Rule rule{.flow = flow, .prefix = std::nullopt};
    if (flow.host().empty() && flow.address().empty() && flow.file().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected flow `", flow.name(), "` sets none of host, address and file"));
    }
    if (!flow.address().empty()) {
      absl::StatusOr<Prefix> prefix = ParsePrefix(flow.address());
      if (!prefix.ok()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "expected flow `", flow.name(), "`: ", std::string(prefix.status().message())));
      }
      rule.prefix = *prefix;
    }
    flows.rules_.push_back(std::move(rule));
  }
  return flows;
}

void ExpectedFlows::Append(const ExpectedFlows& other) {
  rules_.insert(rules_.end(), other.rules_.begin(), other.rules_.end());
}

bool ExpectedFlows::Contains(const SightingOrigin& origin) const {
  for (const Rule& rule : rules_) {
    if (Matches(rule, origin)) return true;
  }
  return false;
}

bool ExpectedFlows::Matches(const Rule& rule, const SightingOrigin& origin) {
  const v1::ExpectedFlow& flow = rule.flow;
  const v1::Provenance& provenance = origin.provenance;
  if (!flow.site().empty() && flow.site() != origin.site) return false;
  if (!flow.host().empty() && !HostMatches(flow.host(), provenance.host())) return false;
  if (rule.prefix.has_value()) {
    const std::optional<traffic::IpAddress> ip =
        traffic::IpAddress::Parse(provenance.server().address());
    if (!ip.has_value() || !SameBits(*ip, rule.prefix->ip, rule.prefix->bits)) return false;
  }
  if (flow.port() != 0 && flow.port() != provenance.server().port()) return false;
  if (!flow.path_prefix().empty() &&
      !(absl::StartsWith(origin.path, flow.path_prefix()) && IsPlainPath(origin.path))) {
    return false;
  }
  if (!flow.method().empty() && flow.method() != provenance.method()) return false;
  if (!flow.executable().empty() && flow.executable() != provenance.process().executable()) {
    return false;
  }
  return flow.file().empty() ||
         fnmatch(flow.file().c_str(), provenance.file().c_str(), FNM_PATHNAME) == 0;
}

}  // namespace skimwatch::pipeline
