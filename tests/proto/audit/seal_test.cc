#include "proto/audit/seal.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace skimwatch::audit {
namespace {

v1::Decision Approval() {
  v1::Decision decision;
  decision.set_id(1);
  decision.mutable_at()->set_seconds(1767225600);
  decision.set_who("spiffe://shop/operator/alice");
  decision.set_action("script.approve");
  decision.set_subject("shop/js/chat.js@00");
  decision.set_reason("the chat of the support desk");
  return decision;
}

// Reckoned by another program from what seal.h says.
TEST(Seal, IsWhatItsDefinitionSays) {
  const std::string first = Seal(FirstSeal(), Approval());
  EXPECT_EQ(absl::BytesToHexString(first),
            "a179ffbecae5b7fff83216431f8e7b6d5a407b1698fedeb9f4322ad1ff45b710");
  v1::Decision second;
  second.set_id(2);
  second.mutable_at()->set_seconds(1767229200);
  second.set_who("skimwatch-collector");
  second.set_action("exposure.close");
  second.set_subject("7");
  second.set_reason("nothing new for 720h: closed by itself");
  EXPECT_EQ(absl::BytesToHexString(Seal(first, second)),
            "3636b260e22bb2ed216df5eb390c942c0263c2a00ef8ff785c532bbf03619754");
}

TEST(Seal, IsAnotherForEveryChange) {
  const std::vector<std::function<void(v1::Decision&)>> changes = {
      [](v1::Decision&) {},
      [](v1::Decision& d) { d.set_id(2); },
      [](v1::Decision& d) { d.mutable_at()->set_nanos(1000); },
      [](v1::Decision& d) { d.set_who("spiffe://shop/operator/bob"); },
      [](v1::Decision& d) { d.set_action("script.revoke"); },
      [](v1::Decision& d) { d.set_subject("shop/js/chat.js@01"); },
      [](v1::Decision& d) { d.set_reason(""); },
      // A text that moves from one field to the next.
      [](v1::Decision& d) {
        d.set_action("script.approves");
        d.set_subject("hop/js/chat.js@00");
      },
  };
  std::set<std::string> seals;
  for (const auto& change : changes) {
    v1::Decision decision = Approval();
    change(decision);
    seals.insert(Seal(FirstSeal(), decision));
  }
  seals.insert(Seal(std::string(kSealBytes, '\1'), Approval()));
  EXPECT_EQ(seals.size(), changes.size() + 1);
}

}  // namespace
}  // namespace skimwatch::audit
