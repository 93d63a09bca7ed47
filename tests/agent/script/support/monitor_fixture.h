#ifndef SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_MONITOR_FIXTURE_H_
#define SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_MONITOR_FIXTURE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/script_monitor.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::testing {

using v1::ScriptChange;

// Keeps everything that a monitor says, and can be waited on.
class RecordingSink : public script::ScriptSink {
 public:
  struct Change {
    std::string site;
    v1::ScriptChange change;
    v1::Severity severity;
  };

  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override {
    absl::MutexLock lock(&mutex_);
    changes_.push_back({std::string(site), change, severity});
    served_[std::make_pair(std::string(site), change.script())] = change.current().sha256();
  }
  void OnText(std::string_view site, std::string_view script, std::string_view text) override {
    absl::MutexLock lock(&mutex_);
    texts_.emplace_back(absl::StrCat(std::string(site), ":", std::string(script)),
                        std::string(text));
  }

  std::vector<Change> changes() const {
    absl::MutexLock lock(&mutex_);
    return changes_;
  }
  std::vector<std::pair<std::string, std::string>> texts() const {
    absl::MutexLock lock(&mutex_);
    return texts_;
  }
  // `KIND name` of each change since `from`.
  std::vector<std::string> Said(size_t from = 0) const {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> said;
    for (size_t i = from; i < changes_.size(); ++i) {
      const std::string kind = ScriptChange::Change_Name(changes_[i].change.change());
      said.push_back(absl::StrCat(kind.substr(7), " ", changes_[i].change.script()));
    }
    return said;
  }
  // The last change of a script.
  Change Last(const std::string& script) const {
    absl::MutexLock lock(&mutex_);
    for (size_t i = changes_.size(); i > 0; --i) {
      if (changes_[i - 1].change.script() == script) return changes_[i - 1];
    }
    ADD_FAILURE() << "nothing was said of " << script;
    return {};
  }
  // By site and name: the hash that was said last, without those that are gone.
  std::map<std::pair<std::string, std::string>, std::string> Served() const {
    absl::MutexLock lock(&mutex_);
    auto served = served_;
    std::erase_if(served, [](const auto& entry) { return entry.second.empty(); });
    return served;
  }
  size_t size() const {
    absl::MutexLock lock(&mutex_);
    return changes_.size();
  }
  // Waits for that many changes in all.
  bool WaitForSize(size_t size) const {
    const auto is_there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return changes_.size() >= size;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&is_there), absl::Seconds(20));
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Change> changes_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, std::string> served_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> texts_ ABSL_GUARDED_BY(mutex_);
};

// A monitor of one root and what is around it.
class MonitorFixture : public ::testing::Test {
 protected:
  MonitorFixture() {
    config::v1::WebRoot root;
    root.set_path(root_.path());
    root.set_site("shop");
    for (const char* glob : {"*.js", "*.mjs"}) root.add_scripts(glob);
    for (const char* glob : {"*.html", "*.phtml"}) root.add_pages(glob);
    root.set_file_bytes_max(1 << 20);
    root.set_rescan_interval_seconds(3600);
    options_.roots.push_back(root);
    options_.state_directory = state_.path();
    options_.settle = absl::Milliseconds(20);
  }

  // Opens, starts and waits for the first look.
  void Start() {
    Open();
    monitor_->Start();
    AwaitLook();
  }
  void Open() {
    absl::StatusOr<std::unique_ptr<script::ScriptMonitor>> monitor =
        script::ScriptMonitor::Open(options_, sink_);
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    monitor_ = *std::move(monitor);
  }
  void AwaitLook() {
    Await([](const Stats& stats) { return stats.last_full_look != absl::InfinitePast(); });
    // The first look is over when what it found fresh was read as well.
    AwaitQuiet();
  }
  // Waits until nothing was said for a while that is long against the settle time.
  void AwaitQuiet() const {
    size_t before = sink_.size() + 1;
    for (int turns = 0; turns < 200 && before != sink_.size(); ++turns) {
      before = sink_.size();
      absl::SleepFor(options_.settle * 12);
    }
  }
  using Stats = script::ScriptMonitor::Stats;
  void Await(const std::function<bool(const Stats&)>& condition,
             absl::Duration patience = absl::Seconds(20)) const {
    const absl::Time deadline = absl::Now() + patience;
    while (!condition(monitor_->GetStats())) {
      ASSERT_LT(absl::Now(), deadline) << "the condition never came";
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  void Approve(const std::vector<std::pair<std::string, std::string>>& scripts) {
    v1::Policy policy;
    for (const auto& [name, text] : scripts) {
      v1::ApprovedScript& script = *policy.add_approved_scripts();
      script.set_site("shop");
      script.set_script(name);
      script.set_sha256(script::Sha256(text));
    }
    monitor_->SetPolicy(policy);
  }
  // Approves what is served now.
  void ApproveAll() {
    v1::Policy policy;
    for (const auto& [name, sha256] : sink_.Served()) {
      v1::ApprovedScript& script = *policy.add_approved_scripts();
      script.set_site(name.first);
      script.set_script(name.second);
      script.set_sha256(sha256);
    }
    monitor_->SetPolicy(policy);
    Await([](const Stats& stats) { return stats.unapproved_scripts == 0; });
  }
  config::v1::WebRoot& root() { return options_.roots[0]; }

  Tree root_;
  Tree state_;
  RecordingSink sink_;
  script::ScriptMonitor::Options options_;
  std::unique_ptr<script::ScriptMonitor> monitor_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_MONITOR_FIXTURE_H_
