#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_HEAD_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_HEAD_H_

#include <htp/htp.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// What the head of an HTTP/1 message says, as far as anything follows from it. Views are of the
// head, or of the transaction that it was read from.
struct HttpHead {
  // Of a request; `host` with its port where the Host header has one.
  std::string_view method;
  std::string_view target;
  // Where its headers begin.
  size_t headers_begin = 0;
  std::string_view host;
  // Of a response.
  int status = 0;
  // HTTP_CODING_IDENTITY with a length of -1 is a body to the end of the stream.
  htp_transfer_coding_t coding = HTP_CODING_NO_BODY;
  int64_t length = -1;

  std::string_view content_type;
  std::string_view content_encoding;
  std::string_view transfer_encoding;
  std::string_view grpc_encoding;
  std::string_view origin;
  std::string_view referer;
  std::string_view upgrade;
  std::string_view web_socket_extensions;
};

// The same of what libhtp has parsed, with the coding and the length left for the caller.
void ReadHeaders(const htp_table_t* headers, HttpHead& head);
std::string_view View(const bstr* text);

// Reads the head that `bytes` begin with, where it is all there and written as browsers and servers
// write theirs; returns its size with the empty line that ends it. 0 leaves it to libhtp: whatever
// can be read in two ways is, from a line that ends with anything but CRLF to a length given twice,
// and so is what changes the protocol (CONNECT, 1xx).
//
// It costs a tenth of what libhtp does, which copies every field. For each head that it takes it
// says what libhtp would.
size_t ReadPlainRequest(std::string_view bytes, HttpHead& head);
size_t ReadPlainResponse(std::string_view bytes, HttpHead& head);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_HEAD_H_
