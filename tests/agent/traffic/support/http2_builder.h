#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_HTTP2_BUILDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_HTTP2_BUILDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_hd_deflater;

namespace skimwatch::traffic::testing {

using Http2Fields = std::vector<std::pair<std::string, std::string>>;

// A frame's bytes (RFC 9113 4.1).
std::string Http2FrameBytes(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);

// The frames that one end of an HTTP/2 connection sends, with fields compressed by nghttp2.
class Http2Sender {
 public:
  explicit Http2Sender(size_t table_bytes = 4096);
  ~Http2Sender();
  Http2Sender(const Http2Sender&) = delete;
  Http2Sender& operator=(const Http2Sender&) = delete;

  // The compressed fields, without frames.
  std::string Block(const Http2Fields& fields);
  std::string Headers(uint32_t stream, const Http2Fields& fields, bool end_stream = false);
  static std::string Data(uint32_t stream, std::string_view bytes, bool end_stream = false);
  static std::string Settings();

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

// `:method` and what goes with it.
Http2Fields RequestFields(std::string_view method, std::string_view path, Http2Fields more = {});
Http2Fields ResponseFields(std::string_view status, Http2Fields more = {});

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_HTTP2_BUILDER_H_
