#include "agent/script/version_store.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/script_version.h"
#include "gtest/gtest.h"
#include "tests/agent/script/support/tree.h"

namespace skimwatch::script {
namespace {

using ::skimwatch::testing::Tree;

class VersionStoreTest : public ::testing::Test {
 protected:
  void Open(uint64_t bytes_max = 1 << 20) {
    store_.reset();
    auto store = VersionStore::Open(tree_.At("versions"), bytes_max);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // Text that can't be compressed much.
  static std::string Noise(int seed, size_t size) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::string text;
    for (size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('!' + random() % 90));
    return text;
  }
  void Put(const std::string& name, const std::string& text) {
    KeptVersion version;
    version.facts.emplace_back().set_name("network_sink");
    version.text = text;
    store_->Put(Sha256(name), version);
  }
  std::string TextOf(const std::string& name) {
    const auto version = store_->Get(Sha256(name));
    return version && version->text ? *version->text : "none";
  }
  std::string FileOf(const std::string& name, const std::string& kind) const {
    return absl::StrCat(tree_.At("versions"), "/", absl::BytesToHexString(Sha256(name)), kind);
  }

  Tree tree_;
  std::unique_ptr<VersionStore> store_;
};

TEST_F(VersionStoreTest, KeepsFactsAndTextOverARestart) {
  Open();
  Put("a", "text a");
  Open();
  EXPECT_EQ(TextOf("a"), "text a");
  EXPECT_EQ(store_->Get(Sha256("a"))->facts[0].name(), "network_sink");
  EXPECT_FALSE(store_->Get(Sha256("b")).has_value());
}

TEST_F(VersionStoreTest, HeldVersionsStayAndReleasedOnesGo) {
  Open();
  Put("a", "text a");
  store_->Hold(Sha256("a"));
  store_->Hold(Sha256("a"));
  store_->Release(Sha256("a"));
  EXPECT_EQ(TextOf("a"), "text a");
  store_->Release(Sha256("a"));
  EXPECT_EQ(TextOf("a"), "none");
  EXPECT_EQ(store_->GetStats().bytes, 0u);
  EXPECT_TRUE(std::filesystem::is_empty(tree_.At("versions")));
}

TEST_F(VersionStoreTest, UnheldVersionsOfACrashAreDropped) {
  Open();
  Put("a", "text a");
  Put("b", "text b");
  Open();
  store_->Hold(Sha256("b"));
  store_->DropUnheld();
  EXPECT_EQ(TextOf("a"), "none");
  EXPECT_EQ(TextOf("b"), "text b");
}

TEST_F(VersionStoreTest, MakesRoomByTheOldestTextsAndCounts) {
  Open(10'000);
  for (int i = 0; i < 10; ++i) Put(absl::StrCat(i), Noise(i, 2000));
  EXPECT_LE(store_->GetStats().bytes, 10'000u);
  EXPECT_GT(store_->GetStats().evicted, 0u);
  EXPECT_EQ(TextOf("0"), "none");
  // Its facts stay: what a change gains is still known.
  EXPECT_TRUE(store_->Get(Sha256("0")).has_value());
  EXPECT_EQ(TextOf("9"), Noise(9, 2000));
}

TEST_F(VersionStoreTest, SmallerLimitHoldsFromTheStart) {
  Open();
  for (int i = 0; i < 10; ++i) Put(absl::StrCat(i), Noise(i, 2000));
  Open(5000);
  EXPECT_LE(store_->GetStats().bytes, 5000u);
}

TEST_F(VersionStoreTest, DamagedFilesAreCountedAndGone) {
  Open();
  Put("a", "text a");
  Put("b", "text b");
  std::ofstream(FileOf("a", ".facts")) << "garbage";
  std::ofstream(FileOf("b", ".text")) << "garbage";
  EXPECT_FALSE(store_->Get(Sha256("a")).has_value());
  EXPECT_TRUE(store_->Get(Sha256("b")).has_value());
  EXPECT_EQ(TextOf("b"), "none");
  EXPECT_EQ(store_->GetStats().damaged, 2u);
  // And can be put again.
  Put("a", "text a");
  EXPECT_EQ(TextOf("a"), "text a");
}

TEST_F(VersionStoreTest, UnfinishedFilesOfACrashAreRemoved) {
  Open();
  std::ofstream(FileOf("a", ".text.new")) << "half";
  Open();
  EXPECT_TRUE(std::filesystem::is_empty(tree_.At("versions")));
}

TEST_F(VersionStoreTest, WhatCannotBeWrittenIsCounted) {
  Open();
  std::filesystem::remove_all(tree_.At("versions"));
  Put("a", "text a");
  EXPECT_GT(store_->GetStats().write_errors, 0u);
  EXPECT_NE(store_->GetStats().last_error, "");
  EXPECT_EQ(TextOf("a"), "none");
}

}  // namespace
}  // namespace skimwatch::script
