#include "agent/traffic/protocol/http_config.h"

#include <htp/htp.h>

#include <new>

#include "agent/traffic/protocol/http_stream.h"

namespace skimwatch::traffic {
namespace {

// More make a search among them costly; no browser or server accepts as many.
constexpr uint32_t kHeadersMax = 1000;
// HttpStream bounds whole heads; libhtp is never given part of a line.
constexpr size_t kFieldBytesMax = size_t{1} << 20;

HttpStream& StreamOf(const htp_tx_t* tx) {
  return *static_cast<HttpStream*>(htp_connp_get_user_data(tx->connp));
}

int OnLine(htp_tx_t* tx) { return StreamOf(tx).OnLine(tx); }
int OnHead(htp_tx_t* tx) { return StreamOf(tx).OnHead(tx); }
int OnComplete(htp_tx_t* tx) { return StreamOf(tx).OnComplete(tx); }

htp_cfg_t* Create() {
  htp_cfg_t* config = htp_config_create();
  if (config == nullptr) throw std::bad_alloc();
  htp_config_set_server_personality(config, HTP_SERVER_MINIMAL);
  // Messages are kept until the end of the connection.
  htp_config_set_log_level(config, HTP_LOG_NONE);
  htp_config_set_field_limits(config, kFieldBytesMax, kFieldBytesMax);
  htp_config_set_number_headers_limit(config, kHeadersMax);
  htp_config_set_parse_request_auth(config, 0);
  htp_config_set_parse_request_cookies(config, 0);
  htp_config_set_request_decompression(config, 0);
  htp_config_set_response_decompression(config, 0);
  htp_config_set_tx_auto_destroy(config, 1);
  return config;
}

htp_cfg_t* OfRequests() {
  htp_cfg_t* config = Create();
  htp_config_register_request_line(config, &OnLine);
  htp_config_register_request_headers(config, &OnHead);
  htp_config_register_request_complete(config, &OnComplete);
  return config;
}

htp_cfg_t* OfResponses() {
  htp_cfg_t* config = Create();
  htp_config_register_response_line(config, &OnLine);
  htp_config_register_response_headers(config, &OnHead);
  htp_config_register_response_complete(config, &OnComplete);
  return config;
}

}  // namespace

HttpParserPool::~HttpParserPool() {
  for (htp_connp_t* parser : free_) htp_connp_destroy_all(parser);
  htp_config_destroy(config_);
}

htp_connp_t* HttpParserPool::Take() {
  if (!free_.empty()) {
    htp_connp_t* parser = free_.back();
    free_.pop_back();
    return parser;
  }
  htp_connp_t* parser = htp_connp_create(config_);
  if (parser == nullptr) throw std::bad_alloc();
  htp_connp_open(parser, nullptr, 0, nullptr, 0, nullptr);
  return parser;
}

void HttpParserPool::Return(htp_connp_t* parser) {
  // A parser keeps an entry for every message that it has seen.
  constexpr size_t kMessagesMax = 256;
  if (free_.size() < kFreeMax &&
      htp_list_size(htp_connp_get_connection(parser)->transactions) < kMessagesMax) {
    free_.push_back(parser);
  } else {
    htp_connp_destroy_all(parser);
  }
}

HttpConfig::HttpConfig() : requests_(OfRequests()), responses_(OfResponses()) {}

}  // namespace skimwatch::traffic
