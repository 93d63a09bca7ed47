#ifndef SKIMWATCH_TESTS_COLLECTOR_INVENTORY_INVENTORY_FIXTURE_H_
#define SKIMWATCH_TESTS_COLLECTOR_INVENTORY_INVENTORY_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/inventory/inventory.h"
#include "collector/inventory/script_recorder.h"
#include "collector/store/timestamp.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::testing {

// A collector's inventory over a store of its own, and agents that report to it.
class InventoryFixture : public ::testing::Test {
 protected:
  using Facts = std::vector<std::pair<std::string, std::string>>;

  InventoryFixture() { MakeInventory({}); }

  void MakeInventory(publisher::Publishers publishers) {
    inventory_ = std::make_unique<inventory::Inventory>(
        store_.get(), [this] { ++pushes_; }, [this] { return now_; }, std::move(publishers));
  }

  // The store goes by the same clock.
  store::Options WithClock() {
    store::Options options;
    options.now = [this] { return now_; };
    return options;
  }

  // Records a change as the ingest does; returns the exposure it belongs to.
  uint64_t Report(v1::ScriptChange::Change change, uint64_t version,
                  const std::string& agent = "web-1",
                  const std::function<void(v1::Finding&)>& edit = {}) {
    uint64_t id = 0;
    now_ += absl::Seconds(1);
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder({}, &tx, now_);
      v1::Finding finding = ScriptFinding(++sequence_, change, version, name_);
      *finding.mutable_first_seen() = store::ToTimestamp(now_);
      *finding.mutable_last_seen() = store::ToTimestamp(now_);
      if (edit) edit(finding);
      auto recorded = inventory::RecordScriptChange(tx, folder, finding, agent, now_);
      if (!recorded.ok()) return recorded.status();
      id = *recorded;
      return folder.Flush();
    });
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  // A version that does `facts`, as an agent reports it that was told of no profile.
  uint64_t Changed(uint64_t version, const Facts& facts, const std::string& agent = "web-1",
                   uint64_t profile = 0) {
    return Report(v1::ScriptChange::CHANGE_CHANGED, version, agent, [&](v1::Finding& finding) {
      v1::ScriptChange& change = *finding.mutable_script_change();
      *change.mutable_behaviour() = Behaviour(facts);
      *change.mutable_facts() = change.behaviour().facts();
      change.set_profile_id(profile);
      if (profile != 0) finding.set_severity(v1::SEVERITY_INFO);
    });
  }

  static v1::ScriptBehaviour Behaviour(const Facts& facts) {
    v1::ScriptBehaviour behaviour;
    for (const auto& [name, excerpt] : facts) {
      v1::ScriptFact& fact = *behaviour.add_facts();
      fact.set_name(name);
      fact.set_excerpt(excerpt);
      fact.set_count(1);
    }
    return behaviour;
  }

  v1::ApproveScriptRequest Approval(uint64_t version, absl::Duration lasts = absl::ZeroDuration()) {
    now_ += absl::Seconds(1);
    v1::ApproveScriptRequest request;
    request.set_site("shop");
    request.set_name(name_);
    request.set_sha256(HashOf(version));
    request.set_justification("the chat");
    if (lasts > absl::ZeroDuration()) {
      *request.mutable_expires_at() = store::ToTimestamp(now_ + lasts);
    }
    return request;
  }
  absl::StatusOr<v1::Script> Approve(uint64_t version,
                                     absl::Duration lasts = absl::ZeroDuration()) {
    return inventory_->Approve(Approval(version, lasts), "ann");
  }
  absl::StatusOr<v1::Script> ApproveProfile(uint64_t version,
                                            absl::Duration lasts = absl::ZeroDuration()) {
    v1::ApproveScriptRequest request = Approval(version, lasts);
    request.set_profile(true);
    return inventory_->Approve(request, "ann");
  }

  v1::Script Script() {
    auto script = store_->GetScript("shop", name_);
    EXPECT_TRUE(script.ok()) << script.status();
    return script.ok() ? *script : v1::Script();
  }
  v1::ScriptRecord Record(uint64_t version) {
    const v1::Script script = Script();
    for (const v1::ScriptRecord& record : script.history()) {
      if (record.version().sha256() == HashOf(version)) return record;
    }
    ADD_FAILURE() << "no version " << version;
    return {};
  }

  std::vector<v1::Exposure> OpenExposures() {
    v1::ListExposuresRequest request;
    request.set_state(v1::Exposure::STATE_OPEN);
    auto response = store_->ListExposures(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return {response->exposures().begin(), response->exposures().end()};
  }
  // `action who: reason`, oldest first.
  std::vector<std::string> Decisions() {
    std::vector<std::string> decisions;
    const auto response = store_->ListDecisions({});
    for (const v1::Decision& decision : response->decisions()) {
      decisions.push_back(decision.action() + " " + decision.who() + ": " + decision.reason());
    }
    return decisions;
  }

  // 2026-01-10T00:00:00Z.
  absl::Time now_ = absl::FromUnixSeconds(1'768'003'200);
  TempStore store_{WithClock()};
  uint64_t sequence_ = 0;
  std::string name_ = "js/chat.js";
  int pushes_ = 0;
  std::unique_ptr<inventory::Inventory> inventory_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_INVENTORY_INVENTORY_FIXTURE_H_
