#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_ENCODING_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_ENCODING_H_

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace skimwatch::store::postgres {

// PostgreSQL's binary representations (chapters "Message Data Types" and "COPY, Binary Format" of
// its manual): integers in network order, texts and byte strings as they are.

inline void AppendInt16(std::string& out, int16_t value) {
  const auto bits = static_cast<uint16_t>(value);
  out.push_back(static_cast<char>(bits >> 8));
  out.push_back(static_cast<char>(bits & 0xff));
}

inline void AppendInt32(std::string& out, int32_t value) {
  const auto bits = static_cast<uint32_t>(value);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(bits >> shift));
}

inline void AppendInt64(std::string& out, int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(bits >> shift));
}

// An integer of up to 8 bytes; 0 of none, which is NULL.
inline int64_t ReadInt(std::string_view bytes) {
  if (bytes.empty()) return 0;
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  const auto unused = static_cast<int>(64 - 8 * bytes.size());
  // Fills up with the sign.
  return unused == 0 ? static_cast<int64_t>(value)
                     : static_cast<int64_t>(value << unused) >> unused;
}

// A double or a float.
inline double ReadDouble(std::string_view bytes) {
  if (bytes.size() == sizeof(float)) {
    return std::bit_cast<float>(static_cast<uint32_t>(ReadInt(bytes)));
  }
  return std::bit_cast<double>(static_cast<uint64_t>(ReadInt(bytes)));
}

// Fields of rows, each with its length before it.
inline void AppendIntField(std::string& out, int64_t value) {
  AppendInt32(out, sizeof value);
  AppendInt64(out, value);
}

inline void AppendBytesField(std::string& out, std::string_view value) {
  AppendInt32(out, static_cast<int32_t>(value.size()));
  out.append(value);
}

// Types as every PostgreSQL numbers them (pg_type.dat).
inline constexpr int32_t kByteaOid = 17;
inline constexpr int32_t kInt8Oid = 20;

// Begins an array of one dimension, without NULLs; its `size` elements are appended as fields.
inline void AppendArrayHeader(std::string& out, int32_t element_oid, int32_t size) {
  AppendInt32(out, 1);
  AppendInt32(out, 0);
  AppendInt32(out, element_oid);
  AppendInt32(out, size);
  AppendInt32(out, 1);
}

// What a binary COPY begins and ends with; each row is the number of its fields and the fields.
inline constexpr std::string_view kCopyHeader("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
inline constexpr std::string_view kCopyTrailer("\xff\xff", 2);

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_ENCODING_H_
