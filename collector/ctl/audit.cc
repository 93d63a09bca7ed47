#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/session.h"
#include "proto/audit/seal.h"
#include "proto/text/printable.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {
namespace {

constexpr int kWhole = 0;
constexpr int kAltered = 1;
// Of a seal that was noted down: fewer would be those of another seal by chance.
constexpr size_t kSealDigitsMin = 8;
constexpr size_t kSealDigitsMax = 64;

absl::StatusOr<v1::ListDecisionsResponse> Decisions(const std::string& subject, uint64_t limit,
                                                    Session& session) {
  v1::ListDecisionsRequest request;
  request.set_subject(subject);
  return ListAll(session, &v1::QueryService::Stub::ListDecisions, request,
                 &v1::ListDecisionsResponse::mutable_decisions, limit);
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// The digits of the seal that was noted down, in lower case; empty where none is given. It may end
// as tables show it, with an ellipsis.
absl::StatusOr<std::string> NotedSeal(const std::string& text) {
  if (text.empty()) return text;
  std::string digits = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  for (const absl::string_view ellipsis : {"\u2026", "..."}) {
    if (absl::EndsWith(digits, ellipsis)) digits.resize(digits.size() - ellipsis.size());
  }
  if (digits.size() < kSealDigitsMin || digits.size() > kSealDigitsMax ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seal: expected a seal as `audit verify` prints it, or its first ",
                     kSealDigitsMin, " or more hex digits"));
  }
  return digits;
}

int Altered(const std::string& why, Output& output) {
  if (output.json()) {
    output.Line(absl::StrCat("{\"whole\":false,\"why\":\"", text::JsonEscaped(why), "\"}"));
  } else {
    output.Line(absl::StrCat("Altered: ", why));
  }
  return kAltered;
}

}  // namespace

absl::StatusOr<int> ListDecisions(const Options& options, Session& session) {
  absl::Time since = absl::InfinitePast();
  if (!options.since.empty()) {
    const absl::StatusOr<google::protobuf::Timestamp> time = ParseTime(options.since, absl::Now());
    if (!time.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--since: ", time.status().message()));
    }
    since = TimeOf(*time);
  }
  const bool is_filtered = !options.since.empty() || !options.who.empty();
  auto answer = Decisions(options.subject, is_filtered ? 0 : options.limit, session);
  if (!answer.ok()) return answer.status();
  if (is_filtered) {
    auto& decisions = *answer->mutable_decisions();
    decisions.erase(std::remove_if(decisions.begin(), decisions.end(),
                                   [&](const v1::Decision& decision) {
                                     return TimeOf(decision.at()) < since ||
                                            (!options.who.empty() && decision.who() != options.who);
                                   }),
                    decisions.end());
    if (options.limit > 0 && static_cast<uint64_t>(decisions.size()) > options.limit) {
      Output::Note(
          absl::StrCat("There are more: these are ", options.limit, "; see more with --limit."));
      decisions.DeleteSubrange(static_cast<int>(options.limit),
                               decisions.size() - static_cast<int>(options.limit));
    }
  }
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
  const absl::StatusOr<std::string> noted = NotedSeal(options.seal);
  if (!noted.ok()) return noted.status();
  const auto answer = Decisions(/*subject=*/"", /*limit=*/0, session);
  if (!answer.ok()) return answer.status();
  bool is_noted_there = noted->empty();
  std::string seal = audit::FirstSeal();
  uint64_t id = 0;
  for (const v1::Decision& decision : answer->decisions()) {
    ++id;
    if (decision.id() != id) {
      return Altered(absl::StrCat("decision ", id, " is missing."), session.output);
    }
    seal = audit::Seal(seal, decision);
    if (seal != decision.seal()) {
      return Altered(absl::StrCat("the seal of decision ", id,
                                  " is not of what it says, or of what was before it."),
                     session.output);
    }
    if (!is_noted_there) is_noted_there = Hex(seal, /*is_short=*/false).starts_with(*noted);
  }
  if (!is_noted_there) {
    return Altered("no decision has the seal that was noted down.", session.output);
  }
  if (session.output.json()) {
    session.output.Line(absl::StrCat("{\"whole\":true,\"decisions\":", id, ",\"last_seal\":\"",
                                     Hex(seal, /*is_short=*/false), "\"}"));
    return kWhole;
  }
  session.output.Line(absl::StrCat("Whole: ", id, id == 1 ? " decision" : " decisions",
                                   ", the last seal is ", Hex(seal, /*is_short=*/false)));
  return kWhole;
}

}  // namespace skimwatch::ctl
