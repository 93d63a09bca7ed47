#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TEMPORARY_FOLDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TEMPORARY_FOLDER_H_

#include <string>
#include <string_view>

namespace skimwatch::traffic {

// A folder that goes with what is in it, and the things that happen to log files.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  void Append(const std::string& name, std::string_view bytes) const;
  void Rename(const std::string& from, const std::string& to) const;
  void Remove(const std::string& name) const;
  void Truncate(const std::string& name) const;
  std::string Read(const std::string& name) const;
  bool Exists(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SOURCE_TEMPORARY_FOLDER_H_
