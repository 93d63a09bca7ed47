#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "collector/store/store.h"
#include "gtest/gtest.h"

namespace skimwatch::testing {

// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = ::testing::TempDir() + "skimwatch.XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A store in a folder of its own.
class TempStore {
 public:
  explicit TempStore(store::Options options = {}) : options_(std::move(options)) {
    options_.config.set_path(folder_.File("store.db"));
    Open();
  }

  store::Store& operator*() { return *store_; }
  store::Store* operator->() { return store_.get(); }
  store::Store* get() { return store_.get(); }
  const std::string& path() const { return options_.config.path(); }
  const TempFolder& folder() const { return folder_; }

  void Reopen() {
    store_.reset();
    Open();
  }

 private:
  void Open() {
    auto opened = store::OpenSqliteStore(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  TempFolder folder_;
  store::Options options_;
  std::unique_ptr<store::Store> store_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_
