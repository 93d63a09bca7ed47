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
int OnBody(htp_tx_data_t* data) { return StreamOf(data->tx).OnBody(*data); }
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

}  // namespace

HttpConfig::HttpConfig() : requests_(Create()), responses_(Create()) {
  htp_config_register_request_line(requests_, &OnLine);
  htp_config_register_request_headers(requests_, &OnHead);
  htp_config_register_request_body_data(requests_, &OnBody);
  htp_config_register_request_complete(requests_, &OnComplete);
  htp_config_register_response_line(responses_, &OnLine);
  htp_config_register_response_headers(responses_, &OnHead);
  htp_config_register_response_body_data(responses_, &OnBody);
  htp_config_register_response_complete(responses_, &OnComplete);
}

HttpConfig::~HttpConfig() {
  htp_config_destroy(requests_);
  htp_config_destroy(responses_);
}

}  // namespace skimwatch::traffic
