#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/inventory/inventory_fixture.h"

namespace skimwatch::inventory {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::HashOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Change = v1::ScriptChange;
using Kind = v1::ScriptApproval;
using State = v1::Script;

using ApprovalEnds = testing::InventoryFixture;
using Profile = testing::InventoryFixture;
using Description = testing::InventoryFixture;

TEST_F(ApprovalEnds, AnExpiredApprovalIsNone) {
  Report(Change::CHANGE_PROPOSED, 1);
  auto script = Approve(1, absl::Hours(24));
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_APPROVED);
  EXPECT_EQ(script->history(0).approval().kind(), Kind::KIND_HASH);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->approved_scripts(0).expires_at().seconds(),
            script->history(0).approval().expires_at().seconds());
  EXPECT_EQ(*inventory_->EndApprovals(), 0u);

  now_ += absl::Hours(24);
  const int pushes = pushes_;
  EXPECT_EQ(*inventory_->EndApprovals(), 1u);
  EXPECT_EQ(pushes_, pushes + 1);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  ASSERT_THAT(OpenExposures(), SizeIs(1));
  EXPECT_THAT(OpenExposures()[0].rules(), ElementsAre("script.approval_expired"));
  EXPECT_THAT(Decisions(), Contains("script.expire skimwatch-collector: approval expired on "
                                    "2026-01-11T00:00:02Z"));
  EXPECT_EQ(*inventory_->EndApprovals(), 0u);

  ASSERT_TRUE(Approve(1, absl::Hours(24)).ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_THAT(OpenExposures(), IsEmpty());
}

TEST_F(ApprovalEnds, CountsForNothingBeforeItIsNoted) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1, absl::Hours(1)).ok());
  now_ += absl::Hours(2);
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 1), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(ApprovalEnds, OfAVersionThatIsServedNoMoreOpensNothing) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1, absl::Hours(1)).ok());
  Report(Change::CHANGE_CHANGED, 2);
  ASSERT_TRUE(Approve(2).ok());
  now_ += absl::Hours(2);
  EXPECT_EQ(*inventory_->EndApprovals(), 1u);
  EXPECT_THAT(OpenExposures(), IsEmpty());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
}

TEST_F(ApprovalEnds, MustLieInTheFuture) {
  Report(Change::CHANGE_PROPOSED, 1);
  v1::ApproveScriptRequest request = Approval(1);
  *request.mutable_expires_at() = store::ToTimestamp(now_);
  EXPECT_EQ(inventory_->Approve(request, "ann").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ApprovalEnds, IsOfTheNewestApprovalOfAVersion) {
  Report(Change::CHANGE_PROPOSED, 1);
  ASSERT_TRUE(Approve(1, absl::Hours(1)).ok());
  ASSERT_TRUE(Approve(1, absl::Hours(48)).ok());
  now_ += absl::Hours(2);
  ASSERT_TRUE(inventory_->EndApprovals().ok());
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_THAT(OpenExposures(), IsEmpty());
}

TEST_F(Profile, AcceptsVersionsThatDoNothingMore) {
  Changed(1, {{"sink", "fetch"}, {"destination", "chat.example by fetch"}});
  auto script = ApproveProfile(1);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_APPROVED);
  EXPECT_THAT(OpenExposures(), IsEmpty());
  for (uint64_t version = 2; version <= 5; ++version) {
    EXPECT_EQ(Changed(version, {{"sink", "fetch"}, {"destination", "chat.example by fetch"}}), 0u);
    EXPECT_EQ(Script().state(), State::STATE_APPROVED);
    const v1::ScriptApproval approval = Record(version).approval();
    EXPECT_EQ(approval.kind(), Kind::KIND_PROFILE);
    EXPECT_EQ(approval.profile_id(), script->profile().id());
    EXPECT_EQ(approval.approved_by(), "ann");
    EXPECT_EQ(approval.justification(), "the chat");
    EXPECT_GT(approval.accepted_at().seconds(), approval.approved_at().seconds());
  }
  EXPECT_EQ(Script().profile().versions(), 5u);
  EXPECT_THAT(Script().history(), SizeIs(5));
  EXPECT_THAT(Decisions(), Contains(HasSubstr("script.accept skimwatch-collector: covered by "
                                              "profile 1 of ann: the chat")));
  const v1::Policy policy = *store_->ScriptPolicy({"shop"});
  ASSERT_EQ(policy.script_profiles_size(), 1);
  EXPECT_EQ(policy.script_profiles(0).facts_size(), 2);
  EXPECT_TRUE(policy.approved_scripts(0).by_profile());
}

TEST_F(Profile, DoesNotCoverADestinationThatCantBeToldAnyMore) {
  Changed(1, {{"sink", "fetch"}, {"destination", "chat.example by fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  EXPECT_NE(Changed(2, {{"sink", "fetch"}}), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(Profile, DoesNotCoverWhatGainsAFact) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  const uint64_t id = Changed(2, {{"sink", "fetch"}, {"destination", "evil.example by fetch"}});
  EXPECT_NE(id, 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_THAT(Record(2).not_covered(),
              ElementsAre("not in the profile: destination evil.example by fetch"));
  EXPECT_FALSE(Record(2).has_approval());
  EXPECT_EQ(Changed(3, {{"sink", "fetch"}}), 0u);
  EXPECT_THAT(OpenExposures(), IsEmpty());
}

TEST_F(Profile, DoesNotCoverWhatWasNotJudgedWholeOrNotAtAll) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  const auto incomplete = [](v1::Finding& finding) {
    finding.mutable_script_change()->mutable_behaviour()->set_incomplete("not parsed: too large");
  };
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 2, "web-1", incomplete), 0u);
  EXPECT_THAT(Record(2).not_covered(), ElementsAre("not judged whole: not parsed: too large"));
  // As shoppers' browsers report one: by its hash alone.
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 3), 0u);
  EXPECT_THAT(Record(3).not_covered(), ElementsAre("nobody told what the version does"));
}

TEST_F(Profile, IsComparedAgainWhateverTheAgentSays) {
  Changed(1, {{"sink", "fetch"}});
  auto script = ApproveProfile(1);
  ASSERT_TRUE(script.ok());
  const uint64_t profile = script->profile().id();
  const uint64_t id = Changed(2, {{"sink", "sendBeacon"}}, "web-1", profile);
  ASSERT_NE(id, 0u);
  EXPECT_EQ(store_->GetExposure(id)->exposure().severity(), v1::SEVERITY_HIGH);
  // Shows a fact that its behaviour leaves out.
  const auto lies = [&](v1::Finding& finding) {
    v1::ScriptChange& change = *finding.mutable_script_change();
    change.mutable_behaviour();
    *change.mutable_facts() = Behaviour({{"hidden_destination", "evil.example by fetch"}}).facts();
    change.set_profile_id(profile);
  };
  EXPECT_NE(Report(Change::CHANGE_CHANGED, 3, "web-1", lies), 0u);
  EXPECT_THAT(Record(3).not_covered(), ElementsAre(HasSubstr("contradicts itself")));
}

TEST_F(Profile, LosesAVersionInWhichAnotherAgentFindsMore) {
  Changed(1, {{"sink", "fetch"}});
  auto script = ApproveProfile(1);
  ASSERT_TRUE(script.ok());
  const uint64_t profile = script->profile().id();
  EXPECT_EQ(Changed(2, {{"sink", "fetch"}}, "web-1", profile), 0u);
  EXPECT_EQ(Script().state(), State::STATE_APPROVED);
  EXPECT_NE(Changed(2, {{"sink", "fetch"}, {"card_field_read", "#card"}}, "web-2"), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_THAT(Record(2).approval().revocation_reason(),
              HasSubstr("web-2 finds more in it: not in the profile: card_field_read #card"));
  // Saying it again makes it no truer.
  EXPECT_NE(Changed(2, {{"sink", "fetch"}}, "web-1", profile), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(Profile, OfAVersionThatNobodyTookApartIsAskedForFirst) {
  Report(Change::CHANGE_PROPOSED, 1);
  EXPECT_EQ(ApproveProfile(1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(pushes_, 1);
  const v1::Policy policy = *store_->ScriptPolicy({"shop"});
  ASSERT_EQ(policy.asked_behaviours_size(), 1);
  EXPECT_EQ(policy.asked_behaviours(0).script(), name_);
  EXPECT_EQ(policy.asked_behaviours(0).sha256(), HashOf(1));
  Report(Change::CHANGE_TAKEN_APART, 1, "web-1", [](v1::Finding& finding) {
    *finding.mutable_script_change()->mutable_behaviour() = Behaviour({{"sink", "fetch"}});
  });
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->asked_behaviours_size(), 0);
  EXPECT_EQ(Script().state(), State::STATE_UNAPPROVED);
  auto script = ApproveProfile(1);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_APPROVED);
}

TEST_F(Profile, IsNotMadeOfWhatWasNotJudgedWhole) {
  Report(Change::CHANGE_CHANGED, 1, "web-1", [](v1::Finding& finding) {
    finding.mutable_script_change()->mutable_behaviour()->set_incomplete("more than 1000 facts");
  });
  const absl::Status status = ApproveProfile(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 1000 facts"));
}

TEST_F(Profile, IsRevokedWithAllThatItAccepted) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  Changed(2, {{"sink", "fetch"}});
  v1::RevokeScriptRequest request;
  request.set_site("shop");
  request.set_name(name_);
  request.set_reason("too wide");
  request.set_profile(true);
  auto script = inventory_->Revoke(request, "bob");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_CHANGED);
  EXPECT_FALSE(script->has_profile());
  EXPECT_THAT(Record(2).approval().revocation_reason(), HasSubstr("too wide"));
  EXPECT_THAT(OpenExposures(), SizeIs(1));
  EXPECT_EQ(inventory_->Revoke(request, "bob").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(Profile, ThatIsApprovedAnewTakesTheOldOnesPlace) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  Changed(2, {{"sink", "fetch"}, {"sink", "sendBeacon"}});
  EXPECT_THAT(OpenExposures(), SizeIs(1));
  auto script = ApproveProfile(2);
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->state(), State::STATE_APPROVED);
  EXPECT_THAT(OpenExposures(), IsEmpty());
  EXPECT_EQ(script->profile().id(), 2u);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->script_profiles_size(), 1);
}

TEST_F(Profile, EndsWithAllThatItAccepted) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1, absl::Hours(24)).ok());
  Changed(2, {{"sink", "fetch"}});
  now_ += absl::Hours(25);
  EXPECT_EQ(*inventory_->EndApprovals(), 3u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
  EXPECT_FALSE(Script().has_profile());
  EXPECT_NE(Changed(3, {{"sink", "fetch"}}), 0u);
  EXPECT_EQ(store_->ScriptPolicy({"shop"})->script_profiles_size(), 0);
}

TEST_F(Profile, DoesNotOverruleAPersonWhoTookAVersionsApprovalBack) {
  Changed(1, {{"sink", "fetch"}});
  ASSERT_TRUE(ApproveProfile(1).ok());
  Changed(2, {{"sink", "fetch"}});
  v1::RevokeScriptRequest request;
  request.set_site("shop");
  request.set_name(name_);
  request.set_sha256(HashOf(2));
  request.set_reason("I know better");
  ASSERT_TRUE(inventory_->Revoke(request, "bob").ok());
  EXPECT_NE(Changed(2, {{"sink", "fetch"}}), 0u);
  EXPECT_EQ(Script().state(), State::STATE_CHANGED);
}

TEST_F(Description, NamesAnOwnerAndAReasonAndIsADecision) {
  Report(Change::CHANGE_PROPOSED, 1);
  v1::DescribeScriptRequest request;
  request.set_site("shop");
  request.set_name(name_);
  EXPECT_EQ(inventory_->Describe(request, "ann").status().code(),
            absl::StatusCode::kInvalidArgument);
  request.set_owner("team checkout");
  request.set_justification("shoppers chat with us");
  ASSERT_TRUE(inventory_->Describe(request, "ann").ok());
  request.clear_justification();
  request.set_owner("team support");
  auto script = inventory_->Describe(request, "bob");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->owner(), "team support");
  EXPECT_EQ(script->justification(), "shoppers chat with us");
  EXPECT_EQ(script->described_by(), "bob");
  // What agents report later leaves it.
  Report(Change::CHANGE_CHANGED, 2);
  EXPECT_EQ(Script().owner(), "team support");
  EXPECT_THAT(Decisions(), Contains(HasSubstr("script.describe bob: owner: team support")));
  request.set_name("js/other.js");
  EXPECT_EQ(inventory_->Describe(request, "ann").status().code(), absl::StatusCode::kNotFound);
  request.set_owner("a\nb");
  EXPECT_EQ(inventory_->Describe(request, "ann").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(Description, ListsWhoServesAVersionAndHowItWasSeen) {
  Report(Change::CHANGE_PROPOSED, 1, "web-1", [](v1::Finding& finding) {
    finding.mutable_script_change()->add_integrity_methods("none");
  });
  Report(Change::CHANGE_PROPOSED, 1, "edge-1", [](v1::Finding& finding) {
    finding.mutable_provenance()->set_source(v1::SOURCE_KIND_BROWSER_REPORT);
    v1::ScriptFact& fact = *finding.mutable_script_change()->add_facts();
    fact.set_name("browsers");
    fact.set_excerpt("12");
    finding.mutable_script_change()->add_integrity_methods("csp-hash");
  });
  v1::ListScriptsRequest request;
  request.set_details(true);
  const v1::ListScriptsResponse response = *store_->ListScripts(request);
  ASSERT_EQ(response.scripts_size(), 1);
  const v1::Script& script = response.scripts(0);
  EXPECT_THAT(script.served(), SizeIs(2));
  EXPECT_EQ(script.versions(), 1u);
  EXPECT_THAT(script.current_record().sources(),
              ElementsAre(v1::SOURCE_KIND_WEB_ROOT, v1::SOURCE_KIND_BROWSER_REPORT));
  EXPECT_EQ(script.current_record().browsers(), 12u);
  EXPECT_THAT(script.current_record().integrity_methods(), ElementsAre("none", "csp-hash"));
  request.set_page("other.html");
  EXPECT_EQ(store_->ListScripts(request)->scripts_size(), 0);
}

}  // namespace
}  // namespace skimwatch::inventory
