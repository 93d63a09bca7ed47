#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/inventory.h"
#include "collector/inventory/script_approvals.h"
#include "collector/store/timestamp.h"
#include "proto/approval/script_pattern.h"

namespace skimwatch::inventory {
namespace {

using publisher::CheckedList;

// Known versions that one list may name.
constexpr uint32_t kVersionsMax = 20'000;

struct Effect {
  uint64_t approved = 0;
  uint64_t withdrawn = 0;
};

std::string Shown(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

const v1::PublishedScript* EntryFor(const CheckedList& list,
                                    const store::StoredScriptApproval& version) {
  for (const v1::PublishedScript& entry : list.scripts) {
    if (entry.sha256() == version.sha256 &&
        (entry.site().empty() || entry.site() == version.site) &&
        approval::PatternCovers(entry.script(), version.name)) {
      return &entry;
    }
  }
  return nullptr;
}

// Puts a list in the place of what the publisher had: entries, and approvals of known versions.
absl::StatusOr<Effect> Apply(store::Transaction& transaction, const CheckedList& list,
                             absl::Time now) {
  std::vector<store::PublishedEntry> entries;
  entries.reserve(list.scripts.size());
  for (const v1::PublishedScript& script : list.scripts) {
    entries.push_back({.publisher = list.publisher, .serial = list.serial, .script = script});
  }
  absl::Status s = transaction.ReplacePublished(list.publisher, entries);
  if (!s.ok()) return s;
  if (s = transaction.AdvancePolicyVersion().status(); !s.ok()) return s;

  Effect effect;
  absl::StatusOr<std::vector<store::StoredScriptApproval>> given =
      transaction.ApprovalsOfPublisher(list.publisher);
  if (!given.ok()) return given.status();
  absl::StatusOr<std::vector<store::StoredScriptApproval>> named =
      transaction.PublishedVersions(list.publisher, kVersionsMax);
  if (!named.ok()) return named.status();
  // By site and name: what is withdrawn, and what is to be looked at.
  std::map<std::pair<std::string, std::string>, bool> scripts;
  std::set<std::pair<std::string, std::pair<std::string, std::string>>> renewed;
  for (const store::StoredScriptApproval& stored : *given) {
    const v1::PublishedScript* entry = EntryFor(list, stored);
    if (entry != nullptr &&
        entry->expires_at().seconds() == stored.approval.expires_at().seconds()) {
      continue;
    }
    std::string reason = absl::StrCat("list ", list.serial, " of ", list.publisher);
    if (entry != nullptr) {
      absl::StrAppend(&reason, " has another end for it");
      renewed.insert({stored.sha256, {stored.site, stored.name}});
    } else if (const auto revoked = list.revoked.find(stored.sha256);
               revoked != list.revoked.end()) {
      absl::StrAppend(&reason, " revokes it: ", revoked->second);
    } else {
      absl::StrAppend(&reason, " no longer names it");
    }
    if (s = WithdrawApproval(transaction, stored, reason, now); !s.ok()) return s;
    absl::StatusOr<bool> served = IsServed(transaction, stored.site, stored.name, stored.sha256);
    if (!served.ok()) return served.status();
    bool& is_served = scripts[{stored.site, stored.name}];
    is_served = is_served || *served;
    if (entry == nullptr) ++effect.withdrawn;
  }
  for (const store::StoredScriptApproval& version : *named) {
    if (EntryFor(list, version) == nullptr) continue;
    absl::StatusOr<std::optional<store::StoredScriptApproval>> standing =
        FindApproval(transaction, version.site, version.name, version.sha256, now);
    if (!standing.ok()) return standing.status();
    if (standing->has_value()) continue;
    absl::StatusOr<std::optional<v1::ScriptRecord>> found =
        transaction.FindScriptVersion(version.site, version.name, version.sha256);
    if (!found.ok()) return found.status();
    if (!found->has_value()) continue;
    v1::ScriptRecord record = **std::move(found);
    absl::StatusOr<bool> accepted =
        AcceptVersion(transaction, version.site, version.name, record, now);
    if (!accepted.ok()) return accepted.status();
    if (!*accepted) continue;
    if (!renewed.contains({version.sha256, {version.site, version.name}})) ++effect.approved;
    scripts.try_emplace({version.site, version.name}, false);
  }
  exposure::ExposureFolder folder({}, &transaction, now);
  for (const auto& [script, lost_served] : scripts) {
    s = DrawConsequences(
            transaction, folder, script.first, script.second,
            {.who = std::string(exposure::kCollectorName),
             .close_reason = absl::StrCat("approved by list ", list.serial, " of ", list.publisher),
             .rule = lost_served ? "script.revoked" : ""},
            now)
            .status();
    if (!s.ok()) return s;
  }
  if (s = folder.Flush(); !s.ok()) return s;
  return effect;
}

absl::Status CheckSerial(const CheckedList& list, const v1::Publisher& before) {
  if (list.serial < before.serial()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "serial: ", list.serial, " is older than ", before.serial(), ", the list of ",
        list.publisher, " that was imported on ", Shown(store::FromTimestamp(before.imported_at())),
        " by ", before.imported_by()));
  }
  if (list.serial == before.serial() && list.sha256 != before.sha256()) {
    return absl::FailedPreconditionError(absl::StrCat("serial: ", list.serial,
                                                      " was another list of ", list.publisher,
                                                      " already; a new list needs a higher one"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::ImportPublisherListResponse> Inventory::ImportPublisherList(
    const v1::ImportPublisherListRequest& request, std::string_view who) {
  const absl::Time now = now_();
  absl::StatusOr<CheckedList> list = publishers_.Check(request.list(), request.signature(), now);
  if (!list.ok()) return list.status();
  v1::ImportPublisherListResponse response;
  // What a dry run is rolled back by.
  bool is_dry = false;
  absl::Status status = store_->Write([&](store::Transaction& transaction) -> absl::Status {
    response.Clear();
    is_dry = false;
    response.set_publisher(list->publisher);
    response.set_serial(list->serial);
    response.set_entries(list->scripts.size());
    absl::StatusOr<std::vector<store::StoredPublisher>> publishers = transaction.Publishers();
    if (!publishers.ok()) return publishers.status();
    store::StoredPublisher stored;
    for (store::StoredPublisher& one : *publishers) {
      if (one.info.id() == list->publisher) stored = std::move(one);
    }
    if (absl::Status s = CheckSerial(*list, stored.info); !s.ok()) return s;
    if (list->serial == stored.info.serial() && stored.info.entries() > 0) {
      response.set_unchanged(true);
      return absl::OkStatus();
    }
    v1::Publisher& info = stored.info;
    info.set_id(list->publisher);
    info.set_serial(list->serial);
    *info.mutable_issued_at() = store::ToTimestamp(list->issued);
    *info.mutable_expires_at() = store::ToTimestamp(list->expires);
    *info.mutable_imported_at() = store::ToTimestamp(now);
    info.set_imported_by(std::string(who));
    info.set_entries(list->scripts.size());
    info.set_revoked(list->revoked.size());
    info.set_sha256(list->sha256);
    stored.list = request.list();
    stored.signature = request.signature();
    if (absl::Status s = transaction.PutPublisher(stored); !s.ok()) return s;
    absl::StatusOr<Effect> effect = Apply(transaction, *list, now);
    if (!effect.ok()) return effect.status();
    response.set_approved(effect->approved);
    response.set_withdrawn(effect->withdrawn);
    if (request.dry_run()) {
      is_dry = true;
      return absl::CancelledError("a dry run");
    }
    return transaction.RecordDecision(
        {.at = now,
         .who = std::string(who),
         .action = "publisher.import",
         .subject = absl::StrCat(list->publisher, "#", list->serial),
         .reason = absl::StrCat(list->scripts.size(), " versions, ", list->revoked.size(),
                                " revoked, until ", Shown(list->expires), "; SHA-256 ",
                                absl::BytesToHexString(list->sha256))});
  });
  if (is_dry) return response;
  if (!status.ok()) return status;
  if (!response.unchanged() && on_policy_change_) on_policy_change_();
  return response;
}

absl::Status Inventory::CheckStoredLists() {
  const absl::Time now = now_();
  return store_->Write([&](store::Transaction& transaction) -> absl::Status {
    absl::StatusOr<std::vector<store::StoredPublisher>> publishers = transaction.Publishers();
    if (!publishers.ok()) return publishers.status();
    for (store::StoredPublisher& stored : *publishers) {
      absl::StatusOr<CheckedList> list =
          publishers_.CheckStored(stored.list, stored.signature, now);
      const bool is_good = list.ok() && list->publisher == stored.info.id();
      if (!is_good && stored.info.entries() == 0) continue;
      CheckedList applied;
      if (is_good) {
        applied = *std::move(list);
      } else {
        applied.publisher = stored.info.id();
        applied.serial = stored.info.serial();
      }
      stored.info.set_entries(applied.scripts.size());
      absl::Status s = Apply(transaction, applied, now).status();
      if (s.ok()) s = transaction.PutPublisher(stored);
      if (!s.ok()) return s;
      if (is_good) continue;
      s = transaction.RecordDecision(
          {.at = now,
           .who = std::string(exposure::kCollectorName),
           .action = "publisher.drop",
           .subject = absl::StrCat(stored.info.id(), "#", stored.info.serial()),
           .reason = list.ok() ? "its list is signed by another publisher's key"
                               : std::string(list.status().message())});
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<v1::ListPublishersResponse> Inventory::ListPublishers() {
  absl::StatusOr<v1::ListPublishersResponse> stored = store_->ListPublishers();
  if (!stored.ok()) return stored;
  v1::ListPublishersResponse response;
  for (const std::string& id : publishers_.ids()) {
    v1::Publisher& publisher = *response.add_publishers();
    for (const v1::Publisher& known : stored->publishers()) {
      if (known.id() == id) publisher = known;
    }
    publisher.set_id(id);
  }
  return response;
}

}  // namespace skimwatch::inventory
