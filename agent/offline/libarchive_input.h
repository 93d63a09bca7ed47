#ifndef SKIMWATCH_AGENT_OFFLINE_LIBARCHIVE_INPUT_H_
#define SKIMWATCH_AGENT_OFFLINE_LIBARCHIVE_INPUT_H_

#include <archive.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/offline/byte_stream.h"

namespace skimwatch::offline {

// A ByteStream as what libarchive reads. Enable formats and filters on `get()`, then Open.
//
//   LibarchiveInput input(stream);
//   archive_read_support_format_tar(input.get());
//   if (absl::Status status = input.Open(); !status.ok()) return status;
class LibarchiveInput {
 public:
  // `stream` must outlive it, and stand at its begin.
  explicit LibarchiveInput(ByteStream& stream);
  LibarchiveInput(const LibarchiveInput&) = delete;
  LibarchiveInput& operator=(const LibarchiveInput&) = delete;

  archive* get() const { return archive_.get(); }

  absl::Status Open();
  // What libarchive's last error is: that of the stream where it failed, PERMISSION_DENIED for what
  // is encrypted, UNIMPLEMENTED for methods it does not know, else DATA_LOSS.
  absl::Status Error() const;

 private:
  struct Free {
    void operator()(archive* handle) const { archive_read_free(handle); }
  };

  static la_ssize_t Read(archive* handle, void* self, const void** bytes);
  static la_int64_t Skip(archive* handle, void* self, la_int64_t count);
  static la_int64_t Seek(archive* handle, void* self, la_int64_t offset, int whence);
  la_int64_t Fail(const absl::Status& status);

  ByteStream& stream_;
  // Offset of what Read gives next.
  uint64_t offset_ = 0;
  absl::Status stream_status_;
  const std::unique_ptr<archive, Free> archive_;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_LIBARCHIVE_INPUT_H_
