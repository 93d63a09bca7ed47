#include "agent/script/source/folder_watches.h"

#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

// Watches by path, with folders that can move and keep their number.
class FakeNotifier : public Notifier {
 public:
  absl::StatusOr<int> Watch(const std::string& path) override {
    const auto [entry, is_new] = numbers_.try_emplace(path, next_);
    if (is_new) ++next_;
    return entry->second;
  }
  void Unwatch(int watch) override { unwatched.push_back(watch); }
  absl::Status Read(absl::Duration, std::vector<Notification>&) override {
    return absl::OkStatus();
  }
  void Wake() override {}
  void MoveFolder(const std::string& from, const std::string& to) {
    numbers_[to] = numbers_[from];
    numbers_.erase(from);
  }

  std::vector<int> unwatched;

 private:
  std::map<std::string, int> numbers_;
  int next_ = 1;
};

class FolderWatchesTest : public ::testing::Test {
 protected:
  void Add(const std::string& folder) { ASSERT_TRUE(watches_.Add(folder).ok()); }
  std::string FolderOf(int watch) const {
    const std::string* folder = watches_.FolderOf(watch);
    return folder == nullptr ? "none" : *folder;
  }

  const std::string root_ = "/r";
  FakeNotifier notifier_;
  FolderWatches watches_{notifier_, root_};
};

TEST_F(FolderWatchesTest, NamesTheFolderOfAWatch) {
  Add("");
  Add("a");
  Add("a/b");
  EXPECT_EQ(FolderOf(1), "");
  EXPECT_EQ(FolderOf(3), "a/b");
  EXPECT_EQ(FolderOf(9), "none");
}

TEST_F(FolderWatchesTest, RemovesAFolderWithWhatIsBelowAndNothingElse) {
  for (const char* folder : {"", "a", "a-b", "a/x", "a/x/y", "ab", "b"}) Add(folder);
  watches_.RemoveBelow("a");
  EXPECT_EQ(notifier_.unwatched, (std::vector<int>{2, 4, 5}));
  for (const char* left : {"", "a-b", "ab", "b"}) EXPECT_TRUE(watches_.Contains(left)) << left;
  EXPECT_EQ(watches_.size(), 4u);
}

TEST_F(FolderWatchesTest, MovedFolderGetsItsNewPath) {
  Add("");
  Add("a");
  notifier_.MoveFolder("/r/a", "/r/b");
  Add("b");
  EXPECT_EQ(FolderOf(2), "b");
  EXPECT_FALSE(watches_.Contains("a"));
  // The news that `a` went comes late and must not hurt.
  watches_.RemoveBelow("a");
  EXPECT_EQ(FolderOf(2), "b");
}

TEST_F(FolderWatchesTest, AnotherFolderUnderAKnownPathTakesIt) {
  Add("a");
  notifier_.MoveFolder("/r/a", "/elsewhere");
  Add("a");
  EXPECT_EQ(FolderOf(2), "a");
  EXPECT_EQ(FolderOf(1), "none");
  watches_.Ended(1);
  EXPECT_TRUE(watches_.Contains("a"));
}

TEST_F(FolderWatchesTest, EndedWatchIsForgotten) {
  Add("a");
  watches_.Ended(1);
  EXPECT_EQ(FolderOf(1), "none");
  EXPECT_EQ(watches_.size(), 0u);
}

}  // namespace
}  // namespace skimwatch::script
