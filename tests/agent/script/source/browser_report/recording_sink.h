#ifndef SKIMWATCH_TESTS_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RECORDING_SINK_H_
#define SKIMWATCH_TESTS_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RECORDING_SINK_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/script/source/browser_report/report.h"
#include "agent/script/source/browser_report/report_sink.h"

namespace skimwatch::script::testing {

// Keeps what it is told. A body with 4444333322221111 is said to hold a card.
class RecordingSink final : public ReportSink {
 public:
  struct Change {
    std::string site;
    v1::ScriptChange change;
    v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  };
  struct Field {
    ReportPlace place;
    std::string text;
  };

  size_t BeginBody(std::string_view body, const Reporter& reporter) override {
    absl::MutexLock lock(&mutex_);
    steps.emplace_back("begin");
    bodies.emplace_back(body);
    last_reporter = reporter;
    return body.find("4444333322221111") == std::string_view::npos ? 0 : 1;
  }
  void OnField(const ReportPlace& place, std::string_view text) override {
    absl::MutexLock lock(&mutex_);
    fields.push_back({place, std::string(text)});
  }
  size_t EndBody(const ReportPlace& place) override {
    absl::MutexLock lock(&mutex_);
    steps.emplace_back("end");
    last_place = place;
    return left_out;
  }
  void OnReport(const FoldedReport& report) override {
    absl::MutexLock lock(&mutex_);
    steps.emplace_back("report");
    reports.push_back(report);
  }
  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override {
    absl::MutexLock lock(&mutex_);
    steps.emplace_back("change");
    changes.push_back({std::string(site), change, severity});
  }

  size_t CountBodies() const {
    absl::MutexLock lock(&mutex_);
    return bodies.size();
  }

  std::vector<std::string> steps;
  std::vector<std::string> bodies;
  std::vector<Field> fields;
  std::vector<FoldedReport> reports;
  std::vector<Change> changes;
  ReportPlace last_place;
  Reporter last_reporter;
  // What EndBody says.
  size_t left_out = 0;

 private:
  mutable absl::Mutex mutex_;
};

// A browser of its own network.
inline Reporter Shopper(uint64_t n) { return {.network = n + 1, .browser = n + 1000001}; }

inline std::string SiteOfHost(std::string_view host) {
  return host == "shop.example" || host.ends_with(".shop.example") ? "shop" : "";
}

// Numbers in a path are replaced; the real function is the traffic decoder's.
inline std::string PathTemplate(std::string_view path) {
  std::string shown;
  for (const char c : path) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit) {
      shown += c;
    } else if (!shown.ends_with("{n}")) {
      shown += "{n}";
    }
  }
  return shown;
}

}  // namespace skimwatch::script::testing

#endif  // SKIMWATCH_TESTS_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_RECORDING_SINK_H_
