#include "agent/traffic/source/tls_uprobe/process_table.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kContainerIdDigits = 64;

// The first bytes of a file of /proc; empty where it can't be read.
std::string ReadStatusFile(const std::string& path) {
  constexpr size_t kBytesMax = 16 << 10;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::string();
  std::string text(kBytesMax, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  close(fd);
  text.resize(size);
  return text;
}

std::string ReadLink(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  return size <= 0 ? std::string() : std::string(target.data(), static_cast<size_t>(size));
}

// The path in /proc/PID/cgroup (cgroups(7)): of the unified hierarchy, else of the first line with
// more than `/`.
std::string CgroupPathOf(std::string_view text) {
  std::string path;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (path.size() <= 1 || (parts[0] == "0" && parts[2].size() > 1)) path = std::string(parts[2]);
  }
  return path;
}

// A unit's name without the escapes of systemd.unit(5), by which `-` within a part is `\x2d`.
std::string WithoutEscapes(std::string_view name) {
  std::string plain;
  for (size_t i = 0; i < name.size(); ++i) {
    int code = 0;
    if (name.substr(i).starts_with("\\x") && i + 4 <= name.size() &&
        absl::SimpleHexAtoi(absl::string_view(name.data() + i + 2, 2), &code)) {
      plain.push_back(static_cast<char>(code));
      i += 3;
    } else {
      plain.push_back(name[i]);
    }
  }
  return plain;
}

// What follows one of the known beginnings in a part of a cgroup's path, up to the unit's suffix:
// machines are known by name, not by digits. Empty where there is none.
std::string MachineNameOf(std::string_view cgroup_path) {
  struct Form {
    std::string_view begin;
    std::string_view end;
  };
  // systemd-nspawn registers a scope with systemd-machined, or runs as an instance of its unit
  // template; liblxc has a folder of its own.
  static constexpr std::array<Form, 3> kForms = {
      {{"machine-", ".scope"}, {"systemd-nspawn@", ".service"}, {"lxc.payload.", ""}}};
  std::string found;
  std::string_view before;
  for (const absl::string_view absl_part :
       absl::StrSplit(absl::string_view(cgroup_path.data(), cgroup_path.size()), '/')) {
    const std::string_view part(absl_part.data(), absl_part.size());
    // liblxc before version 4.
    if (before == "lxc" && !part.empty()) found = part;
    for (const Form& form : kForms) {
      if (!part.starts_with(form.begin) || !part.ends_with(form.end)) continue;
      const std::string_view name =
          part.substr(form.begin.size(), part.size() - form.begin.size() - form.end.size());
      // Of virtual machines, what they run is not of this host's processes.
      if (!name.starts_with("qemu")) found = WithoutEscapes(name);
    }
    before = part;
  }
  return found;
}

// In which field 22 of /proc/PID/stat counts.
uint64_t TicksOf(uint64_t nanoseconds) {
  static const auto kTicksPerSecond = static_cast<uint64_t>(std::max(sysconf(_SC_CLK_TCK), 1L));
  return nanoseconds / (1000000000 / kTicksPerSecond);
}

}  // namespace

std::string ContainerIdOf(std::string_view cgroup_path) {
  std::string found = MachineNameOf(cgroup_path);
  size_t digits = 0;
  for (size_t i = 0; i <= cgroup_path.size(); ++i) {
    const char c = i < cgroup_path.size() ? cgroup_path[i] : '/';
    const bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (is_digit) {
      ++digits;
      continue;
    }
    // `docker-ID.scope`, `/docker/ID`, `cri-containerd-ID.scope`, `crio-ID.scope`,
    // `libpod-ID.scope`; conmon watches over a container of podman or CRI-O, and is in none itself.
    if (digits == kContainerIdDigits && !cgroup_path.substr(0, i - digits).ends_with("conmon-")) {
      found = cgroup_path.substr(i - digits, digits);
    }
    digits = 0;
  }
  return found;
}

std::optional<uint64_t> StartTicksOf(std::string_view stat) {
  // The name is in parentheses, and may hold some itself.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const std::string_view rest = stat.substr(name_end + 1);
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(rest.data(), rest.size()), ' ', absl::SkipEmpty());
  // `rest` begins with field 3.
  constexpr size_t kStartTime = 22 - 3;
  uint64_t ticks = 0;
  if (fields.size() <= kStartTime || !absl::SimpleAtoi(fields[kStartTime], &ticks)) {
    return std::nullopt;
  }
  return ticks;
}

std::optional<uint64_t> ProcessTable::ReadStart(pid_t pid) const {
  return StartTicksOf(ReadStatusFile(absl::StrCat(proc_, "/", pid, "/stat")));
}

std::optional<ProcessTable::Entry> ProcessTable::Read(pid_t pid) const {
  const std::optional<uint64_t> before = ReadStart(pid);
  if (!before.has_value()) return std::nullopt;
  const std::string folder = absl::StrCat(proc_, "/", pid);
  auto process = std::make_shared<Process>();
  process->pid = static_cast<uint32_t>(pid);
  process->executable = ReadLink(folder + "/exe");
  process->command = ReadStatusFile(folder + "/comm");
  while (!process->command.empty() && process->command.back() == '\n') {
    process->command.pop_back();
  }
  process->cgroup = CgroupPathOf(ReadStatusFile(folder + "/cgroup"));
  process->container_id = ContainerIdOf(process->cgroup);
  if (ReadStart(pid) != before) return std::nullopt;
  return Entry{.pid = pid, .start_ticks = *before, .process = std::move(process)};
}

const ProcessTable::Entry& ProcessTable::Add(Entry entry) {
  const pid_t pid = entry.pid;
  if (const auto known = by_pid_.find(pid); known != by_pid_.end()) {
    entries_.erase(known->second);
    by_pid_.erase(known);
  }
  if (entries_.size() >= processes_max_ && !entries_.empty()) {
    by_pid_.erase(entries_.front().pid);
    entries_.pop_front();
  }
  entries_.push_back(std::move(entry));
  by_pid_[pid] = std::prev(entries_.end());
  return entries_.back();
}

void ProcessTable::Note(pid_t pid) {
  std::optional<Entry> entry = Read(pid);
  absl::MutexLock lock(&mutex_);
  if (!entry.has_value()) {
    ++gone_;
    return;
  }
  Add(*std::move(entry));
}

std::shared_ptr<const Process> ProcessTable::Find(pid_t pid, uint64_t start_ns,
                                                  std::string_view command) {
  const uint64_t start_ticks = TicksOf(start_ns);
  {
    absl::MutexLock lock(&mutex_);
    if (const auto known = by_pid_.find(pid);
        known != by_pid_.end() && known->second->start_ticks == start_ticks) {
      entries_.splice(entries_.end(), entries_, known->second);
      return known->second->process;
    }
  }
  std::optional<Entry> entry = Read(pid);
  absl::MutexLock lock(&mutex_);
  if (entry.has_value() && entry->start_ticks == start_ticks) {
    return Add(*std::move(entry)).process;
  }
  ++gone_;
  return Add({.pid = pid,
              .start_ticks = start_ticks,
              .process = std::make_shared<const Process>(
                  Process{.pid = static_cast<uint32_t>(pid), .command = std::string(command)})})
      .process;
}

std::shared_ptr<const Process> ProcessTable::Look(pid_t pid) const {
  std::optional<Entry> entry = Read(pid);
  return entry.has_value() ? std::move(entry->process) : nullptr;
}

bool ProcessTable::Runs(pid_t pid, uint64_t start_ns) const {
  return ReadStart(pid) == TicksOf(start_ns);
}

ProcessTable::Stats ProcessTable::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return {.processes = entries_.size(), .gone = gone_};
}

}  // namespace skimwatch::traffic
