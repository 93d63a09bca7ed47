#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/inventory/destination_recorder.h"
#include "collector/inventory/inventory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::inventory {
namespace {

using testing::DestinationFinding;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Change = v1::DestinationChange;
using State = v1::Destination;

store::Options WithClock(std::function<absl::Time()> now) {
  store::Options options;
  options.now = std::move(now);
  return options;
}

class DestinationInventoryTest : public ::testing::Test {
 protected:
  DestinationInventoryTest()
      : store_(WithClock([this] { return now_; })),
        inventory_(
            store_.get(), [this] { ++pushes_; }, [this] { return now_; }) {}

  // Records a change as the ingest does; returns the exposure it belongs to.
  uint64_t Report(Change::Change change, const std::string& name = "evil.com",
                  const std::string& process = "", bool checkout = false,
                  const std::string& agent = "web-1", uint64_t flows = 1) {
    uint64_t id = 0;
    now_ += absl::Seconds(1);
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder({}, &tx, now_);
      v1::Finding finding = DestinationFinding(++sequence_, change, name, process, checkout, now_);
      finding.mutable_destination_change()->set_flows(flows);
      ApprovalsOfSites approvals(&tx, now_);
      auto recorded = RecordDestinationChange(tx, folder, approvals, finding, agent);
      if (!recorded.ok()) return recorded.status();
      id = *recorded;
      return folder.Flush();
    });
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  absl::StatusOr<v1::ApproveDestinationResponse> Approve(const std::string& pattern,
                                                         const std::string& process = "",
                                                         absl::Duration lasts = {}) {
    now_ += absl::Seconds(1);
    v1::ApproveDestinationRequest request;
    request.set_site("shop");
    request.set_pattern(pattern);
    request.set_process(process);
    request.set_justification("a partner");
    if (lasts != absl::ZeroDuration()) {
      *request.mutable_expires_at() = store::ToTimestamp(now_ + lasts);
    }
    return inventory_.ApproveDestination(request, "ann");
  }

  absl::StatusOr<v1::RevokeDestinationResponse> Revoke(const std::string& pattern,
                                                       const std::string& process = "") {
    now_ += absl::Seconds(1);
    v1::RevokeDestinationRequest request;
    request.set_site("shop");
    request.set_pattern(pattern);
    request.set_process(process);
    request.set_reason("contract ended");
    return inventory_.RevokeDestination(request, "bob");
  }

  v1::GetDestinationResponse Get(const std::string& name = "evil.com") {
    auto response = store_->GetDestination("shop", name);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : v1::GetDestinationResponse();
  }
  State::State StateOf(const std::string& name = "evil.com") {
    return Get(name).destinations(0).state();
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

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  testing::TempStore store_;
  uint64_t sequence_ = 0;
  int pushes_ = 0;
  Inventory inventory_;
};

TEST_F(DestinationInventoryTest, AProposalIsNotApprovedAndOpensNothing) {
  EXPECT_EQ(Report(Change::CHANGE_PROPOSED), 0U);
  EXPECT_EQ(StateOf(), State::STATE_PROPOSED);
  EXPECT_EQ(OpenExposures(), 0);
}

TEST_F(DestinationInventoryTest, ANewOneOpensAnExposureThatApprovalCloses) {
  const uint64_t id = Report(Change::CHANGE_NEW, "evil.com", "/usr/bin/php", /*checkout=*/true);
  ASSERT_NE(id, 0U);
  EXPECT_EQ(StateOf(), State::STATE_UNAPPROVED);
  EXPECT_EQ(Exposure(id).destination(), "evil.com");
  EXPECT_EQ(Exposure(id).severity(), v1::SEVERITY_HIGH);
  // What can't be read is of the same exposure.
  EXPECT_EQ(Report(Change::CHANGE_OPAQUE_PAYLOAD, "evil.com", "/usr/bin/php", true), id);

  const auto response = Approve("evil.com");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->destinations(), 1U);
  EXPECT_EQ(response->approval().approved_by(), "ann");
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_EQ(Exposure(id).close_reason(), "approved: a partner");
  EXPECT_EQ(StateOf(), State::STATE_APPROVED);
  EXPECT_EQ(Get().destinations(0).approval().justification(), "a partner");
  EXPECT_EQ(pushes_, 1);
  const auto policy = store_->ApprovedDestinations({"shop"});
  ASSERT_THAT(*policy, SizeIs(1));
  EXPECT_EQ(policy->at(0).pattern(), "evil.com");
  EXPECT_THAT(*store_->ApprovedDestinations({"blog"}), IsEmpty());
}

TEST_F(DestinationInventoryTest, WhatIsApprovedOpensNothingWhateverTheAgentThought) {
  ASSERT_TRUE(Approve("*.evil.com").ok());
  EXPECT_EQ(Report(Change::CHANGE_NEW, "cdn.evil.com"), 0U);
  EXPECT_EQ(StateOf("cdn.evil.com"), State::STATE_APPROVED);
  EXPECT_NE(Report(Change::CHANGE_NEW, "evil.com"), 0U);
}

TEST_F(DestinationInventoryTest, AnApprovalForOneProcessLeavesTheOthersOpen) {
  const uint64_t id = Report(Change::CHANGE_NEW, "evil.com", "/usr/bin/php");
  EXPECT_EQ(Report(Change::CHANGE_NEW, "evil.com", "/usr/bin/curl"), id);
  ASSERT_TRUE(Approve("evil.com", "/usr/bin/php").ok());
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_OPEN);
  ASSERT_TRUE(Approve("evil.com", "/usr/bin/curl").ok());
  EXPECT_EQ(Exposure(id).state(), v1::Exposure::STATE_CLOSED);
  EXPECT_THAT(Get().approvals(), SizeIs(2));
}

TEST_F(DestinationInventoryTest, ARevocationOpensAnExposureAndIsKept) {
  Report(Change::CHANGE_PROPOSED);
  ASSERT_TRUE(Approve("evil.com").ok());
  const auto revoked = Revoke("evil.com");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->destinations(), 1U);
  EXPECT_EQ(OpenExposures(), 1);
  EXPECT_EQ(StateOf(), State::STATE_UNAPPROVED);
  ASSERT_THAT(Get().approvals(), SizeIs(1));
  EXPECT_EQ(Get().approvals(0).revoked_by(), "bob");
  EXPECT_EQ(Get().approvals(0).approved_by(), "ann");
  EXPECT_THAT(*store_->ApprovedDestinations({}), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(Revoke("evil.com").status()));
}

TEST_F(DestinationInventoryTest, ARevocationOfWhatAnotherApprovalCoversChangesNothing) {
  Report(Change::CHANGE_PROPOSED, "192.0.2.7");
  ASSERT_TRUE(Approve("192.0.2.7").ok());
  ASSERT_TRUE(Approve("192.0.2.0/24").ok());
  EXPECT_EQ(Revoke("192.0.2.7")->destinations(), 0U);
  EXPECT_EQ(OpenExposures(), 0);
  EXPECT_EQ(StateOf("192.0.2.7"), State::STATE_APPROVED);
}

TEST_F(DestinationInventoryTest, WhatWasNotUsedForAWeekOpensNothing) {
  Report(Change::CHANGE_PROPOSED);
  ASSERT_TRUE(Approve("evil.com").ok());
  now_ += absl::Hours(24 * 8);
  EXPECT_EQ(Revoke("evil.com")->destinations(), 1U);
  EXPECT_EQ(OpenExposures(), 0);
}

TEST_F(DestinationInventoryTest, AnApprovalEnds) {
  Report(Change::CHANGE_PROPOSED);
  ASSERT_TRUE(Approve("evil.com", "", absl::Hours(1)).ok());
  EXPECT_EQ(StateOf(), State::STATE_APPROVED);
  now_ += absl::Hours(2);
  EXPECT_EQ(StateOf(), State::STATE_UNAPPROVED);
  EXPECT_THAT(*store_->ApprovedDestinations({"shop"}), IsEmpty());
  EXPECT_NE(Report(Change::CHANGE_NEW), 0U);
  // Approved anew, in place of the one that ended.
  ASSERT_TRUE(Approve("evil.com").ok());
  EXPECT_EQ(StateOf(), State::STATE_APPROVED);
  EXPECT_TRUE(absl::IsInvalidArgument(Approve("evil.com", "", -absl::Hours(1)).status()));
}

TEST_F(DestinationInventoryTest, RefusesPatternsThatCoverTooMuch) {
  EXPECT_TRUE(absl::IsInvalidArgument(Approve("*.com").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Approve("0.0.0.0/0").status()));
  EXPECT_EQ(pushes_, 0);
}

TEST_F(DestinationInventoryTest, CountsAreSumsOfWhatAgentsLastTold) {
  Report(Change::CHANGE_PROPOSED, "evil.com", "", false, "web-1", 5);
  Report(Change::CHANGE_PROPOSED, "evil.com", "", false, "web-2", 7);
  Report(Change::CHANGE_SEEN, "evil.com", "", false, "web-1", 20);
  const v1::Destination destination = Get().destinations(0);
  EXPECT_EQ(destination.flows(), 27U);
  EXPECT_EQ(destination.bytes_out(), 200U);
  EXPECT_THAT(destination.agents(), SizeIs(2));
  EXPECT_THAT(destination.hosts(), ElementsAre("www.evil.com"));
}

TEST_F(DestinationInventoryTest, ListsByStateInPages) {
  for (const char* name : {"a.com", "b.com", "c.com"}) Report(Change::CHANGE_PROPOSED, name);
  Report(Change::CHANGE_NEW, "d.com");
  v1::ListDestinationsRequest request;
  request.set_page_size(2);
  std::string names;
  do {
    const auto page = store_->ListDestinations(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->destinations_size(), 2);
    for (const v1::Destination& destination : page->destinations()) names += destination.name();
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names, "a.comb.comc.comd.com");
  request.Clear();
  request.set_state(State::STATE_UNAPPROVED);
  EXPECT_THAT(store_->ListDestinations(request)->destinations(), SizeIs(1));
  request.set_site("blog");
  EXPECT_THAT(store_->ListDestinations(request)->destinations(), IsEmpty());
  const auto summary = store_->Summarize();
  ASSERT_THAT(summary->destinations, SizeIs(2));
  EXPECT_EQ(summary->destinations[0].destinations, 3U);
}

TEST_F(DestinationInventoryTest, ListsASiteWithoutALookAtTheRowsOfOthers) {
  // More than one read looks at.
  constexpr int kOthers = 100'001;
  const absl::Status status = store_->Write([&](store::Transaction& tx) {
    v1::Destination destination;
    destination.set_site("blog");
    for (int i = 0; i < kOthers; ++i) {
      destination.set_name(absl::StrCat(i, ".com"));
      if (absl::Status s = tx.PutDestination(destination); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  for (const char* name : {"a.com", "b.com", "c.com"}) Report(Change::CHANGE_PROPOSED, name);
  v1::ListDestinationsRequest request;
  request.set_site("shop");
  request.set_page_size(1);
  std::vector<std::string> names;
  do {
    const auto page = store_->ListDestinations(request);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->destinations_size(), 1);
    names.push_back(page->destinations(0).name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("a.com", "b.com", "c.com"));
}

TEST_F(DestinationInventoryTest, SaysWhatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(store_->GetDestination("shop", "evil.com").status()));
  EXPECT_TRUE(absl::IsNotFound(Revoke("evil.com").status()));
}

TEST_F(DestinationInventoryTest, OutlivesARestart) {
  Report(Change::CHANGE_NEW);
  ASSERT_TRUE(Approve("evil.com").ok());
  const std::string before = Get().SerializeAsString();
  store_.Reopen();
  EXPECT_EQ(Get().SerializeAsString(), before);
}

}  // namespace
}  // namespace skimwatch::inventory
