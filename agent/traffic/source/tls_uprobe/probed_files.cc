#include "agent/traffic/source/tls_uprobe/probed_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "agent/traffic/source/tls_uprobe/elf_functions.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {

ProbedFiles::ProbedFiles(TlsPrograms& programs, std::function<bool(const std::string&)> wants)
    : programs_(programs), wants_(std::move(wants)) {}

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
    return files_.contains(known->second);
  }
  if (known_.size() >= kKnownMax) known_.clear();
  return Examine(mapping);
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
  const FileId id{.device = info.st_dev, .inode = info.st_ino};
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
               mapping.path, mapping.pid);
  file.fd = std::exchange(fd, -1);
  files_.emplace(id, std::move(file));
  stats_.files = files_.size();
  return true;
}

void ProbedFiles::Fail(const std::string& path, const absl::Status& status) {
  ++stats_.errors;
  stats_.last_error = absl::StrCat(path, ": ", std::string(status.message()));
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
        at->second.path);
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
    if (mapped.contains(at->first) || fstat(at->second.fd, &info) != 0 || info.st_nlink > 0) {
      continue;
    }
    spdlog::info("TLS probes: {} was deleted and no process has it any more", at->second.path);
    Drop(at);
  }
}

}  // namespace skimwatch::traffic
