#include "proto/approval/behaviour_profile.h"

#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::approval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::ScriptBehaviour Behaviour(
    const std::vector<std::tuple<std::string, std::string, uint32_t>>& facts) {
  v1::ScriptBehaviour behaviour;
  for (const auto& [name, excerpt, count] : facts) {
    v1::ScriptFact& fact = *behaviour.add_facts();
    fact.set_name(name);
    fact.set_excerpt(excerpt);
    fact.set_count(count);
  }
  return behaviour;
}

const v1::ScriptBehaviour& Chat() {
  static const auto& chat = *new v1::ScriptBehaviour(
      Behaviour({{"destination", "chat.example by fetch", 2}, {"sink", "fetch", 2}}));
  return chat;
}

TEST(BehaviourProfile, CoversWhatDoesNothingMore) {
  EXPECT_THAT(WhyNotCovered(Chat().facts(), Chat()), IsEmpty());
  EXPECT_THAT(WhyNotCovered(Chat().facts(), Behaviour({{"destination", "chat.example by fetch", 1},
                                                       {"sink", "fetch", 1}})),
              IsEmpty());
  EXPECT_THAT(WhyNotCovered(Chat().facts(), v1::ScriptBehaviour()), IsEmpty());
}

TEST(BehaviourProfile, CoversNoKnownDestinationThatBecomesOneThatCantBeTold) {
  EXPECT_THAT(WhyNotCovered(Chat().facts(), Behaviour({{"destination", "chat.example by fetch", 1},
                                                       {"sink", "fetch", 2}})),
              ElementsAre("where fetch leads can't be told 1 times, not 0"));
  EXPECT_THAT(WhyNotCovered(Chat().facts(), Behaviour({{"sink", "fetch", 1}})), SizeIs(1));
  const v1::ScriptBehaviour untold = Behaviour({{"sink", "fetch", 1}});
  EXPECT_THAT(WhyNotCovered(untold.facts(), untold), IsEmpty());
}

TEST(BehaviourProfile, NamesWhatAVersionGained) {
  EXPECT_THAT(
      WhyNotCovered(Chat().facts(),
                    Behaviour({{"sink", "fetch", 1}, {"destination", "evil.example by fetch", 1}})),
      ElementsAre("not in the profile: destination evil.example by fetch"));
  EXPECT_THAT(WhyNotCovered({}, Behaviour({{"obfuscation", "", 1}})),
              ElementsAre("not in the profile: obfuscation"));
}

TEST(BehaviourProfile, TakesAFurtherWayOutForANewOneWhereverItLeads) {
  EXPECT_THAT(WhyNotCovered(Chat().facts(), Behaviour({{"sink", "fetch", 3}})),
              ElementsAre("more often than in the profile: sink fetch (3 times, not 2)",
                          "where fetch leads can't be told 3 times, not 0"));
}

TEST(BehaviourProfile, NeverCoversWhatWasNotJudgedWhole) {
  v1::ScriptBehaviour cut;
  cut.set_incomplete("not parsed: larger than 4194304 bytes");
  EXPECT_THAT(WhyNotCovered(Chat().facts(), cut), ElementsAre(HasSubstr("not judged whole")));
  EXPECT_THAT(WhyNoProfile(cut), HasSubstr("larger than"));
  v1::ScriptBehaviour many;
  for (int i = 0; i <= kBehaviourFactsMax; ++i) {
    many.add_facts()->set_excerpt(std::to_string(i));
  }
  EXPECT_THAT(WhyNotCovered(many.facts(), many), ElementsAre(HasSubstr("more than 1000 facts")));
}

TEST(BehaviourProfile, BoundsWhatItSays) {
  v1::ScriptBehaviour many;
  for (int i = 0; i < 500; ++i) {
    v1::ScriptFact& fact = *many.add_facts();
    fact.set_name(std::string(300, 'n'));
    fact.set_excerpt(std::to_string(i));
  }
  const std::vector<std::string> why = WhyNotCovered({}, many);
  EXPECT_THAT(why, SizeIs(16));
  for (const std::string& one : why) EXPECT_LE(one.size(), 240u);
}

TEST(BehaviourProfile, FindsAFactThatAChangeShowsAndItsBehaviourLacks) {
  v1::ScriptChange change;
  *change.mutable_behaviour() = Chat();
  *change.mutable_facts() = Chat().facts();
  // Cheap facts are no behaviour.
  change.add_facts()->set_name("network_sink");
  EXPECT_EQ(Contradiction(change), "");
  v1::ScriptFact& fact = *change.add_gained_facts();
  fact.set_name("destination");
  fact.set_excerpt("evil.example by beacon");
  EXPECT_EQ(Contradiction(change), "destination evil.example by beacon");
}

}  // namespace
}  // namespace skimwatch::approval
