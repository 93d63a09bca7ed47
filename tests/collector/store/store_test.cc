#include "collector/store/store.h"

#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/store/any_store.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::store {
namespace {

using testing::CardFinding;
using ::testing::ElementsAre;
using testing::FingerprintOf;
using testing::HashOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::Stored;
using testing::TempStore;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

class StoreTest : public ::testing::TestWithParam<StoreKind> {};

INSTANTIATE_TEST_SUITE_P(Store, StoreTest, kAnyStore, StoreKindName);

absl::Status Insert(Store& store, uint64_t sequence, const std::string& agent, absl::Time at,
                    const testing::CardFindingOptions& options = {}, uint64_t exposure = 0) {
  return store.Write([&](Transaction& tx) {
    return tx.InsertFinding(Stored(CardFinding(sequence, options), agent, 7, at, exposure),
                            v1::FINDING_KIND_CARD_NUMBER);
  });
}

// Every sequence of a listing, page by page.
std::vector<uint64_t> AllSequences(Store& store, v1::ListFindingsRequest request) {
  std::vector<uint64_t> sequences;
  do {
    auto page = store.ListFindings(request);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) break;
    for (const auto& stored : page->findings()) sequences.push_back(stored.finding().sequence());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return sequences;
}

TEST(Store, IsCreatedForItsOwnerOnly) {
  TempStore store;
  struct stat info = {};
  ASSERT_EQ(stat(store.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((store.path() + "-wal").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_P(StoreTest, ListsFindingsNewestFirstInPages) {
  AnyStore store(GetParam());
  for (uint64_t i = 1; i <= 7; ++i) {
    ASSERT_TRUE(Insert(*store, i, "a", kNow + absl::Seconds(i)).ok());
  }
  v1::ListFindingsRequest request;
  request.set_page_size(3);
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(7, 6, 5, 4, 3, 2, 1));
}

TEST_P(StoreTest, PagesFindingsOfOneInstantWithoutGapOrRepeat) {
  AnyStore store(GetParam());
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(Insert(*store, i, "a", kNow).ok());
  for (uint64_t i = 11; i <= 15; ++i) ASSERT_TRUE(Insert(*store, i, "b", kNow).ok());
  v1::ListFindingsRequest request;
  request.set_page_size(2);
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(15, 14, 13, 12, 11, 5, 4, 3, 2, 1));
}

TEST_P(StoreTest, FiltersFindings) {
  AnyStore store(GetParam());
  ASSERT_TRUE(Insert(*store, 1, "a", kNow, {.site = "shop"}).ok());
  ASSERT_TRUE(Insert(*store, 2, "a", kNow + absl::Seconds(1), {.site = "blog"}).ok());
  ASSERT_TRUE(
      Insert(*store, 3, "b", kNow + absl::Seconds(2), {.confidence = v1::CONFIDENCE_LOW}).ok());
  ASSERT_TRUE(Insert(*store, 4, "b", kNow + absl::Seconds(3), {}, /*exposure=*/9).ok());

  v1::ListFindingsRequest request;
  request.set_site("blog");
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(2));
  request.Clear();
  request.set_agent("b");
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(4, 3));
  request.set_confidence_min(v1::CONFIDENCE_MEDIUM);
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(4));
  request.Clear();
  request.set_exposure_id(9);
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(4));
  request.Clear();
  request.set_kind(v1::FINDING_KIND_TRACK_DATA);
  EXPECT_THAT(AllSequences(*store, request), IsEmpty());
  request.Clear();
  *request.mutable_since() = ToTimestamp(kNow + absl::Seconds(1));
  *request.mutable_until() = ToTimestamp(kNow + absl::Seconds(3));
  EXPECT_THAT(AllSequences(*store, request), ElementsAre(3, 2));
}

TEST_P(StoreTest, GivesFindingsBackAsTheyCame) {
  AnyStore store(GetParam());
  const v1::StoredFinding stored =
      Stored(CardFinding(5), "spiffe://shop/web-1", ~uint64_t{0}, kNow);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) {
                    return tx.InsertFinding(stored, v1::FINDING_KIND_CARD_NUMBER);
                  })
                  .ok());
  auto page = store->ListFindings({});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->findings_size(), 1);
  EXPECT_TRUE(page->findings(0).SerializeAsString() == stored.SerializeAsString());
}

TEST_P(StoreTest, RefusesForeignPageTokens) {
  AnyStore store(GetParam());
  for (const char* token : {"x", "1", "1.2", "1.2.3.4", "1.2.y", "...."}) {
    v1::ListFindingsRequest request;
    request.set_page_token(token);
    EXPECT_EQ(store->ListFindings(request).status().code(), absl::StatusCode::kInvalidArgument)
        << token;
  }
  for (const char* token : {"x", "abc", "zz"}) {
    v1::ListAgentsRequest agents;
    agents.set_page_token(token);
    EXPECT_EQ(store->ListAgents(agents).status().code(), absl::StatusCode::kInvalidArgument);
    v1::ListScriptsRequest scripts;
    scripts.set_page_token(token);
    EXPECT_EQ(store->ListScripts(scripts).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_P(StoreTest, RollsBackWhatFails) {
  AnyStore store(GetParam());
  const absl::Status status = store->Write([&](Transaction& tx) {
    EXPECT_TRUE(
        tx.InsertFinding(Stored(CardFinding(1), "a", 7, kNow), v1::FINDING_KIND_CARD_NUMBER).ok());
    EXPECT_TRUE(tx.AdvanceCommittedSequence("a", 7, 1).ok());
    return absl::CancelledError("changed my mind");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(*store->CommittedSequence("a", 7), 0u);
  EXPECT_THAT(AllSequences(*store, {}), IsEmpty());
  EXPECT_EQ(store->Errors().write, 0u);
  // The ids that the lost transaction made must not be used now.
  ASSERT_TRUE(Insert(*store, 1, "b", kNow).ok());
  auto page = store->ListFindings({});
  ASSERT_EQ(page->findings_size(), 1);
  EXPECT_EQ(page->findings(0).agent(), "b");
}

TEST_P(StoreTest, RefusesASequenceTwice) {
  AnyStore store(GetParam());
  ASSERT_TRUE(Insert(*store, 1, "a", kNow).ok());
  EXPECT_FALSE(Insert(*store, 1, "a", kNow).ok());
  EXPECT_THAT(AllSequences(*store, {}), ElementsAre(1));
}

TEST_P(StoreTest, KeepsCommittedSequencesByAgentAndEpoch) {
  AnyStore store(GetParam());
  ASSERT_TRUE(
      store->Write([](Transaction& tx) { return tx.AdvanceCommittedSequence("a", 1, 10); }).ok());
  ASSERT_TRUE(
      store->Write([](Transaction& tx) { return tx.AdvanceCommittedSequence("a", 2, 20); }).ok());
  EXPECT_FALSE(
      store->Write([](Transaction& tx) { return tx.AdvanceCommittedSequence("a", 2, 19); }).ok());
  store.Reopen();
  EXPECT_EQ(*store->CommittedSequence("a", 1), 10u);
  EXPECT_EQ(*store->CommittedSequence("a", 2), 20u);
  EXPECT_EQ(*store->CommittedSequence("b", 1), 0u);
}

TEST_P(StoreTest, TotalsOutliveRetentionAndRestart) {
  AnyStore store(GetParam());
  for (uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(Insert(*store, i, "a", kNow + absl::Seconds(i)).ok());
  }
  if (GetParam() == StoreKind::kSqlite) {
    EXPECT_EQ(*store->DeleteFindingsBefore(kNow + absl::Seconds(7), 4), 4u);
    EXPECT_EQ(*store->DeleteFindingsBefore(kNow + absl::Seconds(7), 4), 2u);
    EXPECT_EQ(*store->DeleteFindingsBefore(kNow + absl::Seconds(7), 4), 0u);
    EXPECT_THAT(AllSequences(*store, {}), ElementsAre(10, 9, 8, 7));
  } else {
    // Whole days go, and this one is not over.
    EXPECT_TRUE(store->DeleteFindingsBefore(kNow + absl::Seconds(7), 4).ok());
    EXPECT_THAT(AllSequences(*store, {}), SizeIs(10));
    EXPECT_TRUE(store->DeleteFindingsBefore(kNow + absl::Hours(24), 4).ok());
    EXPECT_THAT(AllSequences(*store, {}), IsEmpty());
  }
  store.Reopen();
  auto summary = store->Summarize();
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_THAT(summary->finding_totals, SizeIs(1));
  EXPECT_EQ(summary->finding_totals[0].findings, 10u);
  EXPECT_EQ(summary->finding_totals[0].site, "shop");
}

TEST_P(StoreTest, ChecksCards) {
  AnyStore store(GetParam());
  const ExposureKey way = {"shop", v1::FINDING_KIND_CARD_NUMBER, "POST /collect", "evil:443"};
  const ExposureKey psp = {"shop", v1::FINDING_KIND_CARD_NUMBER, "POST /v1/charge", "psp:443"};
  const auto add = [&](const ExposureKey& key, bool expected, uint64_t exposure, uint64_t card,
                       absl::Time seen) {
    bool is_new = false;
    EXPECT_TRUE(store
                    ->Write([&](Transaction& tx) {
                      auto added = tx.AddSightings({{.fingerprint = FingerprintOf(card),
                                                     .way = key,
                                                     .expected = expected,
                                                     .exposure_id = exposure,
                                                     .first_seen = seen,
                                                     .last_seen = seen,
                                                     .occurrences = 2}});
                      is_new = added.ok() && (*added)[0];
                      return added.status();
                    })
                    .ok());
    return is_new;
  };
  EXPECT_TRUE(add(way, false, 4, 1, kNow));
  EXPECT_FALSE(add(way, false, 4, 1, kNow + absl::Seconds(9)));
  EXPECT_TRUE(add(way, false, 4, 2, kNow));
  EXPECT_TRUE(add(psp, true, 0, 1, kNow - absl::Seconds(9)));

  v1::CheckCardRequest request;
  request.add_fingerprints(FingerprintOf(1));
  request.add_fingerprints(FingerprintOf(99));
  request.add_fingerprints(FingerprintOf(1));
  auto response = store->CheckCard(request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->sightings_size(), 2);
  EXPECT_EQ(response->sightings(0).exposure_id(), 4u);
  EXPECT_EQ(response->sightings(0).occurrences(), 4u);
  EXPECT_EQ(response->sightings(0).channel(), "POST /collect");
  EXPECT_EQ(FromTimestamp(response->sightings(0).first_seen()), kNow);
  EXPECT_EQ(FromTimestamp(response->sightings(0).last_seen()), kNow + absl::Seconds(9));
  EXPECT_TRUE(response->sightings(1).expected());
  EXPECT_EQ(response->sightings(1).destination(), "psp:443");

  request.Clear();
  request.add_fingerprints("");
  EXPECT_EQ(store->CheckCard(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreTest, SumsOfSightingsDoNotOverflow) {
  AnyStore store(GetParam());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(store
                    ->Write([&](Transaction& tx) {
                      return tx
                          .AddSightings({{.fingerprint = FingerprintOf(1),
                                          .way = {"s", v1::FINDING_KIND_CARD_NUMBER, "c", "d"},
                                          .first_seen = kNow,
                                          .last_seen = kNow,
                                          .occurrences = ~uint64_t{0}}})
                          .status();
                    })
                    .ok());
  }
  v1::CheckCardRequest request;
  request.add_fingerprints(FingerprintOf(1));
  EXPECT_GE(store->CheckCard(request)->sightings(0).occurrences(), uint64_t{1} << 62);
}

TEST_P(StoreTest, AgentsTurnSilentByTheClock) {
  absl::Time now = kNow;
  Options options;
  options.silent_after = absl::Seconds(30);
  options.now = [&now] { return now; };
  AnyStore store(GetParam(), options);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) {
                    v1::Agent agent;
                    agent.set_identity("a");
                    agent.set_state(v1::Agent::STATE_CONNECTED);
                    *agent.mutable_last_seen() = ToTimestamp(kNow);
                    if (absl::Status s = tx.PutAgent(agent); !s.ok()) return s;
                    agent.set_identity("b");
                    agent.set_state(v1::Agent::STATE_REJECTED);
                    agent.set_rejection_reason("claims to be 'a'");
                    return tx.PutAgent(agent);
                  })
                  .ok());
  const auto states = [&] {
    std::vector<v1::Agent::State> found;
    auto agents = store->ListAgents({});
    EXPECT_TRUE(agents.ok()) << agents.status();
    for (const auto& agent : agents->agents()) found.push_back(agent.state());
    return found;
  };
  EXPECT_THAT(states(), ElementsAre(v1::Agent::STATE_CONNECTED, v1::Agent::STATE_REJECTED));
  now = kNow + absl::Seconds(31);
  EXPECT_THAT(states(), ElementsAre(v1::Agent::STATE_SILENT, v1::Agent::STATE_REJECTED));
  // The clock set back does not make it worse.
  now = kNow - absl::Hours(24);
  EXPECT_THAT(states(), ElementsAre(v1::Agent::STATE_CONNECTED, v1::Agent::STATE_REJECTED));
  ASSERT_TRUE(store->Write([](Transaction& tx) { return tx.DisconnectAllAgents(); }).ok());
  EXPECT_THAT(states(), ElementsAre(v1::Agent::STATE_SILENT, v1::Agent::STATE_REJECTED));
}

TEST_P(StoreTest, CountsFindingsOfEachAgent) {
  AnyStore store(GetParam());
  ASSERT_TRUE(Insert(*store, 1, "a", kNow).ok());
  ASSERT_TRUE(Insert(*store, 2, "a", kNow).ok());
  ASSERT_TRUE(Insert(*store, 1, "b", kNow).ok());
  // Heartbeats write the agent, not its count.
  ASSERT_TRUE(store
                  ->Write([](Transaction& tx) {
                    v1::Agent agent;
                    agent.set_identity("a");
                    return tx.PutAgent(agent);
                  })
                  .ok());
  auto agents = store->ListAgents({});
  ASSERT_EQ(agents->agents_size(), 2);
  EXPECT_EQ(agents->agents(0).findings(), 2u);
  EXPECT_EQ(agents->agents(1).findings(), 1u);
}

TEST_P(StoreTest, ListsScriptsInPagesAndKeepsEveryApproval) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) {
                    for (const char* name : {"c.js", "a.js", "b.js"}) {
                      v1::Script script;
                      script.set_site("shop");
                      script.set_name(name);
                      script.set_state(v1::Script::STATE_UNAPPROVED);
                      if (absl::Status s = tx.PutScript(script); !s.ok()) return s;
                    }
                    v1::ScriptRecord record;
                    record.mutable_version()->set_sha256(HashOf(1));
                    return tx.PutScriptVersion("shop", "a.js", record);
                  })
                  .ok());
  v1::ListScriptsRequest request;
  request.set_page_size(2);
  auto page = store->ListScripts(request);
  ASSERT_EQ(page->scripts_size(), 2);
  EXPECT_EQ(page->scripts(0).name(), "a.js");
  request.set_page_token(page->next_page_token());
  page = store->ListScripts(request);
  ASSERT_EQ(page->scripts_size(), 1);
  EXPECT_EQ(page->scripts(0).name(), "c.js");
  EXPECT_EQ(page->next_page_token(), "");

  const auto approve = [&](const std::string& who) {
    return store->Write([&](Transaction& tx) {
      v1::ScriptApproval approval;
      approval.set_approved_by(who);
      return tx.InsertApproval("shop", "a.js", HashOf(1), approval);
    });
  };
  ASSERT_TRUE(approve("ann").ok());
  EXPECT_THAT(store->ScriptPolicy({"shop"})->approved_scripts(), SizeIs(1));
  EXPECT_THAT(store->ScriptPolicy({"blog"})->approved_scripts(), IsEmpty());
  EXPECT_THAT(store->ScriptPolicy({})->approved_scripts(), SizeIs(1));
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) {
                    v1::ScriptApproval revocation;
                    revocation.set_revoked_by("bob");
                    return tx.RevokeApproval("shop", "a.js", HashOf(1), revocation);
                  })
                  .ok());
  EXPECT_THAT(store->ScriptPolicy({"shop"})->approved_scripts(), IsEmpty());
  auto script = store->GetScript("shop", "a.js");
  ASSERT_EQ(script->history_size(), 1);
  EXPECT_EQ(script->history(0).approval().approved_by(), "ann");
  EXPECT_EQ(script->history(0).approval().revoked_by(), "bob");
  ASSERT_TRUE(approve("cid").ok());
  EXPECT_THAT(store->ScriptPolicy({"shop"})->approved_scripts(), SizeIs(1));
  EXPECT_EQ(store->GetScript("shop", "a.js")->history(0).approval().approved_by(), "cid");
  EXPECT_EQ(store->GetScript("shop", "z.js").status().code(), absl::StatusCode::kNotFound);
}

// A script `a.js` of the site `shop` with the versions 1 and 2, of which an agent serves the first.
absl::Status PutScriptWithVersions(Transaction& tx) {
  v1::Script script;
  script.set_site("shop");
  script.set_name("a.js");
  script.mutable_current()->set_sha256(HashOf(1));
  if (absl::Status s = tx.PutScript(script); !s.ok()) return s;
  for (const uint64_t version : {1, 2}) {
    v1::ScriptRecord record;
    record.mutable_version()->set_sha256(HashOf(version));
    if (absl::Status s = tx.PutScriptVersion("shop", "a.js", record); !s.ok()) return s;
  }
  return tx.SetServedVersion("shop", "a.js",
                             {.agent = "web-1", .sha256 = HashOf(1), .since = kNow});
}

TEST_P(StoreTest, KnowsWhenApprovalsEndAndWhichAreOver) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store->Write(PutScriptWithVersions).ok());
  EXPECT_EQ(*store->NextApprovalEnd(), absl::InfiniteFuture());
  const absl::Time end = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now())) + absl::Hours(48);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) {
                    v1::ScriptApproval approval;
                    if (absl::Status s = tx.InsertApproval("shop", "a.js", HashOf(2), approval);
                        !s.ok()) {
                      return s;
                    }
                    *approval.mutable_expires_at() = ToTimestamp(end);
                    return tx.InsertApproval("shop", "a.js", HashOf(1), approval);
                  })
                  .ok());
  EXPECT_EQ(*store->NextApprovalEnd(), end);
  // Within the warning of 14 days, of what is served.
  const Summary summary = *store->Summarize();
  ASSERT_EQ(summary.ending_approvals.size(), 1u);
  EXPECT_EQ(summary.ending_approvals[0].site, "shop");
  EXPECT_EQ(summary.ending_approvals[0].approvals, 1u);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    EXPECT_THAT(*tx.ScriptApprovals("shop", "a.js"), SizeIs(2));
                    EXPECT_THAT(*tx.OverdueApprovals(end - absl::Seconds(1), 10), IsEmpty());
                    auto overdue = tx.OverdueApprovals(end, 10);
                    EXPECT_THAT(*overdue, SizeIs(1));
                    EXPECT_EQ(overdue->front().site, "shop");
                    EXPECT_EQ(overdue->front().name, "a.js");
                    EXPECT_EQ(overdue->front().sha256, HashOf(1));
                    return tx.EndApproval(overdue->front(), ApprovalEnd::kExpired);
                  })
                  .ok());
  EXPECT_EQ(*store->NextApprovalEnd(), absl::InfiniteFuture());
  const v1::Policy policy = *store->ScriptPolicy({"shop"});
  ASSERT_EQ(policy.approved_scripts_size(), 1);
  EXPECT_EQ(policy.approved_scripts(0).sha256(), HashOf(2));
  ASSERT_EQ(policy.expired_scripts_size(), 1);
  EXPECT_EQ(policy.expired_scripts(0).sha256(), HashOf(1));
}

TEST_P(StoreTest, KeepsOneProfileOfAScriptInForce) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store->Write(PutScriptWithVersions).ok());
  v1::ScriptProfile profile;
  profile.set_sha256(HashOf(1));
  profile.mutable_behaviour()->add_facts()->set_name("sink");
  *profile.mutable_approval()->mutable_expires_at() = ToTimestamp(kNow + absl::Hours(1));
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    EXPECT_FALSE(tx.FindScriptProfile("shop", "a.js")->has_value());
                    EXPECT_FALSE(tx.FindScriptProfile("shop", "z.js")->has_value());
                    auto id = tx.InsertScriptProfile("shop", "a.js", profile);
                    if (!id.ok()) return id.status();
                    EXPECT_NE(*id, 0u);
                    EXPECT_EQ(*tx.CountScriptProfiles("shop"), 1u);
                    EXPECT_EQ(*tx.CountScriptProfiles("blog"), 0u);
                    auto found = tx.FindScriptProfile("shop", "a.js");
                    EXPECT_EQ((*found)->id(), *id);
                    (*found)->set_versions(4);
                    return tx.PutScriptProfile(**found);
                  })
                  .ok());
  EXPECT_EQ(store->GetScript("shop", "a.js")->profile().versions(), 4u);
  EXPECT_EQ(store->GetScript("shop", "a.js")->profile().behaviour().facts_size(), 1);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    auto overdue = tx.OverdueProfiles(kNow + absl::Hours(1), 10);
                    EXPECT_THAT(*overdue, SizeIs(1));
                    EXPECT_EQ(overdue->front().name, "a.js");
                    return tx.EndScriptProfile(overdue->front().profile, ApprovalEnd::kExpired);
                  })
                  .ok());
  EXPECT_FALSE(store->GetScript("shop", "a.js")->has_profile());
  EXPECT_EQ(*store->NextApprovalEnd(), absl::InfiniteFuture());
}

TEST_P(StoreTest, ReplacesWhatAPublisherVouchesFor) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store->Write(PutScriptWithVersions).ok());
  const auto entry = [](uint64_t version, const std::string& site) {
    PublishedEntry published;
    published.publisher = "chat";
    published.serial = 3;
    published.script.set_site(site);
    published.script.set_script("a.js");
    published.script.set_sha256(HashOf(version));
    return published;
  };
  StoredPublisher publisher{.list = "list", .signature = "signature"};
  publisher.info.set_id("chat");
  publisher.info.set_serial(3);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    EXPECT_THAT(*tx.Publishers(), IsEmpty());
                    if (absl::Status s = tx.PutPublisher(publisher); !s.ok()) return s;
                    if (absl::Status s = tx.PutPublisher(publisher); !s.ok()) return s;
                    EXPECT_THAT(*tx.Publishers(), SizeIs(1));
                    EXPECT_EQ(tx.Publishers()->front().list, "list");
                    return tx.ReplacePublished("chat", {entry(1, ""), entry(2, "blog")});
                  })
                  .ok());
  EXPECT_EQ(store->ListPublishers()->publishers(0).serial(), 3u);
  EXPECT_EQ(store->ScriptPolicy({"shop"})->published_scripts_size(), 1);
  EXPECT_EQ(store->ScriptPolicy({"blog"})->published_scripts_size(), 2);
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    EXPECT_THAT(*tx.PublishedFor("shop", HashOf(1)), SizeIs(1));
                    EXPECT_EQ(tx.PublishedFor("shop", HashOf(1))->front().serial, 3u);
                    EXPECT_THAT(*tx.PublishedFor("shop", HashOf(2)), IsEmpty());
                    const auto versions = tx.PublishedVersions("chat", 10);
                    EXPECT_THAT(*versions, SizeIs(1));
                    EXPECT_EQ(versions->front().sha256, HashOf(1));
                    v1::ScriptApproval approval;
                    approval.set_publisher("chat");
                    absl::Status s = tx.InsertApproval("shop", "a.js", HashOf(1), approval);
                    if (!s.ok()) return s;
                    EXPECT_THAT(*tx.ApprovalsOfPublisher("chat"), SizeIs(1));
                    EXPECT_THAT(*tx.ApprovalsOfPublisher("other"), IsEmpty());
                    return tx.ReplacePublished("chat", {});
                  })
                  .ok());
  EXPECT_EQ(store->ScriptPolicy({})->published_scripts_size(), 0);
}

TEST_P(StoreTest, AsksForTheNewestBehavioursOnly) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store->Write(PutScriptWithVersions).ok());
  ASSERT_TRUE(store
                  ->Write([&](Transaction& tx) -> absl::Status {
                    for (uint64_t version : {1, 2, 2, 3}) {
                      absl::Status s = tx.AskBehaviour("shop", "a.js", HashOf(version), 2);
                      if (!s.ok()) return s;
                    }
                    return tx.ForgetBehaviour("shop", "a.js", HashOf(3));
                  })
                  .ok());
  const v1::Policy policy = *store->ScriptPolicy({"shop"});
  ASSERT_EQ(policy.asked_behaviours_size(), 1);
  EXPECT_EQ(policy.asked_behaviours(0).sha256(), HashOf(2));
  EXPECT_EQ(store->ScriptPolicy({"blog"})->asked_behaviours_size(), 0);
}

TEST_P(StoreTest, ListsScriptsWithWhoServesThem) {
  AnyStore store(GetParam());
  ASSERT_TRUE(store->Write(PutScriptWithVersions).ok());
  v1::ListScriptsRequest request;
  EXPECT_EQ(store->ListScripts(request)->scripts(0).served_size(), 0);
  request.set_details(true);
  const v1::Script script = store->ListScripts(request)->scripts(0);
  ASSERT_EQ(script.served_size(), 1);
  EXPECT_EQ(script.served(0).agent(), "web-1");
  EXPECT_EQ(script.versions(), 2u);
  EXPECT_EQ(script.current_record().version().sha256(), HashOf(1));
  request.set_page("a.js");
  EXPECT_EQ(store->ListScripts(request)->scripts_size(), 1);
  request.set_page("b.html");
  EXPECT_EQ(store->ListScripts(request)->scripts_size(), 0);
}

TEST_P(StoreTest, ReadsRunBesideAWriteAndSeeWhatWasCommitted) {
  AnyStore store(GetParam());
  ASSERT_TRUE(Insert(*store, 1, "a", kNow).ok());
  ASSERT_TRUE(
      store
          ->Write([&](Transaction& tx) {
            absl::Status s = tx.InsertFinding(Stored(CardFinding(2), "a", 7, kNow),
                                              v1::FINDING_KIND_CARD_NUMBER);
            // On another thread, as reads inside a write are not allowed on this one.
            std::thread([&] { EXPECT_THAT(AllSequences(*store, {}), ElementsAre(1)); }).join();
            return s;
          })
          .ok());
  EXPECT_THAT(AllSequences(*store, {}), ElementsAre(2, 1));
}

TEST_P(StoreTest, PagesStopAtABoundOfBytes) {
  AnyStore store(GetParam());
  for (uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(store
                    ->Write([&](Transaction& tx) {
                      v1::Finding finding =
                          testing::ScriptFinding(i, v1::ScriptChange::CHANGE_CHANGED, i);
                      finding.mutable_script_change()->set_diff(std::string(1 << 20, 'x'));
                      return tx.InsertFinding(Stored(finding, "a", 7, kNow),
                                              v1::FINDING_KIND_SCRIPT_CHANGE);
                    })
                    .ok());
  }
  auto page = store->ListFindings({});
  ASSERT_TRUE(page.ok());
  EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
  EXPECT_NE(page->next_page_token(), "");
  EXPECT_THAT(AllSequences(*store, {}), ElementsAre(5, 4, 3, 2, 1));
}

TEST_P(StoreTest, PolicyVersionGrows) {
  AnyStore store(GetParam());
  EXPECT_EQ(*store->PolicyVersion(), 0u);
  const auto advance = [&] {
    return store->Write([](Transaction& tx) { return tx.AdvancePolicyVersion().status(); });
  };
  ASSERT_TRUE(advance().ok());
  ASSERT_TRUE(advance().ok());
  store.Reopen();
  EXPECT_EQ(*store->PolicyVersion(), 2u);
}

TEST_P(StoreTest, LostFindingsAreCountedOnce) {
  AnyStore store(GetParam());
  ASSERT_TRUE(
      store->Write([](Transaction& tx) { return tx.RecordLost("a", 1, 5, 9, "spool_full", kNow); })
          .ok());
  ASSERT_TRUE(store
                  ->Write([](Transaction& tx) {
                    return tx.RecordLost("a", 1, 10, 0x7fffffffffffffff, "corrupt_segment", kNow);
                  })
                  .ok());
  auto summary = store->Summarize();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->lost_findings, 0x7fffffffffffffffu - 4);
  ASSERT_TRUE(store
                  ->Write([](Transaction& tx) {
                    return tx.RecordLost("b", 1, 1, 0x7fffffffffffffff, "corrupt_segment", kNow);
                  })
                  .ok());
  EXPECT_EQ(store->Summarize()->lost_findings, 0x7fffffffffffffffu);
}

}  // namespace
}  // namespace skimwatch::store
