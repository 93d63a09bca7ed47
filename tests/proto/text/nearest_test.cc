#include "proto/text/nearest.h"

#include "gtest/gtest.h"

namespace skimwatch::text {
namespace {

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string_view> known = {"exposures", "findings", "scripts", "flow_ratio"};
  EXPECT_EQ(Nearest("finding", known), "findings");
  EXPECT_EQ(Nearest("fidnings", known), "findings");
  EXPECT_EQ(Nearest("flowRatio", known), "flow_ratio");
  EXPECT_EQ(Nearest("flow-ratio", known), "flow_ratio");
}

TEST(Nearest, FindsNoneWhereNoneIsNear) {
  EXPECT_EQ(Nearest("cards", {"exposures", "findings"}), "");
  EXPECT_EQ(Nearest("", {"exposures"}), "");
  EXPECT_EQ(Nearest("anything", {}), "");
  EXPECT_EQ(Nearest(std::string(100'000, 'e'), {"exposures"}), "");
}

}  // namespace
}  // namespace skimwatch::text
