#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SMALL_DISK_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SMALL_DISK_H_

#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace skimwatch::integration {

// A file system of a few MiB in memory, which fills up and can be made larger. Needs root.
class SmallDisk {
 public:
  // Mounts it at `path`, a folder that it makes.
  SmallDisk(std::string path, uint64_t mib) : path_(std::move(path)) {
    mkdir(path_.c_str(), S_IRWXU);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, Size(mib).c_str()) == 0;
  }
  // What still has files open there keeps it until it ends.
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }

  bool Resize(uint64_t mib) {
    return mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, Size(mib).c_str()) == 0;
  }

 private:
  static std::string Size(uint64_t mib) { return absl::StrCat("mode=0700,size=", mib, "m"); }

  const std::string path_;
  bool mounted_ = false;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SMALL_DISK_H_
