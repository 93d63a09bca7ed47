#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/inventory/approval_keeper.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/inventory/inventory_fixture.h"
#include "tests/collector/publisher/signing_key.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::inventory {
namespace {

using ::testing::Contains;
using testing::HashOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Change = v1::ScriptChange;
using State = v1::Script;

constexpr char kAddress[] = "https://chat.example/x.js";

class PublisherLists : public testing::InventoryFixture {
 protected:
  PublisherLists() {
    name_ = absl::StrCat("https://shop.example/pay#src=", kAddress);
    key_.WritePublic(folder_.File("chat.pem"));
    config::v1::ScriptPublisher& chat = *config_.add_publishers();
    chat.set_id("chat");
    chat.add_public_keys(folder_.File("chat.pem"));
    chat.add_scripts("https://chat.example/*");
    Configure();
  }

  void Configure() {
    auto publishers = publisher::Publishers::Load(config_);
    ASSERT_TRUE(publishers.ok()) << publishers.status();
    MakeInventory(*std::move(publishers));
  }

  static std::string List(uint64_t serial, const std::vector<uint64_t>& versions,
                          const std::vector<uint64_t>& revoked = {},
                          const std::string& expires = "2026-02-01T00:00:00Z") {
    std::vector<std::string> scripts;
    for (const uint64_t version : versions) {
      scripts.push_back(absl::StrCat("{\"script\": \"", kAddress, "\", \"sha256\": \"",
                                     absl::BytesToHexString(HashOf(version)), "\"}"));
    }
    std::vector<std::string> bad;
    for (const uint64_t version : revoked) {
      bad.push_back(absl::StrCat("{\"sha256\": \"", absl::BytesToHexString(HashOf(version)),
                                 "\", \"reason\": \"altered on its way\"}"));
    }
    return absl::StrCat("{\"format\": 1, \"publisher\": \"chat\", \"serial\": ", serial,
                        ", \"issued\": \"2026-01-01T00:00:00Z\", \"expires\": \"", expires,
                        "\", \"scripts\": [", absl::StrJoin(scripts, ","), "], \"revoked\": [",
                        absl::StrJoin(bad, ","), "]}");
  }

  absl::StatusOr<v1::ImportPublisherListResponse> Import(const std::string& list,
                                                         bool dry_run = false) {
    now_ += absl::Seconds(1);
    v1::ImportPublisherListRequest request;
    request.set_list(list);
    request.set_signature(key_.Sign(list));
    request.set_dry_run(dry_run);
    return inventory_->ImportPublisherList(request, "ann");
  }

  const testing::TempFolder folder_;
  const testing::SigningKey key_;
  config::v1::ScriptApprovals config_;
};

TEST_F(PublisherLists, ApproveWhatIsKnownAndWhatComesLater) {
  Report(Change::CHANGE_ADDED, 1);
  EXPECT_THAT(OpenExposures(), SizeIs(1));
  const auto answer = Import(List(1, {1, 2}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->entries(), 2u);
  EXPECT_EQ(answer->approved(), 1u);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_THAT(OpenExposures(), IsEmpty());
  const v1::ScriptApproval approval = Record(1).approval();
  EXPECT_EQ(approval.kind(), v1::ScriptApproval::KIND_PUBLISHER);
  EXPECT_EQ(approval.publisher(), "chat");
  EXPECT_EQ(approval.list_serial(), 1u);
  EXPECT_EQ(approval.approved_by(), "ann");
  EXPECT_EQ(approval.justification(), "named by list 1 of chat");
  EXPECT_EQ(approval.expires_at().seconds(), 1'769'904'000);
  // No alarm at the agents, either.
  ASSERT_EQ(store_->ScriptPolicy({"shop"})->published_scripts_size(), 2);
  EXPECT_EQ(Report(Change::CHANGE_RESTORED, 2), 0u);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_EQ(Record(2).approval().publisher(), "chat");
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 3), 0u);
  EXPECT_THAT(Decisions(), Contains(HasSubstr("publisher.import ann: 2 versions, 0 revoked")));
}

TEST_F(PublisherLists, ApproveTheirOwnScriptsOnly) {
  name_ = "https://shop.example/pay#src=https://pay.example/x.js";
  Report(Change::CHANGE_ADDED, 1);
  ASSERT_TRUE(Import(List(1, {1})).ok());
  EXPECT_EQ(Script().state(), State::STATE_UNAPPROVED);
}

TEST_F(PublisherLists, TakeThePlaceOfTheOnesBefore) {
  Report(Change::CHANGE_ADDED, 1);
  ASSERT_TRUE(Import(List(1, {1})).ok());
  const auto answer = Import(List(2, {2}));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->withdrawn(), 1u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_EQ(Record(1).approval().revocation_reason(), "list 2 of chat no longer names it");
  EXPECT_THAT(OpenExposures(), SizeIs(1));
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->published_scripts_size(), 1);
  ASSERT_TRUE(Import(List(3, {1, 2})).ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
}

TEST_F(PublisherLists, AreNotReplayed) {
  Report(Change::CHANGE_ADDED, 1);
  const std::string old = List(4, {1});
  ASSERT_TRUE(Import(old).ok());
  ASSERT_TRUE(Import(List(5, {2}, {1})).ok());
  EXPECT_THAT(Record(1).approval().revocation_reason(),
              HasSubstr("revokes it: altered on its way"));
  const absl::Status replayed = Import(old).status();
  EXPECT_EQ(replayed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(replayed.message()), HasSubstr("serial: 4 is older than 5"));
  const absl::Status forked = Import(List(5, {1})).status();
  EXPECT_THAT(std::string(forked.message()), HasSubstr("serial: 5 was another list"));
  const auto again = Import(List(5, {2}, {1}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->unchanged());
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(PublisherLists, DoNothingInADryRun) {
  Report(Change::CHANGE_ADDED, 1);
  const auto answer = Import(List(1, {1}), /*dry_run=*/true);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->approved(), 1u);
  EXPECT_EQ(Script().state(), State::STATE_UNAPPROVED);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->published_scripts_size(), 0);
  EXPECT_EQ(inventory_->ListPublishers()->publishers(0).serial(), 0u);
}

TEST_F(PublisherLists, EndWithTheirTime) {
  Report(Change::CHANGE_ADDED, 1);
  ASSERT_TRUE(Import(List(1, {1}, {}, "2026-01-12T00:00:00Z")).ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  now_ += absl::Hours(24 * 3);
  EXPECT_EQ(*inventory_->EndApprovals(), 1u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 1), 0u);
  ASSERT_TRUE(Import(List(2, {1})).ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
}

TEST_F(PublisherLists, EndWithTheTrustInTheirPublisher) {
  Report(Change::CHANGE_ADDED, 1);
  ASSERT_TRUE(Import(List(3, {1})).ok());
  ASSERT_TRUE(inventory_->CheckStoredLists().ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  // Another scope, as after a restart with another configuration.
  config_.mutable_publishers(0)->set_scripts(0, "https://chat.example/lib/*");
  Configure();
  ASSERT_TRUE(inventory_->CheckStoredLists().ok());
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->published_scripts_size(), 0);
  EXPECT_THAT(Decisions(), Contains(HasSubstr("publisher.drop skimwatch-collector: scripts[0]")));
  // It still holds back older lists, and comes back with the trust.
  config_.mutable_publishers(0)->set_scripts(0, "https://chat.example/*");
  Configure();
  EXPECT_EQ(Import(List(2, {1})).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(inventory_->CheckStoredLists().ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  // None at all.
  MakeInventory({});
  ASSERT_TRUE(inventory_->CheckStoredLists().ok());
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(PublisherLists, AreListedWithWhatIsInForce) {
  ASSERT_TRUE(Import(List(3, {1, 2}, {7})).ok());
  const v1::ListPublishersResponse response = *inventory_->ListPublishers();
  ASSERT_EQ(response.publishers_size(), 1);
  EXPECT_EQ(response.publishers(0).id(), "chat");
  EXPECT_EQ(response.publishers(0).serial(), 3u);
  EXPECT_EQ(response.publishers(0).entries(), 2u);
  EXPECT_EQ(response.publishers(0).revoked(), 1u);
  EXPECT_EQ(response.publishers(0).imported_by(), "ann");
}

TEST_F(PublisherLists, AreTakenFromAFolder) {
  Report(Change::CHANGE_ADDED, 1);
  std::map<std::string, std::string> seen;
  const std::string lists = folder_.File("lists");
  ApprovalKeeper::ImportFolder(*inventory_, lists, seen);
  std::filesystem::create_directories(lists);
  const auto put = [&](const std::string& list) {
    std::ofstream(lists + "/chat.json") << list;
    std::ofstream(lists + "/chat.json.sig", std::ios::binary) << key_.Sign(list);
  };
  // The signature is still to come.
  std::ofstream(lists + "/chat.json") << List(1, {1});
  ApprovalKeeper::ImportFolder(*inventory_, lists, seen);
  EXPECT_EQ(inventory_->ListPublishers()->publishers(0).serial(), 0u);
  put(List(1, {1}));
  std::ofstream(lists + "/garbage.json") << "{";
  std::ofstream(lists + "/garbage.json.sig") << "{";
  ApprovalKeeper::ImportFolder(*inventory_, lists, seen);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  put(List(12, {2}));
  ApprovalKeeper::ImportFolder(*inventory_, lists, seen);
  EXPECT_EQ(inventory_->ListPublishers()->publishers(0).serial(), 12u);
  EXPECT_EQ(Record(1).approval().revoked_by(), "skimwatch-collector");
}

}  // namespace
}  // namespace skimwatch::inventory
