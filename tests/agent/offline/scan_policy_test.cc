// The program with what decides which findings count: ignore files, allow-lists, baselines; and
// what code hosts take of it.

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/offline/scan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/offline/archive_builder.h"
#include "tests/agent/offline/scan_program.h"
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
using ::testing::IsEmpty;
using testing::JsonLines;
using testing::kAmex;
using testing::kMastercard;
using testing::kVisa;
using ::testing::Not;
using testing::ScanProgram;
using testing::WriteFile;

std::string Text(std::string_view number) {
  return absl::StrCat("card number: ", std::string(number), "\n");
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class ScanPolicyTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view bytes) {
    const std::string path = folder_.File(name);
    fs::create_directories(fs::path(path).parent_path());
    WriteFile(path, bytes);
    return path;
  }
  std::string WriteKey(const std::string& name, char digit) {
    const std::string path =
        Write(name, absl::StrCat("key-", std::string(1, digit), " ", std::string(64, digit), "\n"));
    chmod(path.c_str(), 0600);
    return path;
  }
  // Run in the folder, as in a checkout.
  Result Scan(const std::vector<std::string>& arguments) {
    std::string command = absl::StrCat("cd ", folder_.path(), " && exec \"$@\"");
    ChildProcess::Options options = ScanProgram(arguments);
    options.command.insert(options.command.begin(), {"/bin/sh", "-c", command, "sh"});
    return skimwatch::testing::RunProgram(options);
  }
  static std::vector<std::string> Paths(const Result& result) {
    std::vector<std::string> paths;
    for (const json& line : JsonLines(result.out)) paths.push_back(line["path"]);
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  TempFolder folder_;
};

TEST_F(ScanPolicyTest, ObeysSkimwatchignoreAndSaysSo) {
  Write("s/.skimwatchignore", "fixtures/\n*.log\n!keep.log\n");
  Write("s/fixtures/a.txt", Text(kVisa));
  Write("s/b.log", Text(kVisa));
  Write("s/keep.log", Text(kVisa));
  Write("s/c.txt", Text(kVisa));
  Write("s/deep/.skimwatchignore", "!b.log\n/c.txt\n");
  Write("s/deep/b.log", Text(kVisa));
  Write("s/deep/c.txt", Text(kVisa));
  const Result result = Scan({"--format", "json", "s"});
  EXPECT_THAT(Paths(result), ElementsAre("s/c.txt", "s/deep/b.log", "s/keep.log"));
  EXPECT_THAT(result.err, HasSubstr("not scanned: 3 skimwatchignore"));
  EXPECT_EQ(Paths(Scan({"--format", "json", "--no-skimwatchignore", "s"})).size(), 6U);
  // A named file is meant.
  EXPECT_EQ(Paths(Scan({"--format", "json", "s/b.log"})).size(), 1U);
}

TEST_F(ScanPolicyTest, ObeysGitignoreOnlyWhenAsked) {
  Write("r/.git/HEAD", "ref: refs/heads/main\n");
  Write("r/.gitignore", "build/\n/top.txt\n");
  Write("r/top.txt", Text(kVisa));
  Write("r/src/build/a.txt", Text(kVisa));
  Write("r/src/top.txt", Text(kVisa));
  EXPECT_EQ(Paths(Scan({"--format", "json", "r"})).size(), 3U);
  const Result result = Scan({"--format", "json", "--respect-gitignore", "r"});
  EXPECT_THAT(Paths(result), ElementsAre("r/src/top.txt"));
  EXPECT_THAT(result.err, HasSubstr("2 gitignore"));
  // Rules of the folders above count, up to the root of the repository.
  EXPECT_THAT(Paths(Scan({"--format", "json", "--respect-gitignore", "r/src"})),
              ElementsAre("r/src/top.txt"));
}

TEST_F(ScanPolicyTest, LetsTheCommandLineDecideBeforeFiles) {
  Write("s/.skimwatchignore", "a.txt\n");
  Write("s/a.txt", Text(kVisa));
  Write("s/b.txt", Text(kVisa));
  EXPECT_THAT(Paths(Scan({"--format", "json", "--exclude", "!a.txt", "--exclude", "b*", "s"})),
              ElementsAre("s/a.txt"));
}

TEST_F(ScanPolicyTest, SaysWhichIgnoreFileIsNotApplied) {
  Write("s/.skimwatchignore", std::string((1 << 20) + 10, '\n') + "a.txt");
  Write("s/a.txt", Text(kVisa));
  const Result result = Scan({"--format", "json", "s"});
  EXPECT_THAT(Paths(result), ElementsAre("s/a.txt"));
  EXPECT_THAT(result.err, HasSubstr("s/.skimwatchignore: is not applied: is longer than 1 MiB"));
}

TEST_F(ScanPolicyTest, AllowsWhatTheListSays) {
  Write("s/tests/a.txt", Text(kVisa));
  Write("s/b.txt", Text(kMastercard));
  Write("allow.yaml",
        "entries:\n"
        "- path: s/tests/**\n  test_card: true\n  reason: fixtures\n  expires: 2099-12-31\n"
        "- brand: mastercard\n  reason: it was so\n  expires: 2020-01-01\n");
  const Result result = Scan({"--format", "json", "--stats", "--allow-list", "allow.yaml", "s"});
  EXPECT_EQ(result.code, kExitFound);
  EXPECT_THAT(Paths(result), ElementsAre("s/b.txt"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("allow.yaml:6: expired on 2020-01-01 and allows nothing: "
                                          "it was so"),
                                HasSubstr(R"("allowed":1)")));
  fs::remove(folder_.File("s/b.txt"));
  EXPECT_EQ(Scan({"--allow-list", "allow.yaml", "s"}).code, kExitNothingFound);
}

TEST_F(ScanPolicyTest, AllowsByFingerprint) {
  WriteKey("key", '1');
  Write("s/a.txt", Text(kVisa) + Text(kMastercard));
  const std::vector<json> lines =
      JsonLines(Scan({"--format", "json", "--fingerprint-key", "key", "s"}).out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["key_id"], "key-1");
  Write("allow.yaml",
        absl::StrCat("entries:\n- fingerprint: ", lines[0]["fingerprint"].get<std::string>(),
                     "\n  reason: r\n  expires: 2099-12-31\n"));
  const std::vector<json> left = JsonLines(
      Scan({"--format", "json", "--fingerprint-key", "key", "--allow-list", "allow.yaml", "s"})
          .out);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0]["brand"], "mastercard");
}

TEST_F(ScanPolicyTest, RefusesAListThatIsWrongAndScansNothing) {
  Write("s/a.txt", Text(kVisa));
  Write("allow.yaml", "entries:\n- brand: visa\n  reason: r\n- rule: x\n  expires: 2099-01-01\n");
  const Result result = Scan({"--allow-list", "allow.yaml", "s"});
  EXPECT_EQ(result.code, kExitError);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, AllOf(HasSubstr("scan: allow.yaml:2:3: entries[0].expires:"),
                                HasSubstr("\nskimwatch-agent scan: allow.yaml:4:3: entries[1]")));
  const Result none = Scan({"--allow-list", "nothing.yaml", "s"});
  EXPECT_EQ(none.code, kExitError);
  EXPECT_THAT(none.err, HasSubstr("nothing.yaml"));
}

TEST_F(ScanPolicyTest, KnowsFindingsOfTheBaselineWhereverTheyMove) {
  WriteKey("key", '1');
  Write("s/a.txt", Text(kVisa) + Text(kMastercard));
  Write("s/b.txt", Text(kVisa));
  const Result first = Scan({"--fingerprint-key", "key", "--write-baseline", "base.json", "s"});
  EXPECT_EQ(first.code, kExitNothingFound);
  const std::string base = Slurp(folder_.File("base.json"));
  for (const std::string_view number : {kVisa, kMastercard}) {
    EXPECT_THAT(base, Not(HasSubstr(number)));
    // Not even its end.
    EXPECT_THAT(base, Not(HasSubstr(number.substr(12))));
  }
  const std::vector<std::string> again = {"--format", "json",       "--fingerprint-key", "key",
                                          "--stats",  "--baseline", "base.json",         "s"};
  Result result = Scan(again);
  EXPECT_EQ(result.code, kExitNothingFound);
  EXPECT_THAT(result.err, AllOf(HasSubstr(R"("known":3)"), HasSubstr(R"("gone_from_baseline":0)")));

  // Moved lines and one gone; from elsewhere, too.
  Write("s/a.txt", "\n\nfirst\n" + Text(kMastercard) + "second\n" + Text(kVisa));
  fs::remove(folder_.File("s/b.txt"));
  std::vector<std::string> absolute = again;
  absolute.back() = folder_.File("s");
  for (const auto& arguments : {again, absolute}) {
    result = Scan(arguments);
    EXPECT_EQ(result.code, kExitNothingFound) << result.out;
    EXPECT_THAT(result.err, HasSubstr(R"("gone_from_baseline":1)"));
  }

  // One more of a known number, a new number, and a graver kind of a known one.
  Write("s/a.txt", Text(kMastercard) + Text(kVisa) + "\n\n" + Text(kVisa));
  EXPECT_EQ(JsonLines(Scan(again).out).size(), 1U);
  Write("s/a.txt", Text(kMastercard) + Text(kAmex));
  result = Scan(again);
  EXPECT_EQ(result.code, kExitFound);
  ASSERT_EQ(JsonLines(result.out).size(), 1U);
  EXPECT_EQ(JsonLines(result.out)[0]["brand"], "amex");
  Write("s/a.txt", absl::StrCat(";", std::string(kVisa), "=29121010000000000000?\n"));
  EXPECT_EQ(Scan(again).code, kExitFound);
}

TEST_F(ScanPolicyTest, WritesTheSameBaselineHoweverItIsScanned) {
  WriteKey("key", '1');
  for (int i = 0; i < 50; ++i) Write(absl::StrCat("s/", i, ".txt"), Text(kVisa) + Text(kAmex));
  Scan({"--jobs", "1", "--fingerprint-key", "key", "--write-baseline", "1.json", "s"});
  Scan({"--jobs", "8", "--fingerprint-key", "key", "--write-baseline", "8.json", "s"});
  EXPECT_EQ(Slurp(folder_.File("1.json")), Slurp(folder_.File("8.json")));
}

TEST_F(ScanPolicyTest, MakesTheKeyOfAFirstBaseline) {
  Write("s/a.txt", Text(kVisa));
  EXPECT_EQ(Scan({"--fingerprint-key", "key", "--write-baseline", "b.json", "s"}).code,
            kExitNothingFound);
  struct stat info {};
  ASSERT_EQ(stat(folder_.File("key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(Scan({"--fingerprint-key", "key", "--baseline", "b.json", "s"}).code,
            kExitNothingFound);
  // Never where nothing is written.
  EXPECT_EQ(Scan({"--fingerprint-key", "other", "--baseline", "b.json", "s"}).code, kExitError);
  EXPECT_FALSE(fs::exists(folder_.File("other")));
}

TEST_F(ScanPolicyTest, RefusesABaselineThatItCannotUse) {
  WriteKey("key", '1');
  WriteKey("key2", '2');
  Write("s/a.txt", Text(kVisa));
  Scan({"--fingerprint-key", "key", "--write-baseline", "b.json", "s"});
  const std::string good = Slurp(folder_.File("b.json"));
  const Result no_key = Scan({"--baseline", "b.json", "s"});
  EXPECT_EQ(no_key.code, kExitError);
  EXPECT_THAT(no_key.err, HasSubstr("a baseline needs --fingerprint-key"));
  const Result other = Scan({"--baseline", "b.json", "--fingerprint-key", "key2", "s"});
  EXPECT_EQ(other.code, kExitError);
  EXPECT_THAT(other.err, HasSubstr("key_id: expected the run's key `key-2`, found `key-1`"));
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"not json", "the file: expected a JSON object"},
      {"{}", "version: expected 1"},
      {R"({"version":2})", "version: expected 1"},
      {R"({"version":1,"key_id":"key-1"})", "findings: expected a list"},
      {R"({"version":1,"key_id":"key-1","findings":[5]})", "findings[0]: expected an object"},
      {R"({"version":1,"key_id":"key-1","findings":[{"id":"x"}]})", "findings[0].id: expected 32"},
      {absl::StrReplaceAll(good, {{"\"count\":1", "\"count\":0"}}), "findings[0].count: expected"},
  };
  for (const auto& [text, message] : kCases) {
    Write("bad.json", text);
    const Result result = Scan({"--baseline", "bad.json", "--fingerprint-key", "key", "s"});
    EXPECT_EQ(result.code, kExitError);
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat("baseline bad.json: ", message)));
  }
}

TEST_F(ScanPolicyTest, SortsWhenAsked) {
  // A large first file ends last.
  Write("s/a.txt", std::string(20'000'000, ' ') + Text(kVisa));
  for (int i = 10; i < 90; ++i) Write(absl::StrCat("s/b", i, ".txt"), Text(kVisa) + Text(kAmex));
  const Result result = Scan({"--format", "json", "--sort", "--jobs", "4", "s"});
  std::vector<std::pair<std::string, uint64_t>> order;
  for (const json& line : JsonLines(result.out)) order.emplace_back(line["path"], line["offset"]);
  EXPECT_EQ(order.size(), 161U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(Scan({"--format", "json", "--sort", "--jobs", "1", "s"}).out, result.out);
}

TEST_F(ScanPolicyTest, CountsFindingsByFileAndBrand) {
  Write("s/a.txt", Text(kVisa));
  Write("s/b.txt", Text(kVisa) + Text(kAmex) + Text(kVisa));
  const Result result = Scan({"--stats", "--format", "json", "s"});
  const json stats = json::parse(result.err)["stats"];
  EXPECT_EQ(stats["findings_by_file"], json({{"s/a.txt", 1}, {"s/b.txt", 3}}));
  EXPECT_EQ(stats["findings_by_brand"]["amex"], json({{"high", 1}}));
  EXPECT_TRUE(stats["bytes_per_second"].is_number_unsigned());
  const Result text = Scan({"--stats", "s"});
  EXPECT_LT(text.err.find("in s/b.txt:"), text.err.find("in s/a.txt:"));
}

// What the schema of SARIF 2.1.0 asks of the parts that are written (OASIS, sarif-schema-2.1.0):
// required properties, types, enumerations, and no property that it does not know.
class SarifSchema {
 public:
  void Check(const json& document) {
    Object("document", document, {"version", "runs"}, {"$schema"});
    EXPECT_EQ(document["version"], "2.1.0");
    ASSERT_EQ(document["runs"].size(), 1U);
    const json& run = document["runs"][0];
    Object("run", run, {"tool", "results"}, {"columnKind", "invocations"});
    EXPECT_EQ(run["columnKind"], "utf16CodeUnits");
    Object("tool", run["tool"], {"driver"}, {});
    const json& driver = run["tool"]["driver"];
    Object("driver", driver, {"name"}, {"version", "semanticVersion", "rules"});
    for (const json& rule : driver["rules"]) {
      Object("rule", rule, {"id"},
             {"name", "shortDescription", "fullDescription", "help", "defaultConfiguration",
              "properties"});
      for (const char* const text : {"shortDescription", "fullDescription", "help"}) {
        Object(text, rule[text], {"text"}, {"markdown"});
      }
      EXPECT_TRUE(rule["properties"]["security-severity"].is_string());
      EXPECT_TRUE(rule_ids_.insert(rule["id"]).second) << "an id twice";
      rules_.push_back(rule["id"]);
    }
    for (const json& invocation : run["invocations"]) {
      Object("invocation", invocation, {"executionSuccessful"}, {"exitCode"});
      EXPECT_TRUE(invocation["executionSuccessful"].is_boolean());
    }
    for (const json& result : run["results"]) Result(result);
  }

 private:
  static void Object(const std::string& what, const json& value,
                     const std::set<std::string>& required, std::set<std::string> known) {
    ASSERT_TRUE(value.is_object()) << what;
    for (const std::string& name : required) EXPECT_TRUE(value.contains(name)) << what << name;
    known.insert(required.begin(), required.end());
    for (const auto& [name, ignored] : value.items()) {
      EXPECT_TRUE(known.contains(name)) << what << " has " << name;
    }
  }

  void Result(const json& result) {
    Object(
        "result", result, {"message"},
        {"ruleId", "ruleIndex", "level", "rank", "locations", "partialFingerprints", "properties"});
    ASSERT_LT(result["ruleIndex"].get<size_t>(), rules_.size());
    EXPECT_EQ(result["ruleId"], rules_[result["ruleIndex"].get<size_t>()]);
    EXPECT_TRUE(
        std::set<std::string>({"none", "note", "warning", "error"}).contains(result["level"]));
    EXPECT_GE(result["rank"], 0);
    EXPECT_LE(result["rank"], 100);
    Object("message", result["message"], {"text"}, {});
    for (const auto& [name, value] : result["partialFingerprints"].items()) {
      EXPECT_TRUE(value.is_string()) << name;
    }
    ASSERT_EQ(result["locations"].size(), 1U);
    const json& location = result["locations"][0];
    Object("location", location, {}, {"physicalLocation", "logicalLocations"});
    const json& physical = location["physicalLocation"];
    Object("physicalLocation", physical, {"artifactLocation", "region"}, {});
    Object("artifactLocation", physical["artifactLocation"], {"uri"}, {"uriBaseId"});
    const std::string uri = physical["artifactLocation"]["uri"];
    // RFC 3986.
    for (size_t i = 0; i < uri.size(); ++i) {
      const auto byte = static_cast<unsigned char>(uri[i]);
      EXPECT_TRUE(std::isalnum(byte) != 0 ||
                  std::string("-._~/:%").find(uri[i]) != std::string::npos)
          << uri;
    }
    const json& region = physical["region"];
    Object("region", region, {},
           {"startLine", "startColumn", "endLine", "endColumn", "byteOffset", "byteLength"});
    for (const char* const name : {"startLine", "startColumn", "endLine", "endColumn"}) {
      EXPECT_GE(region.value(name, 1), 1) << name;
    }
  }

  std::set<std::string> rule_ids_;
  std::vector<std::string> rules_;
};

TEST_F(ScanPolicyTest, WritesSarifThatFitsTheSchema) {
  Write("s/a b.txt", "x\n\xc3\xbc\xf0\x9f\x92\xb3 " + Text(kVisa));
  Write("s/bad\xff.txt", Text(kAmex));
  Write("s/bare.txt", absl::StrCat("x ", std::string(kMastercard), " y"));
  Write("s/track", absl::StrCat(";", std::string(kVisa), "=29121010000000000000?\n"));
  Write("s/z.zip", testing::Archive("zip", {{"in.txt", Text(kAmex)}}));
  const Result result = Scan({"--format", "sarif", "--jobs", "4", "s"});
  EXPECT_EQ(result.code, kExitFound);
  const json document = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(document.is_discarded()) << result.out;
  SarifSchema().Check(document);
  for (const std::string_view number : {kVisa, kAmex, kMastercard}) {
    EXPECT_THAT(result.out, Not(HasSubstr(number)));
  }
  const json& results = document["runs"][0]["results"];
  ASSERT_EQ(results.size(), 5U);
  const json& first = results[0];
  EXPECT_EQ(first["ruleId"], "pan");
  EXPECT_EQ(first["level"], "error");
  EXPECT_THAT(first["message"]["text"].get<std::string>(), HasSubstr("411111******1111"));
  const json& place = first["locations"][0]["physicalLocation"];
  EXPECT_EQ(place["artifactLocation"], json({{"uri", "s/a%20b.txt"}, {"uriBaseId", "%SRCROOT%"}}));
  // Columns of UTF-16, offsets of bytes.
  EXPECT_EQ(place["region"], json({{"startLine", 2},
                                   {"startColumn", 18},
                                   {"endLine", 2},
                                   {"endColumn", 34},
                                   {"byteOffset", 22},
                                   {"byteLength", 16}}));
  EXPECT_EQ(results[3]["ruleId"], "track2");
  EXPECT_THAT(
      results[4]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].get<std::string>(),
      HasSubstr("z.zip!in.txt"));
  EXPECT_EQ(document["runs"][0]["invocations"][0]["executionSuccessful"], true);
  EXPECT_EQ(document["runs"][0]["invocations"][0]["exitCode"], kExitFound);
}

TEST_F(ScanPolicyTest, WritesSarifOfNothingAndOfErrors) {
  Write("s/a.txt", "nothing");
  const Result nothing = Scan({"--format", "sarif", "s"});
  EXPECT_EQ(nothing.code, kExitNothingFound);
  const json document = json::parse(nothing.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_FALSE(document.is_discarded()) << nothing.out;
  SarifSchema().Check(document);
  EXPECT_THAT(document["runs"][0]["results"], IsEmpty());
  const json failed = json::parse(Scan({"--format", "sarif", "missing"}).out);
  EXPECT_EQ(failed["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

TEST_F(ScanPolicyTest, GivesSarifFingerprintsThatOutliveMoves) {
  Write("s/a.txt", Text(kVisa) + Text(kAmex) + Text(kVisa));
  const auto fingerprints = [&] {
    std::set<std::string> all;
    const json document = json::parse(Scan({"--format", "sarif", "s"}).out);
    for (const json& result : document["runs"][0]["results"]) {
      all.insert(result["partialFingerprints"]["skimwatchMasked/v1"]);
    }
    return all;
  };
  const std::set<std::string> before = fingerprints();
  EXPECT_EQ(before.size(), 3U);
  Write("s/a.txt", "\n\nmore\n" + Text(kAmex) + Text(kVisa) + "\n" + Text(kVisa));
  EXPECT_EQ(fingerprints(), before);
}

}  // namespace
}  // namespace skimwatch::offline
