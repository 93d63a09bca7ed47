#include "tests/agent/traffic/support/http2_builder.h"

#include <nghttp2/nghttp2.h>

#include <cstdlib>

#include "tests/agent/traffic/support/packet_builder.h"

namespace skimwatch::traffic::testing {

std::string Http2FrameBytes(uint8_t type, uint8_t flags, uint32_t stream,
                            std::string_view payload) {
  std::string frame = BigEndian32(static_cast<uint32_t>(payload.size())).substr(1);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  frame += BigEndian32(stream);
  frame += payload;
  return frame;
}

Http2Sender::Http2Sender(size_t table_bytes) {
  if (nghttp2_hd_deflate_new(&deflater_, table_bytes) != 0) std::abort();
}

Http2Sender::~Http2Sender() { nghttp2_hd_deflate_del(deflater_); }

std::string Http2Sender::Block(const Http2Fields& fields) {
  std::vector<nghttp2_nv> values;
  for (const auto& [name, value] : fields) {
    values.push_back({.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                      .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
                      .namelen = name.size(),
                      .valuelen = value.size(),
                      .flags = NGHTTP2_NV_FLAG_NONE});
  }
  std::string block(nghttp2_hd_deflate_bound(deflater_, values.data(), values.size()), '\0');
  const ssize_t bytes = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(block.data()),
                                              block.size(), values.data(), values.size());
  if (bytes < 0) std::abort();
  block.resize(static_cast<size_t>(bytes));
  return block;
}

std::string Http2Sender::Headers(uint32_t stream, const Http2Fields& fields, bool end_stream) {
  const auto flags =
      static_cast<uint8_t>(NGHTTP2_FLAG_END_HEADERS | (end_stream ? NGHTTP2_FLAG_END_STREAM : 0));
  return Http2FrameBytes(NGHTTP2_HEADERS, flags, stream, Block(fields));
}

std::string Http2Sender::Data(uint32_t stream, std::string_view bytes, bool end_stream) {
  return Http2FrameBytes(NGHTTP2_DATA, end_stream ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE,
                         stream, bytes);
}

std::string Http2Sender::Settings() {
  return Http2FrameBytes(NGHTTP2_SETTINGS, NGHTTP2_FLAG_NONE, 0, std::string("\0\3\0\0\0\x64", 6));
}

Http2Fields RequestFields(std::string_view method, std::string_view path, Http2Fields more) {
  Http2Fields fields = {{":method", std::string(method)},
                        {":scheme", "http"},
                        {":authority", "pay.example"},
                        {":path", std::string(path)}};
  for (auto& field : more) fields.push_back(std::move(field));
  return fields;
}

Http2Fields ResponseFields(std::string_view status, Http2Fields more) {
  Http2Fields fields = {{":status", std::string(status)}};
  for (auto& field : more) fields.push_back(std::move(field));
  return fields;
}

}  // namespace skimwatch::traffic::testing
