#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HPACK_DECODER_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HPACK_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "agent/traffic/protocol/content_decoder.h"

// nghttp2's type, so that its headers stay in the sources.
struct nghttp2_hd_inflater;

namespace skimwatch::traffic {

// Undoes the header compression of one direction of an HTTP/2 connection (RFC 7541), with nghttp2.
//
// Encoder and decoder keep a table of fields, to which later fields refer. A connection that is
// joined in the middle, or has a gap, is followed all the same: the table is filled with entries
// that stand for what is not known. Entries are counted from the newest, so every field that was
// sent since is found where the encoder has it, and a reference to an older one is known as such.
//
// Memory is taken from a DecoderMemory; without any, and after data that breaks the rules, a block
// is not decoded. Thread-compatible.
class HpackDecoder {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
    // The field is one that was sent when nobody looked; name and value are empty.
    bool is_lost = false;
    // What it took in the block.
    size_t wire_bytes = 0;
  };
  using Output = absl::FunctionRef<void(const Field&)>;

  explicit HpackDecoder(DecoderMemory& memory);
  ~HpackDecoder();
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;

  // The connection begins.
  void Begin();
  // The table is not known from here on, nor what a block in progress says. Returns how many bytes
  // of that were in no field yet.
  size_t Forget();
  // The same, for good.
  size_t Close();

  // The next bytes of a block. Returns how many of them, and of those before, are in no field that
  // was passed to `output` and never will be: 0, or after an error all that is left.
  size_t Decode(std::string_view bytes, Output output);
  // The block is over. Returns what became of bytes that are in no field.
  struct Rest {
    // Changes of the table's size.
    size_t read_bytes = 0;
    size_t undecodable_bytes = 0;
  };
  Rest EndBlock();

 private:
  void Create();
  void FillWithLostEntries();
  // Nothing more of the block is decoded. Returns the bytes that are in no field.
  size_t Fail(size_t bytes_left);

  // What nghttp2 allocates by.
  struct Allocator;
  const std::unique_ptr<Allocator> allocator_;
  nghttp2_hd_inflater* inflater_ = nullptr;
  bool failed_ = false;
  // Of the field in progress.
  size_t field_bytes_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HPACK_DECODER_H_
