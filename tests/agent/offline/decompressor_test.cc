#include "agent/offline/decompressor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/archive_builder.h"
#include "tests/agent/traffic/protocol/compress.h"

namespace skimwatch::offline {
namespace {

using ::testing::HasSubstr;
using traffic::testing::Compress;

struct Coding {
  Compression compression;
  const char* name;
};
constexpr Coding kCodings[] = {{Compression::kGzip, "gzip"}, {Compression::kZstd, "zstd"},
                               {Compression::kBrotli, "br"}, {Compression::kXz, "xz"},
                               {Compression::kLzip, "lzip"}, {Compression::kBzip2, "bzip2"}};

std::string Packed(std::string_view name, std::string_view text) {
  for (const std::string_view known : {"gzip", "zstd", "br"}) {
    if (name == known) return Compress(name, text);
  }
  if (name == "xz") return testing::CompressXz(text);
  if (name == "lzip") return testing::CompressLzip(text);
  return testing::CompressBzip2(text);
}

// Gives its bytes in pieces of a size.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string_view bytes, size_t piece) : bytes_(bytes), piece_(piece) {}

 private:
  absl::StatusOr<size_t> Fill(char* out, size_t size) override {
    const size_t n = std::min({size, piece_, bytes_.size()});
    bytes_.copy(out, n);
    bytes_.remove_prefix(n);
    return n;
  }

  std::string_view bytes_;
  const size_t piece_;
};

struct Content {
  std::string bytes;
  absl::Status status;
};

Content ReadAll(ByteStream& stream) {
  Content content;
  while (true) {
    const absl::StatusOr<std::string_view> next = stream.Next();
    if (!next.ok()) content.status = next.status();
    if (!next.ok() || next->empty()) return content;
    content.bytes.append(*next);
  }
}

// Decompresses a file that holds `bytes`.
Content Decompressed(Compression compression, std::string_view bytes, ExpansionLimit limit = {}) {
  const UniqueFd fd(memfd_create("compressed", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  lseek(fd.get(), 0, SEEK_SET);
  const Cancellation cancellation;
  std::atomic<uint64_t> total{0};
  FileStream file(cancellation, total);
  file.Begin(fd.get(), /*seekable=*/true, bytes.size());
  ExpansionBudget budget(file, limit);
  Content content = ReadAll(*Decompress(compression, file, budget, 0));
  EXPECT_LE(total, bytes.size());
  return content;
}

std::string Text(size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "line " + std::to_string(random()) + "\n";
  text.resize(bytes);
  return text;
}

TEST(Decompressor, GivesWhatWasCompressed) {
  for (const Coding& coding : kCodings) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{3} << 20}) {
      const std::string text = Text(size);
      const Content content = Decompressed(coding.compression, Packed(coding.name, text));
      EXPECT_TRUE(content.status.ok()) << coding.name << ": " << content.status;
      EXPECT_EQ(content.bytes == text, true) << coding.name << " of " << size;
    }
  }
}

TEST(Decompressor, DoesNotDependOnHowItsInputComes) {
  const std::string text = Text(20000);
  for (const Coding& coding : kCodings) {
    const std::string compressed = Packed(coding.name, text);
    for (const size_t piece : {1, 2, 7, 4096}) {
      Pieces input(compressed, piece);
      const Cancellation cancellation;
      std::atomic<uint64_t> total{0};
      const FileStream file(cancellation, total);
      ExpansionBudget budget(file, {});
      const Content content = ReadAll(*Decompress(coding.compression, input, budget, 0));
      EXPECT_TRUE(content.status.ok()) << coding.name << ": " << content.status;
      EXPECT_EQ(content.bytes == text, true) << coding.name << " in pieces of " << piece;
    }
  }
}

TEST(Decompressor, TakesSeveralMembersAsOneStream) {
  const std::string a = Text(1000);
  const std::string b = Text(300000);
  for (const Coding& coding : kCodings) {
    if (coding.compression == Compression::kBrotli) continue;  // It has no members.
    const Content content =
        Decompressed(coding.compression,
                     Packed(coding.name, a) + Packed(coding.name, "") + Packed(coding.name, b));
    EXPECT_TRUE(content.status.ok()) << coding.name << ": " << content.status;
    EXPECT_EQ(content.bytes == a + b, true) << coding.name;
  }
}

TEST(Decompressor, TakesZerosAfterGzipAsPadding) {
  const Content content =
      Decompressed(Compression::kGzip, Compress("gzip", "abc") + std::string(1000, '\0'));
  EXPECT_TRUE(content.status.ok()) << content.status;
  EXPECT_EQ(content.bytes, "abc");
}

TEST(Decompressor, GivesWhatComesBeforeTheDamageAndNamesIt) {
  const std::string text = Text(1 << 20);
  for (const Coding& coding : kCodings) {
    const std::string compressed = Packed(coding.name, text);
    const Content cut = Decompressed(coding.compression,
                                     std::string_view(compressed).substr(0, compressed.size() / 2));
    EXPECT_TRUE(absl::IsDataLoss(cut.status)) << coding.name << ": " << cut.status;
    EXPECT_THAT(std::string(cut.status.message()), HasSubstr("breaks off")) << coding.name;
    // bzip2 has blocks of 900 KB, and gives whole ones only.
    const size_t least = coding.compression == Compression::kBzip2 ? 0 : 100'000;
    EXPECT_GE(cut.bytes.size(), least) << coding.name;
    EXPECT_EQ(text.starts_with(cut.bytes), true) << coding.name;

    const Content followed = Decompressed(coding.compression, compressed + "something else");
    EXPECT_TRUE(absl::IsDataLoss(followed.status)) << coding.name << ": " << followed.status;
    EXPECT_EQ(followed.bytes == text, true) << coding.name;
  }
}

TEST(Decompressor, EndsOnEveryFlippedByte) {
  const std::string text = Text(2000);
  for (const Coding& coding : kCodings) {
    const std::string compressed = Packed(coding.name, text);
    for (size_t i = 0; i < compressed.size(); ++i) {
      std::string damaged = compressed;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      // Any content or error, but an end.
      const Content content = Decompressed(coding.compression, damaged);
      EXPECT_LE(content.bytes.size(), size_t{64} << 20);
    }
  }
}

TEST(Decompressor, CutsWhatGrowsLikeABomb) {
  const std::string zeros(4 << 20, '\0');
  for (const Coding& coding : kCodings) {
    const std::string compressed = Packed(coding.name, zeros);
    const Content bomb =
        Decompressed(coding.compression, compressed, {.ratio_max = 20, .bytes_min = 1 << 20});
    EXPECT_TRUE(absl::IsResourceExhausted(bomb.status)) << coding.name << ": " << bomb.status;
    EXPECT_LE(bomb.bytes.size(), size_t{2} << 20) << coding.name;
    // Little is no bomb, however much it grew.
    const Content small =
        Decompressed(coding.compression, compressed, {.ratio_max = 20, .bytes_min = 8 << 20});
    EXPECT_TRUE(small.status.ok()) << coding.name << ": " << small.status;
  }
}

TEST(Decompressor, IsToldByMarkAndBrotliByName) {
  EXPECT_EQ(DetectCompression(Compress("gzip", "a"), "a"), Compression::kGzip);
  EXPECT_EQ(DetectCompression(Compress("zstd", "a"), "a"), Compression::kZstd);
  EXPECT_EQ(DetectCompression(Compress("br", "a"), "a.br"), Compression::kBrotli);
  EXPECT_EQ(DetectCompression(Compress("br", "a"), "a"), std::nullopt);
  EXPECT_EQ(DetectCompression("text", "a.gz"), std::nullopt);
  EXPECT_EQ(DetectCompression("", "a.br"), std::nullopt);
  EXPECT_EQ(WithoutCompressionSuffix("a.js.gz"), "a.js");
  EXPECT_EQ(WithoutCompressionSuffix(".gz"), ".gz");
  EXPECT_EQ(WithoutCompressionSuffix("a.js"), "a.js");
}

TEST(Decompressor, IsToldByMarkForEveryFormat) {
  for (const Coding& coding : kCodings) {
    const std::string name = coding.compression == Compression::kBrotli ? "a.br" : "a";
    EXPECT_EQ(DetectCompression(Packed(coding.name, Text(1000)), name), coding.compression)
        << coding.name;
    EXPECT_EQ(CompressionName(coding.compression), coding.name);
  }
  // Text that begins like them.
  EXPECT_EQ(DetectCompression("BZh1 is no mark alone", "a"), std::nullopt);
  EXPECT_EQ(DetectCompression("LZIP files are rare", "a"), std::nullopt);
}

TEST(Decompressor, KnowsFormatsThatItDoesNotUndo) {
  using namespace std::string_view_literals;
  EXPECT_EQ(OpaqueFormat("\x04\x22\x4d\x18..."sv), "lz4");
  EXPECT_EQ(OpaqueFormat("Rar!\x1a\x07..."sv), "rar");
  EXPECT_EQ(OpaqueFormat("MSCF\0\0\0\0"sv), "cab");
  EXPECT_EQ(OpaqueFormat("plain"sv), "");
  EXPECT_EQ(OpaqueFormat(""sv), "");
}

}  // namespace
}  // namespace skimwatch::offline
