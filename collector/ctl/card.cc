#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/ctl/card_input.h"
#include "collector/ctl/card_list.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/json.h"
#include "collector/ctl/session.h"
#include "proto/fingerprint/fingerprint.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {
namespace {

constexpr int kSeen = 0;
constexpr int kNotSeen = 1;
constexpr int kBadLines = 2;
// What one request may hold.
constexpr size_t kFingerprintsMax = 16;

absl::StatusOr<v1::GetFingerprintKeysResponse> Keys(Session& session) {
  absl::StatusOr<v1::GetFingerprintKeysResponse> keys = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetFingerprintKeys,
      v1::GetFingerprintKeysRequest());
  if (keys.ok() && keys->keys().empty()) {
    return absl::FailedPreconditionError(
        "the collector has no fingerprint keys, so no card was ever fingerprinted\n"
        "set `fingerprint_keys.files` in its configuration");
  }
  return keys;
}

// One for each key that is still valid.
absl::StatusOr<std::vector<std::string>> FingerprintsOf(
    const CardInput& card, const v1::GetFingerprintKeysResponse& keys) {
  std::vector<std::string> fingerprints;
  for (const v1::FingerprintKey& key : keys.keys()) {
    absl::StatusOr<std::string> fingerprint = fingerprint::Fingerprint(key, card.digits());
    if (!fingerprint.ok()) return fingerprint.status();
    fingerprints.push_back(*std::move(fingerprint));
  }
  return fingerprints;
}

// Where the card of the fingerprints was seen, on the way that the command line names or on any.
absl::StatusOr<v1::CheckCardResponse> Look(const std::vector<std::string>& fingerprints,
                                           const Options& options, Session& session) {
  v1::CheckCardResponse all;
  for (size_t first = 0; first < fingerprints.size(); first += kFingerprintsMax) {
    v1::CheckCardRequest request;
    const size_t last = std::min(first + kFingerprintsMax, fingerprints.size());
    for (size_t i = first; i < last; ++i) request.add_fingerprints(fingerprints[i]);
    absl::StatusOr<v1::CheckCardResponse> answer = session.connection.Call(
        session.connection.query(), &v1::QueryService::Stub::CheckCard, request);
    if (!answer.ok()) return answer.status();
    // The same in every answer, and not to be added up.
    const uint64_t without = answer->occurrences_without_fingerprint();
    all.MergeFrom(*answer);
    all.set_occurrences_without_fingerprint(without);
  }
  if (options.exposure_id == 0) return all;
  auto& sightings = *all.mutable_sightings();
  sightings.erase(std::remove_if(sightings.begin(), sightings.end(),
                                 [&](const v1::CardSighting& sighting) {
                                   return sighting.exposure_id() != options.exposure_id;
                                 }),
                  sightings.end());
  return all;
}

// The exposure that the card was seen in, as people read it; empty for none.
std::string ExposureOf(const v1::CardSighting& sighting) {
  if (sighting.expected()) return "expected";
  return sighting.exposure_id() == 0 ? "" : absl::StrCat(sighting.exposure_id());
}

// Else a card would pass for unseen where the number of the exposure was mistyped.
absl::Status CheckThereIsExposure(uint64_t id, Session& session) {
  if (id == 0) return absl::OkStatus();
  v1::GetExposureRequest request;
  request.set_id(id);
  return session.connection
      .Call(session.connection.query(), &v1::QueryService::Stub::GetExposure, request)
      .status();
}

// What the answer leaves open.
void NoteWithoutFingerprint(const v1::CheckCardResponse& answer) {
  const uint64_t without = answer.occurrences_without_fingerprint();
  if (without == 0) return;
  Output::Note(absl::StrCat(
      "Cards without a fingerprint were seen ", without, without == 1 ? " time" : " times",
      ": this card may be among them. Their agents had no key yet, or `scan.fingerprint` off."));
}

// What one line of a list came to.
void ShowLine(uint64_t line, const v1::CheckCardResponse& answer, Session& session,
              text::Table& table) {
  const bool seen = answer.sightings_size() > 0;
  if (session.output.json()) {
    session.output.Line(absl::StrCat("{\"line\":", line, ",\"seen\":", seen ? "true" : "false", ",",
                                     ToJson(answer).substr(1)));
    return;
  }
  if (!seen) {
    table.AddRow({absl::StrCat(line), "no", "", "", "", ""});
    return;
  }
  const v1::CardSighting* first = &answer.sightings(0);
  const v1::CardSighting* last = first;
  uint64_t times = 0;
  std::set<std::string> exposures;
  for (const v1::CardSighting& sighting : answer.sightings()) {
    if (Describe(sighting.first_seen()) < Describe(first->first_seen())) first = &sighting;
    if (Describe(sighting.last_seen()) > Describe(last->last_seen())) last = &sighting;
    times += sighting.occurrences();
    const std::string exposure = ExposureOf(sighting);
    if (!exposure.empty()) exposures.insert(exposure);
  }
  table.AddRow({absl::StrCat(line), "yes", Describe(first->first_seen()),
                Describe(last->last_seen()), absl::StrCat(times), absl::StrJoin(exposures, ", ")});
}

// Looks for every card of a list. Lines are told by their number: what they hold is never shown.
absl::StatusOr<int> CheckList(const v1::GetFingerprintKeysResponse& keys, const Options& options,
                              Session& session) {
  absl::StatusOr<std::unique_ptr<CardList>> list = CardList::Open(options.file);
  if (!list.ok()) return list.status();
  text::Table table({{.name = "LINE", .right = true},
                     {.name = "SEEN"},
                     {.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"},
                     {.name = "TIMES", .right = true},
                     {.name = "EXPOSURES", .shrinks = true}});
  uint64_t cards = 0;
  uint64_t seen = 0;
  uint64_t bad = 0;
  v1::CheckCardResponse last_answer;
  while (true) {
    absl::StatusOr<CardList::Entry> entry = (*list)->Next();
    if (absl::IsOutOfRange(entry.status())) break;
    if (absl::IsInvalidArgument(entry.status())) {
      Output::Note(std::string(entry.status().message()));
      ++bad;
      continue;
    }
    if (!entry.ok()) return entry.status();
    absl::StatusOr<std::vector<std::string>> fingerprints =
        std::vector<std::string>{entry->fingerprint};
    if (entry->card != nullptr) fingerprints = FingerprintsOf(*entry->card, keys);
    if (!fingerprints.ok()) return fingerprints.status();
    absl::StatusOr<v1::CheckCardResponse> answer = Look(*fingerprints, options, session);
    if (!answer.ok()) return answer.status();
    ++cards;
    if (answer->sightings_size() > 0) ++seen;
    ShowLine(entry->line, *answer, session, table);
    last_answer = *std::move(answer);
  }
  if (!session.output.json()) session.output.Rows(table);
  Output::Note(absl::StrCat(seen, " of ", cards, " cards were seen",
                            bad == 0 ? "." : absl::StrCat("; ", bad, " lines hold no card.")));
  NoteWithoutFingerprint(last_answer);
  if (bad > 0) return kBadLines;
  return seen > 0 ? kSeen : kNotSeen;
}

}  // namespace

absl::StatusOr<int> CheckCard(const Options& options, Session& session) {
  const absl::StatusOr<v1::GetFingerprintKeysResponse> keys = Keys(session);
  if (!keys.ok()) return keys.status();
  if (absl::Status s = CheckThereIsExposure(options.exposure_id, session); !s.ok()) return s;
  if (!options.file.empty()) return CheckList(*keys, options, session);
  absl::StatusOr<v1::CheckCardResponse> answer;
  {
    const absl::StatusOr<std::unique_ptr<CardInput>> card = ReadCard(STDIN_FILENO);
    if (!card.ok()) return card.status();
    if (!(*card)->HasLuhnDigit()) {
      Output::Note("The check digit is not right: was the number mistyped? Looking all the same.");
    }
    const absl::StatusOr<std::vector<std::string>> fingerprints = FingerprintsOf(**card, *keys);
    if (!fingerprints.ok()) return fingerprints.status();
    answer = Look(*fingerprints, options, session);
  }
  if (!answer.ok()) return answer.status();
  const bool seen = answer->sightings_size() > 0;
  NoteWithoutFingerprint(*answer);
  if (session.output.json()) {
    // The response with the answer put first.
    const std::string sightings = ToJson(*answer).substr(1);
    session.output.Line(absl::StrCat("{\"seen\":", seen ? "true" : "false", ",", sightings));
    return seen ? kSeen : kNotSeen;
  }
  if (!seen) {
    session.output.Line("This card was not seen leaving.");
    return kNotSeen;
  }
  const auto expected = std::count_if(answer->sightings().begin(), answer->sightings().end(),
                                      [](const v1::CardSighting& s) { return s.expected(); });
  session.output.Line(
      absl::StrCat("This card was seen leaving on ", answer->sightings_size(),
                   answer->sightings_size() == 1 ? " way" : " ways",
                   expected == 0 ? "" : absl::StrCat(", ", expected, " of them expected"), ":"));
  text::Table table({{.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"},
                     {.name = "TIMES", .right = true},
                     {.name = "SITE", .shrinks = true},
                     {.name = "KIND"},
                     {.name = "CHANNEL", .shrinks = true},
                     {.name = "DESTINATION", .shrinks = true},
                     {.name = "EXPOSURE", .right = true}});
  for (const v1::CardSighting& sighting : answer->sightings()) {
    table.AddRow({Describe(sighting.first_seen()), Describe(sighting.last_seen()),
                  absl::StrCat(sighting.occurrences()), sighting.site(),
                  Word(*v1::FindingKind_descriptor(), sighting.kind()), sighting.channel(),
                  sighting.destination(), ExposureOf(sighting)});
  }
  session.output.Rows(table);
  return kSeen;
}

}  // namespace skimwatch::ctl
