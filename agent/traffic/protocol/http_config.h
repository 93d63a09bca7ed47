#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_

// libhtp's type, so that its headers stay in the sources.
struct htp_cfg_t;

namespace skimwatch::traffic {

// How libhtp is to parse, for all flows of a decoder: everything off that decodes, extracts or
// keeps what this module does itself or has no use for.
class HttpConfig {
 public:
  HttpConfig();
  ~HttpConfig();
  HttpConfig(const HttpConfig&) = delete;
  HttpConfig& operator=(const HttpConfig&) = delete;

  // Of parsers for what clients send, and for what servers send.
  htp_cfg_t* requests() const { return requests_; }
  htp_cfg_t* responses() const { return responses_; }

 private:
  htp_cfg_t* requests_;
  htp_cfg_t* responses_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_CONFIG_H_
