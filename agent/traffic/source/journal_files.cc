#include "agent/traffic/source/journal_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace skimwatch::traffic {
namespace {

// A folder with more is no journal's.
constexpr size_t kFilesMax = 10000;

bool HasJournalName(std::string_view name) {
  return name.ends_with(".journal") || name.ends_with(".journal~");
}

// Null where it can't be opened.
sd_journal* OpenFile(const std::string& path) {
  std::array<const char*, 2> paths = {path.c_str(), nullptr};
  sd_journal* journal = nullptr;
  return sd_journal_open_files(&journal, paths.data(), 0) < 0 ? nullptr : journal;
}

JournalFile::State StateOf(const std::string& path) {
  if (faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0) {
    return JournalFile::State::kNotPermitted;
  }
  sd_journal* const journal = OpenFile(path);
  if (journal == nullptr) return JournalFile::State::kDamaged;
  sd_journal_close(journal);
  return JournalFile::State::kGood;
}

}  // namespace

std::vector<std::string> JournalFolders(const std::string& directory) {
  std::vector<std::string> folders;
  if (directory.empty()) {
    sd_id128_t machine = {};
    if (sd_id128_get_machine(&machine) != 0) return folders;
    std::array<char, SD_ID128_STRING_MAX> text{};
    const char* const name = sd_id128_to_string(machine, text.data());
    for (const char* root : {"/var/log/journal/", "/run/log/journal/"}) {
      folders.push_back(absl::StrCat(root, name));
    }
    return folders;
  }
  folders.push_back(directory);
  DIR* const entries = opendir(directory.c_str());
  if (entries == nullptr) return folders;
  const auto close_folder = absl::MakeCleanup([entries] { closedir(entries); });
  while (const dirent* entry = readdir(entries)) {
    sd_id128_t machine = {};
    if (sd_id128_from_string(entry->d_name, &machine) == 0 && folders.size() < kFilesMax) {
      folders.push_back(absl::StrCat(directory, "/", entry->d_name));
    }
  }
  return folders;
}

std::vector<JournalFile> ListJournalFiles(const std::vector<std::string>& folders,
                                          const std::set<JournalFileKey>& known) {
  std::vector<JournalFile> files;
  for (const std::string& folder : folders) {
    DIR* const entries = opendir(folder.c_str());
    if (entries == nullptr) continue;
    const auto close_folder = absl::MakeCleanup([entries] { closedir(entries); });
    while (const dirent* entry = readdir(entries)) {
      if (!HasJournalName(entry->d_name)) continue;
      JournalFile file{.path = absl::StrCat(folder, "/", entry->d_name)};
      struct stat info = {};
      if (stat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      file.disk_bytes = static_cast<uint64_t>(info.st_blocks) * 512;
      file.key = {info.st_dev, info.st_ino};
      if (!known.contains(file.key)) file.state = StateOf(file.path);
      // Gone since.
      if (file.state != JournalFile::State::kGood && access(file.path.c_str(), F_OK) != 0) continue;
      files.push_back(std::move(file));
      if (files.size() >= kFilesMax) return files;
    }
  }
  return files;
}

absl::Status CheckJournalFiles(const std::vector<std::string>& folders,
                               const std::vector<JournalFile>& files) {
  const JournalFile* refused = nullptr;
  const JournalFile* damaged = nullptr;
  for (const JournalFile& file : files) {
    if (file.state == JournalFile::State::kGood) return absl::OkStatus();
    (file.state == JournalFile::State::kNotPermitted ? refused : damaged) = &file;
  }
  if (refused != nullptr) {
    return absl::PermissionDeniedError(absl::StrCat("journal: this user may not read ",
                                                    refused->path,
                                                    "; put it into the group systemd-journal"));
  }
  if (damaged != nullptr) {
    return absl::DataLossError(
        absl::StrCat("journal: ", damaged->path, " is damaged, and there is no other file"));
  }
  for (const std::string& folder : folders) {
    if (access(folder.c_str(), R_OK | X_OK) != 0 && errno == EACCES) {
      return absl::PermissionDeniedError(absl::StrCat("journal: this user may not look into ",
                                                      folder,
                                                      "; put it into the group systemd-journal"));
    }
  }
  return absl::NotFoundError(absl::StrCat("journal: no journal files in ",
                                          absl::StrJoin(folders, ", "),
                                          "; is systemd-journald running, and `directory` right?"));
}

bool IsDamagedAfter(const std::string& path, const std::string& cursor) {
  sd_journal* const journal = OpenFile(path);
  // Gone, or damaged from its first byte, which ListJournalFiles says.
  if (journal == nullptr) return false;
  const auto close_journal = absl::MakeCleanup([journal] { sd_journal_close(journal); });
  if (cursor.empty() || sd_journal_seek_cursor(journal, cursor.c_str()) < 0) {
    sd_journal_seek_head(journal);
  }
  int result = 0;
  do {
    result = sd_journal_next(journal);
  } while (result > 0);
  if (result < 0) return true;
  // It lets go of a file that it can't go on in.
  uint64_t bytes = 0;
  return sd_journal_get_usage(journal, &bytes) == 0 && bytes == 0;
}

}  // namespace skimwatch::traffic
