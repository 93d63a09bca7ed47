#include "agent/traffic/protocol/hpack_decoder.h"

#include <nghttp2/nghttp2.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace skimwatch::traffic {
namespace {

// The greatest table that an encoder may ask for. Browsers and servers allow 4 KiB to 64 KiB.
constexpr size_t kTableBytesMax = 64 << 10;
// What a table has before its size is changed, and what an entry costs (RFC 7541 4.1).
constexpr size_t kTableBytes = 4096;
constexpr size_t kEntryBytes = 32;
// The name of entries that stand for what is not known; no field has it (RFC 9110 5.1).
constexpr std::string_view kLostName = "?";

std::string_view View(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// nghttp2's allocations, each with its size in front.
struct alignas(std::max_align_t) Allocation {
  size_t bytes;
};

void* Allocate(size_t bytes, void* user_data) {
  auto& memory = *static_cast<DecoderMemory*>(user_data);
  const size_t all = bytes + sizeof(Allocation);
  if (all < bytes || !memory.Take(all)) return nullptr;
  auto* allocation = static_cast<Allocation*>(std::malloc(all));
  if (allocation == nullptr) {
    memory.Return(all);
    return nullptr;
  }
  allocation->bytes = all;
  return allocation + 1;
}

void Free(void* pointer, void* user_data) {
  if (pointer == nullptr) return;
  Allocation* allocation = static_cast<Allocation*>(pointer) - 1;
  static_cast<DecoderMemory*>(user_data)->Return(allocation->bytes);
  std::free(allocation);
}

void* AllocateZeros(size_t count, size_t size, void* user_data) {
  if (size != 0 && count > std::numeric_limits<size_t>::max() / size) return nullptr;
  void* pointer = Allocate(count * size, user_data);
  if (pointer != nullptr) std::memset(pointer, 0, count * size);
  return pointer;
}

void* Reallocate(void* pointer, size_t bytes, void* user_data) {
  void* larger = Allocate(bytes, user_data);
  if (larger == nullptr || pointer == nullptr) return larger;
  const size_t old = (static_cast<Allocation*>(pointer) - 1)->bytes - sizeof(Allocation);
  std::memcpy(larger, pointer, old < bytes ? old : bytes);
  Free(pointer, user_data);
  return larger;
}

}  // namespace

struct HpackDecoder::Allocator {
  nghttp2_mem functions;
};

HpackDecoder::HpackDecoder(DecoderMemory& memory)
    : allocator_(std::make_unique<Allocator>(
          Allocator{{&memory, Allocate, Free, AllocateZeros, Reallocate}})) {}

HpackDecoder::~HpackDecoder() { Close(); }

void HpackDecoder::Create() {
  Close();
  failed_ = false;
  if (nghttp2_hd_inflate_new2(&inflater_, &allocator_->functions) != 0) {
    inflater_ = nullptr;
    return;
  }
  // What the receiver allows is in its SETTINGS, which may not have been seen.
  if (nghttp2_hd_inflate_change_table_size(inflater_, kTableBytesMax) != 0) Close();
}

size_t HpackDecoder::Close() {
  if (inflater_ != nullptr) nghttp2_hd_inflate_del(inflater_);
  inflater_ = nullptr;
  return std::exchange(field_bytes_, 0);
}

void HpackDecoder::Begin() { Create(); }

size_t HpackDecoder::Forget() {
  const size_t bytes = Close();
  Create();
  FillWithLostEntries();
  return bytes;
}

void HpackDecoder::FillWithLostEntries() {
  // Literal fields that are added to the table (RFC 7541 6.2.1), with no value.
  static const std::string* const kLostEntries = [] {
    auto* entries = new std::string;
    for (size_t bytes = 0; bytes + kEntryBytes + kLostName.size() <= kTableBytes;
         bytes += kEntryBytes + kLostName.size()) {
      *entries += std::string("\x40\x01", 2) + std::string(kLostName) + '\0';
    }
    return entries;
  }();
  if (inflater_ == nullptr) return;
  Decode(*kLostEntries, [](const Field& /*field*/) {});
  if (!failed_) nghttp2_hd_inflate_end_headers(inflater_);
}

size_t HpackDecoder::Decode(std::string_view bytes, Output output) {
  if (inflater_ == nullptr || failed_) return bytes.size();
  while (!bytes.empty()) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t taken = nghttp2_hd_inflate_hd2(
        inflater_, &field, &flags, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), 0);
    if (taken < 0) return Fail(bytes.size());
    field_bytes_ += static_cast<size_t>(taken);
    bytes.remove_prefix(static_cast<size_t>(taken));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const std::string_view name = View(field.name, field.namelen);
      const bool is_lost = name == kLostName;
      output({.name = is_lost ? std::string_view() : name,
              .value = is_lost ? std::string_view() : View(field.value, field.valuelen),
              .is_lost = is_lost,
              .wire_bytes = std::exchange(field_bytes_, 0)});
    } else if (taken == 0) {
      return Fail(bytes.size());
    }
  }
  return 0;
}

HpackDecoder::Rest HpackDecoder::EndBlock() {
  if (inflater_ != nullptr && !failed_) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t taken = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, nullptr, 0, 1);
    if (taken >= 0 && (flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      return {.read_bytes = std::exchange(field_bytes_, 0)};
    }
  }
  return {.undecodable_bytes = Forget()};
}

size_t HpackDecoder::Fail(size_t bytes_left) {
  failed_ = true;
  return std::exchange(field_bytes_, 0) + bytes_left;
}

}  // namespace skimwatch::traffic
