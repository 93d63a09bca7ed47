#include "collector/inventory/inventory.h"

#include <string>

#include "collector/inventory/script_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::inventory {
namespace {

using testing::HashOf;
using ::testing::IsEmpty;
using testing::ScriptFinding;
using ::testing::SizeIs;
using Change = v1::ScriptChange;
using State = v1::Script;

class InventoryTest : public ::testing::Test {
 protected:
  InventoryTest()
      : inventory_(
            store_.get(), [this] { ++pushes_; }, [this] { return now_; }) {}

  // Records a change as the ingest does; returns the exposure it belongs to.
  uint64_t Report(Change::Change change, uint64_t version, const std::string& agent = "web-1") {
    uint64_t id = 0;
    now_ += absl::Seconds(1);
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder({}, &tx, now_);
      v1::Finding finding = ScriptFinding(++sequence_, change, version, name_);
      *finding.mutable_first_seen() = store::ToTimestamp(now_);
      *finding.mutable_last_seen() = store::ToTimestamp(now_);
      auto recorded = RecordScriptChange(tx, folder, finding, agent, now_);
      if (!recorded.ok()) return recorded.status();
      id = *recorded;
      return folder.Flush();
    });
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  absl::StatusOr<v1::Script> Approve(uint64_t version, const std::string& why = "the chat") {
    now_ += absl::Seconds(1);
    v1::ApproveScriptRequest request;
    request.set_site("shop");
    request.set_name(name_);
    request.set_sha256(HashOf(version));
    request.set_justification(why);
    return inventory_.Approve(request, "ann");
  }

  absl::StatusOr<v1::Script> Revoke(uint64_t version, const std::string& why = "altered") {
    now_ += absl::Seconds(1);
    v1::RevokeScriptRequest request;
    request.set_site("shop");
    request.set_name(name_);
    request.set_sha256(HashOf(version));
    request.set_reason(why);
    return inventory_.Revoke(request, "bob");
  }

  v1::Script Script() {
    auto script = store_->GetScript("shop", name_);
    EXPECT_TRUE(script.ok()) << script.status();
    return script.ok() ? *script : v1::Script();
  }

  v1::Exposure Exposure(uint64_t id) {
    auto response = store_->GetExposure(id);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->exposure() : v1::Exposure();
  }

  int OpenExposures() {
    v1::ListExposuresRequest request;
    request.set_state(v1::Exposure::STATE_OPEN);
    return store_->ListExposures(request)->exposures_size();
  }

  testing::TempStore store_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  uint64_t sequence_ = 0;
  std::string name_ = "js/chat.js";
  int pushes_ = 0;
  Inventory inventory_;
};

TEST_F(InventoryTest, AProposalIsNotApprovedAndOpensNothing) {
  EXPECT_EQ(Report(Change::CHANGE_PROPOSED, 1), 0u);
  EXPECT_EQ(Script().state(), State::STATE_UNAPPROVED);
  EXPECT_EQ(OpenExposures(), 0);
  EXPECT_THAT(store_->ScriptPolicy({"shop"})->approved_scripts(), IsEmpty());
}

TEST_F(InventoryTest, AnAddedScriptOpensAnExposureThatApprovalCloses) {
  const uint64_t id = Report(Change::CHANGE_ADDED, 1);
  ASSERT_NE(id, 0u);
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_OPEN);
  EXPECT_EQ(Exposure(id).channel(), "js/chat.js");
  EXPECT_EQ(Exposure(id).severity(), v1::SEVERITY_HIGH);
  auto script = Approve(1);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_APPROVED);
  EXPECT_EQ(script->history(0).approval().approved_by(), "ann");
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Exposure(id).closed_by(), "ann");
  EXPECT_EQ(Exposure(id).close_reason(), "approved: the chat");
  EXPECT_EQ(pushes_, 1);
  EXPECT_EQ(*store_->PolicyVersion(), 1u);
}

TEST_F(InventoryTest, AChangeOpensAndARestoreCloses) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1).ok());
  const uint64_t id = Report(Change::CHANGE_CHANGED, 2);
  ASSERT_NE(id, 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_EQ(Script().current().sha256(), HashOf(2));
  EXPECT_EQ(Report(Change::CHANGE_CHANGED, 3), id);
  EXPECT_EQ(Report(Change::CHANGE_RESTORED, 1), 0u);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Exposure(id).findings(), 2u);
  EXPECT_THAT(Script().history(), SizeIs(3));
}

TEST_F(InventoryTest, AReferenceIsApprovedRevokedAndRemovedAsEveryScript) {
  name_ = "pay.html#src=https://cdn.example/x.js";
  const uint64_t added = Report(Change::CHANGE_ADDED, 1);
  ASSERT_NE(added, 0u);
  EXPECT_EQ(Exposure(added).channel(), name_);
  ASSERT_TRUE(Approve(1).ok());
  EXPECT_EQ(Exposure(added).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->approved_scripts(0).script(), name_);
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 2), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  Report(Change::CHANGE_RESTORED, 1);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  ASSERT_TRUE(Revoke(1).ok());
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  Report(Change::CHANGE_REMOVED, 0);
  EXPECT_EQ(Script().state(), State::STATE_MISSING);
  EXPECT_EQ(OpenExposures(), 0);
}

TEST_F(InventoryTest, OneRestoredAgentDoesNotHideAnother) {
  Report(Change::CHANGE_PROPOSED, 1, "web-1");
  Report(Change::CHANGE_PROPOSED, 1, "web-2");
  ASSERT_TRUE(Approve(1).ok());
  const uint64_t id = Report(Change::CHANGE_CHANGED, 2, "web-1");
  Report(Change::CHANGE_CHANGED, 2, "web-2");
  Report(Change::CHANGE_RESTORED, 1, "web-1");
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_EQ(Script().current().sha256(), HashOf(2));
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_OPEN);
  Report(Change::CHANGE_RESTORED, 1, "web-2");
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
}

TEST_F(InventoryTest, ApprovingWhatIsNoLongerServedIsRefused) {
  Report(Change::CHANGE_PROPOSED, 1);
  Report(Change::CHANGE_CHANGED, 2);
  EXPECT_EQ(Approve(1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Approve(9).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Approve(2, "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(pushes_, 0);
  EXPECT_EQ(*store_->PolicyVersion(), 0u);
  EXPECT_TRUE(Approve(2).ok());
}

TEST_F(InventoryTest, RevokingAServedVersionOpensAnExposureAndKeepsTheRecord) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1).ok());
  EXPECT_EQ(OpenExposures(), 0);
  auto script = Revoke(1);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_CHANGED);
  EXPECT_EQ(script->history(0).approval().approved_by(), "ann");
  EXPECT_EQ(script->history(0).approval().revoked_by(), "bob");
  EXPECT_EQ(script->history(0).approval().revocation_reason(), "altered");
  EXPECT_EQ(OpenExposures(), 1);
  EXPECT_THAT(store_->ScriptPolicy({"shop"})->approved_scripts(), IsEmpty());
  EXPECT_EQ(pushes_, 2);
  EXPECT_EQ(Revoke(1).status().code(), absl::StatusCode::kFailedPrecondition);
  // What the agent then says about it belongs to the same exposure.
  EXPECT_EQ(Report(Change::CHANGE_CHANGED, 1), 1u);
  ASSERT_TRUE(Approve(1, "looked again").ok());
  EXPECT_EQ(OpenExposures(), 0);
}

TEST_F(InventoryTest, RevokingAnOldVersionOpensNothing) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1).ok());
  Report(Change::CHANGE_CHANGED, 2);
  ASSERT_TRUE(Approve(2).ok());
  ASSERT_TRUE(Revoke(1).ok());
  EXPECT_EQ(OpenExposures(), 0);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
}

TEST_F(InventoryTest, ARemovedScriptIsMissingAndItsExposureOver) {
  const uint64_t id = Report(Change::CHANGE_ADDED, 1);
  EXPECT_EQ(Report(Change::CHANGE_REMOVED, 0), 0u);
  EXPECT_EQ(Script().state(), State::STATE_MISSING);
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Approve(1).status().code(), absl::StatusCode::kFailedPrecondition);
  // Back again, still without approval.
  EXPECT_NE(Report(Change::CHANGE_ADDED, 1), 0u);
  EXPECT_EQ(Script().state(), State::STATE_UNAPPROVED);
}

TEST_F(InventoryTest, WhatTheCollectorApprovedMeanwhileOpensNothing) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1).ok());
  // The agent did not have the policy yet when it judged.
  EXPECT_EQ(Report(Change::CHANGE_CHANGED, 1), 0u);
  EXPECT_EQ(OpenExposures(), 0);
}

}  // namespace
}  // namespace skimwatch::inventory
