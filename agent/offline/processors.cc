#include "agent/offline/processors.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace skimwatch::offline {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  absl::StripAsciiWhitespace(&text);
  return text;
}

// 0 where they are no quota, such as `max` or -1.
uint32_t Processors(const std::string& quota, const std::string& period) {
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!absl::SimpleAtoi(quota, &quota_us) || !absl::SimpleAtoi(period, &period_us) ||
      quota_us <= 0 || period_us <= 0) {
    return 0;
  }
  const int64_t processors = (quota_us - 1) / period_us + 1;
  constexpr int64_t kMax = 1 << 16;
  return static_cast<uint32_t>(std::min(processors, kMax));
}

uint32_t QuotaOf(const std::string& folder, bool is_unified) {
  if (!is_unified) {
    return Processors(TextOf(folder + "/cpu.cfs_quota_us"), TextOf(folder + "/cpu.cfs_period_us"));
  }
  const std::vector<std::string> parts = absl::StrSplit(TextOf(folder + "/cpu.max"), ' ');
  return parts.size() == 2 ? Processors(parts[0], parts[1]) : 0;
}

}  // namespace

uint32_t ControlGroupProcessors(const std::string& proc, const std::string& root) {
  uint32_t least = 0;
  for (const absl::string_view line : absl::StrSplit(proc, '\n')) {
    // `hierarchy:controllers:path`; version 2 has no controllers.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || !parts[2].starts_with('/')) continue;
    const bool is_unified = parts[1].empty();
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (!is_unified &&
        std::find(controllers.begin(), controllers.end(), "cpu") == controllers.end()) {
      continue;
    }
    const std::string mount = is_unified ? root : absl::StrCat(root, "/", parts[1]);
    // In a container the path may be that outside of it: then only the root is there.
    for (std::string path = parts[2];; path.resize(path.find_last_of('/'))) {
      const uint32_t quota = QuotaOf(mount + path, is_unified);
      if (quota > 0 && (least == 0 || quota < least)) least = quota;
      if (path.empty()) break;
    }
  }
  return least;
}

uint32_t AvailableProcessors() {
  cpu_set_t set;
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const auto processors = static_cast<uint32_t>(std::max(allowed, 1));
  const uint32_t quota = ControlGroupProcessors(TextOf("/proc/self/cgroup"), "/sys/fs/cgroup");
  return quota > 0 ? std::min(quota, processors) : processors;
}

}  // namespace skimwatch::offline
