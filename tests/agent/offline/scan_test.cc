// The program as its users run it: exit codes, what stands on which output, and how it ends.

#include "agent/offline/scan.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/offline/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/scan_program.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using skimwatch::testing::ChildProcess;
using skimwatch::testing::Result;
using skimwatch::testing::TempFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::JsonLines;
using testing::kAmex;
using testing::kMastercard;
using testing::kVisa;
using ::testing::Not;
using testing::RunScanProgram;
using testing::ScanProgram;
using ::testing::StartsWith;
using testing::WriteFile;
using traffic::testing::Compress;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Sanitizers make the scan slow, and their own memory grows with nothing of ours.
constexpr int64_t kLargeBytes = int64_t{256} << 20;
#else
constexpr int64_t kLargeBytes = int64_t{2} << 30;
#endif

std::string Text(std::string_view number) {
  return absl::StrCat("card number: ", std::string(number), "\n");
}

class ScanTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view bytes) {
    const std::string path = folder_.File(name);
    fs::create_directories(fs::path(path).parent_path());
    WriteFile(path, bytes);
    return path;
  }

  TempFolder folder_;
};

TEST_F(ScanTest, EndsWithZeroWhereNothingIsFound) {
  const std::string path = Write("a.txt", "nothing to see, order 4111111111111112\n");
  const Result result = RunScanProgram({path});
  EXPECT_EQ(result.code, kExitNothingFound);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "");
}

TEST_F(ScanTest, EndsWithOneWhereSomethingIsFound) {
  const std::string path = Write("a.txt", Text(kVisa));
  const Result result = RunScanProgram({path});
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(result.out, AllOf(StartsWith("CONFIDENCE"), HasSubstr("411111******1111"),
                                HasSubstr(path), Not(HasSubstr(kVisa))));
}

TEST_F(ScanTest, EndsWithTwoAfterAnErrorAndScansTheRest) {
  const std::string path = Write("a.txt", Text(kVisa));
  const Result result =
      RunScanProgram({"--format", "json", folder_.File("nothing"), path, "/dev/zero"});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(JsonLines(result.out).size(), 1U);
  EXPECT_THAT(result.err, AllOf(HasSubstr("nothing: No such file or directory\n"),
                                HasSubstr("/dev/zero: is a character device\n")));
}

TEST_F(ScanTest, RefusesACommandLineThatMakesNoSense) {
  const std::string path = Write("a.txt", "x");
  const std::vector<std::vector<std::string>> kCases = {
      {},
      {"--format", "xml", path},
      {"--min-confidence", "sure", path},
      {"--decode-depth", "5", path},
      {"--decode-depth", "-1", path},
      {"--mask", "all", path},
      {"--jobs", "0", path},
      {"--max-file-size", "big", path},
      {"--max-expansion", "0", path},
      {"--nonsense", path},
  };
  for (const auto& arguments : kCases) {
    const Result result = RunScanProgram(arguments);
    EXPECT_EQ(result.code, kExitError) << ::testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
}

TEST_F(ScanTest, SaysEverythingInJson) {
  const std::string path = Write(
      "checkout.json",
      absl::StrCat(R"({"cardNumber":")", std::string(kVisa), R"(","expiry":"12/29","cvv":"123"})"));
  const Result result = RunScanProgram({"--format", "json", path});
  const std::vector<json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 1U);
  const json& line = lines[0];
  EXPECT_EQ(line["path"], path);
  EXPECT_EQ(line["offset"], 15);
  EXPECT_EQ(line["length"], 16);
  EXPECT_EQ(line["kind"], "pan_with_cvv");
  EXPECT_EQ(line["brand"], "visa");
  EXPECT_EQ(line["masked"], "411111******1111");
  EXPECT_EQ(line["confidence"], "high");
  EXPECT_TRUE(line["score"].is_number_integer());
  EXPECT_EQ(line["encoding"], json::array());
  EXPECT_EQ(line["test_card"], true);
  EXPECT_TRUE(line["evidence"].is_array());
  EXPECT_EQ(line["container"], json::array());
  EXPECT_FALSE(line.contains("flow"));
}

TEST_F(ScanTest, TellsKindsApart) {
  Write("1", absl::StrCat("%B", std::string(kVisa), "^DOE/JANE^29121010000000000000?\n"));
  Write("2", absl::StrCat(";", std::string(kVisa), "=29121010000000000000?\n"));
  Write("3", Text(kVisa));
  const Result result = RunScanProgram({"--format", "json", "--jobs", "1", folder_.path()});
  std::vector<std::string> kinds;
  for (const json& line : JsonLines(result.out)) kinds.push_back(line["kind"]);
  EXPECT_THAT(kinds, ElementsAre("track1", "track2", "pan"));
}

TEST_F(ScanTest, UndoesEncodingsToTheDepthAskedFor) {
  // base64 of `card number: <the Visa number>`.
  const std::string path = Write("a.txt", "data=Y2FyZCBudW1iZXI6IDQxMTExMTExMTExMTExMTE=\n");
  const Result result = RunScanProgram({"--format", "json", path});
  const std::vector<json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["encoding"], json({"base64"}));
  EXPECT_EQ(RunScanProgram({"--decode-depth", "0", path}).code, kExitNothingFound);
}

TEST_F(ScanTest, LeavesOutWhatIsNotAskedFor) {
  const std::string path = Write("a.txt", Text(kVisa));
  EXPECT_EQ(RunScanProgram({"--no-test-cards", path}).code, kExitNothingFound);
  // A number with nothing around it is not sure.
  const std::string bare = Write("b.txt", absl::StrCat("x ", std::string(kMastercard), " y"));
  EXPECT_EQ(RunScanProgram({"--min-confidence", "low", bare}).code, kExitFound);
  EXPECT_EQ(RunScanProgram({"--min-confidence", "high", bare}).code, kExitNothingFound);
}

TEST_F(ScanTest, MasksAsAsked) {
  const std::string path = Write("a.txt", Text(kAmex));
  EXPECT_THAT(RunScanProgram({path}).out, HasSubstr(" 378282*****0005 "));
  EXPECT_THAT(RunScanProgram({"--mask", "last4", path}).out, HasSubstr(" ***********0005 "));
  EXPECT_THAT(RunScanProgram({"--mask", "none", path}).out, HasSubstr(" *************** "));
}

TEST_F(ScanTest, MasksFirstEightWhereTheIssuersNumberHasThem) {
  const std::string visa = Write("a.txt", Text(kVisa));
  const std::string amex = Write("b.txt", Text(kAmex));
  const Result result = RunScanProgram({"--mask", "first8last4", visa, amex});
  EXPECT_THAT(result.out, HasSubstr(" 41111111****1111 "));
  EXPECT_THAT(result.out, HasSubstr(" 378282*****0005 "));
}

TEST_F(ScanTest, LooksForTheBrandsOfAFile) {
  const std::string brands =
      Write("brands.yaml", "ranges: [{brand: gift-card, first: \"4111\", lengths: \"16\"}]\n");
  const std::string visa = Write("a.txt", Text(kVisa));
  const std::string amex = Write("b.txt", Text(kAmex));
  Result result = RunScanProgram({"--brand-table", brands, visa, amex});
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(result.out, HasSubstr(" gift-card "));
  EXPECT_THAT(result.out, Not(HasSubstr("amex")));
  // Nothing is scanned by a table that can't be read.
  const std::string bad = Write("bad.yaml", "ranges:\n  - {brand: b, first: x, lengths: \"16\"}\n");
  result = RunScanProgram({"--brand-table", bad, visa});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("--brand-table: "));
  EXPECT_THAT(result.err, HasSubstr("bad.yaml:2:"));
  EXPECT_THAT(result.err, HasSubstr("ranges[0].first: found `x`, expected a prefix"));
  result = RunScanProgram({"--brand-table", "/nowhere/brands.yaml", visa});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(result.err, HasSubstr("/nowhere/brands.yaml"));
}

TEST_F(ScanTest, IsQuietWhenAsked) {
  const std::string path = Write("a.txt", Text(kVisa));
  fs::create_symlink("a.txt", folder_.File("link"));
  Result result = RunScanProgram({"--quiet", folder_.path()});
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_EQ(result.out + result.err, "");
  result = RunScanProgram({"--quiet", folder_.File("nothing")});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(result.err, HasSubstr("No such file or directory"));
}

TEST_F(ScanTest, CountsWhatItSkips) {
  Write("a.txt", Text(kVisa));
  Write("b.png", Text(kVisa));
  Write("large", std::string(10000, ' '));
  Write("c.rar", "Rar!\x1a\x07...");
  fs::create_symlink("a.txt", folder_.File("link"));
  ASSERT_EQ(mkfifo(folder_.File("fifo").c_str(), 0600), 0);
  const std::vector<std::string> arguments = {"--exclude",       "*.png", "--exclude",   "nothing",
                                              "--max-file-size", "5K",    folder_.path()};
  Result result = RunScanProgram(arguments);
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(result.err,
              HasSubstr("not scanned: 1 too large, 1 symlink, 1 special file, 1 rar not unpacked"));

  std::vector<std::string> with_stats = arguments;
  with_stats.insert(with_stats.begin(), {"--stats", "--format", "json"});
  result = RunScanProgram(with_stats);
  const json stats = json::parse(result.err)["stats"];
  EXPECT_EQ(stats["files"], 2);
  EXPECT_EQ(stats["findings"], 1);
  EXPECT_EQ(stats["findings_by_brand"], json({{"visa", {{"high", 1}}}}));
  EXPECT_EQ(stats["skipped"],
            json({{"excluded", 1}, {"too_large", 1}, {"symlink", 1}, {"special_file", 1}}));
  EXPECT_EQ(stats["not_unpacked"], json({{"rar", 1}}));
  EXPECT_EQ(stats["errors"], json::object());
  EXPECT_EQ(stats["bytes_scanned"], Text(kVisa).size() + 9);

  with_stats = arguments;
  with_stats.insert(with_stats.begin(), "--stats");
  result = RunScanProgram(with_stats);
  EXPECT_THAT(result.err, AllOf(HasSubstr("skipped: special file: "), HasSubstr("visa high:"),
                                HasSubstr("not unpacked: rar:")));
}

TEST_F(ScanTest, NamesFilesItCannotRead) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  constexpr uid_t kNobody = 65534;
  Write("secret", Text(kVisa));
  Write("open", Text(kMastercard));
  fs::create_directory(folder_.File("closed"));
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(folder_.File("secret").c_str(), 0), 0);
  ASSERT_EQ(chmod(folder_.File("closed").c_str(), 0), 0);
  // A copy that anybody may run, wherever the build folder is.
  const std::string program = folder_.File("program");
  fs::copy_file(SKIMWATCH_SCAN_PROGRAM, program);
  ASSERT_EQ(chmod(program.c_str(), 0755), 0);
  ChildProcess::Options options =
      ScanProgram({"--format", "json", "--exclude", "program", folder_.path()});
  options.command[0] = program;
  options.user = kNobody;
  const Result result = skimwatch::testing::RunProgram(options);
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(JsonLines(result.out).size(), 1U);
  EXPECT_THAT(result.err, AllOf(HasSubstr("secret: Permission denied"),
                                HasSubstr("closed: Permission denied")));
}

TEST_F(ScanTest, ShowsNamesThatCanDoNoHarm) {
  const std::vector<std::pair<std::string, std::string>> kNames = {
      {"line\nfeed", "line\\nfeed"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
      {"bad\xff\xfe", "bad\\xff\\xfe"},
      {"quote\"back\\slash", "quote\"back\\slash"},
      {"card " + std::string(kMastercard), "card ****************"},
  };
  for (const auto& [name, shown] : kNames) Write(name, Text(kVisa));
  fs::create_symlink("nowhere", folder_.File("x"));
  const Result result = RunScanProgram({"--format", "json", "--", folder_.path()});
  std::set<std::string> paths;
  for (const json& line : JsonLines(result.out)) paths.insert(line["path"]);
  EXPECT_EQ(paths.size(), kNames.size());
  for (const auto& [name, shown] : kNames) {
    EXPECT_EQ(paths.count(folder_.File(shown)), 1U) << shown;
  }
  EXPECT_THAT(result.out, Not(HasSubstr(kMastercard)));

  const Result table = RunScanProgram({folder_.path()});
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'),
            static_cast<ptrdiff_t>(kNames.size()) + 1);
  EXPECT_THAT(table.out, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr(kMastercard))));
}

TEST_F(ScanTest, NeverShowsANumberThatIsOnTheCommandLine) {
  const std::string number(kVisa);
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {number}, {"--" + number}, {"--jobs", number, "x"}, {"--format", number, "x"}}) {
    const Result result = RunScanProgram(arguments);
    EXPECT_EQ(result.code, kExitError);
    EXPECT_THAT(result.err, Not(HasSubstr(number)));
  }
}

TEST_F(ScanTest, ReadsStandardInputToItsEnd) {
  const Result result = RunScanProgram({"--format", "json", "-"}, Text(kVisa) + Text(kAmex));
  EXPECT_EQ(result.code, kExitFound);
  const std::vector<json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["path"], "-");
  EXPECT_EQ(lines[1]["offset"], Text(kVisa).size() + 13);
  EXPECT_EQ(RunScanProgram({"-"}).code, kExitNothingFound);
}

TEST_F(ScanTest, ShowsWhatAPipeBroughtBeforeItsEnd) {
  ChildProcess child(ScanProgram({"--format", "json", "-"}));
  for (size_t i = 1; i <= 3; ++i) {
    child.Write(Text(kVisa));
    ASSERT_TRUE(child.ReadUntil([&](const std::string& out) {
      return std::count(out.begin(), out.end(), '\n') == static_cast<ptrdiff_t>(i);
    }));
  }
  child.CloseInput();
  const Result result = child.Wait();
  EXPECT_EQ(result.code, kExitFound);
  // None of them twice.
  EXPECT_EQ(JsonLines(result.out).size(), 3U);
}

TEST_F(ScanTest, ShowsWhatAPipeBroughtCompressedBeforeItsEnd) {
  ChildProcess child(ScanProgram({"--format", "json", "-"}));
  child.Write(Compress("gzip", Text(kVisa)));
  EXPECT_TRUE(child.ReadUntil([](const std::string& out) { return out.ends_with("\n"); }));
  child.Write(Compress("gzip", Text(kAmex)));
  child.CloseInput();
  EXPECT_EQ(JsonLines(child.Wait().out).size(), 2U);
}

TEST_F(ScanTest, ReadsANamedPipeThatIsNamed) {
  const std::string fifo = folder_.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  // Nobody writes: an error, and no waiting.
  const Result alone = RunScanProgram({fifo});
  EXPECT_EQ(alone.code, kExitError);
  EXPECT_THAT(alone.err, HasSubstr("nobody writes to this named pipe"));

  const UniqueFd both(open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  ChildProcess child(ScanProgram({"--format", "json", fifo}));
  const std::string text = Text(kVisa);
  ASSERT_EQ(write(both.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_TRUE(child.ReadUntil([](const std::string& out) { return out.ends_with("\n"); }));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait().code, 128 + SIGTERM);
}

TEST_F(ScanTest, LooksIntoCompressedFiles) {
  const std::string padding(100000, '\n');
  for (const char* const coding : {"gzip", "zstd", "br"}) {
    const std::string name = absl::StrCat("a.log.", coding == std::string("gzip") ? "gz" : coding);
    const std::string path = Write(name, Compress(coding, padding + Text(kVisa)));
    const Result result = RunScanProgram({"--format", "json", path});
    const std::vector<json> lines = JsonLines(result.out);
    ASSERT_EQ(lines.size(), 1U) << coding << result.err;
    EXPECT_EQ(lines[0]["container"], json({coding}));
    // In what was compressed.
    EXPECT_EQ(lines[0]["offset"], padding.size() + 13);
    EXPECT_EQ(lines[0]["encoding"], json::array());
  }
  const std::string twice = Write("b.gz.zst", Compress("zstd", Compress("gzip", Text(kVisa))));
  const std::vector<json> lines = JsonLines(RunScanProgram({"--format", "json", twice}).out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["container"], json({"zstd", "gzip"}));
}

TEST_F(ScanTest, NamesWhatIsCompressedTooDeep) {
  std::string four = Text(kVisa);
  for (int i = 0; i < 4; ++i) four = Compress(i % 2 == 0 ? "gzip" : "zstd", four);
  const Result within = RunScanProgram({"--format", "json", Write("four", four)});
  EXPECT_EQ(within.code, kExitFound) << within.err;
  EXPECT_EQ(JsonLines(within.out).size(), 1U);
  EXPECT_EQ(within.err, "");
  for (const char* const innermost : {"gzip", "zstd", "br"}) {
    std::string five = Compress(innermost, Text(kVisa));
    for (int i = 0; i < 4; ++i) five = Compress("gzip", five);
    const std::string path = Write(absl::StrCat("five.", innermost, ".gz.gz.gz.gz"), five);
    const Result beyond = RunScanProgram({"--format", "json", path});
    EXPECT_EQ(beyond.code, kExitError) << innermost;
    EXPECT_EQ(beyond.out, "");
    EXPECT_THAT(beyond.err, HasSubstr(absl::StrCat("five.", innermost,
                                                   ".gz.gz.gz.gz: compressed more than 4 times")));
    const Result stats = RunScanProgram({"--format", "json", "--stats", path});
    EXPECT_THAT(stats.err, HasSubstr(R"("errors":{"compressed_too_deep":1})"));
    EXPECT_THAT(RunScanProgram({"--stats", path}).err, HasSubstr("error: compressed too deep:"));
  }
}

TEST_F(ScanTest, ScansWhatIsThereOfADamagedFileAndSaysSo) {
  // What does not compress, so that the end is cut and not the number.
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 200000; ++i) {
    x = x * 1664525 + 1013904223;
    noise.push_back(static_cast<char>(x >> 24));
  }
  std::string compressed = Compress("gzip", Text(kVisa) + std::string(100000, ' ') + noise);
  compressed.resize(compressed.size() / 2);
  const std::string path = Write("a.gz", compressed);
  const Result result = RunScanProgram({"--format", "json", path});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_GE(JsonLines(result.out).size(), 1U);
  EXPECT_THAT(result.err, HasSubstr("a.gz: the gzip data breaks off"));
}

TEST_F(ScanTest, ScansAsItStandsWhatOnlyBeginsAsCompressedDataDoes) {
  // The mark of gzip, and no gzip.
  const std::string path = Write("a.bin", "\x1f\x8b\x08\xff" + Text(kVisa));
  const Result result = RunScanProgram({"--format", "json", path});
  EXPECT_EQ(result.code, kExitFound) << result.err;
  const std::vector<json> lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["container"], json::array());
  EXPECT_EQ(lines[0]["offset"], 17);
  // A name that promises it makes it an error.
  const std::string named = Write("a.txt.gz", "\x1f\x8b\x08\xff" + Text(kVisa));
  const Result damaged = RunScanProgram({"--format", "json", named});
  EXPECT_EQ(damaged.code, kExitError);
  EXPECT_EQ(JsonLines(damaged.out).size(), 1U);
}

TEST_F(ScanTest, CutsABomb) {
  const std::string bomb = Compress("gzip", Text(kVisa) + std::string(100 << 20, '\0'));
  const std::string path = Write("bomb.gz", bomb);
  const Result result = RunScanProgram({"--format", "json", path});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(JsonLines(result.out).size(), 1U);
  EXPECT_THAT(result.err, HasSubstr("raise --max-expansion"));
  EXPECT_EQ(RunScanProgram({"--max-expansion", "2000", path}).code, kExitFound);
}

TEST_F(ScanTest, NeedsNoMoreMemoryForALargeFile) {
  const std::string small = Write("small", Text(kVisa));
  const std::string large = Write("large", Text(kVisa));
  ASSERT_EQ(truncate(large.c_str(), kLargeBytes), 0);
  {
    std::ofstream file(large, std::ios::binary | std::ios::app);
    file << Text(kMastercard);
  }
  const Result little = RunScanProgram({"--format", "json", small});
  const Result much = RunScanProgram({"--format", "json", large});
  EXPECT_EQ(JsonLines(little.out).size(), 1U);
  const std::vector<json> lines = JsonLines(much.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1]["offset"], kLargeBytes + 13);
  EXPECT_LT(much.resident_bytes_max, little.resident_bytes_max + (8 << 20));
}

TEST_F(ScanTest, KeepsLinesWholeWhenFilesAreScannedAtOnce) {
  constexpr int kFiles = 40;
  constexpr int kNumbers = 250;
  std::string text;
  for (int i = 0; i < kNumbers; ++i) text += Text(i % 2 == 0 ? kVisa : kMastercard);
  for (int i = 0; i < kFiles; ++i) Write(absl::StrCat("folder", i % 7, "/file", i), text);
  const Result result = RunScanProgram({"--format", "json", "--jobs", "8", folder_.path()});
  EXPECT_EQ(result.code, kExitFound);
  std::map<std::string, std::vector<uint64_t>> offsets;
  for (const json& line : JsonLines(result.out)) {
    offsets[line["path"]].push_back(line["offset"]);
  }
  EXPECT_EQ(offsets.size(), static_cast<size_t>(kFiles));
  for (const auto& [path, of_file] : offsets) {
    EXPECT_EQ(of_file.size(), static_cast<size_t>(kNumbers)) << path;
    EXPECT_TRUE(std::is_sorted(of_file.begin(), of_file.end())) << path;
  }
}

TEST_F(ScanTest, EndsCleanlyOnASignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    ChildProcess child(ScanProgram({"--format", "json", "-"}));
    child.Write(Text(kVisa) + Text(kAmex));
    ASSERT_TRUE(child.ReadUntil(
        [](const std::string& out) { return std::count(out.begin(), out.end(), '\n') == 2; }));
    child.Signal(signal);
    const Result result = child.Wait();
    EXPECT_EQ(result.code, 128 + signal);
    EXPECT_EQ(JsonLines(result.out).size(), 2U);
  }
}

TEST_F(ScanTest, EndsOnASignalWhileItsReaderSleeps) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += Text(kVisa);
  const std::string path = Write("a.txt", text);
  ChildProcess child(ScanProgram({"--format", "json", path}));
  // The pipe is full long before the end, and nobody reads on.
  ASSERT_TRUE(child.ReadUntil([](const std::string& out) { return !out.empty(); }));
  child.Signal(SIGINT);
  const Result result = child.Wait();
  EXPECT_EQ(result.code, 128 + SIGINT);
  const std::vector<json> lines = JsonLines(result.out);
  EXPECT_LT(lines.size(), 20000U);
}

TEST_F(ScanTest, EndsQuietlyWhenItsReaderLeaves) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += Text(kVisa);
  const std::string path = Write("a.txt", text);
  ChildProcess child(ScanProgram({"--format", "json", path}));
  ASSERT_TRUE(child.ReadUntil([](const std::string& out) { return !out.empty(); }));
  child.CloseOutput();
  const Result result = child.Wait();
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_EQ(result.err, "");
}

TEST_F(ScanTest, SaysSoWhenItsOutputIsFull) {
  const std::string path = Write("a.txt", Text(kVisa));
  ChildProcess::Options options = ScanProgram({});
  options.command = {"/bin/sh", "-c",
                     absl::StrCat(SKIMWATCH_SCAN_PROGRAM, " scan ", path, " > /dev/full")};
  const Result result = skimwatch::testing::RunProgram(options);
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(result.err, HasSubstr("No space left on device"));
}

TEST_F(ScanTest, DoesNotScanTheFindingsItWrites) {
  Write("a.txt", Text(kVisa));
  ChildProcess::Options options = ScanProgram({});
  options.command = {"/bin/sh", "-c",
                     absl::StrCat(SKIMWATCH_SCAN_PROGRAM, " scan --stats --format json ",
                                  folder_.path(), " > ", folder_.File("findings.json"))};
  const Result result = skimwatch::testing::RunProgram(options);
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_EQ(json::parse(result.err)["stats"]["skipped"], json({{"own_output", 1}}));
}

TEST_F(ScanTest, ShowsABarOnATerminal) {
  // Two seconds of a pipe that brings a little again and again.
  const std::string fifo = folder_.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const UniqueFd both(open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  ChildProcess::Options options = ScanProgram({fifo});
  options.terminal_columns = 100;
  ChildProcess child(options);
  // Shown after a while, so that a short run flickers nothing.
  EXPECT_TRUE(child.ReadUntil(
      [](const std::string& out) { return out.find("0 findings") != std::string::npos; }));
  const std::string text = Text(kVisa);
  ASSERT_EQ(write(both.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_TRUE(child.ReadUntil([](const std::string& out) {
    return out.find("1 finding\r") != std::string::npos ||
           out.find(", 1 finding") != std::string::npos;
  }));
  child.Write("\x03");
  const Result result = child.Wait();
  EXPECT_EQ(result.code, 128 + SIGINT);
  // The bar steps aside for the rows, which begin at the left.
  EXPECT_THAT(result.out, HasSubstr("\r\x1b[KCONFIDENCE"));
  EXPECT_THAT(result.out, HasSubstr("411111******1111"));
}

TEST_F(ScanTest, KnowsTheShareOnATerminal) {
  const std::string large = Write("large", "");
  ASSERT_EQ(truncate(large.c_str(), int64_t{100} << 30), 0);
  ChildProcess::Options options = ScanProgram({folder_.path()});
  options.terminal_columns = 100;
  ChildProcess child(options);
  EXPECT_TRUE(child.ReadUntil([](const std::string& out) {
    return out.find(" of 100.0 GiB, ") != std::string::npos &&
           out.find(" left, 0 findings") != std::string::npos;
  }));
  child.Write("\x03");
  EXPECT_EQ(child.Wait().code, 128 + SIGINT);
}

TEST_F(ScanTest, TakesATerminalThatDoesNotTellItsColumnsFor80) {
  const std::string large = Write("large", "");
  ASSERT_EQ(truncate(large.c_str(), int64_t{100} << 30), 0);
  ChildProcess::Options options = ScanProgram({folder_.path()});
  options.terminal_columns = ChildProcess::kColumnsUntold;
  ChildProcess child(options);
  std::string shown;
  EXPECT_TRUE(child.ReadUntil([&shown](const std::string& out) {
    shown = out;
    return out.find("% [") != std::string::npos && out.ends_with(" left, 0 findings");
  }));
  // The last line, behind the sequence that clears the one before.
  constexpr std::string_view kClear = "\r\x1b[K";
  const size_t begin = shown.rfind(kClear);
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(shown.size() - begin - kClear.size(), 79U);
  child.Write("\x03");
  EXPECT_EQ(child.Wait().code, 128 + SIGINT);
}

TEST_F(ScanTest, NamesTheUnknownOptionAlone) {
  struct Case {
    std::vector<std::string> arguments;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"--confg", "x"}, "unknown option --confg"},
      {{"--confg=x", "y"}, "unknown option --confg"},
      {{"x", "y"}, "unknown argument x"},
      {{"scan", "--jbs", "2", "a"}, "unknown option --jbs"},
      {{"scan", "--" + std::string(kVisa), "a"}, "unknown option --****************"},
  };
  for (const Case& c : cases) {
    ChildProcess::Options options = ScanProgram({});
    options.command = {SKIMWATCH_SCAN_PROGRAM};
    options.command.insert(options.command.end(), c.arguments.begin(), c.arguments.end());
    const Result result = skimwatch::testing::RunProgram(options);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.err, absl::StrCat("skimwatch-agent: ", c.message,
                                       "\nRun with --help for more information.\n"));
  }
}

TEST_F(ScanTest, ShowsNoBarWhenNotAsked) {
  const std::string path = Write("a.txt", Text(kVisa));
  for (const char* const option : {"--quiet", "--no-progress"}) {
    ChildProcess::Options options = ScanProgram({option, "--", path, "-"});
    options.terminal_columns = 100;
    ChildProcess child(options);
    // Ctrl-D after longer than the bar takes to appear.
    child.ReadUntil([deadline = absl::Now() + absl::Milliseconds(1200)](const std::string&) {
      return absl::Now() > deadline;
    });
    child.Write("\x04");
    EXPECT_THAT(child.Wait().out, Not(HasSubstr("B/s"))) << option;
  }
}

}  // namespace
}  // namespace skimwatch::offline
