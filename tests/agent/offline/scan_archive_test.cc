// The program on archives, as its users have them.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/offline/scan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/archive_builder.h"
#include "tests/agent/offline/scan_program.h"
#include "tests/agent/traffic/protocol/compress.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::offline {
namespace {

using nlohmann::json;
using skimwatch::testing::Result;
using skimwatch::testing::TempFolder;
using ::testing::AllOf;
using testing::Archive;
using ::testing::ElementsAre;
using testing::EncryptedZip;
using ::testing::HasSubstr;
using testing::JsonLines;
using testing::kAmex;
using testing::kMastercard;
using testing::kVisa;
using ::testing::Not;
using testing::RunScanProgram;
using ::testing::UnorderedElementsAre;
using testing::WriteFile;
using traffic::testing::Compress;

std::string Text(std::string_view number) {
  return absl::StrCat("card number: ", std::string(number), "\n");
}

class ScanArchiveTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view bytes) {
    const std::string path = folder_.File(name);
    WriteFile(path, bytes);
    return path;
  }
  // Shown paths of the findings below the folder, in order.
  std::vector<std::string> Found(const Result& result) {
    std::vector<std::string> paths;
    for (const json& line : JsonLines(result.out)) {
      paths.push_back(line["path"].get<std::string>().substr(folder_.path().size() + 1));
    }
    return paths;
  }

  TempFolder folder_;
};

TEST_F(ScanArchiveTest, LooksIntoArchivesOfEveryFormat) {
  for (const char* const format : {"zip", "ustar", "7zip", "newc", "arbsd"}) {
    const std::string path = Write(format, Archive(format, {{"orders.csv", Text(kVisa)},
                                                            {"empty", ""},
                                                            {"more.txt", Text(kMastercard)}}));
    const Result result = RunScanProgram({"--format", "json", path});
    EXPECT_EQ(result.code, kExitFound) << format << result.err;
    EXPECT_THAT(Found(result), ElementsAre(absl::StrCat(format, "!orders.csv"),
                                           absl::StrCat(format, "!more.txt")));
    const json line = JsonLines(result.out)[0];
    EXPECT_EQ(line["offset"], 13);
    EXPECT_EQ(line["line"], 1);
    EXPECT_EQ(line["container"].size(), 1U);
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(ScanArchiveTest, LooksIntoArchivesThatAreCompressedOrInOthers) {
  const std::string tar = Archive("pax", {{"a.txt", Text(kVisa)}});
  const std::string zip = Archive("zip", {{"b/inner.tar", tar}});
  const std::string seven = Archive("7zip", {{"c.zip", zip}});
  const std::string path = Write("all.tgz", Compress("gzip", Archive("ustar", {{"d.7z", seven}})));
  const Result result = RunScanProgram({"--format", "json", "--archive-depth", "4", path});
  EXPECT_THAT(Found(result), ElementsAre("all.tgz!d.7z!c.zip!b/inner.tar!a.txt")) << result.err;
  EXPECT_EQ(JsonLines(result.out)[0]["container"], json({"gzip", "tar", "7z", "zip", "tar"}));
}

TEST_F(ScanArchiveTest, NamesArchivesInTooManyOthers) {
  std::string bytes = Text(kVisa);
  for (int i = 0; i < 4; ++i) bytes = Archive("zip", {{"x", bytes}});
  const std::string path = Write("deep.zip", bytes);
  const Result result = RunScanProgram({path});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(result.err, HasSubstr("deep.zip!x!x!x: is an archive in more than 3 others"));
  EXPECT_EQ(RunScanProgram({"--archive-depth", "4", path}).code, kExitFound);
}

TEST_F(ScanArchiveTest, ScansArchivesAsTheyStandWhenAsked) {
  const std::string zip = Write("a.zip", Archive("zip", {{"a.txt", Text(kVisa) + Text(kVisa)}}));
  const std::string tar = Write("a.tar", Archive("ustar", {{"a.txt", Text(kVisa)}}));
  const Result result = RunScanProgram({"--format", "json", "--archive-depth", "0", zip, tar});
  EXPECT_THAT(Found(result), ElementsAre("a.tar"));
  EXPECT_THAT(result.err, HasSubstr("1 tar not unpacked, 1 zip not unpacked"));
}

TEST_F(ScanArchiveTest, LooksIntoOfficeDocuments) {
  // What Word writes: parts of XML, deflated.
  const std::string path = Write(
      "invoice.docx",
      Archive("zip",
              {{"[Content_Types].xml", "<Types/>"},
               {"word/document.xml", absl::StrCat("<w:t>Card number ", std::string(kVisa),
                                                  " exp 12/29</w:t>", std::string(5000, ' '))}},
              "zip:compression=deflate"));
  const Result result = RunScanProgram({"--format", "json", path});
  EXPECT_THAT(Found(result), ElementsAre("invoice.docx!word/document.xml"));
}

TEST_F(ScanArchiveTest, CountsWhatIsEncryptedAndGoesOn) {
  Write("a.zip", EncryptedZip({{"secret.txt", Text(kVisa)}, {"other.txt", Text(kVisa)}}));
  Write("b.txt", Text(kAmex));
  const Result result = RunScanProgram({"--format", "json", folder_.path()});
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(Found(result), ElementsAre("b.txt"));
  EXPECT_THAT(result.err, HasSubstr("not scanned: 2 encrypted"));
}

TEST_F(ScanArchiveTest, ScansWhatIsThereOfDamagedArchivesAndSaysSo) {
  std::string zip = Archive("zip", {{"a.txt", Text(kVisa)}, {"b.txt", std::string(50000, 'x')}});
  zip.resize(zip.size() / 2);
  const std::string path = Write("cut.zip", zip);
  const Result result = RunScanProgram({"--format", "json", path});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(Found(result), ElementsAre("cut.zip!a.txt"));
  EXPECT_THAT(result.err, HasSubstr("cut.zip"));
  const Result stats = RunScanProgram({"--stats", "--format", "json", path});
  EXPECT_THAT(stats.err, HasSubstr(R"("damaged":)"));

  // A wrong checksum: all of the member, and an error.
  std::string wrong = Archive("zip", {{"a.txt", Text(kVisa)}}, "zip:compression=store");
  wrong[wrong.find("card")] = 'C';
  const Result bad = RunScanProgram({"--format", "json", Write("wrong.zip", wrong)});
  EXPECT_EQ(bad.code, kExitError);
  EXPECT_THAT(Found(bad), ElementsAre("wrong.zip!a.txt"));
}

TEST_F(ScanArchiveTest, ScansAsItStandsWhatOnlyBeginsAsAnArchiveDoes) {
  const std::string zip = Write("a.bin", "PK\x03\x04 and no zip\n" + Text(kVisa));
  const std::string empty = Archive("zip", {});
  const std::string hidden = Write("hidden.zip", empty + Text(kVisa));
  for (const std::string& path : {zip, hidden}) {
    const Result result = RunScanProgram({"--format", "json", path});
    EXPECT_EQ(result.code, kExitFound) << result.err;
    EXPECT_EQ(JsonLines(result.out)[0]["container"], json::array());
  }
}

TEST_F(ScanArchiveTest, CutsBombs) {
  // Small members that are many, and archives that hold archives.
  std::vector<testing::Member> members;
  for (int i = 0; i < 100; ++i) {
    members.push_back({absl::StrCat("m", i), std::string(1 << 20, '\0')});
  }
  const std::string flat = Archive("zip", members);
  const std::string path = Write("flat.zip", flat);
  const Result result = RunScanProgram({"--stats", "--format", "json", path});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("raise --max-expansion"), HasSubstr(R"("decompression_limit":)")));

  std::vector<testing::Member> archives;
  for (int i = 0; i < 10; ++i) archives.push_back({absl::StrCat("z", i), flat});
  const std::string nested = Write("nested.zip", Archive("zip", archives));
  const Result of_nested = RunScanProgram({"--stats", "--format", "json", nested});
  EXPECT_EQ(of_nested.code, kExitError);
  const std::string& err = of_nested.err;
  const json stats = json::parse(err.substr(err.rfind("{\"stats\"")))["stats"];
  // Of all together, not of each.
  EXPECT_LT(stats["bytes_scanned"], uint64_t{80} << 20);
}

TEST_F(ScanArchiveTest, MasksCardNumbersInNamesOfMembers) {
  const std::string name = absl::StrCat("card ", std::string(kMastercard), ".txt");
  const std::string path =
      Write("a.zip", Archive("zip", {{name, Text(kVisa)}, {"b\n\x1b[1m", Text(kVisa)}}));
  for (const char* const format : {"json", "table", "sarif"}) {
    const Result result = RunScanProgram({"--format", format, "--stats", path});
    EXPECT_EQ(result.code, kExitFound);
    EXPECT_THAT(result.out + result.err, Not(HasSubstr(kMastercard))) << format;
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("\x1b"))) << format;
  }
}

TEST_F(ScanArchiveTest, ReadsArchivesFromAPipe) {
  const std::string big(300'000, '\n');
  for (const char* const format : {"ustar", "zip", "7zip"}) {
    const std::string bytes =
        Archive(format, {{"a.txt", big + Text(kVisa)}, {"b.txt", Text(kAmex)}});
    const Result result = RunScanProgram({"--format", "json", "-"}, bytes);
    EXPECT_EQ(result.code, kExitFound) << format << result.err;
    std::vector<std::string> paths;
    for (const json& line : JsonLines(result.out)) paths.push_back(line["path"]);
    EXPECT_THAT(paths, ElementsAre("-!a.txt", "-!b.txt")) << format;
  }
}

TEST_F(ScanArchiveTest, LeavesOutMembersThatAreExcluded) {
  const std::string path =
      Write("a.zip", Archive("zip", {{"a.png", Text(kVisa)}, {"lib/b.txt", Text(kVisa)}}));
  const Result result =
      RunScanProgram({"--format", "json", "--stats", "--exclude", "*.png", folder_.path()});
  EXPECT_THAT(Found(result), ElementsAre("a.zip!lib/b.txt"));
  EXPECT_THAT(result.err, HasSubstr(R"("excluded":1)"));
}

TEST_F(ScanArchiveTest, WritesNothingToDisk) {
  const std::string path = Write("a.tgz", Compress("gzip", Archive("ustar", {{"a", Text(kVisa)}})));
  EXPECT_EQ(RunScanProgram({path}).code, kExitFound);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_THAT(names, ElementsAre("a.tgz"));
}

}  // namespace
}  // namespace skimwatch::offline
