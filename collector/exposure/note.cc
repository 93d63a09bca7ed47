#include "collector/exposure/note.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::exposure {

absl::StatusOr<v1::ExposureNote> AddNote(store::Store& store,
                                         const v1::AddExposureNoteRequest& request,
                                         std::string_view who, absl::Time now) {
  if (request.text().empty()) return absl::InvalidArgumentError("text: empty; say what is known");
  v1::ExposureNote note;
  note.set_text(request.text());
  validation::MaskCardNumbers(*note.mutable_text());
  note.set_who(std::string(who));
  // As the log keeps it.
  now = absl::FromUnixMicros(absl::ToUnixMicros(now));
  *note.mutable_at() = store::ToTimestamp(now);
  absl::Status status = store.Write([&](store::Transaction& transaction) -> absl::Status {
    absl::StatusOr<v1::Exposure> exposure = transaction.GetExposure(request.id());
    if (!exposure.ok()) return exposure.status();
    absl::StatusOr<uint64_t> decision =
        transaction.AddDecision({.at = now,
                                 .who = note.who(),
                                 .action = std::string(kNoteAction),
                                 .subject = absl::StrCat(request.id()),
                                 .reason = note.text()});
    if (!decision.ok()) return decision.status();
    note.set_decision_id(*decision);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return note;
}

}  // namespace skimwatch::exposure
