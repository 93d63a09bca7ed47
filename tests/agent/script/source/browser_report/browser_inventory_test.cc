#include "agent/script/source/browser_report/browser_inventory.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/script/source/browser_report/recording_sink.h"

namespace skimwatch::script {
namespace {

using ::testing::IsEmpty;
using testing::RecordingSink;
using testing::Shopper;
using ::testing::SizeIs;
using Change = v1::ScriptChange;
using Outcome = BrowserInventory::Outcome;

constexpr char kPage[] = "https://shop.example/pay";
constexpr char kChat[] = "https://chat.example/chat.js";
constexpr char kChatName[] = "https://shop.example/pay#src=https://chat.example/chat.js";

class BrowserInventoryTest : public ::testing::Test {
 protected:
  BrowserInventoryTest() { Open(BrowserState()); }

  void Open(const BrowserState& state) {
    inventory_ = std::make_unique<BrowserInventory>(
        BrowserInventory::Options{.browsers_min = 3, .site_of_host = testing::SiteOfHost}, state,
        sink_);
  }

  static std::string Hash(const std::string& text) {
    return absl::StrCat("sha256-", absl::Base64Escape(Sha256(text)));
  }

  // `browsers` shoppers, `from` the first, loaded a script with these bytes; no bytes, no hash.
  Outcome Load(const std::string& url, const std::string& text, uint64_t browsers = 3,
               uint64_t from = 0, const std::string& page = kPage) {
    Outcome outcome = Outcome::kTaken;
    for (uint64_t i = 0; i < browsers; ++i) {
      outcome = inventory_->Add("shop", page, *ParseReportedAddress(url),
                                text.empty() ? "" : Hash(text), Shopper(from + i), now_);
    }
    return outcome;
  }

  void Approve(const std::vector<std::pair<std::string, std::string>>& names_and_texts) {
    v1::Policy policy;
    for (const auto& [name, text] : names_and_texts) {
      v1::ApprovedScript& one = *policy.add_approved_scripts();
      one.set_site("shop");
      one.set_script(name);
      one.set_sha256(Sha256(text));
    }
    inventory_->SetApprovals(std::make_shared<const Approvals>(policy));
  }

  // The chat script was learned and approved, and learning is over.
  void LearnChat() {
    Load(kChat, "v1");
    Approve({{kChatName, "v1"}});
    now_ += absl::Hours(25);
    Load(kChat, "v1");
    sink_.changes.clear();
  }

  // What was told since the last call.
  std::vector<RecordingSink::Change> Told() { return std::exchange(sink_.changes, {}); }

  RecordingSink sink_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::unique_ptr<BrowserInventory> inventory_;
};

TEST_F(BrowserInventoryTest, ProposesWhatItLearns) {
  EXPECT_EQ(Load(kChat, "v1", 2), Outcome::kTaken);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(inventory_->pending(), 1);
  Load(kChat, "v1", 1, 2);
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].site, "shop");
  EXPECT_EQ(told[0].severity, v1::SEVERITY_INFO);
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
  EXPECT_EQ(told[0].change.script(), kChatName);
  EXPECT_EQ(told[0].change.page(), kPage);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256("v1"));
  EXPECT_EQ(inventory_->scripts(), 1);
  EXPECT_EQ(inventory_->pending(), 0);
  EXPECT_EQ(inventory_->unapproved(), 1);
  Load(kChat, "v1", 10);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(BrowserInventoryTest, TellsOtherBytesOnceEnoughBrowsersHaveThem) {
  LearnChat();
  Load(kChat, "skimmer", 2);
  EXPECT_THAT(Told(), IsEmpty());
  Load(kChat, "skimmer", 1, 2);
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_CHANGED);
  EXPECT_EQ(told[0].severity, v1::SEVERITY_HIGH);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256("skimmer"));
  EXPECT_EQ(told[0].change.previous().sha256(), Sha256("v1"));
  Load(kChat, "skimmer", 5);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(BrowserInventoryTest, IsNotMovedByOneMachineOfManyNames) {
  LearnChat();
  for (uint64_t name = 0; name < 100; ++name) {
    inventory_->Add("shop", kPage, *ParseReportedAddress(kChat), Hash("forged"),
                    {.network = 9, .browser = name}, now_);
  }
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(BrowserInventoryTest, CallsAnUnknownAddressAdded) {
  LearnChat();
  Load("https://evil.example/x.js", "x");
  auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_ADDED);
  EXPECT_EQ(told[0].severity, v1::SEVERITY_HIGH);
  ASSERT_EQ(told[0].change.gained_facts_size(), 1);
  EXPECT_EQ(told[0].change.gained_facts(0).name(), "unknown_host");
  // The shop's own host, and one that a known script came from.
  Load("https://www.shop.example/y.js", "y");
  Load("https://chat.example/more.js", "z");
  told = Told();
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].severity, v1::SEVERITY_MEDIUM);
  EXPECT_EQ(told[1].severity, v1::SEVERITY_MEDIUM);
}

TEST_F(BrowserInventoryTest, ProposesAKnownScriptOnANewPage) {
  LearnChat();
  Load(kChat, "v1", 3, 0, "https://shop.example/new");
  auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
  Load(kChat, "other", 3, 0, "https://shop.example/newer");
  told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_ADDED);
}

TEST_F(BrowserInventoryTest, TakesBytesThatTheSiteApprovesUnderAnyName) {
  LearnChat();
  Approve({{kChatName, "v1"}, {"js/app.js", "app"}});
  Load("https://shop.example/js/app.js", "app");
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
}

TEST_F(BrowserInventoryTest, CallsItRestoredWhenOtherBytesAreGoneForAnHour) {
  LearnChat();
  Load(kChat, "skimmer");
  ASSERT_THAT(Told(), SizeIs(1));
  // Some shoppers still get the one, some the other.
  now_ += absl::Minutes(50);
  Load(kChat, "v1");
  Load(kChat, "skimmer");
  now_ += absl::Minutes(50);
  Load(kChat, "v1");
  EXPECT_THAT(Told(), IsEmpty());
  now_ += absl::Minutes(11);
  Load(kChat, "v1");
  auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_RESTORED);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256("v1"));
  EXPECT_EQ(told[0].change.previous().sha256(), Sha256("skimmer"));
  // The same bytes once more are news once more, and need agreement once more.
  now_ += absl::Hours(2);
  Load(kChat, "v1", 1);
  Load(kChat, "skimmer", 2);
  EXPECT_THAT(Told(), IsEmpty());
  Load(kChat, "skimmer", 1, 2);
  told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_CHANGED);
}

TEST_F(BrowserInventoryTest, DoesNotAlarmForEverOverTwoVersionsAtOnce) {
  LearnChat();
  for (int i = 0; i < 20; ++i) {
    Load(kChat, "variant a");
    Load(kChat, "variant b");
    now_ += absl::Minutes(10);
  }
  EXPECT_THAT(Told(), SizeIs(2));
}

TEST_F(BrowserInventoryTest, InventoriesTheAddressWhereThereIsNoHash) {
  EXPECT_EQ(Load(kChat, ""), Outcome::kNoHash);
  auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256(kChat));
  EXPECT_EQ(told[0].change.facts(0).name(), "no_hash");
  Load(kChat, "", 20);
  EXPECT_THAT(Told(), IsEmpty());
  now_ += absl::Hours(25);
  Load("https://evil.example/x.js", "");
  told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_ADDED);
  // `crossorigin` was set: bytes where there was an address.
  Load(kChat, "v1");
  told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256("v1"));
  // A browser with the old page.
  Load(kChat, "", 20);
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(BrowserInventoryTest, SaysOnceThatAScriptDiffersFromShopperToShopper) {
  LearnChat();
  for (uint64_t shopper = 0; shopper < 200; ++shopper) {
    Load(kChat, absl::StrCat("for shopper ", shopper), 1, shopper);
  }
  auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_CHANGED);
  EXPECT_EQ(told[0].severity, v1::SEVERITY_HIGH);
  EXPECT_EQ(told[0].change.facts(0).name(), "many_versions");
  EXPECT_EQ(told[0].change.current().sha256(), Sha256(kChat));
  EXPECT_EQ(Load(kChat, "one more", 1, 999), Outcome::kManyVersions);
  // It settles: one version, a day long.
  now_ += absl::Hours(1);
  Load(kChat, "v2");
  now_ += absl::Hours(23.5);
  Load(kChat, "v2");
  inventory_->Sweep(now_);
  told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_PROPOSED);
  EXPECT_EQ(told[0].change.current().sha256(), Sha256("v2"));
}

TEST_F(BrowserInventoryTest, LetsNoSingleNetworkFillIt) {
  LearnChat();
  // Bytes of the chat script, and scripts that nobody else saw.
  for (int i = 0; i < 1000; ++i) Load(kChat, absl::StrCat("forged ", i), 1, 77);
  Outcome outcome = Outcome::kTaken;
  for (int i = 0; i < 1000; ++i) {
    outcome = Load(absl::StrCat("https://e.example/", i, ".js"), "x", 1, 77);
  }
  EXPECT_EQ(outcome, Outcome::kContradicting);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_LE(inventory_->pending(), 128);
  // What shoppers agree on is still told.
  Load(kChat, "skimmer");
  EXPECT_THAT(Told(), SizeIs(1));
  // What nobody agreed on is forgotten.
  now_ += absl::Hours(25);
  inventory_->Sweep(now_);
  EXPECT_EQ(inventory_->pending(), 0);
}

TEST_F(BrowserInventoryTest, HearsShoppersWhateverAFewMachinesClaim) {
  LearnChat();
  for (uint64_t machine = 0; machine < 20; ++machine) {
    for (int i = 0; i < 128; ++i) {
      Load(absl::StrCat("https://e.example/", machine, "-", i, ".js"), "x", 1, 1000 + machine);
    }
  }
  EXPECT_EQ(inventory_->pending(), 2048);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_GT(inventory_->TakeForgotten(), 0);
  EXPECT_EQ(inventory_->TakeForgotten(), 0);
  EXPECT_EQ(Load("https://evil.example/x.js", "x"), Outcome::kTaken);
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_ADDED);
  EXPECT_EQ(inventory_->pending(), 2047);
  EXPECT_EQ(inventory_->TakeForgotten(), 1);
}

TEST_F(BrowserInventoryTest, IsBoundedWhateverManyNetworksClaim) {
  Outcome outcome = Outcome::kTaken;
  for (uint64_t i = 0; i < 5000; ++i) {
    outcome = Load(absl::StrCat("https://e.example/", i, ".js"), "x", 1, i);
  }
  EXPECT_EQ(outcome, Outcome::kFull);
  EXPECT_LE(inventory_->pending(), 2048);
}

TEST_F(BrowserInventoryTest, GoesOnFromItsState) {
  LearnChat();
  Load(kChat, "skimmer");
  ASSERT_THAT(Told(), SizeIs(1));
  BrowserState state;
  ASSERT_TRUE(state.ParseFromString(inventory_->State().SerializeAsString()));
  Open(state);
  Approve({{kChatName, "v1"}});
  EXPECT_FALSE(inventory_->is_learning(now_));
  Load(kChat, "skimmer");
  EXPECT_THAT(Told(), IsEmpty());
  now_ += absl::Hours(2);
  Load(kChat, "v1");
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_RESTORED);
}

TEST_F(BrowserInventoryTest, SaysThatAScriptIsGoneWhileOthersAreSeen) {
  LearnChat();
  // A report every 20 hours, for a week and a bit, over restarts.
  for (int i = 0; i < 9; ++i) {
    inventory_->Sweep(now_);
    EXPECT_THAT(Told(), IsEmpty());
    Load("https://shop.example/y.js", "y", 1);
    BrowserState state;
    ASSERT_TRUE(state.ParseFromString(inventory_->State().SerializeAsString()));
    Open(state);
    // Of what nobody agreed on yet nothing is kept.
    Load("https://shop.example/y.js", "y", 1);
    now_ += absl::Hours(20);
  }
  inventory_->Sweep(now_);
  const auto told = Told();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].change.change(), Change::CHANGE_REMOVED);
  EXPECT_EQ(told[0].change.script(), kChatName);
  EXPECT_EQ(inventory_->scripts(), 0);
}

TEST_F(BrowserInventoryTest, ConcludesNothingFromASilence) {
  LearnChat();
  const auto sweep = [&] {
    inventory_->Sweep(now_);
    return Told();
  };
  now_ += absl::Hours(24 * 8);
  // Nobody reported anything.
  EXPECT_THAT(sweep(), IsEmpty());
  // The first who does is not all of them.
  Load("https://shop.example/y.js", "y", 1);
  EXPECT_THAT(sweep(), IsEmpty());
  BrowserState state;
  ASSERT_TRUE(state.ParseFromString(inventory_->State().SerializeAsString()));
  Open(state);
  Load("https://shop.example/y.js", "y", 1);
  EXPECT_THAT(sweep(), IsEmpty());
  Load(kChat, "v1");
  EXPECT_THAT(sweep(), IsEmpty());
  EXPECT_EQ(inventory_->scripts(), 1);
}

TEST_F(BrowserInventoryTest, ConcludesNothingFromTheReportsOfAnotherSite) {
  LearnChat();
  for (int i = 0; i < 20; ++i) {
    now_ += absl::Hours(20);
    inventory_->Add("other", "https://other.example/", *ParseReportedAddress(kChat), Hash("v1"),
                    Shopper(1), now_);
    inventory_->Sweep(now_);
  }
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(inventory_->scripts(), 1);
}

TEST_F(BrowserInventoryTest, RefusesWhatIsNoSha256) {
  for (const std::string_view hash :
       {"sha384-kmjdzJIyVYX5Qa+X9fbUYB154xmkn1yGGlc11Wadz9L9qIbEOjnjnAp3JpFO6787", "sha256-",
        "sha256-AAAA", "x", "sha256-!!!!DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}) {
    EXPECT_EQ(inventory_->Add("shop", kPage, *ParseReportedAddress(kChat), hash, Shopper(1), now_),
              Outcome::kBadHash)
        << hash;
  }
}

TEST_F(BrowserInventoryTest, KeepsNoCardNumberOfAnAddress) {
  Load("https://cdn.example/4444333322221111/x.js?card=4444333322221111", "x");
  ASSERT_THAT(sink_.changes, SizeIs(1));
  EXPECT_EQ(sink_.changes[0].change.SerializeAsString().find("44443333"), std::string::npos);
  EXPECT_EQ(inventory_->State().SerializeAsString().find("44443333"), std::string::npos);
}

}  // namespace
}  // namespace skimwatch::script
