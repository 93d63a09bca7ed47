#ifndef SKIMWATCH_COLLECTOR_CTL_SESSION_H_
#define SKIMWATCH_COLLECTOR_CTL_SESSION_H_

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collector/ctl/connection.h"
#include "collector/ctl/options.h"
#include "collector/ctl/output.h"

namespace skimwatch::ctl {

// What a command works with.
struct Session {
  Connection connection;
  Output output;
};

// The commands of the command line, by their names: each returns the program's exit code.
absl::StatusOr<int> ListExposures(const Options& options, Session& session);
absl::StatusOr<int> ShowExposure(const Options& options, Session& session);
absl::StatusOr<int> ReportExposure(const Options& options, Session& session);
absl::StatusOr<int> CloseExposure(const Options& options, Session& session);
absl::StatusOr<int> TimelineOfExposure(const Options& options, Session& session);
absl::StatusOr<int> AddExposureNote(const Options& options, Session& session);
absl::StatusOr<int> ListFindings(const Options& options, Session& session);
absl::StatusOr<int> WatchFindings(const Options& options, Session& session);
absl::StatusOr<int> ListScripts(const Options& options, Session& session);
absl::StatusOr<int> DiffScript(const Options& options, Session& session);
absl::StatusOr<int> ApproveScript(const Options& options, Session& session);
absl::StatusOr<int> RevokeScript(const Options& options, Session& session);
absl::StatusOr<int> ShowScript(const Options& options, Session& session);
absl::StatusOr<int> DescribeScript(const Options& options, Session& session);
absl::StatusOr<int> ExportScripts(const Options& options, Session& session);
absl::StatusOr<int> ImportPublisherList(const Options& options, Session& session);
absl::StatusOr<int> ListPublishers(const Options& options, Session& session);
absl::StatusOr<int> ListDestinations(const Options& options, Session& session);
absl::StatusOr<int> ShowDestination(const Options& options, Session& session);
absl::StatusOr<int> ApproveDestination(const Options& options, Session& session);
absl::StatusOr<int> RevokeDestination(const Options& options, Session& session);
absl::StatusOr<int> ListAgents(const Options& options, Session& session);
absl::StatusOr<int> ShowAgent(const Options& options, Session& session);
absl::StatusOr<int> SuggestCspHeaders(const Options& options, Session& session);
absl::StatusOr<int> CheckCard(const Options& options, Session& session);
absl::StatusOr<int> ListDecisions(const Options& options, Session& session);
absl::StatusOr<int> VerifyDecisions(const Options& options, Session& session);

// The reason for a decision: what the command line says, else what a person answers to `question`.
// INVALID_ARGUMENT when there is neither, or when it holds what could be a card number: decisions
// are kept for ever. `option` is the option's name.
absl::StatusOr<std::string> Reason(const Options& options, std::string_view option,
                                   std::string_view question);

// The one site of `sites`, which have `what`, for a command line without --site. NOT_FOUND where
// there is none, INVALID_ARGUMENT where there are several; both say how to go on. `list` is the
// command that shows what there is.
absl::StatusOr<std::string> OnlySite(const std::set<std::string>& sites, std::string_view what,
                                     std::string_view list);

// Pages through a list until its end or the limit (0 for none), into one response. Where the limit
// cut it, a note says so.
//
//   ListAll(session, &v1::QueryService::Stub::ListAgents, request,
//           &v1::ListAgentsResponse::mutable_agents, options.limit);
template <typename Base, typename Request, typename Response, typename Items>
absl::StatusOr<Response> ListAll(Session& session,
                                 grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                                 Request request, Items* (Response::*items)(), uint64_t limit) {
  constexpr uint64_t kPageMax = 1000;
  Response all;
  while (true) {
    const auto size = static_cast<uint64_t>((all.*items)()->size());
    request.set_page_size(
        static_cast<uint32_t>(limit == 0 ? kPageMax : std::min(kPageMax, limit - size)));
    absl::StatusOr<Response> page =
        session.connection.Call(session.connection.query(), method, request);
    if (!page.ok()) return page;
    for (auto& item : *((*page).*items)()) *(all.*items)()->Add() = std::move(item);
    if (page->next_page_token().empty()) return all;
    if (limit > 0 && static_cast<uint64_t>((all.*items)()->size()) >= limit) {
      Output::Note(absl::StrCat("There are more: these are ", limit, "; see more with --limit."));
      return all;
    }
    request.set_page_token(page->next_page_token());
  }
}

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_SESSION_H_
