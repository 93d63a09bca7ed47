#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/session.h"
#include "proto/audit/seal.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {
namespace {

constexpr int kWhole = 0;
constexpr int kAltered = 1;

absl::StatusOr<v1::ListDecisionsResponse> Decisions(const std::string& subject, uint64_t limit,
                                                    Session& session) {
  v1::ListDecisionsRequest request;
  request.set_subject(subject);
  return ListAll(session, &v1::QueryService::Stub::ListDecisions, request,
                 &v1::ListDecisionsResponse::mutable_decisions, limit);
}

}  // namespace

absl::StatusOr<int> ListDecisions(const Options& options, Session& session) {
  const auto answer = Decisions(options.subject, options.limit, session);
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "ID", .right = true},
                     {.name = "WHEN"},
                     {.name = "WHO", .shrinks = true},
                     {.name = "ACTION"},
                     {.name = "SUBJECT", .shrinks = true},
                     {.name = "REASON", .shrinks = true},
                     {.name = "SEAL"}});
  for (const v1::Decision& decision : answer->decisions()) {
    table.AddRow({absl::StrCat(decision.id()), Describe(decision.at()), decision.who(),
                  decision.action(), decision.subject(), decision.reason(),
                  Hex(decision.seal(), /*is_short=*/true)});
  }
  session.output.Rows(table);
  return 0;
}

absl::StatusOr<int> VerifyDecisions(const Options& options, Session& session) {
  const auto answer = Decisions(/*subject=*/"", /*limit=*/0, session);
  if (!answer.ok()) return answer.status();
  const std::string noted = absl::AsciiStrToLower(options.seal);
  bool is_noted_there = noted.empty();
  std::string seal = audit::FirstSeal();
  uint64_t id = 0;
  for (const v1::Decision& decision : answer->decisions()) {
    ++id;
    if (decision.id() != id) {
      session.output.Line(absl::StrCat("Altered: decision ", id, " is missing."));
      return kAltered;
    }
    seal = audit::Seal(seal, decision);
    if (seal != decision.seal()) {
      session.output.Line(absl::StrCat("Altered: the seal of decision ", id,
                                       " is not of what it says, or of what was "
                                       "before it."));
      return kAltered;
    }
    if (!noted.empty() && Hex(seal, /*is_short=*/false).starts_with(noted)) is_noted_there = true;
  }
  if (!is_noted_there) {
    session.output.Line("Altered: no decision has the seal that was noted down.");
    return kAltered;
  }
  session.output.Line(absl::StrCat("Whole: ", id, id == 1 ? " decision" : " decisions",
                                   ", the last seal is ", Hex(seal, /*is_short=*/false)));
  return kWhole;
}

}  // namespace skimwatch::ctl
