#include "tests/agent/offline/archive_builder.h"

#include <archive.h>
#include <archive_entry.h>
#include <bzlib.h>
#include <lzma.h>

#include <memory>

#include "gtest/gtest.h"

namespace skimwatch::offline::testing {
namespace {

struct FreeWriter {
  void operator()(archive* handle) const { archive_write_free(handle); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Writer = std::unique_ptr<archive, FreeWriter>;

la_ssize_t Append(archive* /*handle*/, void* out, const void* bytes, size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void Check(archive* handle, int result) {
  ASSERT_EQ(result, ARCHIVE_OK) << archive_error_string(handle);
}

void Open(archive* handle, std::string& out) {
  // No padding of the last block to a tape's.
  Check(handle, archive_write_set_bytes_in_last_block(handle, 1));
  Check(handle, archive_write_open(handle, &out, nullptr, Append, nullptr));
}

void Add(archive* handle, const std::string& name, std::string_view bytes) {
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 1'700'000'000, 0);
  Check(handle, archive_write_header(handle, entry.get()));
  EXPECT_EQ(archive_write_data(handle, bytes.data(), bytes.size()),
            static_cast<la_ssize_t>(bytes.size()));
}

}  // namespace

std::string Archive(const std::string& format, const std::vector<Member>& members,
                    const std::string& options) {
  std::string out;
  const Writer writer(archive_write_new());
  Check(writer.get(), archive_write_set_format_by_name(writer.get(), format.c_str()));
  if (!options.empty())
    Check(writer.get(), archive_write_set_options(writer.get(), options.c_str()));
  Open(writer.get(), out);
  for (const Member& member : members) Add(writer.get(), member.name, member.bytes);
  Check(writer.get(), archive_write_close(writer.get()));
  return out;
}

std::string EncryptedZip(const std::vector<Member>& members) {
  std::string out;
  const Writer writer(archive_write_new());
  Check(writer.get(), archive_write_set_format_zip(writer.get()));
  Check(writer.get(), archive_write_set_options(writer.get(), "zip:encryption=aes256"));
  Check(writer.get(), archive_write_set_passphrase(writer.get(), "secret"));
  Open(writer.get(), out);
  for (const Member& member : members) Add(writer.get(), member.name, member.bytes);
  Check(writer.get(), archive_write_close(writer.get()));
  return out;
}

std::string CompressBzip2(std::string_view bytes) {
  std::string out(bytes.size() + bytes.size() / 100 + 600, '\0');
  auto size = static_cast<unsigned>(out.size());
  // It does not write to its input.
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(bytes.data()),
                                     static_cast<unsigned>(bytes.size()), /*blockSize100k=*/1,
                                     /*verbosity=*/0, /*workFactor=*/0),
            BZ_OK);
  out.resize(size);
  return out;
}

std::string CompressXz(std::string_view bytes) {
  std::string out(lzma_stream_buffer_bound(bytes.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(/*preset=*/0, LZMA_CHECK_CRC64, nullptr,
                                    reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

std::string CompressLzip(std::string_view bytes) {
  // An LZMA stream with an end mark, between a header and a trailer of its own.
  lzma_options_lzma options;
  EXPECT_FALSE(lzma_lzma_preset(&options, /*preset=*/0));
  constexpr uint8_t kDictionaryBits = 20;
  options.dict_size = uint32_t{1} << kDictionaryBits;
  lzma_stream stream = LZMA_STREAM_INIT;
  EXPECT_EQ(lzma_alone_encoder(&stream, &options), LZMA_OK);
  std::string alone(bytes.size() + bytes.size() / 2 + 1000, '\0');
  stream.next_in = reinterpret_cast<const uint8_t*>(bytes.data());
  stream.avail_in = bytes.size();
  stream.next_out = reinterpret_cast<uint8_t*>(alone.data());
  stream.avail_out = alone.size();
  EXPECT_EQ(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
  alone.resize(stream.total_out);
  lzma_end(&stream);
  constexpr size_t kAloneHeaderBytes = 13;
  constexpr uint64_t kFrameBytes = 6 + 20;
  std::string out("LZIP\x01");
  out.push_back(static_cast<char>(kDictionaryBits));
  out.append(alone, kAloneHeaderBytes);
  const uint32_t crc = lzma_crc32(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), 0);
  const uint64_t size = bytes.size();
  const uint64_t member = alone.size() - kAloneHeaderBytes + kFrameBytes;
  out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(reinterpret_cast<const char*>(&member), sizeof member);
  return out;
}

}  // namespace skimwatch::offline::testing
