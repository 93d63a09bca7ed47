#include "collector/sink/nats/nats_sink.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/sink/names.h"
#include "collector/sink/ocsf.h"
#include "nats/nats.h"
#include "nlohmann/json.hpp"

namespace skimwatch::sink {
namespace {

constexpr int64_t kConnectTimeoutMs = 5'000;
constexpr absl::Duration kAckTimeout = absl::Seconds(10);
// A wait looks this often whether it is to end.
constexpr int64_t kPollMs = 200;
constexpr const char* kMessageId = "Nats-Msg-Id";
// Beside the payload a message has its headers.
constexpr int64_t kHeaderBytes = 512;

template <typename T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
using NatsOptions = std::unique_ptr<natsOptions, Destroy<natsOptions, natsOptions_Destroy>>;
using NatsConnection =
    std::unique_ptr<natsConnection, Destroy<natsConnection, natsConnection_Destroy>>;
using Message = std::unique_ptr<natsMsg, Destroy<natsMsg, natsMsg_Destroy>>;
using Subscription =
    std::unique_ptr<natsSubscription, Destroy<natsSubscription, natsSubscription_Destroy>>;

Reason ReasonOf(natsStatus status) {
  switch (status) {
    case NATS_SSL_ERROR:
      return Reason::kTls;
    case NATS_TIMEOUT:
      return Reason::kTimeout;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
      return Reason::kDenied;
    case NATS_INVALID_ARG:
      return Reason::kConfiguration;
    default:
      return Reason::kUnreachable;
  }
}

// Nothing when the stream has stored the message. The answers of JetStream are JSON
// (io.nats.jetstream.api.v1.pub_ack_response).
std::optional<Failure> ReadAnswer(natsMsg* message) {
  // JSStreamMessageExceedsMaximumErr
  constexpr int kMessageTooLarge = 10054;
  const auto answer = nlohmann::json::parse(
      natsMsg_GetData(message), natsMsg_GetData(message) + natsMsg_GetDataLength(message), nullptr,
      /*allow_exceptions=*/false);
  if (answer.is_object() && answer.contains("stream") && !answer.contains("error")) {
    return std::nullopt;
  }
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_object()) {
    return Failure{.reason = Reason::kDenied,
                   .text = "what answers on the subject is no JetStream"};
  }
  const auto& error = answer["error"];
  // Anybody may answer on the inbox, with anything.
  const auto code = error.find("err_code");
  const bool too_large =
      code != error.end() && code->is_number_integer() && *code == kMessageTooLarge;
  const auto said = error.find("description");
  const std::string why =
      said != error.end() && said->is_string() ? said->get<std::string>() : "no reason";
  return Failure{.reason = too_large ? Reason::kRefused : Reason::kServer,
                 .text = absl::StrCat("not stored: ", why)};
}

}  // namespace

struct NatsSink::Connection {
  // Destroyed from the last to the first.
  NatsConnection nats;
  std::string inbox;
  Subscription answers;

  bool IsConnected() const {
    return natsConnection_Status(nats.get()) == NATS_CONN_STATUS_CONNECTED;
  }
};

// What the stream said of each event of a batch: taken, not taken, or nothing yet.
struct NatsSink::Answers {
  std::vector<std::optional<std::optional<Failure>>> of;
  bool timeout = false;
  // Nobody takes a subject of one of the events that have no answer.
  bool no_responders = false;
};

NatsSink::NatsSink(Options options) : options_(std::move(options)) {}

NatsSink::~NatsSink() = default;

std::string NatsSink::SubjectOf(const Event& event) const {
  return absl::StrCat(options_.config.subject(), ".", NameOf(event.content), ".",
                      NameOf(event.kind));
}

std::optional<Failure> NatsSink::Connect() {
  if (connection_ != nullptr && connection_->IsConnected()) return std::nullopt;
  connection_ = nullptr;
  const config::v1::NatsSink& config = options_.config;
  const config::v1::SinkTls& tls = config.tls();
  std::vector<std::string> urls;
  for (const std::string& server : config.servers()) {
    urls.push_back(absl::StrCat(tls.plaintext() ? "nats://" : "tls://", server));
  }
  std::vector<const char*> servers;
  servers.reserve(urls.size());
  for (const std::string& url : urls) servers.push_back(url.c_str());

  natsOptions* made = nullptr;
  natsStatus status = natsOptions_Create(&made);
  const NatsOptions owner(made);
  natsOptions* const nats = made;
  const auto set = [&status](natsStatus result) {
    if (status == NATS_OK) status = result;
  };
  if (status == NATS_OK) {
    set(natsOptions_SetServers(nats, servers.data(), static_cast<int>(servers.size())));
    set(natsOptions_SetNoRandomize(nats, true));
    set(natsOptions_SetTimeout(nats, kConnectTimeoutMs));
    set(natsOptions_SetName(nats, options_.client_name.c_str()));
    // A broken connection is given up, so that what was on its way is known to be not taken.
    set(natsOptions_SetAllowReconnect(nats, false));
    set(natsOptions_SetPingInterval(nats, 5'000));
    set(natsOptions_SetMaxPingsOut(nats, 2));
    if (!tls.plaintext()) {
      set(natsOptions_SetSecure(nats, true));
      if (!tls.ca_file().empty()) {
        set(natsOptions_LoadCATrustedCertificates(nats, tls.ca_file().c_str()));
      }
      if (!tls.certificate_file().empty()) {
        set(natsOptions_LoadCertificatesChain(nats, tls.certificate_file().c_str(),
                                              tls.key_file().c_str()));
      }
      if (!tls.server_name().empty()) {
        set(natsOptions_SetExpectedHostname(nats, tls.server_name().c_str()));
      }
    }
    if (!config.credentials_file().empty()) {
      set(natsOptions_SetUserCredentialsFromFiles(nats, config.credentials_file().c_str(),
                                                  nullptr));
    }
  }
  const std::string at = absl::StrJoin(config.servers(), ", ");
  if (status != NATS_OK) {
    return Failure{.reason = Reason::kConfiguration,
                   .text = absl::StrCat(at, ": ", nats_GetLastError(nullptr))};
  }
  auto connection = std::make_unique<Connection>();
  natsConnection* connected = nullptr;
  status = natsConnection_Connect(&connected, nats);
  connection->nats.reset(connected);
  natsInbox* inbox = nullptr;
  if (status == NATS_OK) status = natsInbox_Create(&inbox);
  if (status == NATS_OK) {
    connection->inbox = inbox;
    natsSubscription* answers = nullptr;
    status = natsConnection_SubscribeSync(&answers, connected,
                                          absl::StrCat(connection->inbox, ".*").c_str());
    connection->answers.reset(answers);
  }
  natsInbox_Destroy(inbox);
  if (status != NATS_OK) {
    const char* const text = nats_GetLastError(nullptr);
    return Failure{.reason = ReasonOf(status),
                   .text = absl::StrCat(at, ": ", natsStatus_GetText(status),
                                        text == nullptr ? "" : ": ", text == nullptr ? "" : text)};
  }
  connection_ = std::move(connection);
  return std::nullopt;
}

std::optional<Failure> NatsSink::Publish(const Event& event, const std::string& reply) {
  const int64_t bytes_max = natsConnection_GetMaxPayload(connection_->nats.get()) - kHeaderBytes;
  const std::string* body = &event.body;
  std::string shortened;
  if (static_cast<int64_t>(body->size()) > bytes_max) {
    shortened = WithoutEvidence(event.body);
    body = &shortened;
  }
  if (static_cast<int64_t>(body->size()) > bytes_max) {
    return Failure{
        .reason = Reason::kRefused,
        .text = absl::StrCat(
            body->size(), " bytes without evidence; the server's max_payload allows ", bytes_max)};
  }
  natsMsg* made = nullptr;
  natsStatus status = natsMsg_Create(&made, SubjectOf(event).c_str(), reply.c_str(), body->data(),
                                     static_cast<int>(body->size()));
  const Message message(made);
  if (status == NATS_OK) status = natsMsgHeader_Set(made, kMessageId, event.id.c_str());
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection_->nats.get(), made);
  if (status == NATS_OK) return std::nullopt;
  return Failure{.reason = ReasonOf(status), .text = natsStatus_GetText(status)};
}

void NatsSink::Await(size_t published, Answers& answers) {
  const absl::Time deadline = absl::Now() + kAckTimeout;
  const std::string prefix = absl::StrCat(connection_->inbox, ".", batch_, "-");
  size_t waiting = published;
  while (waiting > 0 && !interrupted_) {
    natsMsg* got = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&got, connection_->answers.get(), kPollMs);
    const Message message(got);
    if (status == NATS_TIMEOUT) {
      answers.timeout = absl::Now() >= deadline;
      if (answers.timeout) return;
      continue;
    }
    if (status == NATS_NO_RESPONDERS) {
      answers.no_responders = true;
      --waiting;
      continue;
    }
    if (status != NATS_OK) return;
    const std::string_view subject = natsMsg_GetSubject(got);
    size_t event = 0;
    if (!subject.starts_with(prefix) ||
        !absl::SimpleAtoi(absl::string_view(subject.data(), subject.size()).substr(prefix.size()),
                          &event) ||
        event >= published || answers.of[event].has_value()) {
      continue;
    }
    answers.of[event] = ReadAnswer(got);
    --waiting;
  }
}

Outcome NatsSink::Send(absl::Span<const Event> events) {
  if (auto failure = Connect()) return {.taken = 0, .failure = std::move(failure)};
  ++batch_;
  Answers answers;
  answers.of.resize(events.size());
  size_t published = 0;
  std::optional<Failure> failure;
  while (published < events.size()) {
    failure =
        Publish(events[published], absl::StrCat(connection_->inbox, ".", batch_, "-", published));
    if (failure.has_value()) break;
    ++published;
  }
  Await(published, answers);
  Outcome outcome;
  for (; outcome.taken < published; ++outcome.taken) {
    const std::optional<std::optional<Failure>>& answer = answers.of[outcome.taken];
    if (!answer.has_value()) {
      outcome.failure =
          answers.no_responders
              ? Failure{.reason = Reason::kDenied,
                        .text = "no JetStream takes the subject; make one that does"}
          : answers.timeout
              ? Failure{.reason = Reason::kTimeout, .text = "no acknowledgement in time"}
              : Failure{.reason = Reason::kUnreachable, .text = "the connection broke"};
      return outcome;
    }
    if (answer->has_value()) {
      outcome.failure = *answer;
      return outcome;
    }
  }
  outcome.failure = std::move(failure);
  return outcome;
}

}  // namespace skimwatch::sink
