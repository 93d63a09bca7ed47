#include "agent/traffic/source/capture_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kReadBytes = 256 << 10;

// draft-ietf-opsawg-pcapng, sections 3.1, 4.1 and 4.2.
constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr size_t kBlockHeaderBytes = 8;
constexpr size_t kSectionHeaderBytes = 12;

}  // namespace

CaptureStream::CaptureStream(FILE* stream)
    : stream_(stream), buffer_(std::make_unique<char[]>(kReadBytes)) {}

CaptureStream::~CaptureStream() { fclose(stream_); }

FILE* CaptureStream::OpenReader() {
  cookie_io_functions_t functions{};
  functions.read = Read;
  FILE* reader = fopencookie(this, "r", functions);
  if (reader != nullptr) setvbuf(reader, buffer_.get(), _IOFBF, kReadBytes);
  return reader;
}

ssize_t CaptureStream::Read(void* self, char* buffer, size_t size) {
  auto* stream = static_cast<CaptureStream*>(self);
  const ssize_t got = stream->ReadStream(buffer, size);
  if (got > 0 && !stream->Follow(buffer, static_cast<size_t>(got))) {
    errno = E2BIG;
    return -1;
  }
  return got;
}

// fread() waits until it has all that it was asked for, and a packet that came through a pipe would
// wait with it. So the file is read directly, after what the stream holds already, and a stream
// without a file is made to read once for its next character and gives what that brought.
ssize_t CaptureStream::ReadStream(char* buffer, size_t size) {
  const auto held = [this] {
    return static_cast<size_t>(stream_->_IO_read_end - stream_->_IO_read_ptr);
  };
  const int fd = fileno(stream_);
  if (held() > 0) {
    return static_cast<ssize_t>(fread(buffer, 1, std::min(held(), size), stream_));
  }
  if (fd < 0) {
    errno = 0;
    const int first = getc(stream_);
    if (first == EOF) {
      if (ferror(stream_) == 0) return 0;
      if (errno == 0) errno = EIO;
      return -1;
    }
    buffer[0] = static_cast<char>(first);
    return static_cast<ssize_t>(1 + fread(buffer + 1, 1, std::min(held(), size - 1), stream_));
  }
  while (true) {
    const ssize_t got = read(fd, buffer, size);
    if (got >= 0 || errno != EINTR) return got;
  }
}

bool CaptureStream::Follow(const char* bytes, size_t size) {
  while (following_ && size > 0) {
    if (remaining_bytes_ > 0) {
      const size_t skip = static_cast<size_t>(std::min<uint64_t>(remaining_bytes_, size));
      remaining_bytes_ -= skip;
      bytes += skip;
      size -= skip;
      continue;
    }
    header_[header_bytes_++] = static_cast<unsigned char>(*bytes++);
    --size;
    // The type of a section header reads the same in both byte orders.
    const size_t want =
        header_bytes_ >= 4 && Word(0) == kSectionHeader ? kSectionHeaderBytes : kBlockHeaderBytes;
    if (header_bytes_ >= want) BeginBlock();
    if (interfaces_ > kInterfacesMax) {
      refusal_ = absl::StrCat("describes more than ", kInterfacesMax, " interfaces");
      return false;
    }
  }
  return true;
}

void CaptureStream::BeginBlock() {
  const bool section = Word(0) == kSectionHeader;
  if (section) {
    big_endian_ = false;
    if (Word(2) != kByteOrderMagic) {
      big_endian_ = true;
      if (Word(2) != kByteOrderMagic) following_ = false;
    }
    interfaces_ = 0;
  } else if (first_block_) {
    following_ = false;
  } else if (Word(0) == kInterfaceDescription) {
    ++interfaces_;
  }
  first_block_ = false;
  const uint32_t block_bytes = Word(1);
  if (block_bytes < header_bytes_) {
    following_ = false;
    return;
  }
  remaining_bytes_ = block_bytes - header_bytes_;
  header_bytes_ = 0;
}

uint32_t CaptureStream::Word(size_t index) const {
  const unsigned char* w = header_ + index * 4;
  return big_endian_ ? uint32_t{w[0]} << 24 | uint32_t{w[1]} << 16 | uint32_t{w[2]} << 8 | w[3]
                     : uint32_t{w[3]} << 24 | uint32_t{w[2]} << 16 | uint32_t{w[1]} << 8 | w[0];
}

}  // namespace skimwatch::traffic
