#include "collector/sink/webhook/webhook_sink.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collector/sink/secret_file.h"
#include "curl/curl.h"
#include "openssl/hmac.h"
#include "openssl/sha.h"

namespace skimwatch::sink {
namespace {

constexpr size_t kSecretBytesMin = 16;
// Bytes of an answer that are read before the connection is closed.
constexpr size_t kAnswerBytesMax = 64 << 10;
constexpr long kConnectTimeoutMs = 10'000;
// Events of one request, however many it may have, are of this many bytes.
constexpr size_t kBodyBytesMax = size_t{4} << 20;
constexpr absl::Duration kRetryAfterMax = absl::Minutes(5);

std::string Hex(const unsigned char* bytes, size_t size) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes), size));
}

// Of several events in one request: of them all, in their order.
std::string BatchId(absl::Span<const Event> events) {
  if (events.size() == 1) return events[0].id;
  std::string ids;
  for (const Event& event : events) absl::StrAppend(&ids, event.id, "\n");
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(ids.data()), ids.size(), digest.data());
  return absl::StrCat("b-", Hex(digest.data(), 16));
}

std::string Body(absl::Span<const Event> events, bool array) {
  if (!array) return events[0].body;
  std::string body = "[";
  for (const Event& event : events) {
    absl::StrAppend(&body, body.size() == 1 ? "" : ",", event.body);
  }
  return body + "]";
}

size_t CountAnswer(char*, size_t size, size_t count, void* user) {
  auto* const bytes = static_cast<size_t*>(user);
  *bytes += size * count;
  // More ends the transfer; its status is known by then.
  return *bytes > kAnswerBytesMax ? 0 : size * count;
}

int CheckInterrupted(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(user) ? 1 : 0;
}

Reason ReasonOf(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Reason::kTimeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
      return Reason::kTls;
    case CURLE_SSL_CACERT_BADFILE:
      return Reason::kConfiguration;
    default:
      return Reason::kUnreachable;
  }
}

// What an answer that is not 2xx says about the event.
Reason ReasonOf(long status) {
  switch (status) {
    case 401:
    case 403:
    case 404:
    case 407:
      return Reason::kDenied;
    case 408:
    case 429:
      return Reason::kServer;
    default:
      return status >= 400 && status < 500 ? Reason::kRefused
             : status >= 500               ? Reason::kServer
                                           : Reason::kDenied;
  }
}

// Scheme and host: paths and queries may hold secrets.
std::string Shown(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(0, url.find_first_of("/?#", host));
}

}  // namespace

std::string Sign(std::string_view secret, absl::Time time, std::string_view body) {
  const std::string seconds = absl::StrCat(absl::ToUnixSeconds(time));
  const std::string text = absl::StrCat(seconds, ".", absl::string_view(body.data(), body.size()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return absl::StrCat("t=", seconds, ",v1=", Hex(digest.data(), size));
}

// A handle keeps its connection from one request to the next.
struct WebhookSink::Curl {
  Curl() : easy(curl_easy_init()) {}
  ~Curl() { curl_easy_cleanup(easy); }
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;

  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(easy, option, value);
  }

  CURL* const easy;
  std::array<char, CURL_ERROR_SIZE> error{};
};

WebhookSink::WebhookSink(Options options)
    : options_(std::move(options)), curl_(std::make_unique<Curl>()) {}

WebhookSink::~WebhookSink() = default;

size_t WebhookSink::events_max() const {
  // One request each, and not too many behind one look at the store.
  constexpr size_t kSingleRequests = 50;
  return options_.config.events_max() == 1 ? kSingleRequests : options_.config.events_max();
}

Outcome WebhookSink::Send(absl::Span<const Event> events) {
  Outcome outcome;
  while (outcome.taken < events.size() && !outcome.failure.has_value() && !interrupted_) {
    absl::Span<const Event> batch = events.subspan(outcome.taken);
    size_t count = 0;
    size_t bytes = 0;
    while (count < batch.size() && count < options_.config.events_max() &&
           (count == 0 || bytes + batch[count].body.size() <= kBodyBytesMax)) {
      bytes += batch[count++].body.size();
    }
    const Outcome posted = Post(batch.first(count));
    outcome.taken += posted.taken;
    outcome.failure = posted.failure;
  }
  return outcome;
}

Outcome WebhookSink::Post(absl::Span<const Event> events) {
  std::optional<Failure> failure =
      Request(BatchId(events), Body(events, options_.config.events_max() > 1));
  if (!failure.has_value()) return {.taken = events.size()};
  if (failure->reason != Reason::kRefused || events.size() == 1) {
    return {.taken = 0, .failure = std::move(failure)};
  }
  const size_t half = events.size() / 2;
  Outcome first = Post(events.first(half));
  if (first.failure.has_value()) return first;
  Outcome second = Post(events.subspan(half));
  second.taken += half;
  return second;
}

std::optional<Failure> WebhookSink::Request(const std::string& id, const std::string& body) {
  const config::v1::WebhookSink& config = options_.config;
  const std::string at = Shown(config.url());
  std::vector<std::string> headers = {"Content-Type: application/json",
                                      // No round trip before a long body.
                                      "Expect:", absl::StrCat("Skimwatch-Id: ", id)};
  if (!config.secret_file().empty()) {
    const absl::StatusOr<std::string> secret = ReadSecretFile(config.secret_file());
    if (!secret.ok()) {
      return Failure{.reason = Reason::kConfiguration,
                     .text = absl::StrCat("secret_file: ", secret.status().message())};
    }
    if (secret->size() < kSecretBytesMin) {
      return Failure{.reason = Reason::kConfiguration,
                     .text = absl::StrCat("secret_file: ", config.secret_file(), " has less than ",
                                          kSecretBytesMin, " bytes")};
    }
    headers.push_back(absl::StrCat("Skimwatch-Signature: ", Sign(*secret, options_.now(), body)));
  }
  if (!config.authorization_file().empty()) {
    const absl::StatusOr<std::string> value = ReadSecretFile(config.authorization_file());
    if (!value.ok()) {
      return Failure{.reason = Reason::kConfiguration,
                     .text = absl::StrCat("authorization_file: ", value.status().message())};
    }
    headers.push_back(absl::StrCat("Authorization: ", *value));
  }
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());

  size_t answer_bytes = 0;
  curl_->error[0] = '\0';
  curl_easy_reset(curl_->easy);
  curl_->Set(CURLOPT_URL, config.url().c_str());
  curl_->Set(CURLOPT_PROTOCOLS_STR, "https,http");
  curl_->Set(CURLOPT_FOLLOWLOCATION, 0L);
  curl_->Set(CURLOPT_HTTPHEADER, list);
  curl_->Set(CURLOPT_POST, 1L);
  curl_->Set(CURLOPT_POSTFIELDS, body.data());
  curl_->Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  const std::string agent = absl::StrCat("skimwatch-collector/", options_.version);
  curl_->Set(CURLOPT_USERAGENT, agent.c_str());
  curl_->Set(CURLOPT_CONNECTTIMEOUT_MS,
             std::min(kConnectTimeoutMs, static_cast<long>(config.timeout_ms())));
  curl_->Set(CURLOPT_TIMEOUT_MS, static_cast<long>(config.timeout_ms()));
  curl_->Set(CURLOPT_NOSIGNAL, 1L);
  curl_->Set(CURLOPT_SSL_VERIFYPEER, 1L);
  curl_->Set(CURLOPT_SSL_VERIFYHOST, 2L);
  curl_->Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!config.tls().ca_file().empty()) {
    curl_->Set(CURLOPT_CAINFO, config.tls().ca_file().c_str());
    curl_->Set(CURLOPT_CAPATH, nullptr);
  }
  if (!config.tls().certificate_file().empty()) {
    curl_->Set(CURLOPT_SSLCERT, config.tls().certificate_file().c_str());
    curl_->Set(CURLOPT_SSLKEY, config.tls().key_file().c_str());
  }
  curl_->Set(CURLOPT_WRITEFUNCTION, &CountAnswer);
  curl_->Set(CURLOPT_WRITEDATA, &answer_bytes);
  curl_->Set(CURLOPT_NOPROGRESS, 0L);
  curl_->Set(CURLOPT_XFERINFOFUNCTION, &CheckInterrupted);
  curl_->Set(CURLOPT_XFERINFODATA, &interrupted_);
  curl_->Set(CURLOPT_ERRORBUFFER, curl_->error.data());
  const CURLcode code = curl_easy_perform(curl_->easy);
  curl_->Set(CURLOPT_ERRORBUFFER, nullptr);
  curl_slist_free_all(list);

  long status = 0;
  curl_easy_getinfo(curl_->easy, CURLINFO_RESPONSE_CODE, &status);
  const bool long_answer = code == CURLE_WRITE_ERROR && answer_bytes > kAnswerBytesMax;
  if (code != CURLE_OK && !long_answer) {
    return Failure{.reason = ReasonOf(code),
                   .text = absl::StrCat(at, ": ", curl_easy_strerror(code),
                                        curl_->error[0] == '\0' ? "" : ": ", curl_->error.data())};
  }
  if (status >= 200 && status < 300) return std::nullopt;
  Failure failure = {.reason = ReasonOf(status), .text = absl::StrCat(at, " answers ", status)};
  curl_off_t retry_after = 0;
  if (curl_easy_getinfo(curl_->easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
      retry_after > 0) {
    failure.retry_after = std::min(absl::Seconds(retry_after), kRetryAfterMax);
  }
  return failure;
}

}  // namespace skimwatch::sink
