#include "tests/agent/traffic/source/temporary_folder.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "gtest/gtest.h"

namespace skimwatch::traffic {

TemporaryFolder::TemporaryFolder() : path_(testing::TempDir() + "log_tail.XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  EXPECT_FALSE(error) << path_ << ": " << error.message();
}

void TemporaryFolder::Append(const std::string& name, std::string_view bytes) const {
  std::ofstream file(PathOf(name), std::ios::binary | std::ios::app);
  file << bytes;
  file.close();
  EXPECT_TRUE(file.good()) << name;
}

void TemporaryFolder::Rename(const std::string& from, const std::string& to) const {
  EXPECT_EQ(rename(PathOf(from).c_str(), PathOf(to).c_str()), 0) << from;
}

void TemporaryFolder::Remove(const std::string& name) const {
  EXPECT_EQ(unlink(PathOf(name).c_str()), 0) << name;
}

void TemporaryFolder::Truncate(const std::string& name) const {
  EXPECT_EQ(truncate(PathOf(name).c_str(), 0), 0) << name;
}

std::string TemporaryFolder::Read(const std::string& name) const {
  std::ifstream file(PathOf(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool TemporaryFolder::Exists(const std::string& name) const {
  return access(PathOf(name).c_str(), F_OK) == 0;
}

}  // namespace skimwatch::traffic
