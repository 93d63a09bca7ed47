#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/inline_scripts.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/agent/script/support/monitor_fixture.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::MonitorFixture;

// Random work on a tree while the monitor watches. In the end what was said last of every name is
// what is on the disk, and nothing is said of what is not.
class TreeModelTest : public MonitorFixture, public ::testing::WithParamInterface<int> {
 protected:
  std::string RandomFolder() {
    std::string folder;
    for (int depth = static_cast<int>(random_() % 4); depth > 0; --depth) {
      absl::StrAppend(&folder, "d", random_() % 3, "/");
    }
    return folder;
  }
  std::string RandomFile() {
    const bool is_page = random_() % 4 == 0;
    return absl::StrCat(RandomFolder(), "f", random_() % 4, is_page ? ".html" : ".js");
  }
  std::string RandomText(const std::string& file) {
    const uint64_t number = random_() % 1000;
    if (!file.ends_with(".html")) return absl::StrCat("var x=", number, ";");
    std::string page;
    for (uint64_t i = 0; i <= number % 4; ++i) {
      absl::StrAppend(&page, "<script>s(", random_() % 20, ")</script>");
    }
    return page;
  }

  // Most find their way barred now and then, which is as good as any.
  void Step() {
    std::error_code ignored;
    const std::string file = RandomFile();
    const std::string folder = RandomFolder();
    const uint64_t dice = random_() % 100;
    if (dice < 35) {
      TryWrite(file, RandomText(file));
    } else if (dice < 55) {
      const std::string beside = absl::StrCat(folder, "t.tmp");
      TryWrite(beside, RandomText(file));
      std::filesystem::rename(root_.At(beside), root_.At(file), ignored);
    } else if (dice < 65) {
      std::filesystem::remove(root_.At(file), ignored);
    } else if (dice < 72) {
      std::filesystem::create_directories(root_.At(folder), ignored);
    } else if (dice < 85) {
      if (!folder.empty()) {
        std::filesystem::rename(root_.At(folder), root_.At(absl::StrCat("d", random_() % 3)),
                                ignored);
      }
    } else if (dice < 90) {
      if (!folder.empty()) std::filesystem::remove_all(root_.At(folder), ignored);
    } else if (dice < 95) {
      // Out of the tree and in again, with what was made there meanwhile.
      const std::string out = aside_.At(absl::StrCat("o", random_() % 2));
      if (!folder.empty()) std::filesystem::rename(root_.At(folder), out, ignored);
      if (std::filesystem::exists(out)) {
        std::ofstream(out + "/f1.js") << random_() % 1000;
        std::filesystem::rename(out, root_.At("d1"), ignored);
      }
    } else {
      std::filesystem::create_symlink("f0.js", root_.At(absl::StrCat(folder, "f3.js")), ignored);
    }
  }
  void TryWrite(const std::string& file, const std::string& text) const {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(root_.At(file)).parent_path(),
                                        ignored);
    std::ofstream(root_.At(file)) << text;
  }

  // Files that are scripts, and pages by the set of their scripts' hashes.
  std::map<std::string, std::multiset<std::string>> OnDisk() const {
    std::map<std::string, std::multiset<std::string>> disk;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_.path())) {
      const std::string name = entry.path().lexically_relative(root_.path());
      std::error_code error;
      const bool is_file = std::filesystem::is_regular_file(entry.path(), error);
      if (!is_file) continue;
      std::ifstream file(entry.path());
      const std::string text{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
      if (name.ends_with(".js")) {
        disk[name].insert(Sha256(text));
      } else if (name.ends_with(".html")) {
        std::set<std::string> hashes;
        for (const auto& script : ExtractInlineScripts(text)) hashes.insert(Sha256(script.text));
        if (!hashes.empty()) disk[name] = {hashes.begin(), hashes.end()};
      }
    }
    return disk;
  }
  std::map<std::string, std::multiset<std::string>> Said() const {
    std::map<std::string, std::multiset<std::string>> said;
    for (const auto& [name, sha256] : sink_.Served()) {
      said[name.second.substr(0, name.second.find('#'))].insert(sha256);
    }
    return said;
  }
  // Names, for a message that can be read.
  static std::string Difference(const std::map<std::string, std::multiset<std::string>>& disk,
                                const std::map<std::string, std::multiset<std::string>>& said) {
    std::string difference;
    for (const auto& [name, hashes] : disk) {
      const auto entry = said.find(name);
      if (entry == said.end()) {
        absl::StrAppend(&difference, " unsaid:", name);
      } else if (entry->second != hashes) {
        absl::StrAppend(&difference, " differs:", name);
      }
    }
    for (const auto& [name, hashes] : said) {
      if (!disk.contains(name)) absl::StrAppend(&difference, " gone:", name);
    }
    return difference;
  }

  testing::Tree aside_;
  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
};

TEST_P(TreeModelTest, WhatWasSaidLastIsWhatIsThere) {
  spdlog::set_level(spdlog::level::off);
  options_.settle = absl::Milliseconds(GetParam() % 2 == 0 ? 2 : 10);
  for (int i = 0; i < 30; ++i) Step();
  Start();
  for (int i = 0; i < 600; ++i) {
    Step();
    if (random_() % 20 == 0) absl::SleepFor(absl::Milliseconds(random_() % 15));
    // Restarted in the middle of it.
    if (i == 300) {
      monitor_.reset();
      for (int away = 0; away < 20; ++away) Step();
      Open();
      monitor_->Start();
    }
  }
  const auto disk = OnDisk();
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (disk != Said() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(Difference(disk, Said()), "");
  // It stays so, and a full look has nothing to add.
  AwaitQuiet();
  EXPECT_EQ(Difference(disk, Said()), "");
  EXPECT_EQ(monitor_->GetStats().rescans, 1u) << "the watches alone had to find it";
  const size_t size = sink_.size();
  monitor_.reset();
  Start();
  EXPECT_EQ(sink_.Said(size), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TreeModelTest, ::testing::Range(1, 9));

}  // namespace
}  // namespace skimwatch::script
