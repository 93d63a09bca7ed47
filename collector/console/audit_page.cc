#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/console/pages.h"
#include "collector/ctl/describe.h"
#include "proto/audit/seal.h"

namespace skimwatch::console {
namespace {

constexpr uint32_t kPageSize = 100;
// More takes longer than a page should; skimwatchctl audit verify has no such bound.
constexpr size_t kVerifiedMax = 50'000;

struct Verdict {
  uint64_t decisions = 0;
  // The first that is not what its seal says, or missing; 0 for none.
  uint64_t altered = 0;
  bool cut = false;
  std::string last_seal;
};

// Reckons every seal anew, from the first decision on.
absl::StatusOr<Verdict> Verify(const Context& context) {
  Verdict verdict;
  std::string seal = audit::FirstSeal();
  absl::Status status = ForEachItem(
      v1::ListDecisionsRequest(), kVerifiedMax, verdict.cut,
      [&](const v1::ListDecisionsRequest& r) {
        return context.calls.ListDecisions(context.caller, r);
      },
      [](v1::ListDecisionsResponse& page) { return page.mutable_decisions(); },
      [&](const v1::Decision& decision) {
        ++verdict.decisions;
        if (verdict.altered != 0) return;
        seal = audit::Seal(seal, decision);
        if (decision.id() != verdict.decisions || decision.seal() != seal) {
          verdict.altered = verdict.decisions;
        }
      });
  if (!status.ok()) return status;
  verdict.last_seal = ctl::Hex(seal, /*is_short=*/false);
  return verdict;
}

}  // namespace

absl::StatusOr<View> AuditPage(const Context& context) {
  const Request& from = context.request;
  v1::ListDecisionsRequest request;
  request.set_newest_first(true);
  request.set_subject(from.Query("subject"));
  request.set_page_size(kPageSize);
  request.set_page_token(from.Query("after"));
  absl::StatusOr<v1::ListDecisionsResponse> answer =
      context.calls.ListDecisions(context.caller, request);
  if (!answer.ok()) return answer.status();
  absl::StatusOr<Verdict> verdict = Verify(context);
  if (!verdict.ok()) return verdict.status();

  View view("audit");
  view.title = "Audit log";
  view.section = "/audit";
  Dictionary& values = *view.values;
  Put(values, "SUBJECT_FILTER", from.Query("subject"));
  Dictionary& state =
      *values.AddSectionDictionary(verdict->altered == 0 ? "CHAIN_WHOLE" : "CHAIN_ALTERED");
  PutNumber(state, "COUNT", verdict->decisions);
  PutNumber(state, "ALTERED", verdict->altered);
  PutOwn(state, "SEAL", verdict->last_seal);
  Show(values, "CUT", verdict->cut);
  for (const v1::Decision& decision : answer->decisions()) {
    Dictionary& row = *values.AddSectionDictionary("DECISION");
    PutOwn(row, "ID", absl::StrCat(decision.id()));
    PutTime(row, "AT", decision.at());
    Put(row, "WHO", decision.who());
    Put(row, "ACTION", decision.action());
    Put(row, "REASON", decision.reason());
    PutOwn(row, "SEAL", ctl::Hex(decision.seal(), /*is_short=*/true));
    uint64_t exposure = 0;
    const bool of_exposure = decision.action().starts_with("exposure.") &&
                             absl::SimpleAtoi(decision.subject(), &exposure);
    Dictionary& subject = *row.AddSectionDictionary(of_exposure ? "OF_EXPOSURE" : "OF_OTHER");
    Put(subject, "SUBJECT", decision.subject());
    PutOwn(subject, "URL", absl::StrCat("/exposures/", exposure));
  }
  Show(values, "HAS_DECISIONS", !answer->decisions().empty());
  Show(values, "NO_DECISIONS", answer->decisions().empty());
  const auto page = [&](const std::string& after) {
    return Url("/audit", {{"subject", from.Query("subject")}, {"after", after}});
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
