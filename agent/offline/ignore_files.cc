#include "agent/offline/ignore_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/offline/unique_fd.h"

namespace skimwatch::offline {
namespace {

constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// The file's text, or why there is none.
std::pair<std::string, std::string> ReadText(int folder, std::string_view name) {
  const UniqueFd fd(openat(folder, std::string(name).c_str(), kOpenFlags | O_NOFOLLOW));
  if (!fd.valid()) return {"", std::generic_category().message(errno)};
  struct stat info {};
  if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {"", "is no regular file"};
  std::string text(IgnoreRules::kFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return {"", std::generic_category().message(errno)};
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > IgnoreRules::kFileBytesMax) return {"", "is longer than 1 MiB"};
  text.resize(size);
  return {std::move(text), ""};
}

}  // namespace

IgnoreRules IgnoreFiles::Read(int folder, const std::string& path, std::string_view name) {
  const auto [text, problem] = ReadText(folder, name);
  IgnoreRules rules;
  if (problem.empty()) rules = IgnoreRules::Parse(text);
  if (!problem.empty() || !rules.is_complete()) {
    skips_.OnSkip(absl::StrCat(path, "/", std::string(name)), SkipReason::kIgnoreFileNotApplied,
                  problem.empty()
                      ? absl::StrCat("has more than ", IgnoreRules::kPatternsMax, " patterns")
                      : problem);
  }
  return rules;
}

void IgnoreFiles::Begin(const std::string& path) {
  folders_.clear();
  if (!any_enabled()) return;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::canonical(path, error);
  if (error) return;
  // Folders above, nearest first, up to the first that is a repository.
  std::vector<std::filesystem::path> above;
  std::filesystem::path at = here;
  while (!std::filesystem::exists(at / ".git", error)) {
    if (at == at.root_path()) return;
    at = at.parent_path();
    above.push_back(at);
  }
  for (auto outer = above.rbegin(); outer != above.rend(); ++outer) {
    const UniqueFd fd(open(outer->c_str(), kOpenFlags | O_DIRECTORY));
    if (!fd.valid()) continue;
    Folder found{.prefix = absl::StrCat(here.lexically_relative(*outer).string(), "/")};
    for (size_t kind = 0; kind < kKinds.size(); ++kind) {
      const std::string name(kKinds[kind].name);
      if (!enabled_[kind] || faccessat(fd.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      found.rules[kind] = Read(fd.get(), outer->string(), name);
    }
    folders_.push_back(std::move(found));
  }
}

void IgnoreFiles::Enter(int folder, const std::string& path, const std::string& below,
                        absl::FunctionRef<bool(std::string_view)> has) {
  Folder entered{.cut = below.empty() ? 0 : below.size() + 1};
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    const std::string_view name = kKinds[kind].name;
    if (!enabled_[kind] || !has(name)) continue;
    entered.rules[kind] = Read(folder, path, name);
  }
  folders_.push_back(std::move(entered));
}

SkipReason IgnoreFiles::Check(std::string_view below, bool is_folder) const {
  if (!any_enabled()) return SkipReason::kCount;
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
      const IgnoreRules& rules = folder->rules[kind];
      if (rules.empty()) continue;
      const std::string_view inner = below.substr(folder->cut);
      const IgnoreRules::Verdict verdict =
          folder->prefix.empty()
              ? rules.Check(inner, is_folder)
              : rules.Check(absl::StrCat(folder->prefix, std::string(inner)), is_folder);
      if (verdict == IgnoreRules::Verdict::kIgnored) return kKinds[kind].reason;
      if (verdict == IgnoreRules::Verdict::kKept) return SkipReason::kCount;
    }
  }
  return SkipReason::kCount;
}

}  // namespace skimwatch::offline
