#include "agent/offline/text_lines.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::offline {
namespace {

// Counted the obvious way.
TextPosition Expected(const std::string& text, size_t offset) {
  TextPosition position;
  for (size_t i = 0; i < offset; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (text[i] == '\n') {
      ++position.line;
      position.column = 1;
    } else if ((byte & 0xc0) != 0x80) {
      position.column += byte >= 0xf0 ? 2 : 1;
    }
  }
  return position;
}

TEST(TextLines, TellsLineAndColumnHoweverTheTextComes) {
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i) {
    text += "line " + std::to_string(i) + (i % 3 == 0 ? " gr\xc3\xbc\xc3\x9f" : "") +
            (i % 7 == 0 ? " \xf0\x9f\x92\xb3 " : "") + (i % 5 == 0 ? "" : "\n");
  }
  for (const size_t piece : {size_t{1000}, size_t{65536}, size_t{262144}, text.size()}) {
    TextLines lines;
    lines.Begin();
    for (size_t begin = 0; begin < text.size(); begin += piece) {
      const std::string_view chunk = std::string_view(text).substr(begin, piece);
      lines.SetChunk(chunk);
      // Some in the chunk, some from before.
      for (const size_t back : {size_t{0}, size_t{1}, size_t{70'000}, size_t{98'000}}) {
        if (begin + chunk.size() < back) continue;
        const size_t offset = begin + chunk.size() - back;
        if (offset % 7 != 0 && piece == 1000) continue;
        const auto position = lines.At(offset);
        ASSERT_TRUE(position.has_value()) << offset;
        if (piece >= 65536) {
          const TextPosition expected = Expected(text, offset);
          EXPECT_EQ(position->line, expected.line) << offset << " in pieces of " << piece;
          EXPECT_EQ(position->column, expected.column) << offset << " in pieces of " << piece;
        }
      }
      lines.Keep();
    }
    EXPECT_FALSE(lines.At(text.size() + 1).has_value());
    EXPECT_FALSE(lines.At(0).has_value());
  }
}

TEST(TextLines, BeginsAgain) {
  TextLines lines;
  lines.Begin();
  lines.SetChunk("a\nb\nc");
  EXPECT_EQ(lines.At(4)->line, 3U);
  lines.Keep();
  lines.Begin();
  lines.SetChunk("abc");
  EXPECT_EQ(lines.At(2)->line, 1U);
  EXPECT_EQ(lines.At(2)->column, 3U);
}

}  // namespace
}  // namespace skimwatch::offline
