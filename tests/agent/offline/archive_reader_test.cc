#include "agent/offline/archive_reader.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/offline/buffered_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/archive_builder.h"

namespace skimwatch::offline {
namespace {

using testing::Archive;
using testing::EncryptedZip;
using ::testing::HasSubstr;
using testing::Member;

struct Format {
  ArchiveFormat format;
  const char* writer;
};
constexpr Format kFormats[] = {
    {ArchiveFormat::kZip, "zip"},   {ArchiveFormat::kTar, "ustar"},
    {ArchiveFormat::kTar, "pax"},   {ArchiveFormat::kTar, "gnutar"},
    {ArchiveFormat::kTar, "v7tar"}, {ArchiveFormat::kSevenZip, "7zip"},
    {ArchiveFormat::kCpio, "newc"}, {ArchiveFormat::kCpio, "odc"},
    {ArchiveFormat::kAr, "arbsd"},
};

// Gives its bytes in pieces of a size; can be read again or not.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string_view bytes, size_t piece, bool seekable)
      : bytes_(bytes), piece_(piece), seekable_(seekable) {}

  bool seekable() const override { return seekable_; }
  uint64_t size() const override { return bytes_.size(); }

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override {
    const std::string_view left = bytes_.substr(offset_);
    const size_t n = std::min({size, piece_, left.size()});
    left.copy(out, n);
    offset_ += n;
    return n;
  }
  absl::Status SeekTo(uint64_t offset) override {
    offset_ = std::min<size_t>(offset, bytes_.size());
    return absl::OkStatus();
  }

  const std::string_view bytes_;
  const size_t piece_;
  const bool seekable_;
  size_t offset_ = 0;
};

struct Unpacked {
  std::map<std::string, std::string> members;
  std::vector<std::string> encrypted;
  std::vector<absl::Status> errors;
};

Unpacked Unpack(ArchiveFormat format, ByteStream& input, ExpansionLimit limit = {}) {
  const Cancellation cancellation;
  std::atomic<uint64_t> total{0};
  const FileStream file(cancellation, total);
  ExpansionBudget budget(file, limit);
  ArchiveReader reader(format, input, budget, 0);
  Unpacked unpacked;
  while (!reader.ended()) {
    auto entry = reader.Next();
    if (!entry.ok()) {
      unpacked.errors.push_back(entry.status());
      continue;
    }
    if (!entry->has_value()) break;
    if ((*entry)->is_encrypted) {
      unpacked.encrypted.push_back((*entry)->name);
      continue;
    }
    std::string& bytes = unpacked.members[(*entry)->name];
    while (true) {
      const auto next = (*entry)->content->Next();
      if (!next.ok()) unpacked.errors.push_back(next.status());
      if (!next.ok() || next->empty()) break;
      bytes.append(*next);
    }
  }
  return unpacked;
}

std::string Text(size_t bytes) {
  std::string text;
  for (uint32_t i = 0; text.size() < bytes; ++i)
    absl::StrAppend(&text, "line ", i * 2654435761U, "\n");
  text.resize(bytes);
  return text;
}

std::vector<Member> Members() {
  return {{"a.txt", "short"}, {"b.txt", Text(700'000)}, {"empty", ""}, {"c.txt", "last"}};
}

TEST(ArchiveReader, GivesTheMembersOfEveryFormat) {
  for (const Format& format : kFormats) {
    const std::string bytes = Archive(format.writer, Members());
    EXPECT_EQ(DetectArchive(bytes), format.format) << format.writer;
    for (const size_t piece : {size_t{1000}, bytes.size()}) {
      Pieces input(bytes, piece, /*seekable=*/true);
      const Unpacked unpacked = Unpack(format.format, input);
      EXPECT_TRUE(unpacked.errors.empty()) << format.writer << ": " << unpacked.errors[0];
      ASSERT_EQ(unpacked.members.size(), 4U) << format.writer;
      for (const Member& member : Members()) {
        ASSERT_TRUE(unpacked.members.contains(member.name)) << format.writer << member.name;
        EXPECT_EQ(unpacked.members.at(member.name) == member.bytes, true) << format.writer;
      }
    }
  }
}

TEST(ArchiveReader, NeedsNoSeekButFor7z) {
  for (const Format& format : kFormats) {
    const std::string bytes = Archive(format.writer, Members());
    Pieces input(bytes, 5000, /*seekable=*/false);
    const Unpacked unpacked = Unpack(format.format, input);
    if (NeedsSeek(format.format)) {
      EXPECT_FALSE(unpacked.errors.empty()) << format.writer;
      continue;
    }
    EXPECT_TRUE(unpacked.errors.empty()) << format.writer << ": " << unpacked.errors[0];
    EXPECT_EQ(unpacked.members.size(), 4U) << format.writer;
  }
}

TEST(ArchiveReader, ReadsWhatIsBufferedAsOneThatCanBeReadAgain) {
  const std::string bytes = Archive("7zip", Members());
  Pieces input(bytes, 5000, /*seekable=*/false);
  BufferedStream buffered(input);
  ASSERT_TRUE(buffered.ReadAhead(bytes.size()).ok());
  ASSERT_TRUE(buffered.seekable());
  EXPECT_EQ(Unpack(ArchiveFormat::kSevenZip, buffered).members.size(), 4U);

  // One that is too long goes on where the buffer ends.
  const std::string zip = Archive("zip", Members(), "zip:compression=store");
  Pieces long_input(zip, 5000, /*seekable=*/false);
  BufferedStream part(long_input);
  ASSERT_TRUE(part.ReadAhead(100'000).ok());
  EXPECT_FALSE(part.seekable());
  const Unpacked unpacked = Unpack(ArchiveFormat::kZip, part);
  EXPECT_TRUE(unpacked.errors.empty()) << unpacked.errors[0];
  EXPECT_EQ(unpacked.members.size(), 4U);
}

TEST(ArchiveReader, TellsWhatIsEncrypted) {
  const std::string bytes = EncryptedZip({{"secret.txt", "text"}});
  Pieces input(bytes, bytes.size(), /*seekable=*/true);
  const Unpacked unpacked = Unpack(ArchiveFormat::kZip, input);
  EXPECT_THAT(unpacked.encrypted, ::testing::ElementsAre("secret.txt"));
  EXPECT_TRUE(unpacked.members.empty());
}

TEST(ArchiveReader, GivesWhatComesBeforeTheDamageAndNamesIt) {
  for (const Format& format : kFormats) {
    if (format.format == ArchiveFormat::kSevenZip) continue;  // Its list is at the end.
    const std::string bytes = Archive(format.writer, Members());
    const std::string_view cut = std::string_view(bytes).substr(0, bytes.size() / 2);
    Pieces input(cut, cut.size(), /*seekable=*/true);
    const Unpacked unpacked = Unpack(format.format, input);
    ASSERT_FALSE(unpacked.errors.empty()) << format.writer;
    EXPECT_TRUE(absl::IsDataLoss(unpacked.errors[0])) << format.writer << unpacked.errors[0];
    ASSERT_TRUE(unpacked.members.contains("a.txt")) << format.writer;
    EXPECT_EQ(unpacked.members.at("a.txt"), "short") << format.writer;
    EXPECT_GT(unpacked.members.at("b.txt").size(), 100'000U) << format.writer;
  }
}

TEST(ArchiveReader, EndsOnEveryFlippedByte) {
  for (const Format& format : kFormats) {
    const std::string bytes = Archive(format.writer, {{"a.txt", Text(300)}, {"b.txt", "b"}});
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      Pieces input(damaged, damaged.size(), /*seekable=*/true);
      // Any members or errors, but an end.
      const Unpacked unpacked = Unpack(format.format, input);
      EXPECT_LE(unpacked.members.size(), 10U);
    }
  }
}

TEST(ArchiveReader, CutsWhatGrowsLikeABomb) {
  std::vector<Member> members;
  for (int i = 0; i < 20; ++i)
    members.push_back({absl::StrCat("m", i), std::string(1 << 20, '\0')});
  const std::string bytes = Archive("zip", members);
  Pieces input(bytes, bytes.size(), /*seekable=*/true);
  const Unpacked unpacked =
      Unpack(ArchiveFormat::kZip, input, {.ratio_max = 10, .bytes_min = 4 << 20});
  ASSERT_FALSE(unpacked.errors.empty());
  EXPECT_TRUE(absl::IsResourceExhausted(unpacked.errors[0])) << unpacked.errors[0];
  uint64_t total = 0;
  for (const auto& [name, content] : unpacked.members) total += content.size();
  // Of all members together.
  EXPECT_LE(total, uint64_t{5} << 20);
}

TEST(ArchiveReader, BoundsMembers) {
  std::vector<Member> members;
  for (int i = 0; i < 20; ++i) members.push_back({absl::StrCat("m", i), "x"});
  const std::string bytes = Archive("ustar", members);
  Pieces input(bytes, bytes.size(), /*seekable=*/true);
  const Unpacked unpacked = Unpack(ArchiveFormat::kTar, input, {.entries_max = 10});
  EXPECT_EQ(unpacked.members.size(), 10U);
  ASSERT_EQ(unpacked.errors.size(), 1U);
  EXPECT_THAT(std::string(unpacked.errors[0].message()), HasSubstr("more than 10 members"));
}

TEST(ArchiveReader, KnowsNoArchiveInOtherBytes) {
  using namespace std::string_view_literals;
  EXPECT_EQ(DetectArchive(""), std::nullopt);
  EXPECT_EQ(DetectArchive(std::string(512, '\0')), std::nullopt);
  EXPECT_EQ(DetectArchive(Text(512)), std::nullopt);
  EXPECT_EQ(DetectArchive("070701 and other numbers" + Text(200)), std::nullopt);
  EXPECT_EQ(DetectArchive("PK and so on"), std::nullopt);
}

}  // namespace
}  // namespace skimwatch::offline
