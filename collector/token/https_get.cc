#include "collector/token/https_get.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace skimwatch::token {
namespace {

constexpr long kHttpOk = 200;  // NOLINT(google-runtime-int): as libcurl has it.

struct HandleDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

struct Body {
  std::string bytes;
  size_t bytes_max;
};

// Fewer than came tell libcurl to give up.
size_t TakeBody(char* data, size_t /*one*/, size_t size, void* user) {
  Body& body = *static_cast<Body*>(user);
  if (size > body.bytes_max - body.bytes.size()) return 0;
  body.bytes.append(data, size);
  return size;
}

}  // namespace

absl::StatusOr<std::string> HttpsGet(const HttpsGetOptions& options) {
  // Once for the process, and thread-safe since libcurl 7.84.
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, HandleDeleter> handle(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (handle == nullptr) return absl::InternalError("libcurl does not start");
  CURL* const curl = handle.get();
  Body body{.bytes_max = options.bytes_max};
  char error[CURL_ERROR_SIZE] = {};
  bool is_set = true;
  const auto set = [&](CURLoption option, auto value) {
    is_set = is_set && curl_easy_setopt(curl, option, value) == CURLE_OK;
  };
  set(CURLOPT_URL, options.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "https");
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));  // NOLINT
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options.timeout)));  // NOLINT
  set(CURLOPT_USERAGENT, "skimwatch-collector");
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(error));
  set(CURLOPT_WRITEFUNCTION, &TakeBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&body));
  if (!is_set) return absl::InternalError("libcurl lacks TLS, or an option of 7.85");
  const CURLcode code = curl_easy_perform(curl);
  if (code == CURLE_WRITE_ERROR) {
    return absl::UnavailableError(
        absl::StrCat(options.url, ": sent more than ", options.bytes_max, " bytes"));
  }
  if (code != CURLE_OK) {
    return absl::UnavailableError(
        absl::StrCat(options.url, ": ", error[0] != '\0' ? error : curl_easy_strerror(code)));
  }
  long status = 0;  // NOLINT(google-runtime-int): as libcurl has it.
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != kHttpOk) {
    return absl::UnavailableError(absl::StrCat(options.url, ": answered ", status, ", not 200"));
  }
  return body.bytes;
}

}  // namespace skimwatch::token
