#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/collector/store/any_store.h"
#include "tests/collector/support/findings.h"

namespace skimwatch::store {
namespace {

using testing::CardFinding;
using testing::Stored;

// A random walk of commits, failures, deletions and restarts on the store and on a map, which must
// agree after every step. The seed is fixed; a failure names its step.
class StoreModel : public ::testing::TestWithParam<StoreKind> {};

INSTANTIATE_TEST_SUITE_P(Store, StoreModel, kAnyStore, StoreKindName);

TEST_P(StoreModel, AgreesWithAMapOverCommitsRollbacksRetentionAndRestarts) {
  struct Row {
    int64_t stored_at;
    std::string site;
    uint64_t exposure;
  };
  using Key = std::tuple<std::string, uint64_t, uint64_t>;  // agent, epoch, sequence
  const bool keeps_days = GetParam() == StoreKind::kPostgres;
  AnyStore store(GetParam());
  std::map<Key, Row> model;
  std::map<std::pair<std::string, uint64_t>, uint64_t> committed;
  std::map<std::string, uint64_t> totals;
  std::mt19937_64 random(20240611);
  int64_t clock = 1'700'000'000;

  for (int step = 0; step < (keeps_days ? 100 : 300); ++step) {
    SCOPED_TRACE(step);
    const uint64_t what = random() % 20;
    if (what == 0) {
      store.Reopen();
    } else if (what == 1) {
      int64_t cutoff = clock - static_cast<int64_t>(random() % 200);
      const uint64_t bound = 1 + random() % 40;
      const uint64_t old = std::count_if(model.begin(), model.end(), [&](const auto& row) {
        return row.second.stored_at < cutoff;
      });
      auto deleted = store->DeleteFindingsBefore(absl::FromUnixSeconds(cutoff), bound);
      ASSERT_TRUE(deleted.ok()) << deleted.status();
      if (keeps_days) {
        // Days that are over go, uncounted.
        cutoff -= cutoff % 86400;
      } else {
        ASSERT_EQ(*deleted, std::min(old, bound));
      }
      // The store says only how many, oldest first; ties are its own choice, so delete all of them.
      while (*store->DeleteFindingsBefore(absl::FromUnixSeconds(cutoff), 1000) > 0) {
      }
      std::erase_if(model, [&](const auto& row) { return row.second.stored_at < cutoff; });
    } else {
      const bool fail = what == 2;
      // Clocks are set back now and then.
      clock += what == 3 ? -50 : static_cast<int64_t>(random() % 10);
      // Some days, of which the store keeps a few.
      if (what == 4) clock += 20'000;
      auto new_model = model;
      auto new_committed = committed;
      auto new_totals = totals;
      const absl::Status status = store->Write([&](Transaction& tx) -> absl::Status {
        const uint64_t count = 1 + random() % 20;
        for (uint64_t i = 0; i < count; ++i) {
          const std::string agent(1, static_cast<char>('a' + random() % 3));
          const uint64_t epoch = ~uint64_t{0} - random() % 2;
          uint64_t& sequence = new_committed[{agent, epoch}];
          auto before = tx.CommittedSequence(agent, epoch);
          if (!before.ok()) return before.status();
          EXPECT_EQ(*before, sequence);
          ++sequence;
          const std::string site = random() % 2 == 0 ? "shop" : "blog";
          const uint64_t exposure = random() % 3;
          absl::Status s = tx.InsertFinding(Stored(CardFinding(sequence, {.site = site}), agent,
                                                   epoch, absl::FromUnixSeconds(clock), exposure),
                                            v1::FINDING_KIND_CARD_NUMBER);
          if (!s.ok()) return s;
          if (s = tx.AdvanceCommittedSequence(agent, epoch, sequence); !s.ok()) return s;
          new_model[{agent, epoch, sequence}] = {clock, site, exposure};
          ++new_totals[site];
        }
        return fail ? absl::CancelledError("on purpose") : absl::OkStatus();
      });
      ASSERT_EQ(status.ok(), !fail) << status;
      if (!fail) {
        model = new_model;
        committed = new_committed;
        totals = new_totals;
      }
    }

    const std::string site = step % 3 == 0 ? "" : (step % 3 == 1 ? "shop" : "blog");
    const uint64_t exposure = step % 4 == 0 ? 1 + random() % 2 : 0;
    std::vector<Key> expected;
    for (const auto& [key, row] : model) {
      if (!site.empty() && row.site != site) continue;
      if (exposure != 0 && row.exposure != exposure) continue;
      expected.push_back(key);
    }
    std::vector<Key> found;
    int64_t newest = std::numeric_limits<int64_t>::max();
    v1::ListFindingsRequest request;
    request.set_site(site);
    request.set_exposure_id(exposure);
    request.set_page_size(1 + random() % 50);
    do {
      auto page = store->ListFindings(request);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const auto& stored : page->findings()) {
        found.emplace_back(stored.agent(), stored.epoch(), stored.finding().sequence());
        ASSERT_LE(stored.stored_at().seconds(), newest);
        newest = stored.stored_at().seconds();
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    std::sort(found.begin(), found.end());
    ASSERT_TRUE(found == expected);
    for (const auto& [stream, sequence] : committed) {
      ASSERT_EQ(*store->CommittedSequence(stream.first, stream.second), sequence);
    }
    auto summary = store->Summarize();
    ASSERT_TRUE(summary.ok());
    std::map<std::string, uint64_t> found_totals;
    for (const auto& total : summary->finding_totals) found_totals[total.site] += total.findings;
    ASSERT_EQ(found_totals, totals);
  }
}

}  // namespace
}  // namespace skimwatch::store
