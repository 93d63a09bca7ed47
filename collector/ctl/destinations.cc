#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/known.h"
#include "collector/ctl/session.h"
#include "proto/text/table.h"
#include "proto/text/units.h"

namespace skimwatch::ctl {
namespace {

std::string StateOf(const v1::Destination& destination) {
  return Word(*v1::Destination::State_descriptor(), destination.state());
}

std::string ProcessOf(const std::string& process) { return process.empty() ? "unknown" : process; }

// The site that the command line means. Without --site it is the only one that `is_there` holds
// for.
template <typename Predicate>
absl::StatusOr<std::string> FindSite(const Options& options, Session& session,
                                     const std::string& what, Predicate is_there) {
  if (!options.site.empty()) return options.site;
  const auto all =
      ListAll(session, &v1::QueryService::Stub::ListDestinations, v1::ListDestinationsRequest(),
              &v1::ListDestinationsResponse::mutable_destinations, /*limit=*/0);
  if (!all.ok()) return all.status();
  std::set<std::string> sites;
  for (const v1::Destination& destination : all->destinations()) {
    if (is_there(destination)) sites.insert(destination.site());
  }
  return OnlySite(sites, what, "destinations list");
}

absl::StatusOr<std::string> SiteOfName(const Options& options, Session& session) {
  return FindSite(options, session, absl::StrCat("a destination ", options.destination),
                  [&](const v1::Destination& d) { return d.name() == options.destination; });
}

// Patterns need not have been seen: with one site there is nothing to choose.
absl::StatusOr<std::string> SiteOfDecision(const Options& options, Session& session) {
  absl::StatusOr<std::string> site = SiteOfName(options, session);
  if (site.ok() || !absl::IsNotFound(site.status())) return site;
  return FindSite(options, session, "destinations", [](const v1::Destination&) { return true; });
}

std::string Opaque(const v1::Destination& destination) {
  if (!destination.has_opaque()) return "";
  const v1::OpaquePayload& opaque = destination.opaque();
  std::string text = absl::StrCat(text::Bytes(opaque.bytes()), " of ", opaque.form());
  if (opaque.entropy_bits() > 0) {
    absl::StrAppend(&text, ", ", opaque.entropy_bits(), " bits of entropy a symbol");
  }
  return text;
}

std::string ApprovalText(const v1::DestinationApproval& approval) {
  return absl::StrCat(
      Describe(approval.approved_at()), " by ", approval.approved_by(), ", ", approval.pattern(),
      approval.process().empty() ? "" : absl::StrCat(" from ", approval.process()),
      approval.has_expires_at() ? absl::StrCat(", until ", Describe(approval.expires_at())) : "",
      ": ", approval.justification(), Revocation(approval));
}

std::string AgentsOf(const v1::Destination& destination) {
  std::vector<std::string> names;
  for (const v1::DestinationAgent& agent : destination.agents()) names.push_back(agent.identity());
  return absl::StrJoin(names, ", ");
}

}  // namespace

absl::StatusOr<int> ListDestinations(const Options& options, Session& session) {
  v1::ListDestinationsRequest request;
  request.set_site(options.site);
  request.set_state(static_cast<v1::Destination::State>(
      FromWord(*v1::Destination::State_descriptor(), options.state)));
  const auto answer = ListAll(session, &v1::QueryService::Stub::ListDestinations, request,
                              &v1::ListDestinationsResponse::mutable_destinations, options.limit);
  if (!answer.ok()) return answer.status();
  if (answer->destinations().empty()) NoteUnknown(options, session);
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "STATE"},
                     {.name = "SITE", .shrinks = true},
                     {.name = "NAME", .shrinks = true},
                     {.name = "PROCESS", .shrinks = true},
                     {.name = "CHECKOUT"},
                     {.name = "FLOWS", .right = true},
                     {.name = "SENT", .right = true},
                     {.name = "FIRST SEEN"},
                     {.name = "LAST SEEN"}});
  for (const v1::Destination& destination : answer->destinations()) {
    table.AddRow({StateOf(destination), destination.site(), destination.name(),
                  ProcessOf(destination.process()), destination.checkout() ? "yes" : "",
                  absl::StrCat(destination.flows()), text::Bytes(destination.bytes_out()),
                  Describe(destination.first_seen()), Describe(destination.last_seen())});
  }
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> ShowDestination(const Options& options, Session& session) {
  const absl::StatusOr<std::string> site = SiteOfName(options, session);
  if (!site.ok()) return site.status();
  v1::GetDestinationRequest request;
  request.set_site(*site);
  request.set_name(options.destination);
  const absl::StatusOr<v1::GetDestinationResponse> answer = session.connection.Call(
      session.connection.query(), &v1::QueryService::Stub::GetDestination, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  for (const v1::Destination& destination : answer->destinations()) {
    session.output.Pairs({
        {"Destination", destination.name()},
        {"Site", destination.site()},
        {"Process", ProcessOf(destination.process())},
        {"State", StateOf(destination)},
        {"Scope", Word(*v1::DestinationChange::Scope_descriptor(), destination.scope())},
        {"Checkout", destination.checkout() ? "yes" : "no"},
        {"First seen", Describe(destination.first_seen())},
        {"Last seen", Describe(destination.last_seen())},
        {"Flows", absl::StrCat(destination.flows())},
        {"Sent", text::Bytes(destination.bytes_out())},
        {"Hosts", absl::StrJoin(destination.hosts(), ", ")},
        {"Addresses", absl::StrJoin(destination.addresses(), ", ")},
        {"Ports", absl::StrJoin(destination.ports(), ", ")},
        {"ALPN", absl::StrJoin(destination.alpn(), ", ")},
        {"JA4", absl::StrJoin(destination.ja4(), ", ")},
        {"Unreadable", Opaque(destination)},
        {"Agents", AgentsOf(destination)},
        {"Approval", destination.has_approval() ? ApprovalText(destination.approval()) : "none"},
    });
    session.output.Line("");
  }
  if (!answer->approvals().empty()) session.output.Line("Approvals, newest first:");
  for (const v1::DestinationApproval& approval : answer->approvals()) {
    session.output.Line(absl::StrCat("  ", ApprovalText(approval)));
  }
  return 0;
}

absl::StatusOr<int> ApproveDestination(const Options& options, Session& session) {
  const absl::StatusOr<std::string> site = SiteOfDecision(options, session);
  if (!site.ok()) return site.status();
  v1::ApproveDestinationRequest request;
  request.set_site(*site);
  request.set_pattern(options.destination);
  request.set_process(options.process);
  if (!options.expires.empty()) {
    absl::StatusOr<google::protobuf::Timestamp> end = ParseEnd(options.expires, absl::Now());
    if (!end.ok()) return end.status();
    *request.mutable_expires_at() = *std::move(end);
  }
  const absl::StatusOr<std::string> justification =
      Reason(options, "--justification", "Why does data go there? ");
  if (!justification.ok()) return justification.status();
  request.set_justification(*justification);
  const absl::StatusOr<v1::ApproveDestinationResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::ApproveDestination, request);
  if (!answer.ok()) return answer.status();
  // No fault by itself: who sets up a site may approve before its first agent comes.
  if (answer->destinations() == 0) NoteUnknown(options, session);
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Line(absl::StrCat("Approved; it covers ", answer->destinations(),
                                     " known destinations of ", *site, "."));
  }
  return 0;
}

absl::StatusOr<int> RevokeDestination(const Options& options, Session& session) {
  const absl::StatusOr<std::string> site = SiteOfDecision(options, session);
  if (!site.ok()) return site.status();
  const absl::StatusOr<std::string> reason =
      Reason(options, "--reason", "Why is the approval taken back? ");
  if (!reason.ok()) return reason.status();
  v1::RevokeDestinationRequest request;
  request.set_site(*site);
  request.set_pattern(options.destination);
  request.set_process(options.process);
  request.set_reason(*reason);
  const absl::StatusOr<v1::RevokeDestinationResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::RevokeDestination, request);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Line(absl::StrCat("Revoked; ", answer->destinations(), " known destinations of ",
                                     *site, " are without approval by it."));
  }
  return 0;
}

}  // namespace skimwatch::ctl
