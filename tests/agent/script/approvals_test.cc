#include "agent/script/approvals.h"

#include <string>

#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::ElementsAre;

absl::Time now;
absl::Time Now() { return now; }

class ApprovalsTest : public ::testing::Test {
 protected:
  ApprovalsTest() { now = absl::FromUnixSeconds(1'768'003'200); }

  template <typename Message>
  static void EndIn(absl::Duration duration, Message& message) {
    message.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(now + duration));
  }
  static void Fill(const std::string& name, v1::ApprovedScript& script) {
    script.set_site("shop");
    script.set_script(name);
    script.set_sha256(sha256);
  }

  static inline const std::string sha256 = Sha256("text");
  v1::Policy policy_;
};

TEST_F(ApprovalsTest, EndByTheClockWithoutANewPolicy) {
  Fill("js/a.js", *policy_.add_approved_scripts());
  EndIn(absl::Hours(1), *policy_.mutable_approved_scripts(0));
  const Approvals approvals(policy_, Now);
  EXPECT_TRUE(approvals.Contains("shop", "js/a.js", sha256));
  EXPECT_TRUE(approvals.ContainsBytes("shop", sha256));
  EXPECT_FALSE(approvals.StandingOf("shop", "js/a.js", sha256).expired_at.has_value());
  now += absl::Hours(1);
  EXPECT_FALSE(approvals.Contains("shop", "js/a.js", sha256));
  EXPECT_FALSE(approvals.ContainsBytes("shop", sha256));
  EXPECT_EQ(approvals.StandingOf("shop", "js/a.js", sha256).expired_at, now);
}

TEST_F(ApprovalsTest, OfAProfileAreNoneByHash) {
  Fill("js/a.js", *policy_.add_approved_scripts());
  policy_.mutable_approved_scripts(0)->set_by_profile(true);
  const Approvals approvals(policy_, Now);
  EXPECT_TRUE(approvals.Contains("shop", "js/a.js", sha256));
  EXPECT_FALSE(approvals.ContainsByHash("shop", "js/a.js", sha256));
  EXPECT_TRUE(approvals.ContainsBytes("shop", sha256));
  EXPECT_FALSE(approvals.ContainsBytesByHash("shop", sha256));
}

TEST_F(ApprovalsTest, OfPublishersHoldForTheirSitesAndScripts) {
  v1::PublishedScript& script = *policy_.add_published_scripts();
  script.set_script("https://chat.example/*");
  script.set_sha256(sha256);
  script.set_site("shop");
  EndIn(absl::Hours(1), script);
  const Approvals approvals(policy_, Now);
  const std::string name = "https://shop.example/pay#src=https://chat.example/x.js";
  EXPECT_TRUE(approvals.ContainsByHash("shop", name, sha256));
  EXPECT_FALSE(approvals.Contains("blog", name, sha256));
  EXPECT_FALSE(approvals.Contains("shop", "js/x.js", sha256));
  EXPECT_FALSE(approvals.Contains("shop", name, Sha256("other")));
  now += absl::Hours(1);
  EXPECT_FALSE(approvals.Contains("shop", name, sha256));
}

TEST_F(ApprovalsTest, SayWhichProfileHoldsAndWhenAnApprovalEnded) {
  v1::ApprovedProfile& profile = *policy_.add_script_profiles();
  profile.set_site("shop");
  profile.set_script("js/a.js");
  profile.set_id(3);
  EndIn(absl::Hours(1), profile);
  Fill("js/b.js", *policy_.add_expired_scripts());
  EndIn(-absl::Hours(1), *policy_.mutable_expired_scripts(0));
  const Approvals approvals(policy_, Now);
  ASSERT_NE(approvals.StandingOf("shop", "js/a.js", sha256).profile, nullptr);
  EXPECT_EQ(approvals.StandingOf("shop", "js/a.js", sha256).profile->id(), 3u);
  EXPECT_EQ(approvals.StandingOf("blog", "js/a.js", sha256).profile, nullptr);
  const Standing standing = approvals.StandingOf("shop", "js/b.js", sha256);
  EXPECT_FALSE(approvals.Contains("shop", "js/b.js", sha256));
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  NoteExpiry(standing, change);
  EXPECT_THAT(change.reasons(), ElementsAre("approval expired on 2026-01-09T23:00:00Z"));
  now += absl::Hours(2);
  EXPECT_EQ(approvals.StandingOf("shop", "js/a.js", sha256).profile, nullptr);
}

}  // namespace
}  // namespace skimwatch::script
