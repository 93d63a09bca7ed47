#include "agent/script/source/page/message_framer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using std::string_literals::operator""s;
using ::testing::ElementsAre;

std::vector<std::string> Messages(MessageFramer& framer) {
  std::vector<std::string> messages;
  while (const auto message = framer.Next()) messages.emplace_back(*message);
  return messages;
}

TEST(MessageFramer, FindsMessagesWhereverTheBytesAreCut) {
  const std::string stream = "{\"id\":1}\0{}\0{\"method\":\"x\"}\0"s;
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    MessageFramer framer(64);
    std::vector<std::string> messages;
    for (size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(framer.Add(std::string_view(stream).substr(at, piece)));
      for (std::string& message : Messages(framer)) messages.push_back(std::move(message));
    }
    EXPECT_THAT(messages, ElementsAre("{\"id\":1}", "{}", "{\"method\":\"x\"}")) << piece;
  }
}

TEST(MessageFramer, PassesOverEmptyMessages) {
  MessageFramer framer(64);
  ASSERT_TRUE(framer.Add("\0\0a\0\0"s));
  EXPECT_THAT(Messages(framer), ElementsAre("a"));
}

TEST(MessageFramer, HoldsWhatIsNotWhole) {
  MessageFramer framer(64);
  ASSERT_TRUE(framer.Add("abc"));
  EXPECT_EQ(framer.Next(), std::nullopt);
  ASSERT_TRUE(framer.Add("def\0g"s));
  EXPECT_THAT(Messages(framer), ElementsAre("abcdef"));
}

TEST(MessageFramer, RefusesAMessageThatDoesNotEnd) {
  MessageFramer framer(8);
  EXPECT_TRUE(framer.Add("12345678"));
  EXPECT_FALSE(framer.Add("9"));
}

}  // namespace
}  // namespace skimwatch::script
