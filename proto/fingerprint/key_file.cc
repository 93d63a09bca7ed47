#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/fingerprint/fingerprint.h"

namespace skimwatch::fingerprint {
namespace {

constexpr size_t kFileBytesMax = 4096;
constexpr size_t kIdBytesMax = 64;
constexpr size_t kHexDigitsMin = 64;
// A group may read a key: that is how a service that does not run as root is given one.
constexpr mode_t kForbidden = S_IWGRP | S_IXGRP | S_IRWXO;

// A file descriptor that is closed in the end.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// Text that is wiped in the end.
class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { OPENSSL_cleanse(text_.data(), text_.size()); }
  std::string& operator*() { return text_; }
  std::string* operator->() { return &text_; }

 private:
  std::string text_;
};

absl::Status Error(const std::string& path, std::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("fingerprint key file ", path, ": ",
                                                 absl::string_view(what.data(), what.size())));
}

absl::Status Malformed(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("fingerprint key file ", path, ": ", absl::string_view(what.data(), what.size()),
                   "; expected one line with an id, a space and 64 or more hex digits"));
}

bool IsIdCharacter(char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; }

absl::StatusOr<v1::FingerprintKey> Parse(const std::string& path, std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  if (text.find('\n') != std::string_view::npos) return Malformed(path, "more than one line");
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return Malformed(path, "no space");
  const std::string_view id = text.substr(0, space);
  const std::string_view hex = text.substr(space + 1);
  if (id.empty() || id.size() > kIdBytesMax || !std::all_of(id.begin(), id.end(), IsIdCharacter)) {
    return Malformed(path, "the id is not 1 to 64 letters, digits, `-`, `_` or `.`");
  }
  if (hex.size() < kHexDigitsMin || hex.size() % 2 != 0 ||
      !std::all_of(hex.begin(), hex.end(),
                   [](unsigned char c) { return absl::ascii_isxdigit(c); })) {
    return Malformed(path, "the key is not an even number of at least 64 hex digits");
  }
  v1::FingerprintKey key;
  key.set_id(std::string(id));
  SecretText bytes(absl::HexStringToBytes(absl::string_view(hex.data(), hex.size())));
  key.set_key(*bytes);
  return key;
}

std::string Directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<v1::FingerprintKey> ReadKeyFile(const std::string& path) {
  // Not blocking, for the case that somebody names a pipe.
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd() < 0) return Error(path, "cannot open it");
  struct stat status {};
  if (fstat(file.fd(), &status) != 0) return Error(path, "cannot read its mode");
  if (!S_ISREG(status.st_mode)) return Malformed(path, "it is not a regular file");
  if ((status.st_mode & kForbidden) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "fingerprint key file ", path,
        ": a key is for its owner and at most readers of its group; run `chmod 600 ", path, "`"));
  }
  SecretText text;
  text->resize(kFileBytesMax + 1);
  size_t size = 0;
  while (size < text->size()) {
    const ssize_t n = read(file.fd(), text->data() + size, text->size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error(path, "cannot read it");
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  if (size > kFileBytesMax) return Malformed(path, "it is longer than 4096 bytes");
  return Parse(path, std::string_view(*text).substr(0, size));
}

absl::StatusOr<v1::FingerprintKey> CreateKeyFile(const std::string& path) {
  std::array<unsigned char, 32> random;
  std::array<unsigned char, 4> name;
  if (RAND_bytes(random.data(), random.size()) != 1 || RAND_bytes(name.data(), name.size()) != 1) {
    return absl::InternalError("OpenSSL has no random bytes for a fingerprint key");
  }
  SecretText bytes(std::string(random.begin(), random.end()));
  OPENSSL_cleanse(random.data(), random.size());
  const std::string suffix = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(name.data()), name.size()));
  v1::FingerprintKey key;
  key.set_id(
      absl::StrCat(absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone()), "-", suffix));
  key.set_key(*bytes);
  SecretText hex(absl::BytesToHexString(*bytes));
  SecretText line(absl::StrCat(key.id(), " ", *hex, "\n"));

  // Written beside and then linked: link() fails where a file is, and nobody sees half a key.
  const std::string temporary = absl::StrCat(path, ".new-", suffix);
  {
    const File file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd() < 0) return Error(path, absl::StrCat("cannot create ", temporary));
    const bool written =
        write(file.fd(), line->data(), line->size()) == static_cast<ssize_t>(line->size());
    if (!written || fsync(file.fd()) != 0) {
      const absl::Status error = Error(path, absl::StrCat("cannot write ", temporary));
      unlink(temporary.c_str());
      return error;
    }
  }
  if (link(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status error = Error(path, "cannot create it");
    unlink(temporary.c_str());
    return error;
  }
  unlink(temporary.c_str());
  const File directory(open(Directory(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd() < 0 || fsync(directory.fd()) != 0) {
    return Error(path, "cannot sync its directory");
  }
  return key;
}

absl::StatusOr<std::vector<v1::FingerprintKey>> LoadKeyFiles(absl::Span<const std::string> paths) {
  std::vector<v1::FingerprintKey> keys;
  for (size_t i = 0; i < paths.size(); ++i) {
    absl::StatusOr<v1::FingerprintKey> key = ReadKeyFile(paths[i]);
    if (i == 0 && absl::IsNotFound(key.status())) key = CreateKeyFile(paths[i]);
    if (!key.ok()) return key.status();
    for (size_t j = 0; j < i; ++j) {
      if (keys[j].id() == key->id()) {
        return absl::InvalidArgumentError(absl::StrCat("fingerprint key files ", paths[j], " and ",
                                                       paths[i], " have the same id ", key->id()));
      }
    }
    keys.push_back(*std::move(key));
  }
  return keys;
}

}  // namespace skimwatch::fingerprint
