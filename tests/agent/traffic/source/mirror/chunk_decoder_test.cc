#include "agent/traffic/source/mirror/chunk_decoder.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Fed in pieces of `piece` bytes.
absl::StatusOr<std::string> Decode(ChunkDecoder& decoder, std::string_view text, size_t piece) {
  std::string body;
  while (!text.empty() && !decoder.done()) {
    const absl::StatusOr<size_t> taken =
        decoder.Take(text.substr(0, piece), [&](std::string_view data) { body += data; });
    if (!taken.ok()) return taken.status();
    text.remove_prefix(*taken);
  }
  return body;
}

TEST(ChunkDecoder, GivesTheBodyHoweverItIsCut) {
  constexpr std::string_view kText =
      "5\r\nhello\r\n1;name=\"v\"\r\n,\r\n00006\r\n world\r\n0\r\nDigest: x\r\n\r\n";
  for (size_t piece = 1; piece <= kText.size(); ++piece) {
    ChunkDecoder decoder;
    const absl::StatusOr<std::string> body = Decode(decoder, kText, piece);
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(*body, "hello, world");
    EXPECT_TRUE(decoder.done());
    EXPECT_FALSE(decoder.is_whole());
  }
}

TEST(ChunkDecoder, TakesNoMoreThanTheBody) {
  ChunkDecoder decoder;
  constexpr std::string_view kText = "1\r\na\r\n0\r\n\r\nREQMOD";
  const absl::StatusOr<size_t> taken = decoder.Take(kText, [](std::string_view) {});
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(kText.substr(*taken), "REQMOD");
}

TEST(ChunkDecoder, KnowsAPreviewThatIsAllOfTheBody) {
  ChunkDecoder whole;
  ASSERT_TRUE(Decode(whole, "1\r\na\r\n0; ieof\r\n\r\n", 64).ok());
  EXPECT_TRUE(whole.is_whole());

  ChunkDecoder part;
  ASSERT_TRUE(Decode(part, "1\r\na\r\n0\r\n\r\n", 64).ok());
  EXPECT_TRUE(part.done());
  EXPECT_FALSE(part.is_whole());
  part.Resume();
  EXPECT_EQ(Decode(part, "1\r\nb\r\n0\r\n\r\n", 64).value(), "b");
}

TEST(ChunkDecoder, RefusesWhatIsNoChunkedCodingWithoutShowingIt) {
  const std::string long_line(ChunkDecoder::kLineBytesMax + 1, '1');
  for (const std::string& text :
       {std::string("x\r\n"), std::string("\r\n"), std::string("-1\r\n"), std::string("1 1\r\n"),
        std::string("11111111111111111\r\n"), std::string("1\r\nabc\r\n0\r\n\r\n"), long_line}) {
    ChunkDecoder decoder;
    const absl::StatusOr<std::string> body = Decode(decoder, text, 7);
    EXPECT_EQ(body.status().code(), absl::StatusCode::kInvalidArgument) << text.substr(0, 20);
    EXPECT_THAT(std::string(body.status().message()), Not(HasSubstr("abc")));
  }
}

TEST(ChunkDecoder, BoundsTrailers) {
  ChunkDecoder decoder;
  std::string text = "0\r\n";
  while (text.size() < 2 * ChunkDecoder::kTrailerBytesMax) text += "Name: value\r\n";
  EXPECT_THAT(std::string(Decode(decoder, text, 4096).status().message()), HasSubstr("trailers"));
}

}  // namespace
}  // namespace skimwatch::traffic
