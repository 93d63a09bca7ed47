#include "agent/pipeline/process_usage.h"

#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace skimwatch::pipeline {
namespace {

// Fields of /proc/self/stat behind the command name, from 0: proc(5) counts from 1, and three stand
// before these.
constexpr size_t kUserTicks = 11;
constexpr size_t kSystemTicks = 12;
constexpr size_t kStartTicks = 19;
constexpr size_t kResidentPages = 21;

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

double BootTime() {
  const std::string stat = ReadAll("/proc/stat");
  const size_t at = stat.find("\nbtime ");
  double seconds = 0;
  if (at == std::string::npos) return 0;
  const size_t begin = at + 7;
  if (!absl::SimpleAtod(stat.substr(begin, stat.find('\n', begin) - begin), &seconds)) return 0;
  return seconds;
}

}  // namespace

absl::StatusOr<ProcessLoad> ReadProcessLoad() {
  const std::vector<std::string> fields = absl::StrSplit(ReadAll("/proc/self/statm"), ' ');
  uint64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) {
    return absl::UnavailableError("can't read /proc/self/statm");
  }
  // /proc/self/stat counts in ticks of 10 ms, which is too coarse for a second.
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return ProcessLoad{
      .cpu_seconds = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9,
      .resident_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE))};
}

absl::StatusOr<ProcessUsage> ReadProcessUsage() {
  const std::string stat = ReadAll("/proc/self/stat");
  // The command name may hold spaces and brackets; it ends with the last one.
  const size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return absl::UnavailableError("can't read /proc/self/stat");
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(name_end + 2), ' ', absl::SkipEmpty());
  if (fields.size() <= kResidentPages) {
    return absl::UnavailableError("/proc/self/stat has too few fields");
  }
  const auto field = [&](size_t index) {
    uint64_t value = 0;
    return absl::SimpleAtoi(fields[index], &value) ? value : uint64_t{0};
  };
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessUsage usage;
  usage.resident_bytes = field(kResidentPages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  usage.cpu_seconds =
      static_cast<double>(field(kUserTicks) + field(kSystemTicks)) / ticks_per_second;
  usage.started_at = BootTime() + static_cast<double>(field(kStartTicks)) / ticks_per_second;
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (!error) {
    usage.open_files = static_cast<uint64_t>(std::distance(begin(files), end(files)));
  }
  return usage;
}

}  // namespace skimwatch::pipeline
