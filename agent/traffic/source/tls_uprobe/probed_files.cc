#include "agent/traffic/source/tls_uprobe/probed_files.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/card/mask.h"
#include "agent/traffic/source/tls_uprobe/elf_functions.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

// Of the key schedule of TLS 1.3 (RFC 8446 7.1). OpenSSL, BoringSSL, GnuTLS, NSS, Go's crypto/tls
// and rustls have them among their constants; NSS puts the first one's side before it later. In
// halves, so that the agent's own program does not hold them.
constexpr std::array<std::array<std::string_view, 2>, 2> kTlsLabels = {
    {{"ap tra", "ffic"}, {"exp mas", "ter"}}};

absl::StatusOr<bool> HoldsTls(int fd) {
  std::array<std::string, 2> labels;
  std::array<std::string_view, 2> wanted;
  for (size_t i = 0; i < kTlsLabels.size(); ++i) {
    labels[i] = std::string(kTlsLabels[i][0]).append(kTlsLabels[i][1]);
    wanted[i] = labels[i];
  }
  return ElfConstantsHold(fd, wanted);
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Whether the path, as this process sees it, leads to the file open as `fd`.
bool LeadsTo(const std::string& path, int fd) {
  struct stat named = {};
  struct stat open = {};
  return stat(path.c_str(), &named) == 0 && fstat(fd, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

}  // namespace

ProbedFiles::ProbedFiles(TlsPrograms& programs, std::function<bool(const std::string&)> wants,
                         std::function<bool(const FileMapping&)> hidden)
    : programs_(programs), wants_(std::move(wants)), hidden_(std::move(hidden)) {}

ProbedFiles::~ProbedFiles() {
  for (auto& [id, file] : files_) {
    file.links.clear();
    close(file.fd);
  }
}

bool ProbedFiles::Look(const FileMapping& mapping) {
  const MappingId mapped{.device = mapping.device,
                         .inode = mapping.inode,
                         .inode_generation = mapping.inode_generation};
  if (const auto known = known_.find(mapped); known != known_.end()) {
    if (files_.contains(known->second)) return true;
    if (const auto searched = searched_.find(known->second); searched != searched_.end()) {
      Tell(mapping, searched->second);
    }
    return false;
  }
  if (known_.size() >= kKnownMax) known_.clear();
  return Examine(mapping);
}

ProbedFiles::FileId ProbedFiles::IdOf(int fd, const struct stat& info) {
  struct statfs system = {};
  if (fstatfs(fd, &system) != 0 || system.f_type != OVERLAYFS_SUPER_MAGIC) {
    return {.device = info.st_dev, .inode = info.st_ino};
  }
  return {.device = 0, .inode = info.st_ino, .changed_ns = Nanoseconds(info.st_ctim)};
}

void ProbedFiles::NoteWithoutFunctions(const FileMapping& mapping, const FileId& id,
                                       const struct stat& info) {
  if (searched_.size() >= kKnownMax) {
    searched_.clear();
    to_search_.clear();
  }
  Searched& searched = searched_[id];
  const int64_t modified_ns = Nanoseconds(info.st_mtim);
  if (searched.is_done && searched.size == info.st_size && searched.modified_ns == modified_ns) {
    return Tell(mapping, searched);
  }
  searched = {.size = info.st_size, .modified_ns = modified_ns};
  to_search_.push_back(mapping);
}

void ProbedFiles::SearchNext() {
  const FileMapping mapping = std::move(to_search_.back());
  to_search_.pop_back();
  const int fd = OpenMapped(mapping);
  if (fd < 0) {
    ++stats_.gone;
    return;
  }
  const auto closer = absl::MakeCleanup([fd] { close(fd); });
  struct stat info = {};
  if (fstat(fd, &info) != 0) return;
  const auto searched = searched_.find(IdOf(fd, info));
  if (searched == searched_.end()) return;
  const absl::StatusOr<bool> holds = HoldsTls(fd);
  if (!holds.ok()) return Fail(mapping.path, holds.status());
  searched->second.is_done = true;
  searched->second.holds_tls = *holds;
  Tell(mapping, searched->second);
}

void ProbedFiles::Tell(const FileMapping& mapping, Searched& searched) {
  if (!searched.holds_tls || searched.is_told || !hidden_(mapping)) return;
  searched.is_told = true;
  ++stats_.hidden;
}

bool ProbedFiles::Examine(const FileMapping& mapping) {
  const MappingId mapped{.device = mapping.device,
                         .inode = mapping.inode,
                         .inode_generation = mapping.inode_generation};
  if (!wants_(mapping.path)) {
    known_[mapped] = FileId();
    return false;
  }
  int fd = OpenMapped(mapping);
  if (fd < 0) {
    ++stats_.gone;
    return false;
  }
  const auto closer = absl::MakeCleanup([&fd] {
    if (fd >= 0) close(fd);
  });
  struct stat info = {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const FileId id = IdOf(fd, info);
  known_[mapped] = id;
  if (files_.contains(id)) return true;

  ++stats_.examined;
  absl::StatusOr<std::vector<ElfFunction>> functions = FindElfFunctions(fd, programs_.functions());
  if (!functions.ok()) {
    Fail(mapping.path, functions.status());
    return false;
  }
  if (std::none_of(functions->begin(), functions->end(), [](const ElfFunction& function) {
        return TlsPrograms::CarriesText(function.name);
      })) {
    NoteWithoutFunctions(mapping, id, info);
    return false;
  }
  if (files_.size() >= kFilesMax) {
    Fail(mapping.path, absl::ResourceExhaustedError(absl::StrCat(
                           kFilesMax, " files have probes already; set tls_probes.libraries")));
    return false;
  }
  File file{.path = mapping.path};
  // What is written from here on takes the probes away; what was written before shows in its time.
  file.watch = notifier_.WatchFile(fd);
  struct stat now = {};
  if (fstat(fd, &now) != 0 || now.st_size != info.st_size ||
      now.st_mtim.tv_sec != info.st_mtim.tv_sec || now.st_mtim.tv_nsec != info.st_mtim.tv_nsec) {
    notifier_.Unwatch(file.watch);
    known_.erase(mapped);
    Fail(mapping.path, absl::AbortedError("was written to while it was read"));
    return false;
  }
  for (const ElfFunction& function : *functions) {
    absl::StatusOr<std::vector<BpfLink>> links =
        programs_.SetProbes(fd, function.name, function.offset);
    if (!links.ok()) {
      Fail(mapping.path, links.status());
      continue;
    }
    std::move(links->begin(), links->end(), std::back_inserter(file.links));
  }
  if (file.links.empty()) {
    notifier_.Unwatch(file.watch);
    return false;
  }
  spdlog::info("TLS probes: {} probes in {} (first seen in process {})", file.links.size(),
               card::RedactCardNumbers(mapping.path), mapping.pid);
  file.fd = std::exchange(fd, -1);
  files_.emplace(id, std::move(file));
  stats_.files = files_.size();
  return true;
}

void ProbedFiles::Fail(const std::string& path, const absl::Status& status) {
  ++stats_.errors;
  stats_.last_error =
      card::RedactCardNumbers(absl::StrCat(path, ": ", std::string(status.message())));
  spdlog::warn("TLS probes: {}", stats_.last_error);
}

void ProbedFiles::Drop(absl::flat_hash_map<FileId, File>::iterator file) {
  notifier_.Unwatch(file->second.watch);
  file->second.links.clear();
  close(file->second.fd);
  ForgetMapped(file->first);
  files_.erase(file);
  stats_.files = files_.size();
}

void ProbedFiles::ForgetMapped(const FileId& id) {
  for (auto known = known_.begin(); known != known_.end();) {
    const auto at = known++;
    if (at->second == id) known_.erase(at);
  }
}

void ProbedFiles::TakeWritten() {
  const FileNotifier::Changes changes = notifier_.Take();
  for (auto file = files_.begin(); file != files_.end();) {
    const auto at = file++;
    if (!changes.all && std::find(changes.files.begin(), changes.files.end(), at->second.watch) ==
                            changes.files.end()) {
      continue;
    }
    ++stats_.written;
    spdlog::warn(
        "TLS probes: {} is written to in place; its probes are taken out until it is "
        "loaded again",
        card::RedactCardNumbers(at->second.path));
    Drop(at);
  }
}

void ProbedFiles::LookAtAll(pid_t except, const std::function<void(pid_t)>& noted) {
  // Inodes are used again, and maps do not tell the generation; so all are opened once.
  known_.clear();
  absl::flat_hash_set<FileId> mapped;
  ForEachProcess(except, [&](pid_t pid) {
    bool has_probes = false;
    ForEachMapping(pid, [&](const FileMapping& mapping) {
      if (!Look(mapping)) return;
      has_probes = true;
      const auto known =
          known_.find({.device = mapping.device, .inode = mapping.inode, .inode_generation = 0});
      if (known != known_.end()) mapped.insert(known->second);
    });
    if (has_probes) noted(pid);
  });
  for (auto file = files_.begin(); file != files_.end();) {
    const auto at = file++;
    struct stat info = {};
    if (mapped.contains(at->first) || fstat(at->second.fd, &info) != 0) continue;
    // A file of a container that ended has its name still, where nobody comes any more.
    if (info.st_nlink > 0 && LeadsTo(at->second.path, at->second.fd)) continue;
    spdlog::info("TLS probes: {} is gone from this host and no process has it any more",
                 card::RedactCardNumbers(at->second.path));
    Drop(at);
  }
}

}  // namespace skimwatch::traffic
