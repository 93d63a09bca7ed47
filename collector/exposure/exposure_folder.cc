#include "collector/exposure/exposure_folder.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"

namespace skimwatch::exposure {

using store::FromTimestamp;
using store::ToTimestamp;

absl::Status CloseOne(store::Transaction& transaction, v1::Exposure& exposure, std::string_view who,
                      std::string_view reason, absl::Time now) {
  exposure.set_state(v1::Exposure::STATE_CLOSED);
  exposure.set_closed_by(std::string(who));
  exposure.set_close_reason(std::string(reason));
  *exposure.mutable_closed_at() = ToTimestamp(now);
  if (absl::Status s = transaction.UpdateExposure(exposure, now); !s.ok()) return s;
  return transaction.RecordDecision({.at = now,
                                     .who = std::string(who),
                                     .action = "exposure.close",
                                     .subject = absl::StrCat(exposure.id()),
                                     .reason = std::string(reason)});
}

absl::StatusOr<ExposureFolder::Entry*> ExposureFolder::FindOpen(const store::ExposureKey& key) {
  if (const auto it = open_.find(key); it != open_.end()) {
    return it->second == 0 ? nullptr : &exposures_.at(it->second);
  }
  absl::StatusOr<std::optional<v1::Exposure>> found = transaction_.FindOpenExposure(key);
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    open_.emplace(key, 0);
    return nullptr;
  }
  const uint64_t id = (*found)->id();
  open_.emplace(key, id);
  Entry& entry = exposures_[id];
  entry.exposure = **std::move(found);
  return &entry;
}

absl::StatusOr<ExposureFolder::Entry*> ExposureFolder::Open(const store::ExposureKey& key,
                                                            v1::Exposure exposure) {
  absl::StatusOr<uint64_t> id = transaction_.InsertExposure(exposure, now_);
  if (!id.ok()) return id.status();
  exposure.set_id(*id);
  open_[key] = *id;
  Entry& entry = exposures_[*id];
  entry = {.exposure = std::move(exposure), .changed = true};
  return &entry;
}

absl::StatusOr<ExposureFolder::Entry*> ExposureFolder::FindJustClosed(const store::ExposureKey& key,
                                                                      const v1::Finding& finding) {
  absl::StatusOr<std::optional<v1::Exposure>> found = transaction_.FindLastClosedExposure(key);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return nullptr;
  const absl::Time closed_at = FromTimestamp((*found)->closed_at());
  // Either way round: the clock may have been set back since.
  if (absl::AbsDuration(now_ - closed_at) > kLateFindings) return nullptr;
  if (FromTimestamp(finding.last_seen()) > closed_at) return nullptr;
  const uint64_t id = (*found)->id();
  const auto [it, inserted] = exposures_.try_emplace(id);
  if (inserted) it->second.exposure = **std::move(found);
  return &it->second;
}

void ExposureFolder::AddSighting(const store::ExposureKey& key, const v1::Finding& finding,
                                 uint64_t exposure_id) {
  const v1::Card* card = CardOf(finding);
  if (card == nullptr) return;
  // An empty fingerprint stands for all cards that have none.
  Cards& cards = sightings_[{card->fingerprint(), key, finding.expected(), exposure_id}];
  cards.first_seen = std::min(cards.first_seen, FromTimestamp(finding.first_seen()));
  cards.last_seen = std::max(cards.last_seen, FromTimestamp(finding.last_seen()));
  const uint64_t count = std::max<uint64_t>(finding.count(), 1);
  cards.occurrences = cards.occurrences > std::numeric_limits<uint64_t>::max() - count
                          ? std::numeric_limits<uint64_t>::max()
                          : cards.occurrences + count;
  cards.weight = std::min(cards.weight, SamplingWeight(finding));
  cards.test_card = card->test_card();
}

v1::ExposureGrowth& ExposureFolder::GrowthAt(absl::Time seen, Entry& entry) const {
  seen = std::clamp(seen, now_ - kGrowthSpan, now_);
  const absl::Time start =
      absl::UnixEpoch() + absl::Floor(seen - absl::UnixEpoch(), absl::Hours(1));
  v1::ExposureGrowth& growth = entry.growth[start];
  if (!growth.has_start()) *growth.mutable_start() = ToTimestamp(start);
  return growth;
}

absl::StatusOr<uint64_t> ExposureFolder::Add(const v1::Finding& finding, v1::FindingKind kind,
                                             const std::string& agent) {
  const store::ExposureKey key = KeyOf(finding, kind);
  const Fold fold = Decide(finding, kind, rules_);
  if (fold == Fold::kNone) {
    AddSighting(key, finding, 0);
    return 0;
  }
  absl::StatusOr<Entry*> entry = FindOpen(key);
  if (!entry.ok()) return entry.status();
  if (*entry == nullptr && fold == Fold::kJoin) {
    AddSighting(key, finding, 0);
    return 0;
  }
  return AddTo(key, finding, kind, agent);
}

absl::StatusOr<uint64_t> ExposureFolder::AddTo(const store::ExposureKey& key,
                                               const v1::Finding& finding, v1::FindingKind kind,
                                               const std::string& agent) {
  absl::StatusOr<Entry*> entry = FindOpen(key);
  if (entry.ok() && *entry == nullptr) entry = FindJustClosed(key, finding);
  if (entry.ok() && *entry == nullptr) entry = Open(key, NewExposure(key));
  if (!entry.ok()) return entry.status();
  AddFinding(finding, kind, agent, (*entry)->exposure);
  (*entry)->changed = true;
  v1::ExposureGrowth& growth = GrowthAt(FromTimestamp(finding.first_seen()), **entry);
  growth.set_findings(growth.findings() + 1);
  const uint64_t count = std::max<uint64_t>(finding.count(), 1);
  growth.set_occurrences(growth.occurrences() > std::numeric_limits<uint64_t>::max() - count
                             ? std::numeric_limits<uint64_t>::max()
                             : growth.occurrences() + count);
  AddSighting(key, finding, (*entry)->exposure.id());
  return (*entry)->exposure.id();
}

absl::StatusOr<uint64_t> ExposureFolder::OpenWithoutFinding(const store::ExposureKey& key,
                                                            v1::Severity severity,
                                                            const std::string& rule) {
  absl::StatusOr<Entry*> entry = FindOpen(key);
  if (!entry.ok()) return entry.status();
  if (*entry == nullptr) {
    v1::Exposure exposure = NewExposure(key);
    *exposure.mutable_first_seen() = ToTimestamp(now_);
    *exposure.mutable_last_seen() = ToTimestamp(now_);
    exposure.set_confidence(v1::CONFIDENCE_HIGH);
    entry = Open(key, std::move(exposure));
    if (!entry.ok()) return entry.status();
  }
  v1::Exposure& exposure = (*entry)->exposure;
  exposure.set_severity(std::max(exposure.severity(), severity));
  AddSeverityReason(severity, rule, /*agent=*/"", now_, exposure);
  if (std::find(exposure.rules().begin(), exposure.rules().end(), rule) == exposure.rules().end() &&
      exposure.rules_size() < kListEntriesMax) {
    exposure.add_rules(rule);
  }
  (*entry)->changed = true;
  return exposure.id();
}

absl::Status ExposureFolder::CloseChannel(const std::string& site, v1::FindingKind kind,
                                          const std::string& channel, const std::string& who,
                                          const std::string& reason) {
  absl::StatusOr<std::vector<v1::Exposure>> open =
      transaction_.FindOpenExposures(site, kind, channel);
  if (!open.ok()) return open.status();
  for (v1::Exposure& stored : *open) {
    const auto [it, inserted] = exposures_.try_emplace(stored.id());
    Entry& entry = it->second;
    if (inserted) entry.exposure = std::move(stored);
    if (entry.exposure.state() != v1::Exposure::STATE_OPEN) continue;
    entry.changed = true;
    // At once: the same transaction may open it anew, and only one of a key can be open in the
    // store.
    absl::Status s = CloseOne(transaction_, entry.exposure, who, reason, now_);
    if (!s.ok()) return s;
    open_[{.site = entry.exposure.site(),
           .kind = kind,
           .channel = channel,
           .destination = entry.exposure.destination()}] = 0;
  }
  return absl::OkStatus();
}

absl::Status ExposureFolder::Flush() {
  std::vector<store::Sighting> sightings;
  sightings.reserve(sightings_.size());
  for (const auto& [key, cards] : sightings_) {
    const auto& [fingerprint, way, expected, exposure_id] = key;
    sightings.push_back({.fingerprint = fingerprint,
                         .way = way,
                         .expected = expected,
                         .exposure_id = exposure_id,
                         .first_seen = cards.first_seen,
                         .last_seen = cards.last_seen,
                         .occurrences = cards.occurrences});
  }
  absl::StatusOr<std::vector<bool>> are_new = transaction_.AddSightings(sightings);
  if (!are_new.ok()) return are_new.status();
  size_t next = 0;
  for (const auto& [key, cards] : sightings_) {
    const store::Sighting& sighting = sightings[next];
    const bool is_new = (*are_new)[next++];
    if (!is_new || sighting.exposure_id == 0 || sighting.fingerprint.empty()) continue;
    Entry& entry = exposures_.at(sighting.exposure_id);
    entry.exposure.set_distinct_cards(entry.exposure.distinct_cards() + 1);
    entry.exposure.set_estimated_distinct_cards_max(entry.exposure.estimated_distinct_cards_max() +
                                                    cards.weight);
    if (cards.test_card) {
      entry.exposure.set_distinct_test_cards(entry.exposure.distinct_test_cards() + 1);
    }
    v1::ExposureGrowth& growth = GrowthAt(cards.first_seen, entry);
    growth.set_new_cards(growth.new_cards() + 1);
  }
  for (auto& [id, entry] : exposures_) {
    if (!entry.changed) continue;
    if (absl::Status s = transaction_.UpdateExposure(entry.exposure, now_); !s.ok()) return s;
    for (const auto& [start, growth] : entry.growth) {
      if (absl::Status s = transaction_.AddGrowth(id, growth); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::exposure
