#include "agent/pipeline/finding_folder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"

namespace skimwatch::pipeline {
namespace {

using google::protobuf::util::TimeUtil;

void AddPart(const std::string& part, std::string& key) {
  // With its length, so that no two lists of parts give one key.
  absl::StrAppend(&key, part.size(), ":", part, ";");
}

template <typename Detail>
void AddEncodings(const Detail& detail, std::string& key) {
  for (const std::string& encoding : detail.encodings()) AddPart(encoding, key);
}

// Everything that an exposure, a metric or a person would tell apart.
std::string KeyOf(const v1::Finding& finding, const std::string& card) {
  const v1::Provenance& provenance = finding.provenance();
  std::string key;
  AddPart(card, key);
  AddPart(finding.site(), key);
  AddPart(finding.rule(), key);
  AddPart(finding.destination(), key);
  AddPart(provenance.method(), key);
  AddPart(provenance.path_template(), key);
  AddPart(provenance.part(), key);
  AddPart(provenance.file(), key);
  AddPart(provenance.referrer(), key);
  AddPart(provenance.server_name(), key);
  // The program, whichever of its processes.
  AddPart(provenance.process().executable(), key);
  AddPart(provenance.process().command(), key);
  AddPart(provenance.process().container_id(), key);
  absl::StrAppend(&key, finding.confidence(), ",", finding.severity(), ",", finding.expected(), ",",
                  provenance.source(), ",", finding.detail_case(), ",",
                  finding.sampling_probability(), ";");
  if (finding.has_card_number()) AddEncodings(finding.card_number(), key);
  if (finding.has_track_data()) {
    absl::StrAppend(&key, finding.track_data().format(), ";");
    AddEncodings(finding.track_data(), key);
  }
  return key;
}

}  // namespace

void FindingFolder::PassOn(Entry& entry, std::vector<v1::Finding>& out) {
  if (entry.repeats.count() == 0) return;
  out.push_back(entry.repeats);
  entry.repeats.set_count(0);
  entry.repeats.set_sampling_variance(0);
}

void FindingFolder::Take(v1::Finding finding, const std::string& card, absl::Time now,
                         std::vector<v1::Finding>& out) {
  if (window_ <= absl::ZeroDuration()) {
    out.push_back(std::move(finding));
    return;
  }
  std::string key = KeyOf(finding, card);
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    v1::Finding& repeats = it->second->repeats;
    ++folded_;
    if (repeats.count() == 0) {
      repeats = std::move(finding);
      return;
    }
    repeats.set_count(repeats.count() + finding.count());
    repeats.set_sampling_variance(repeats.sampling_variance() + finding.sampling_variance());
    // Sources of one host need not agree on the order of their packets.
    if (finding.first_seen() < repeats.first_seen()) {
      *repeats.mutable_first_seen() = finding.first_seen();
    }
    if (repeats.last_seen() < finding.last_seen()) {
      *repeats.mutable_last_seen() = finding.last_seen();
    }
    return;
  }
  if (entries_.size() >= entries_max_ && !entries_.empty()) {
    PassOn(entries_.front(), out);
    by_key_.erase(entries_.front().key);
    entries_.pop_front();
  }
  entries_.push_back({.key = key, .ends = now + window_, .repeats = {}});
  by_key_.emplace(std::move(key), std::prev(entries_.end()));
  out.push_back(std::move(finding));
}

void FindingFolder::Expire(absl::Time now, std::vector<v1::Finding>& out) {
  while (!entries_.empty() && entries_.front().ends <= now) {
    Entry& entry = entries_.front();
    if (entry.repeats.count() == 0) {
      by_key_.erase(entry.key);
      entries_.pop_front();
      continue;
    }
    // It goes on repeating: a new window.
    PassOn(entry, out);
    entry.ends = now + window_;
    entries_.splice(entries_.end(), entries_, entries_.begin());
  }
}

void FindingFolder::Flush(std::vector<v1::Finding>& out) {
  for (Entry& entry : entries_) PassOn(entry, out);
}

absl::Time FindingFolder::NextExpiry() const {
  return entries_.empty() ? absl::InfiniteFuture() : entries_.front().ends;
}

}  // namespace skimwatch::pipeline
