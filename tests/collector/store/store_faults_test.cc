#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "collector/store/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sqlite3.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::store {
namespace {

using testing::CardFinding;
using ::testing::HasSubstr;
using testing::Stored;
using testing::TempFolder;
using testing::TempStore;

absl::Status InsertMany(Store& store, uint64_t first, uint64_t count) {
  return store.Write([&](Transaction& tx) -> absl::Status {
    for (uint64_t i = first; i < first + count; ++i) {
      absl::Status s = tx.InsertFinding(Stored(CardFinding(i), "a", 1, absl::FromUnixSeconds(i)),
                                        v1::FINDING_KIND_CARD_NUMBER);
      if (!s.ok()) return s;
    }
    return tx.AdvanceCommittedSequence("a", 1, first + count - 1);
  });
}

absl::StatusOr<std::unique_ptr<Store>> OpenAt(const std::string& path) {
  Options options;
  options.config.set_path(path);
  return OpenSqliteStore(options);
}

void Execute(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
}

TEST(StoreFaults, NoRoomChangesNothingAndPasses) {
  Options options;
  options.bytes_max = 1 << 20;
  TempStore store(options);
  uint64_t committed = 0;
  absl::Status status;
  while (status.ok() && committed < 100'000) {
    status = InsertMany(*store, committed + 1, 500);
    if (status.ok()) committed += 500;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("make room"));
  EXPECT_GT(committed, 0u);
  EXPECT_EQ(*store->CommittedSequence("a", 1), committed);
  EXPECT_EQ(store->Errors().write, 1u);
  // Retention makes room.
  ASSERT_TRUE(store->DeleteFindingsBefore(absl::FromUnixSeconds(1000), 100'000).ok());
  EXPECT_TRUE(InsertMany(*store, committed + 1, 500).ok());
  EXPECT_EQ(*store->CommittedSequence("a", 1), committed + 500);
}

TEST(StoreFaults, AFileSizeLimitIsAnErrorAndNotTheEnd) {
  // In a child, because limits are a process's own.
  TempFolder folder;
  const std::string path = folder.File("store.db");
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto store = OpenAt(path);
    if (!store.ok() || !InsertMany(**store, 1, 100).ok()) _exit(1);
    rlimit limit = {};
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 512 << 10;
    setrlimit(RLIMIT_FSIZE, &limit);
    absl::Status status;
    uint64_t committed = 100;
    while (status.ok() && committed < 100'000) {
      status = InsertMany(**store, committed + 1, 200);
      if (status.ok()) committed += 200;
    }
    if (!absl::IsUnavailable(status) && !absl::IsResourceExhausted(status)) _exit(2);
    if (*(*store)->CommittedSequence("a", 1) != committed) _exit(3);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!InsertMany(**store, committed + 1, 200).ok()) _exit(4);
    if (*(*store)->CommittedSequence("a", 1) != committed + 200) _exit(5);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(StoreFaults, KilledInMidCommitKeepsExactlyWhatItSaid) {
  TempFolder folder;
  const std::string path = folder.File("store.db");
  int said[2];
  ASSERT_EQ(pipe(said), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto store = OpenAt(path);
    if (!store.ok()) _exit(1);
    for (uint64_t first = 1;; first += 50) {
      if (!InsertMany(**store, first, 50).ok()) _exit(2);
      const uint64_t committed = first + 49;
      if (write(said[1], &committed, sizeof committed) != sizeof committed) _exit(3);
    }
  }
  close(said[1]);
  uint64_t committed = 0;
  for (int i = 0; i < 40; ++i) ASSERT_EQ(read(said[0], &committed, sizeof committed), 8);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (uint64_t more; read(said[0], &more, sizeof more) == sizeof more;) committed = more;
  close(said[0]);

  auto store = OpenAt(path);
  ASSERT_TRUE(store.ok()) << store.status();
  const uint64_t found = *(*store)->CommittedSequence("a", 1);
  // One more may have been committed and not said.
  EXPECT_TRUE(found == committed || found == committed + 50) << found << " of " << committed;
  EXPECT_EQ((*store)->Summarize()->finding_totals[0].findings, found);
}

TEST(StoreFaults, RefusesANewerSchema) {
  TempFolder folder;
  const std::string path = folder.File("store.db");
  ASSERT_TRUE(OpenAt(path).ok());
  Execute(path, "PRAGMA user_version = 99");
  const absl::Status status = OpenAt(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("schema version 99"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(StoreFaults, RefusesAnotherProgramsDatabase) {
  TempFolder folder;
  const std::string path = folder.File("other.db");
  Execute(path, "CREATE TABLE bookmarks (url TEXT)");
  const absl::Status status = OpenAt(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another program"));
}

TEST(StoreFaults, RefusesWhatIsNoDatabase) {
  TempFolder folder;
  const std::string path = folder.File("notes.txt");
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_EQ(OpenAt(path).status().code(), absl::StatusCode::kDataLoss);
}

TEST(StoreFaults, NamesAFolderThatIsNotThere) {
  TempFolder folder;
  const absl::Status status = OpenAt(folder.File("no/such/store.db")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("create its folder"));
}

TEST(StoreFaults, DamagedPagesAreDataLossAndNoCrash) {
  TempFolder folder;
  const std::string path = folder.File("store.db");
  {
    auto store = OpenAt(path);
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE(InsertMany(**store, 1, 5000).ok());
  }
  // The schema stays; everything behind it is overwritten.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(0, std::ios::end);
  const int64_t size = file.tellp();
  file.seekp(100 * 4096);
  file << std::string(static_cast<size_t>(size - 100 * 4096), '\xa5');
  file.close();
  auto store = OpenAt(path);
  ASSERT_TRUE(store.ok()) << store.status();
  v1::ListFindingsRequest request;
  request.set_page_size(1000);
  EXPECT_EQ((*store)->ListFindings(request).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_GT((*store)->Errors().read, 0u);
}

TEST(StoreFaults, ACheckpointHappensBesideCommits) {
  TempStore store;
  for (uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(InsertMany(*store, i * 500 + 1, 500).ok());
  const auto size = [&] {
    std::ifstream file(store.path(), std::ios::ate | std::ios::binary);
    return static_cast<int64_t>(file.tellg());
  };
  for (int i = 0; i < 200 && size() < (2 << 20); ++i) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_GE(size(), 2 << 20);
  EXPECT_EQ(store->Errors().checkpoint, 0u);
}

}  // namespace
}  // namespace skimwatch::store
