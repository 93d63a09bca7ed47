#ifndef SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_TREE_H_
#define SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_TREE_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace skimwatch::testing {

// A folder on disk that goes with the test.
class Tree {
 public:
  Tree() {
    std::string pattern = ::testing::TempDir() + "skimwatch.XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = std::filesystem::canonical(pattern);
  }
  ~Tree() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const std::string& path() const { return path_; }
  std::string At(const std::string& name) const { return path_ + "/" + name; }

  // Makes the folders above.
  void Write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(At(name)).parent_path());
    std::ofstream file(At(name), std::ios::binary | std::ios::trunc);
    file << text;
    EXPECT_TRUE(file.good()) << name;
  }
  // As editors and deployments do: beside it, then over it.
  void Replace(const std::string& name, std::string_view text) const {
    Write(name + ".tmp", text);
    std::filesystem::rename(At(name + ".tmp"), At(name));
  }
  void Remove(const std::string& name) const { std::filesystem::remove_all(At(name)); }
  void Move(const std::string& from, const std::string& to) const {
    std::filesystem::rename(At(from), At(to));
  }
  void MakeFolder(const std::string& name) const { std::filesystem::create_directories(At(name)); }
  void Link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, At(name));
  }

 private:
  std::string path_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_SCRIPT_SUPPORT_TREE_H_
