#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_

#include <cstddef>
#include <vector>

// libhtp's types, so that its headers stay in the sources.
struct htp_cfg_t;
struct htp_connp_t;

namespace skimwatch::traffic {

// libhtp's parsers of one kind, of which a flow has one only while a head is in progress: what a
// parser has taken for one flow it does not know for the next.
class HttpParserPool {
 public:
  // Owns `config`.
  explicit HttpParserPool(htp_cfg_t* config) : config_(config) {}
  ~HttpParserPool();
  HttpParserPool(const HttpParserPool&) = delete;
  HttpParserPool& operator=(const HttpParserPool&) = delete;

  // Its user data is yet to be set.
  htp_connp_t* Take();
  // Takes back a parser that is between two messages.
  void Return(htp_connp_t* parser);

 private:
  static constexpr size_t kFreeMax = 4;

  htp_cfg_t* const config_;
  std::vector<htp_connp_t*> free_;
};

// How libhtp is to parse, for all flows of a decoder: everything off that decodes, extracts or
// keeps what this module does itself or has no use for. Parsers are for what clients send, or for
// what servers send.
class HttpConfig {
 public:
  HttpConfig();

  HttpParserPool& requests() { return requests_; }
  HttpParserPool& responses() { return responses_; }

 private:
  HttpParserPool requests_;
  HttpParserPool responses_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_
