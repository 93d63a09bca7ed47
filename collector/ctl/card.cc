#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/ctl/card_input.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/json.h"
#include "collector/ctl/session.h"
#include "proto/fingerprint/fingerprint.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {
namespace {

constexpr int kSeen = 0;
constexpr int kNotSeen = 1;
// What one request may hold.
constexpr int kFingerprintsMax = 16;

// Asks for every fingerprint of the card, one for each key that is still valid.
absl::StatusOr<v1::CheckCardResponse> Look(const CardInput& card, Session& session) {
  const absl::StatusOr<v1::GetFingerprintKeysResponse> keys = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetFingerprintKeys,
      v1::GetFingerprintKeysRequest());
  if (!keys.ok()) return keys.status();
  if (keys->keys().empty()) {
    return absl::FailedPreconditionError(
        "the collector has no fingerprint keys, so no card was ever fingerprinted\n"
        "set `fingerprint_keys.files` in its configuration");
  }
  v1::CheckCardResponse all;
  for (int first = 0; first < keys->keys_size(); first += kFingerprintsMax) {
    v1::CheckCardRequest request;
    const int last = std::min(first + kFingerprintsMax, keys->keys_size());
    for (int i = first; i < last; ++i) {
      absl::StatusOr<std::string> fingerprint =
          fingerprint::Fingerprint(keys->keys(i), card.digits());
      if (!fingerprint.ok()) return fingerprint.status();
      request.add_fingerprints(*std::move(fingerprint));
    }
    const absl::StatusOr<v1::CheckCardResponse> answer = session.connection.Call(
        session.connection.query(), &v1::QueryService::Stub::CheckCard, request);
    if (!answer.ok()) return answer.status();
    // The same in every answer, and not to be added up.
    const uint64_t without = answer->occurrences_without_fingerprint();
    all.MergeFrom(*answer);
    all.set_occurrences_without_fingerprint(without);
  }
  return all;
}

// What the answer leaves open.
void NoteWithoutFingerprint(const v1::CheckCardResponse& answer) {
  const uint64_t without = answer.occurrences_without_fingerprint();
  if (without == 0) return;
  Output::Note(absl::StrCat(
      "Cards without a fingerprint were seen ", without, without == 1 ? " time" : " times",
      ": this card may be among them. Their agents had no key yet, or `scan.fingerprint` off."));
}

}  // namespace

absl::StatusOr<int> CheckCard(const Options&, Session& session) {
  absl::StatusOr<v1::CheckCardResponse> answer;
  {
    const absl::StatusOr<std::unique_ptr<CardInput>> card = ReadCard(STDIN_FILENO);
    if (!card.ok()) return card.status();
    if (!(*card)->HasLuhnDigit()) {
      Output::Note("The check digit is not right: was the number mistyped? Looking all the same.");
    }
    answer = Look(**card, session);
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
    const std::string exposure = sighting.expected() ? "expected"
                                 : sighting.exposure_id() == 0
                                     ? ""
                                     : absl::StrCat(sighting.exposure_id());
    table.AddRow({Describe(sighting.first_seen()), Describe(sighting.last_seen()),
                  absl::StrCat(sighting.occurrences()), sighting.site(),
                  Word(*v1::FindingKind_descriptor(), sighting.kind()), sighting.channel(),
                  sighting.destination(), exposure});
  }
  session.output.Rows(table);
  return kSeen;
}

}  // namespace skimwatch::ctl
