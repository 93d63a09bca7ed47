#include "collector/ingest/policy_source.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::ingest {
namespace {

v1::FingerprintKey Key(const std::string& id, char byte) {
  v1::FingerprintKey key;
  key.set_id(id);
  key.set_key(std::string(32, byte));
  return key;
}

// Whether a collector that starts with `keys` finds that it lacks the latest.
bool LacksLatestKey(store::Store* store, const std::vector<v1::FingerprintKey>& keys) {
  PolicySource source(store, keys, {});
  EXPECT_TRUE(source.Start().ok());
  return source.LacksLatestKey();
}

TEST(PolicySource, NoticesThatAnotherCollectorHasOtherKeys) {
  testing::TempStore store;
  EXPECT_FALSE(LacksLatestKey(store.get(), {Key("1", 'a')}));
  EXPECT_FALSE(LacksLatestKey(store.get(), {Key("1", 'a')}));
  // Of the same id, as when each collector made its own.
  EXPECT_TRUE(LacksLatestKey(store.get(), {Key("1", 'b')}));
  EXPECT_TRUE(LacksLatestKey(store.get(), {Key("1", 'a')}));
}

TEST(PolicySource, TakesANewKeyThatStandsBeforeTheOldOne) {
  testing::TempStore store;
  EXPECT_FALSE(LacksLatestKey(store.get(), {Key("1", 'a')}));
  EXPECT_FALSE(LacksLatestKey(store.get(), {Key("2", 'b'), Key("1", 'a')}));
  // A collector that was not given it yet.
  EXPECT_TRUE(LacksLatestKey(store.get(), {Key("1", 'a')}));
}

}  // namespace
}  // namespace skimwatch::ingest
