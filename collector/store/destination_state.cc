#include "collector/store/destination_state.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"

namespace skimwatch::store {

absl::Time EndOf(const v1::DestinationApproval& approval) {
  return approval.has_expires_at() ? FromTimestamp(approval.expires_at()) : absl::InfiniteFuture();
}

absl::Status DestinationStates::Add(const v1::DestinationApproval& approval) {
  absl::Status status =
      index_.Add(approval.site(), approval.pattern(), approval.process(), EndOf(approval));
  if (!status.ok()) {
    return absl::DataLossError(
        absl::StrCat("a stored approval can't be read: ", std::string(status.message())));
  }
  approvals_.push_back(approval);
  return absl::OkStatus();
}

const v1::DestinationApproval* DestinationStates::Find(const v1::Destination& destination) const {
  const std::optional<size_t> found =
      index_.Find(destination.site(), destination.name(), destination.process(), now_);
  return found.has_value() ? &approvals_[*found] : nullptr;
}

void DestinationStates::Fill(v1::Destination& destination) const {
  if (const v1::DestinationApproval* approval = Find(destination); approval != nullptr) {
    destination.set_state(v1::Destination::STATE_APPROVED);
    *destination.mutable_approval() = *approval;
    return;
  }
  const bool is_new = destination.reported_new() || destination.was_approved();
  destination.set_state(is_new ? v1::Destination::STATE_UNAPPROVED
                               : v1::Destination::STATE_PROPOSED);
}

}  // namespace skimwatch::store
