#include "agent/traffic/protocol/protocol_detector.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "agent/traffic/protocol/dns_message.h"
#include "agent/traffic/protocol/http2_frame.h"
#include "agent/traffic/protocol/syslog_parser.h"

namespace skimwatch::traffic {
namespace {

constexpr std::array<std::string_view, 16> kMethods = {
    "GET",      "POST",      "HEAD",  "PUT",  "OPTIONS", "PATCH", "DELETE", "CONNECT",
    "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",    "LOCK",  "UNLOCK", "REPORT"};
constexpr size_t kMethodBytesMax = 24;
constexpr std::string_view kHttpVersion = "HTTP/1.";

// Content types of TLS records.
constexpr uint8_t kChangeCipherSpec = 20;
constexpr uint8_t kAlert = 21;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kApplicationData = 23;
constexpr size_t kRecordHeaderBytes = 5;
// 2^14 and what encryption may add, of TLS 1.2 and before.
constexpr size_t kRecordBytesMax = (1 << 14) + 2048;

bool IsMethodCharacter(char c) { return (c >= 'A' && c <= 'Z') || c == '-' || c == '_'; }

Detection DetectRequest(std::string_view bytes) {
  const size_t end = static_cast<size_t>(
      std::find_if_not(bytes.begin(), bytes.end(), IsMethodCharacter) - bytes.begin());
  if (end > kMethodBytesMax) return Detection::kUnknown;
  if (end == bytes.size()) return Detection::kMore;
  if (end == 0 || bytes[end] != ' ') return Detection::kUnknown;
  if (std::find(kMethods.begin(), kMethods.end(), bytes.substr(0, end)) != kMethods.end()) {
    return Detection::kHttpRequest;
  }
  const size_t line_end = bytes.find('\n');
  if (line_end == std::string_view::npos) {
    return bytes.size() < kDetectionBytesMax ? Detection::kMore : Detection::kUnknown;
  }
  const std::string_view line = bytes.substr(0, line_end);
  const size_t space = line.rfind(' ');
  return space > end && line.substr(space + 1).starts_with(kHttpVersion) ? Detection::kHttpRequest
                                                                         : Detection::kUnknown;
}

Detection DetectResponse(std::string_view bytes) {
  const size_t common = std::min(bytes.size(), kHttpVersion.size());
  if (bytes.substr(0, common) != kHttpVersion.substr(0, common)) return Detection::kUnknown;
  return bytes.size() < kHttpVersion.size() ? Detection::kMore : Detection::kHttpResponse;
}

Detection DetectHttp2(std::string_view bytes) {
  const size_t common = std::min(bytes.size(), kHttp2Preface.size());
  if (bytes.substr(0, common) == kHttp2Preface.substr(0, common)) {
    return common == kHttp2Preface.size() ? Detection::kHttp2Client : Detection::kMore;
  }
  // A server's first frame is SETTINGS, of fewer than 42 of them.
  constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", Http2Frame::kHeaderBytes);
  constexpr size_t kLengthAt = 2;
  for (size_t i = 0; i < std::min(bytes.size(), kSettings.size()); ++i) {
    const bool fits =
        i == kLengthAt ? static_cast<uint8_t>(bytes[i]) % 6 == 0 : bytes[i] == kSettings[i];
    if (!fits) return Detection::kUnknown;
  }
  return bytes.size() < kSettings.size() ? Detection::kMore : Detection::kHttp2Server;
}

// Two bytes of length before a message.
Detection DetectDns(std::string_view bytes) {
  constexpr size_t kLengthBytes = 2;
  if (bytes.size() < kLengthBytes) return Detection::kMore;
  const size_t length =
      static_cast<size_t>(static_cast<uint8_t>(bytes[0])) << 8 | static_cast<uint8_t>(bytes[1]);
  // A question for the root.
  if (length < kDnsHeaderBytes + 5) return Detection::kUnknown;
  const std::string_view message = bytes.substr(kLengthBytes, length);
  if (message.size() < kDnsHeaderBytes) {
    // What there is of a header must do.
    std::string padded(message);
    constexpr std::string_view kPlain("\0\0\0\0\0\1\0\0\0\0\0\0", kDnsHeaderBytes);
    padded += kPlain.substr(padded.size());
    return MayBeDnsMessage(padded) ? Detection::kMore : Detection::kUnknown;
  }
  if (!MayBeDnsMessage(message)) return Detection::kUnknown;
  if (message.size() < length) return Detection::kMore;
  if (!ParseDnsMessage(message).has_value()) return Detection::kUnknown;
  return IsDnsResponse(message) ? Detection::kDnsResponse : Detection::kDnsQuery;
}

constexpr size_t kTextLineBytesMax = 1024;

// The first line without its end, or what there is of it.
struct FirstLine {
  std::string_view text;
  bool is_whole = false;
  // More of it may come.
  bool may_grow = false;
};

FirstLine FirstLineOf(std::string_view bytes) {
  const size_t end = bytes.substr(0, kTextLineBytesMax).find('\n');
  if (end == std::string_view::npos) {
    return {.text = bytes, .may_grow = bytes.size() < kTextLineBytesMax};
  }
  std::string_view text = bytes.substr(0, end);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return {.text = text, .is_whole = true};
}

// Whether `text` begins with `word`, in any case of letters, as far as both go.
bool MayBegin(std::string_view text, std::string_view word) {
  const size_t bytes = std::min(text.size(), word.size());
  return absl::EqualsIgnoreCase(absl::string_view(text.data(), bytes),
                                absl::string_view(word.data(), bytes));
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) >= ' ' || c == '\t'; });
}

Detection DetectGreeting(std::string_view bytes) {
  const FirstLine line = FirstLineOf(bytes);
  if (!MayBegin(line.text, "220 ") && !MayBegin(line.text, "220-")) return Detection::kUnknown;
  if (!line.is_whole) return line.may_grow ? Detection::kMore : Detection::kUnknown;
  if (line.text.size() < 4 || !IsPrintable(line.text)) return Detection::kUnknown;
  const std::string text =
      absl::AsciiStrToUpper(absl::string_view(line.text.data(), line.text.size()));
  const auto names = [&text](const char* word) { return text.find(word) != std::string::npos; };
  if (names("SMTP") || names("LMTP")) return Detection::kSmtpServer;
  return names("FTP") ? Detection::kFtpServer : Detection::kGreeting;
}

Detection DetectCommand(std::string_view bytes, std::initializer_list<std::string_view> words,
                        Detection detection) {
  const FirstLine line = FirstLineOf(bytes);
  for (const std::string_view word : words) {
    if (!MayBegin(line.text, word)) continue;
    if (!line.is_whole) return line.may_grow ? Detection::kMore : Detection::kUnknown;
    const size_t bytes_min = word.size() + (word.ends_with(' ') ? 1 : 0);
    if (line.text.size() >= bytes_min && IsPrintable(line.text)) return detection;
  }
  return Detection::kUnknown;
}

Detection DetectSmtp(std::string_view bytes) {
  return DetectCommand(bytes, {"EHLO ", "HELO ", "LHLO "}, Detection::kSmtpClient);
}

// Others than FTP have such commands.
Detection DetectFtp(std::string_view bytes) {
  return DetectCommand(bytes, {"USER ", "AUTH TLS", "AUTH SSL", "FEAT", "HOST ", "OPTS "},
                       Detection::kFtpClient);
}

Detection DetectSyslog(std::string_view bytes) {
  std::string_view text = bytes;
  constexpr size_t kLengthDigitsMax = 6;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits > kLengthDigitsMax) return Detection::kUnknown;
  if (digits > 0) {
    if (digits == text.size()) return Detection::kMore;
    if (text[digits] != ' ' || text.front() == '0') return Detection::kUnknown;
    text.remove_prefix(digits + 1);
  }
  if (BeginsAsSyslog(text)) return Detection::kSyslog;
  // `<191>1`, as far as it has come.
  constexpr std::string_view kLongest = "<191>1";
  bool may_grow = text.size() < kLongest.size();
  for (size_t i = 0; i < text.size() && may_grow; ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    may_grow =
        i == 0 ? text[i] == '<' : is_digit || (i > 1 && i + 1 == text.size() && text[i] == '>');
  }
  return may_grow ? Detection::kMore : Detection::kUnknown;
}

// The Detections of a protocol with a function for each; the first that knows the bytes has them.
constexpr std::array kDetectors = {DetectTls,      DetectHttp2, DetectResponse, DetectRequest,
                                   DetectGreeting, DetectSmtp,  DetectDns,      DetectSyslog};

}  // namespace

Detection DetectTls(std::string_view bytes) {
  if (bytes.empty()) return Detection::kMore;
  const auto at = [bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t type = at(0);
  if (type < kChangeCipherSpec || type > kApplicationData) return Detection::kUnknown;
  // SSL 3.0 to TLS 1.3 (which calls its records 1.2).
  if (bytes.size() > 1 && at(1) != 3) return Detection::kUnknown;
  if (bytes.size() > 2 && at(2) > 4) return Detection::kUnknown;
  if (bytes.size() < kRecordHeaderBytes) return Detection::kMore;
  const size_t length = static_cast<size_t>(at(3)) << 8 | at(4);
  if (length == 0 || length > kRecordBytesMax) return Detection::kUnknown;
  switch (type) {
    case kChangeCipherSpec:
      return length == 1 ? Detection::kTls : Detection::kUnknown;
    case kAlert:
      return length < 256 ? Detection::kTls : Detection::kUnknown;
    case kApplicationData:
      return Detection::kTls;
    case kHandshake:
      break;
    default:
      return Detection::kUnknown;
  }
  if (bytes.size() == kRecordHeaderBytes) return Detection::kMore;
  constexpr uint8_t kClientHello = 1;
  constexpr uint8_t kServerHello = 2;
  if (at(kRecordHeaderBytes) == kClientHello) return Detection::kTlsClient;
  if (at(kRecordHeaderBytes) == kServerHello) return Detection::kTlsServer;
  return Detection::kTls;
}

Detection Detect(std::string_view bytes, bool greeted) {
  if (bytes.empty()) return Detection::kMore;
  bool more = false;
  if (greeted) {
    const Detection detection = DetectFtp(bytes);
    if (detection == Detection::kFtpClient) return detection;
    more = detection == Detection::kMore;
  }
  for (const auto& detect : kDetectors) {
    const Detection detection = detect(bytes);
    if (detection == Detection::kMore) {
      more = true;
    } else if (detection != Detection::kUnknown) {
      return detection;
    }
  }
  return more ? Detection::kMore : Detection::kUnknown;
}

Detection DetectTlsInStream(std::string_view bytes) {
  // A record's head and that of a Hello in it.
  if (bytes.size() < kRecordHeaderBytes + 6) return Detection::kUnknown;
  const Detection detection = DetectTls(bytes);
  switch (detection) {
    case Detection::kTlsClient:
    case Detection::kTlsServer:
      // A Hello's length is below 2^16; its version follows.
      return bytes[6] == 0 && bytes[9] == 3 ? detection : Detection::kUnknown;
    case Detection::kTls:
      // Data in TLS 1.2 and 1.3. What else there is in midstream is too short to tell.
      return static_cast<uint8_t>(bytes[0]) == kApplicationData && bytes[2] == 3
                 ? detection
                 : Detection::kUnknown;
    default:
      return Detection::kUnknown;
  }
}

namespace {

Detection DetectHttpInStream(std::string_view bytes) {
  // `HTTP/1.1 200`
  constexpr size_t kStatusEnd = 12;
  if (bytes.size() >= kStatusEnd && bytes.starts_with(kHttpVersion) && bytes[8] == ' ' &&
      bytes[9] >= '1' && bytes[9] <= '5') {
    return Detection::kHttpResponse;
  }
  if (bytes.empty() || !IsMethodCharacter(bytes.front())) return Detection::kUnknown;
  const size_t line_end = bytes.substr(0, kDetectionBytesMax).find('\n');
  if (line_end == std::string_view::npos) return Detection::kUnknown;
  const std::string_view line = bytes.substr(0, line_end);
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos || !line.substr(space + 1).starts_with(kHttpVersion)) {
    return Detection::kUnknown;
  }
  return DetectRequest(bytes) == Detection::kHttpRequest ? Detection::kHttpRequest
                                                         : Detection::kUnknown;
}

// Frames one after another: two of them, or one of data that goes on beyond the bytes.
Detection DetectHttp2InStream(std::string_view bytes) {
  constexpr int kFramesMin = 2;
  for (int frames = 0; frames < kFramesMin; ++frames) {
    if (bytes.size() < Http2Frame::kHeaderBytes) return Detection::kUnknown;
    const Http2Frame frame = Http2Frame::Parse(bytes);
    if (!frame.IsUsual()) return Detection::kUnknown;
    bytes.remove_prefix(Http2Frame::kHeaderBytes);
    if (frame.length >= bytes.size() && frame.length > 0) {
      const bool is_data = frame.Is(Http2FrameType::kData) && frame.stream % 2 == 1;
      const bool is_rest = frame.length == bytes.size() && frames > 0;
      return is_data || is_rest ? Detection::kHttp2 : Detection::kUnknown;
    }
    bytes.remove_prefix(frame.length);
  }
  return Detection::kHttp2;
}

// One whole frame of text with a mask: that other bytes are text behind a mask that they bring
// along, and of the length that they claim, is as unlikely as the text is long.
Detection DetectWebSocketInStream(std::string_view bytes) {
  constexpr uint8_t kFinalText = 0x81;
  constexpr uint8_t kMasked = 0x80;
  constexpr size_t kMaskBytes = 4;
  constexpr size_t kTextBytesMin = 4;
  if (bytes.size() < 2 + kMaskBytes + kTextBytesMin) return Detection::kUnknown;
  const auto at = [bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (at(0) != kFinalText || (at(1) & kMasked) == 0) return Detection::kUnknown;
  size_t length = at(1) & ~kMasked;
  size_t header_bytes = 2;
  if (length == 126) {
    length = static_cast<size_t>(at(2)) << 8 | at(3);
    header_bytes = 4;
  }
  if (bytes.size() != header_bytes + kMaskBytes + length) return Detection::kUnknown;
  const std::string_view mask = bytes.substr(header_bytes, kMaskBytes);
  const std::string_view text = bytes.substr(header_bytes + kMaskBytes);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = static_cast<char>(text[i] ^ mask[i % kMaskBytes]);
    const bool is_text = (c >= ' ' && c <= '~') || c == '\t' || c == '\n' || c == '\r';
    if (!is_text) return Detection::kUnknown;
  }
  return Detection::kWebSocketClient;
}

Detection DetectSmtpInStream(std::string_view bytes) {
  const Detection detection =
      DetectCommand(bytes, {"MAIL FROM:<", "RCPT TO:<"}, Detection::kSmtpClient);
  return detection == Detection::kMore ? Detection::kUnknown : detection;
}

}  // namespace

Detection DetectInStream(std::string_view bytes) {
  for (const auto& detect :
       {DetectHttpInStream, DetectHttp2InStream, DetectWebSocketInStream, DetectSmtpInStream}) {
    if (const Detection detection = detect(bytes); detection != Detection::kUnknown) {
      return detection;
    }
  }
  return Detection::kUnknown;
}

Protocol ProtocolOf(Detection detection) {
  switch (detection) {
    case Detection::kHttpRequest:
    case Detection::kHttpResponse:
      return Protocol::kHttp1;
    case Detection::kHttp2Client:
    case Detection::kHttp2Server:
    case Detection::kHttp2:
      return Protocol::kHttp2;
    case Detection::kWebSocketClient:
      return Protocol::kWebSocket;
    case Detection::kDnsQuery:
    case Detection::kDnsResponse:
      return Protocol::kDns;
    case Detection::kSmtpClient:
    case Detection::kSmtpServer:
      return Protocol::kSmtp;
    case Detection::kFtpClient:
    case Detection::kFtpServer:
      return Protocol::kFtp;
    case Detection::kSyslog:
      return Protocol::kSyslog;
    case Detection::kTlsClient:
    case Detection::kTlsServer:
    case Detection::kTls:
      return Protocol::kTls;
    case Detection::kGreeting:
    case Detection::kMore:
    case Detection::kUnknown:
      break;
  }
  return Protocol::kUnknown;
}

std::optional<Sender> SenderOf(Detection detection) {
  switch (detection) {
    case Detection::kHttpRequest:
    case Detection::kHttp2Client:
    case Detection::kWebSocketClient:
    case Detection::kDnsQuery:
    case Detection::kSmtpClient:
    case Detection::kFtpClient:
    case Detection::kSyslog:
    case Detection::kTlsClient:
      return Sender::kClient;
    case Detection::kHttpResponse:
    case Detection::kHttp2Server:
    case Detection::kDnsResponse:
    case Detection::kSmtpServer:
    case Detection::kFtpServer:
    case Detection::kGreeting:
    case Detection::kTlsServer:
      return Sender::kServer;
    case Detection::kHttp2:
    case Detection::kTls:
    case Detection::kMore:
    case Detection::kUnknown:
      break;
  }
  return std::nullopt;
}

}  // namespace skimwatch::traffic
