#include "proto/destination/approved_destinations.h"

#include <utility>

namespace skimwatch::destination {

absl::Status ApprovedDestinations::Add(std::string_view site, std::string_view pattern,
                                       std::string_view process, absl::Time expires_at) {
  absl::StatusOr<DestinationPattern> parsed = DestinationPattern::Parse(pattern);
  if (!parsed.ok()) return parsed.status();
  Site& entry = sites_[std::string(site)];
  if (parsed->kind() == DestinationPattern::Kind::kName) {
    entry.by_name[parsed->text()].push_back(approvals_.size());
  } else {
    entry.others.push_back(approvals_.size());
  }
  approvals_.push_back(
      {.pattern = *std::move(parsed), .process = std::string(process), .expires_at = expires_at});
  return absl::OkStatus();
}

std::optional<size_t> ApprovedDestinations::Find(std::string_view site, std::string_view name,
                                                 std::string_view process, absl::Time now) const {
  const auto entry = sites_.find(std::string(site));
  if (entry == sites_.end()) return std::nullopt;
  std::optional<size_t> best;
  const auto consider = [&](size_t i) {
    const Approval& approval = approvals_[i];
    if (approval.expires_at <= now) return;
    if (!approval.process.empty() && approval.process != process) return;
    if (best.has_value() && approvals_[*best].expires_at >= approval.expires_at) return;
    if (approval.pattern.Matches(name)) best = i;
  };
  if (const auto named = entry->second.by_name.find(std::string(name));
      named != entry->second.by_name.end()) {
    for (const size_t i : named->second) consider(i);
  }
  for (const size_t i : entry->second.others) consider(i);
  return best;
}

}  // namespace skimwatch::destination
