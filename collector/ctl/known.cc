#include "collector/ctl/known.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

// Names that a note shows.
constexpr size_t kNamesMax = 10;

// Whether a list of the site has anything.
template <typename Base, typename Request, typename Response, typename Items>
bool HasAny(Session& session,
            grpc::Status (Base::*method)(grpc::ClientContext*, const Request&, Response*),
            const Items& (Response::*items)() const, const std::string& site) {
  Request request;
  request.set_site(site);
  request.set_page_size(1);
  const absl::StatusOr<Response> answer =
      session.connection.Call(session.connection.query(), method, request);
  return answer.ok() && !((*answer).*items)().empty();
}

bool IsOfSite(const std::string& site, Session& session) {
  using Stub = v1::QueryService::Stub;
  return HasAny(session, &Stub::ListExposures, &v1::ListExposuresResponse::exposures, site) ||
         HasAny(session, &Stub::ListScripts, &v1::ListScriptsResponse::scripts, site) ||
         HasAny(session, &Stub::ListDestinations, &v1::ListDestinationsResponse::destinations,
                site) ||
         HasAny(session, &Stub::ListFindings, &v1::ListFindingsResponse::findings, site);
}

void Note(std::string_view what, const std::string& name, const std::set<std::string>& known) {
  std::vector<std::string> shown;
  for (const std::string& one : known) {
    if (shown.size() < kNamesMax) shown.push_back(text::Printable(one));
  }
  Output::Note(absl::StrCat(
      "no ", std::string(what), " ", text::Printable(name),
      " is known; known: ", shown.empty() ? "none" : absl::StrJoin(shown, ", "),
      known.size() > shown.size() ? absl::StrCat(" and ", known.size() - shown.size(), " more")
                                  : ""));
}

}  // namespace

void NoteUnknown(const Options& options, Session& session) {
  if (options.exposure_id != 0) {
    v1::GetExposureRequest request;
    request.set_id(options.exposure_id);
    const absl::Status status =
        session.connection
            .Call(session.connection.query(), &v1::QueryService::Stub::GetExposure, request)
            .status();
    if (absl::IsNotFound(status)) Output::Note(std::string(status.message()));
  }
  if (options.site.empty() && options.agent.empty()) return;
  const absl::StatusOr<v1::ListAgentsResponse> agents =
      ListAll(session, &v1::QueryService::Stub::ListAgents, v1::ListAgentsRequest(),
              &v1::ListAgentsResponse::mutable_agents, /*limit=*/0);
  if (!agents.ok()) return;
  std::set<std::string> identities;
  std::set<std::string> sites;
  for (const v1::Agent& agent : agents->agents()) {
    identities.insert(agent.identity());
    sites.insert(agent.sites().begin(), agent.sites().end());
  }
  if (!options.agent.empty() && !identities.contains(options.agent)) {
    Note("agent", options.agent, identities);
  }
  if (options.site.empty() || sites.contains(options.site) || IsOfSite(options.site, session)) {
    return;
  }
  // Sites of agents that are retired.
  v1::ListExposuresRequest request;
  const absl::StatusOr<v1::ListExposuresResponse> exposures = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::ListExposures, request);
  if (exposures.ok()) {
    for (const v1::Exposure& exposure : exposures->exposures()) sites.insert(exposure.site());
  }
  Note("site", options.site, sites);
}

}  // namespace skimwatch::ctl
