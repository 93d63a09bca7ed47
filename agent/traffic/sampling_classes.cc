#include "agent/traffic/sampling_classes.h"

#include <fnmatch.h>

#include <algorithm>

namespace skimwatch::traffic {
namespace {

Priority PriorityNamed(std::string_view name) {
  if (name == "low") return Priority::kLow;
  if (name == "high") return Priority::kHigh;
  return Priority::kNormal;
}

std::vector<std::string> ListOf(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

// Globs, in which `*` also takes slashes; case does not matter. An empty list matches everything.
bool AnyMatches(const std::vector<std::string>& globs, std::string_view text) {
  if (globs.empty()) return true;
  const std::string terminated(text);
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), terminated.c_str(), FNM_CASEFOLD | FNM_NOESCAPE) == 0;
  });
}

std::string_view DirectionName(Direction direction) {
  switch (direction) {
    case Direction::kOutboundRequest:
    case Direction::kOutboundResponse:
      return "outbound";
    case Direction::kInboundRequest:
    case Direction::kInboundResponse:
      return "inbound";
    case Direction::kUnknown:
    case Direction::kAtRest:
      break;
  }
  return "";
}

}  // namespace

std::shared_ptr<const SamplingClasses> SamplingClasses::Create(
    const config::v1::Sampling& config, const std::vector<const ExpectedFlows*>& expected) {
  auto classes = std::make_shared<SamplingClasses>();
  for (const config::v1::SamplingClass& one : config.classes()) {
    classes->classes_.push_back({.priority = PriorityNamed(one.priority()),
                                 .sites = ListOf(one.sites()),
                                 .hosts = ListOf(one.hosts()),
                                 .paths = ListOf(one.paths()),
                                 .destinations = ListOf(one.destinations()),
                                 .content_types = ListOf(one.content_types()),
                                 .body_bytes_min = one.body_bytes_min(),
                                 .direction = one.direction()});
  }
  if (config.has_built_in_classes() && !config.built_in_classes()) return classes;
  for (const ExpectedFlows* flows : expected) {
    for (const v1::ExpectedFlow& flow : *flows) {
      // Cards at rest are no flow, and one that names an address alone is not told apart here.
      if (flow.host().empty()) continue;
      Class one{.priority = Priority::kHigh, .hosts = {flow.host()}};
      if (!flow.site().empty()) one.sites = {flow.site()};
      if (!flow.path_prefix().empty()) one.paths = {flow.path_prefix() + "*"};
      classes->classes_.push_back(std::move(one));
    }
  }
  classes->classes_.push_back(
      {.priority = Priority::kHigh,
       .paths = {"*checkout*", "*payment*", "*/pay", "*/pay/*", "*/pay[.?]*", "*billing*",
                 "*/cart*", "*/order*", "*/basket*", "*purchase*", "*credit*card*"}});
  constexpr uint64_t kStaticBytesMin = 64 << 10;
  classes->classes_.push_back(
      {.priority = Priority::kLow,
       .content_types = {"image/*", "video/*", "audio/*", "font/*", "application/font*",
                         "application/x-font*", "application/vnd.ms-fontobject", "application/zip",
                         "application/gzip", "application/x-gzip", "application/x-tar",
                         "application/x-7z-compressed", "application/x-bzip2", "application/x-xz",
                         "application/zstd", "application/vnd.debian.binary-package",
                         "application/x-rpm", "application/wasm"},
       .body_bytes_min = kStaticBytesMin});
  return classes;
}

Priority SamplingClasses::PriorityOf(const SampledMessage& message) const {
  for (const Class& one : classes_) {
    if (Matches(one, message)) return one.priority;
  }
  return Priority::kNormal;
}

bool SamplingClasses::Matches(const Class& one, const SampledMessage& message) {
  if (!one.direction.empty() && one.direction != DirectionName(message.direction)) return false;
  if (one.body_bytes_min > 0 && message.body_bytes < one.body_bytes_min) return false;
  return AnyMatches(one.sites, message.site) && AnyMatches(one.hosts, message.host) &&
         AnyMatches(one.destinations, message.server_address) &&
         AnyMatches(one.content_types, message.content_type) && AnyMatches(one.paths, message.path);
}

}  // namespace skimwatch::traffic
