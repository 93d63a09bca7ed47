#include "agent/traffic/message.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

TEST(CutName, LeavesWhatFits) {
  EXPECT_EQ(CutName("", 0), "");
  EXPECT_EQ(CutName("pay.example", 11), "pay.example");
  const std::string name(255, 'a');
  EXPECT_EQ(CutName(name, name.size()), name);
}

TEST(CutName, LeavesNothingOfANumberThatIsCutInTwo) {
  const std::string number = "4111111111111111";
  for (size_t shown = 1; shown < number.size(); ++shown) {
    const std::string name = std::string(255 - shown, 'a') + number;
    EXPECT_EQ(CutName(name, 255), std::string(127, 'a')) << shown;
  }
  EXPECT_EQ(CutName(number, 15), "");
}

}  // namespace
}  // namespace skimwatch::traffic
