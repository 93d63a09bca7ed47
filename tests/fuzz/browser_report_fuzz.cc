// What anybody may send to the report endpoint, as HTTP cut in any way and as bodies: never a crash
// or a hang, nothing told that holds a card number, and no more kept than may be.
//
// Input: a byte that chooses, then a body; or pieces of HTTP: a byte of length and that many bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/script/source/browser_report/report_processor.h"
#include "agent/script/source/browser_report/report_session.h"
#include "agent/traffic/message.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace {

namespace script = skimwatch::script;
namespace validation = skimwatch::validation;

void Check(std::string_view shown) {
  if (!validation::FindCardNumber(shown).empty()) abort();
  if (!validation::IsUtf8(shown) || validation::HasControlCharacter(shown, /*lines=*/false))
    abort();
}

class CheckingSink final : public script::ReportSink {
 public:
  size_t BeginBody(std::string_view, const script::Reporter&) override {
    if (std::exchange(open_, true)) abort();
    return 1;
  }
  void OnField(const script::ReportPlace& place, std::string_view) override {
    if (!open_ || place.site.empty()) abort();
    Check(place.page);
    Check(place.host);
  }
  size_t EndBody(const script::ReportPlace& place) override {
    if (!std::exchange(open_, false) || place.site.empty()) abort();
    return 0;
  }
  void OnReport(const script::FoldedReport& folded) override {
    if (folded.count == 0 || folded.report.browsers() == 0) abort();
    Check(folded.destination);
    Check(folded.report.page());
    Check(folded.report.blocked_url());
    Check(folded.report.effective_directive());
  }
  void OnChange(std::string_view, const skimwatch::v1::ScriptChange& change,
                skimwatch::v1::Severity) override {
    Check(change.page());
    Check(change.script());
    for (const auto& fact : change.facts()) Check(fact.excerpt());
  }

 private:
  bool open_ = false;
};

class Intake final : public script::ReportIntake {
 public:
  script::Reporter Identify(std::string_view, std::string_view) override { return {}; }
  script::RequestOutcome Admit(const script::Reporter&) override {
    return script::RequestOutcome::kAccepted;
  }
  script::RequestOutcome Submit(const script::Reporter&, std::string& body) override {
    if (body.size() > 256) abort();
    body.clear();
    return script::RequestOutcome::kAccepted;
  }
  void Count(script::RequestOutcome) override {}
};

void Serve(const uint8_t* data, size_t size) {
  Intake intake;
  const std::unique_ptr<skimwatch::serving::Session> session =
      script::CreateReportSession(intake, {.body_bytes_max = 256}, {});
  std::string answer;
  while (size > 0 && !session->done()) {
    const size_t bytes = std::min<size_t>(size - 1, data[0]);
    answer.clear();
    if (!session->Receive({reinterpret_cast<const char*>(data) + 1, bytes}, answer).ok()) break;
    data += bytes + 1;
    size -= bytes + 1;
  }
  session->Close();
}

void Read(std::string_view body) {
  CheckingSink sink;
  script::ReportProcessor processor(
      {.default_site = "shop",
       .reports_max = 16,
       .noise_hosts = {"*.noise.example"},
       .browsers_min = 1,
       .learning = absl::ZeroDuration(),
       .site_of_host =
           [](std::string_view host) {
             return std::string(host.ends_with(".example") ? "shop" : "");
           },
       .path_template = skimwatch::traffic::PathTemplate},
      script::BrowserState(), sink);
  script::ReportProcessor::Counts counts{};
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  for (uint64_t i = 0; i < 3; ++i) {
    processor.Process(body, {.network = i, .browser = i}, now, counts);
    now += absl::Hours(13);
    processor.Advance(now);
  }
  processor.Flush();
  script::BrowserState state;
  const std::string kept = processor.inventory().State().SerializeAsString();
  if (!state.ParseFromString(kept)) abort();
  script::ReportProcessor again({.default_site = "shop",
                                 .site_of_host = [](std::string_view) { return std::string(); },
                                 .path_template = skimwatch::traffic::PathTemplate},
                                state, sink);
  if (again.inventory().State().SerializeAsString() != kept) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if ((data[0] & 1) != 0) {
    Serve(data + 1, size - 1);
  } else {
    Read({reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
