#include "collector/ingest/admission.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/tls/certificate_files.h"

namespace skimwatch::ingest {
namespace {

constexpr int kSitesMax = 256;
constexpr size_t kSiteBytesMax = 63;
constexpr int kCapabilitiesMax = 64;
constexpr size_t kTextBytesMax = 128;
constexpr size_t kClaimShownMax = 256;
constexpr size_t kHeartbeatBytesMax = 64 << 10;
// Kept for every agent, and labels of metrics.
constexpr int kPagesMax = 256;
constexpr int kOutcomesMax = 32;

// As configurations allow names of sites and of checks.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kSiteBytesMax &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
             std::string_view::npos;
}

}  // namespace

bool MatchesIdentity(std::string_view pattern, std::string_view identity) {
  if (pattern.ends_with('*')) return identity.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == identity;
}

absl::Status AdmitAgent(const config::v1::CollectorConfig& config, std::string_view identity) {
  if (identity == tls::kLocalOperatorIdentity) {
    return absl::PermissionDeniedError(
        "the operators' socket is for no agent; connect to the address of `listen`");
  }
  for (const std::string& pattern : config.agents()) {
    if (MatchesIdentity(pattern, identity)) return absl::OkStatus();
  }
  if (config.agents().empty()) {
    bool has_role = false;
    for (const config::v1::RoleRule& rule : config.roles()) {
      has_role = has_role || MatchesIdentity(rule.identity(), identity);
    }
    if (!has_role) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("'", std::string(identity), "' is an operator by the collector's `roles`, ",
                     "and may not stream as an agent; name it in `agents` if it should"));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("'", std::string(identity), "' matches no entry of the collector's `agents`"));
}

absl::Status CheckHello(const v1::Hello& hello, std::string_view identity) {
  if (!hello.identity().empty() && hello.identity() != identity) {
    return absl::PermissionDeniedError(
        absl::StrCat("hello.identity: claims to be '",
                     absl::CHexEscape(hello.identity().substr(0, kClaimShownMax)),
                     "', and the certificate says '", std::string(identity), "'"));
  }
  if (hello.protocol_major() != kProtocolMajor) {
    return absl::FailedPreconditionError(
        absl::StrCat("hello.protocol_major: the agent speaks ", hello.protocol_major(),
                     " and the collector ", kProtocolMajor, "; install matching versions"));
  }
  if (hello.epoch() == 0) return absl::InvalidArgumentError("hello.epoch: not set");
  if (hello.sites_size() > kSitesMax) {
    return absl::InvalidArgumentError(absl::StrCat("hello.sites: more than ", kSitesMax));
  }
  for (const std::string& site : hello.sites()) {
    if (site.empty() || site.size() > kSiteBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("hello.sites: one is empty or longer than ", kSiteBytesMax, " bytes"));
    }
  }
  if (hello.capabilities_size() > kCapabilitiesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("hello.capabilities: more than ", kCapabilitiesMax));
  }
  if (hello.version().size() > kTextBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("hello.version: longer than ", kTextBytesMax, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckHeartbeat(const v1::Heartbeat& heartbeat) {
  if (heartbeat.ByteSizeLong() > kHeartbeatBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("heartbeat: larger than ", kHeartbeatBytesMax, " bytes"));
  }
  if (heartbeat.pages_size() > kPagesMax) {
    return absl::InvalidArgumentError(absl::StrCat("heartbeat.pages: more than ", kPagesMax));
  }
  for (const v1::PageLook& page : heartbeat.pages()) {
    if (!IsName(page.name()) || !IsName(page.site())) {
      return absl::InvalidArgumentError(
          "heartbeat.pages: a name or site is none of lower-case letters, digits, `-`, `_` and "
          "`.`");
    }
    if (page.looks_size() > kOutcomesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("heartbeat.pages.looks: more than ", kOutcomesMax));
    }
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::ingest
