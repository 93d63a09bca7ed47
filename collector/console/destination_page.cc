#include "collector/console/pages.h"
#include "collector/ctl/describe.h"
#include "proto/text/units.h"

namespace skimwatch::console {
namespace {

constexpr uint32_t kPageSize = 100;

}  // namespace

absl::StatusOr<View> DestinationsPage(const Context& context) {
  const Request& from = context.request;
  v1::ListDestinationsRequest request;
  request.set_site(from.Query("site"));
  request.set_state(static_cast<v1::Destination::State>(
      ctl::FromWord(*v1::Destination::State_descriptor(), from.Query("state"))));
  request.set_page_size(kPageSize);
  request.set_page_token(from.Query("after"));
  absl::StatusOr<v1::ListDestinationsResponse> answer =
      context.calls.ListDestinations(context.caller, request);
  if (!answer.ok()) return answer.status();

  View view("destinations");
  view.title = "Destinations";
  view.section = "/destinations";
  Dictionary& values = *view.values;
  Put(values, "SITE_FILTER", from.Query("site"));
  std::vector<std::pair<std::string, std::string>> states = {{"", "all states"}};
  for (const std::string& word : ctl::Words(*v1::Destination::State_descriptor())) {
    states.emplace_back(word, word);
  }
  AddOptions(values, "STATE_OPTION", states, from.Query("state"));
  for (const v1::Destination& destination : answer->destinations()) {
    Dictionary& row = *values.AddSectionDictionary("DESTINATION");
    Put(row, "SITE", destination.site());
    Put(row, "NAME", destination.name());
    if (!destination.process().empty()) {
      Put(*row.AddSectionDictionary("FROM"), "PROCESS", destination.process());
    }
    PutOwn(row, "STATE", ctl::Word(*v1::Destination::State_descriptor(), destination.state()));
    Show(row, "CHECKOUT", destination.checkout());
    PutNumber(row, "FLOWS", destination.flows());
    PutOwn(row, "BYTES", text::Bytes(destination.bytes_out()));
    PutTime(row, "FIRST_SEEN", destination.first_seen());
    PutTime(row, "LAST_SEEN", destination.last_seen());
    if (destination.has_approval()) {
      Dictionary& approval = *row.AddSectionDictionary("APPROVAL");
      Put(approval, "WHO", destination.approval().approved_by());
      Put(approval, "WHY", destination.approval().justification());
      PutTime(approval, "UNTIL", destination.approval().expires_at());
    }
  }
  Show(values, "HAS_DESTINATIONS", !answer->destinations().empty());
  Show(values, "NO_DESTINATIONS", answer->destinations().empty());
  const auto page = [&](const std::string& after) {
    return Url("/destinations",
               {{"site", from.Query("site")}, {"state", from.Query("state")}, {"after", after}});
  };
  if (!answer->next_page_token().empty()) {
    PutOwn(*values.AddSectionDictionary("NEXT"), "URL", page(answer->next_page_token()));
  }
  if (!from.Query("after").empty()) {
    PutOwn(*values.AddSectionDictionary("FIRST"), "URL", page(""));
  }
  return view;
}

}  // namespace skimwatch::console
