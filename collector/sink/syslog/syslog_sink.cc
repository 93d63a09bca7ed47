#include "collector/sink/syslog/syslog_sink.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "collector/sink/names.h"
#include "collector/sink/ocsf.h"

namespace skimwatch::sink {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr absl::Duration kWriteTimeout = absl::Seconds(20);

// RFC 5424, 6.2.1.
int SyslogSeverity(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_CRITICAL:
      return 2;
    case v1::SEVERITY_HIGH:
      return 3;
    case v1::SEVERITY_MEDIUM:
      return 4;
    case v1::SEVERITY_LOW:
      return 5;
    default:
      return 6;
  }
}

// RFC 5424, 6.3.3: a value with `"`, `\` and `]` escaped; on one line.
std::string Parameter(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '"' || c == '\\' || c == ']') escaped.push_back('\\');
    escaped.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c);
  }
  return escaped;
}

// Printable ASCII without spaces, as HOSTNAME must be.
std::string HostName(std::string_view host) {
  std::string name;
  for (const char c : host.substr(0, 255)) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) name.push_back(c);
  }
  return name.empty() ? "-" : name;
}

}  // namespace

absl::StatusOr<std::string> SyslogMessage(const Event& event, uint32_t facility,
                                          std::string_view host, size_t bytes_max) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const std::string head =
      absl::StrCat("<", facility * 8 + static_cast<uint32_t>(SyslogSeverity(event.severity)), ">1 ",
                   absl::FormatTime("%E4Y-%m-%dT%H:%M:%E3SZ", event.time, absl::UTCTimeZone()), " ",
                   HostName(host), " skimwatch-collector ", getpid(), " ", NameOf(event.content),
                   " [skimwatch@32473 id=\"", Parameter(event.id), "\" kind=\"", NameOf(event.kind),
                   "\" site=\"", Parameter(event.site), "\"] ",
                   absl::string_view(kByteOrderMark.data(), kByteOrderMark.size()));
  if (head.size() + event.body.size() <= bytes_max) return head + event.body;
  const std::string body = WithoutEvidence(event.body);
  if (head.size() + body.size() <= bytes_max) return head + body;
  return absl::ResourceExhaustedError(absl::StrCat(
      head.size() + body.size(), " bytes without evidence; message_kib allows ", bytes_max));
}

std::optional<Failure> SyslogSink::Connect() {
  if (stream_ != nullptr && !stream_->IsBroken()) return std::nullopt;
  stream_ = std::make_unique<TlsStream>(TlsStream::Options{.address = options_.config.address(),
                                                           .tls = options_.config.tls(),
                                                           .interrupted = &interrupted_});
  std::optional<Failure> failure = stream_->Connect(absl::Now() + kConnectTimeout);
  if (!failure.has_value()) {
    Drop();
    std::string frames;
    for (const Kept& kept : kept_) frames += kept.frame;
    failure = stream_->Write(frames, absl::Now() + kWriteTimeout);
  }
  if (failure.has_value()) stream_ = nullptr;
  return failure;
}

void SyslogSink::Keep(std::string frame) {
  kept_bytes_ += frame.size();
  kept_.push_back({.frame = std::move(frame), .sent_at = absl::Now()});
  Drop();
}

void SyslogSink::Drop() {
  while (!kept_.empty() &&
         (kept_bytes_ > kKeptBytesMax || absl::Now() - kept_.front().sent_at > kKeptFor)) {
    kept_bytes_ -= kept_.front().frame.size();
    kept_.pop_front();
  }
}

Outcome SyslogSink::Send(absl::Span<const Event> events) {
  if (auto failure = Connect()) return {.taken = 0, .failure = std::move(failure)};
  Outcome outcome;
  std::vector<std::string> frames;
  std::string bytes;
  for (const Event& event : events) {
    const absl::StatusOr<std::string> message =
        SyslogMessage(event, options_.config.facility(), options_.host,
                      size_t{options_.config.message_kib()} << 10);
    if (!message.ok()) {
      outcome.failure = {.reason = Reason::kRefused,
                         .text = std::string(message.status().message())};
      break;
    }
    // RFC 5425, 4.3: the count of octets, a space, the message.
    frames.push_back(absl::StrCat(message->size(), " ", *message));
    bytes += frames.back();
  }
  std::optional<Failure> failure = stream_->Write(bytes, absl::Now() + kWriteTimeout);
  if (!failure.has_value()) failure = stream_->Drain(absl::Now() + kWriteTimeout);
  if (failure.has_value()) {
    stream_ = nullptr;
    return {.taken = 0, .failure = std::move(failure)};
  }
  outcome.taken = frames.size();
  for (std::string& frame : frames) Keep(std::move(frame));
  return outcome;
}

}  // namespace skimwatch::sink
