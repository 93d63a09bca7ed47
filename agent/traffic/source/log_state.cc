#include "agent/traffic/source/log_state.h"

#include <fcntl.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kStateBytesMax = 64 << 20;

std::string FirstLine(std::string_view body) {
  return absl::StrFormat(
      "# crc32 %08x\n",
      static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size())));
}

// What is wrong is said by the caller.
class SilentErrors : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int /*line*/, int /*column*/, const std::string& /*message*/) override {}
};

absl::Status ErrorOf(const char* doing, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": can't ", doing));
}

absl::Status WriteFile(const std::string& path, std::string_view text, bool synced) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (fd < 0) return ErrorOf("open", path);
  const auto close_file = absl::MakeCleanup([fd] { close(fd); });
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrorOf("write", path);
    text.remove_prefix(static_cast<size_t>(put));
  }
  if (synced && fdatasync(fd) != 0) return ErrorOf("sync", path);
  return absl::OkStatus();
}

}  // namespace

std::string EncodeLogState(const v1::LogState& state) {
  std::string body;
  google::protobuf::TextFormat::PrintToString(state, &body);
  return absl::StrCat(FirstLine(body), body);
}

absl::StatusOr<v1::LogState> DecodeLogState(std::string_view text) {
  const size_t body = text.find('\n');
  if (body == std::string_view::npos ||
      text.substr(0, body + 1) != FirstLine(text.substr(body + 1))) {
    return absl::DataLossError("its first line is not the checksum of the others");
  }
  v1::LogState state;
  google::protobuf::TextFormat::Parser parser;
  SilentErrors silent;
  parser.RecordErrorsTo(&silent);
  // A later version may know more.
  parser.AllowUnknownField(true);
  if (!parser.ParseFromString(std::string(text.substr(body + 1)), &state)) {
    return absl::DataLossError("it is not in the text format of LogState");
  }
  return state;
}

absl::StatusOr<v1::LogState> LoadLogState(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrorOf("open", path);
  const auto close_file = absl::MakeCleanup([fd] { close(fd); });
  struct stat info {};
  if (fstat(fd, &info) != 0) return ErrorOf("stat", path);
  if (!S_ISREG(info.st_mode) || static_cast<uint64_t>(info.st_size) > kStateBytesMax) {
    return absl::DataLossError(
        absl::StrCat(path, ": is no file of at most ", kStateBytesMax, " bytes"));
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrorOf("read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  absl::StatusOr<v1::LogState> state = DecodeLogState(text);
  if (!state.ok()) {
    return absl::Status(state.status().code(),
                        absl::StrCat(path, ": ", std::string(state.status().message())));
  }
  return state;
}

absl::Status SaveLogState(const std::string& path, std::string_view text, bool synced) {
  const std::string beside = absl::StrCat(path, ".new");
  if (absl::Status status = WriteFile(beside, text, synced); !status.ok()) return status;
  if (rename(beside.c_str(), path.c_str()) != 0) return ErrorOf("replace", path);
  if (!synced) return absl::OkStatus();
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? std::string(".") : parent.string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrorOf("open", folder);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  // Some file systems have nothing to sync in a folder and say so.
  if (result != 0 && error != EINVAL) {
    return absl::ErrnoToStatus(error, absl::StrCat(folder, ": can't sync"));
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::traffic
