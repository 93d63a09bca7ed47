#include "agent/offline/libarchive_input.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace skimwatch::offline {

LibarchiveInput::LibarchiveInput(ByteStream& stream)
    : stream_(stream), archive_(archive_read_new()) {}

absl::Status LibarchiveInput::Open() {
  if (archive_ == nullptr) return absl::ResourceExhaustedError("no memory to unpack");
  archive_read_set_read_callback(get(), Read);
  archive_read_set_callback_data(get(), this);
  if (stream_.seekable()) {
    archive_read_set_skip_callback(get(), Skip);
    archive_read_set_seek_callback(get(), Seek);
  }
  return archive_read_open1(get()) == ARCHIVE_OK ? absl::OkStatus() : Error();
}

absl::Status LibarchiveInput::Error() const {
  if (!stream_status_.ok()) return stream_status_;
  const char* const said = archive_error_string(get());
  const std::string text = said == nullptr ? "damaged" : said;
  // libarchive has no codes for these.
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* const word : {"encrypted", "passphrase", "password"}) {
    if (absl::StrContains(lower, word)) return absl::PermissionDeniedError(text);
  }
  for (const char* const word : {"unsupported", "not supported", "unrecognized compression"}) {
    if (absl::StrContains(lower, word)) return absl::UnimplementedError(text);
  }
  return absl::DataLossError(text);
}

la_int64_t LibarchiveInput::Fail(const absl::Status& status) {
  stream_status_ = status;
  archive_set_error(get(), EIO, "%s", std::string(status.message()).c_str());
  return ARCHIVE_FATAL;
}

la_ssize_t LibarchiveInput::Read(archive* /*handle*/, void* self, const void** bytes) {
  auto& input = *static_cast<LibarchiveInput*>(self);
  const absl::StatusOr<std::string_view> next = input.stream_.Next();
  if (!next.ok()) return static_cast<la_ssize_t>(input.Fail(next.status()));
  input.offset_ += next->size();
  *bytes = next->data();
  return static_cast<la_ssize_t>(next->size());
}

la_int64_t LibarchiveInput::Skip(archive* /*handle*/, void* self, la_int64_t count) {
  auto& input = *static_cast<LibarchiveInput*>(self);
  const uint64_t left = input.stream_.size() - std::min(input.offset_, input.stream_.size());
  // Less than a buffer is read faster than it is looked up.
  if (count < static_cast<la_int64_t>(ByteStream::kBufferBytes)) return 0;
  const uint64_t skipped = std::min(static_cast<uint64_t>(count), left);
  if (absl::Status status = input.stream_.Seek(input.offset_ + skipped); !status.ok()) {
    return input.Fail(status);
  }
  input.offset_ += skipped;
  return static_cast<la_int64_t>(skipped);
}

la_int64_t LibarchiveInput::Seek(archive* /*handle*/, void* self, la_int64_t offset, int whence) {
  auto& input = *static_cast<LibarchiveInput*>(self);
  const auto size = static_cast<la_int64_t>(input.stream_.size());
  const la_int64_t from = whence == SEEK_SET   ? 0
                          : whence == SEEK_CUR ? static_cast<la_int64_t>(input.offset_)
                                               : size;
  // Offsets are the archive's word.
  la_int64_t target = 0;
  if (__builtin_add_overflow(from, offset, &target) || target < 0 || target > size) {
    return ARCHIVE_FATAL;
  }
  if (absl::Status status = input.stream_.Seek(static_cast<uint64_t>(target)); !status.ok()) {
    return input.Fail(status);
  }
  input.offset_ = static_cast<uint64_t>(target);
  return target;
}

}  // namespace skimwatch::offline
