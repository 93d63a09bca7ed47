#ifndef SKIMWATCH_COLLECTOR_CONSOLE_PAGES_H_
#define SKIMWATCH_COLLECTOR_CONSOLE_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/api/operator_calls.h"
#include "collector/console/http.h"
#include "collector/console/view.h"

namespace skimwatch::console {

// What a page is made with. Everything outlives the page.
struct Context {
  const api::OperatorCalls& calls;
  const api::Caller& caller;
  const Request& request;
  absl::Time now;
  // For the forms of this page.
  const std::string& form_token;
};

// Each asks the collector in the caller's name and puts the answers into a view. Errors are those
// of the calls: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT ...
absl::StatusOr<View> OverviewPage(const Context& context);
absl::StatusOr<View> ExposuresPage(const Context& context);
absl::StatusOr<View> ExposurePage(const Context& context, uint64_t id);
absl::StatusOr<View> ScriptsPage(const Context& context);
// `?site=&name=`, and `&version=` for the difference of one version.
absl::StatusOr<View> ScriptPage(const Context& context);
absl::StatusOr<View> DestinationsPage(const Context& context);
absl::StatusOr<View> ChecklistPage(const Context& context);
absl::StatusOr<View> AgentsPage(const Context& context);
absl::StatusOr<View> AuditPage(const Context& context);

// A report to keep, `format` of md, html and json.
absl::StatusOr<Response> ExposureReport(const Context& context, uint64_t id,
                                        const std::string& format);

// Forms. Each returns the address to go on to.
absl::StatusOr<std::string> CloseExposure(const Context& context, uint64_t id);
absl::StatusOr<std::string> AddNote(const Context& context, uint64_t id);
absl::StatusOr<std::string> ApproveScript(const Context& context);
absl::StatusOr<std::string> RevokeScript(const Context& context);

// All items of a paged list, at most `items_max`; `cut` says that there are more.
template <typename Request, typename List, typename Items, typename Take>
absl::Status ForEachItem(Request request, size_t items_max, bool& cut, List list, Items items,
                         Take take) {
  request.set_page_size(1000);
  size_t count = 0;
  while (true) {
    auto page = list(request);
    if (!page.ok()) return page.status();
    for (auto& item : *items(*page)) {
      if (count++ == items_max) {
        cut = true;
        return absl::OkStatus();
      }
      take(item);
    }
    if (page->next_page_token().empty()) return absl::OkStatus();
    request.set_page_token(page->next_page_token());
  }
}

// A row of a table of exposures, in the section `EXPOSURE`.
void AddExposureRow(Dictionary& parent, const v1::Exposure& exposure, absl::Time now);

// The address of a script's page.
std::string ScriptUrl(const std::string& site, const std::string& name);

// The entries of a <select>, in the section `section`: a value and a text each, the first for all.
void AddOptions(Dictionary& parent, const char* section,
                const std::vector<std::pair<std::string, std::string>>& options,
                const std::string& selected);

}  // namespace skimwatch::console

#endif  // SKIMWATCH_COLLECTOR_CONSOLE_PAGES_H_
