#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::testing {

// A store in a folder of its own, or in the database that the options name.
class TempStore {
 public:
  explicit TempStore(store::Options options = {}) : options_(std::move(options)) {
    if (!options_.config.has_postgres()) options_.config.set_path(folder_.File("store.db"));
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
    auto opened = store::OpenStore(options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }

  TempFolder folder_;
  store::Options options_;
  std::unique_ptr<store::Store> store_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEMP_STORE_H_
