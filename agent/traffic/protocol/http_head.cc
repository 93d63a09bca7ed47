#include "agent/traffic/protocol/http_head.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/match.h"

namespace skimwatch::traffic {
namespace {

// What is longer or has more is rare, and libhtp's.
constexpr size_t kHeadBytesMax = size_t{32} << 10;
constexpr size_t kHeadersMax = 200;
constexpr size_t kMethodBytesMax = 24;
// No number of so many digits is beyond 63 bits.
constexpr size_t kLengthDigitsMax = 18;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 9110 5.6.2.
constexpr std::array<bool, 256> TokenBytes() {
  std::array<bool, 256> is_token{};
  for (size_t c = '!'; c < 0x7f; ++c) is_token[c] = true;
  for (const char c : std::string_view("()<>@,;:\\\"/[]?={}")) {
    is_token[static_cast<unsigned char>(c)] = false;
  }
  return is_token;
}
constexpr std::array<bool, 256> kIsToken = TokenBytes();

bool IsControl(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

// The line that `rest` begins with, without its CRLF; null data where it ends in another way or has
// another control character than a tab.
std::string_view TakeLine(std::string_view& rest) {
  const auto* feed = static_cast<const char*>(std::memchr(rest.data(), '\n', rest.size()));
  if (feed == nullptr || feed == rest.data() || feed[-1] != '\r') return std::string_view();
  const std::string_view line = rest.substr(0, static_cast<size_t>(feed - rest.data()) - 1);
  // All of them are looked at, for a loop that can stop is not made parallel.
  bool has_control = false;
  for (const char c : line) has_control |= IsControl(c) && c != '\t';
  if (has_control) return std::string_view();
  rest.remove_prefix(line.size() + 2);
  return line;
}

// `www.shop.example:8080` and the like, whose parts nobody disputes.
bool IsPlainHost(std::string_view host) {
  constexpr size_t kNameBytesMax = 200;
  constexpr size_t kPortDigitsMax = 5;
  const size_t colon = host.find(':');
  const std::string_view name = host.substr(0, colon);
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '.' || name.back() == '.') {
    return false;
  }
  for (const char c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter && !IsDigit(c) && c != '.' && c != '-') return false;
  }
  if (colon == std::string_view::npos) return true;
  const std::string_view port = host.substr(colon + 1);
  return !port.empty() && port.size() <= kPortDigitsMax &&
         std::all_of(port.begin(), port.end(), IsDigit);
}

struct Field {
  std::string_view name;
  std::string_view HttpHead::*value;
};

constexpr std::array<Field, 9> kFields = {{
    {"host", &HttpHead::host},
    {"origin", &HttpHead::origin},
    {"referer", &HttpHead::referer},
    {"upgrade", &HttpHead::upgrade},
    {"content-type", &HttpHead::content_type},
    {"grpc-encoding", &HttpHead::grpc_encoding},
    {"content-encoding", &HttpHead::content_encoding},
    {"transfer-encoding", &HttpHead::transfer_encoding},
    {"sec-websocket-extensions", &HttpHead::web_socket_extensions},
}};

// The header lines and the empty one; false where they are not plain. Those fields are refused that
// are empty or come twice, of the ones that matter.
bool TakeHeaders(std::string_view& rest, HttpHead& head, std::string_view& content_length) {
  for (size_t i = 0; i < kHeadersMax; ++i) {
    const std::string_view line = TakeLine(rest);
    if (line.data() == nullptr) return false;
    if (line.empty()) return true;
    size_t name_bytes = 0;
    while (name_bytes < line.size() && kIsToken[static_cast<unsigned char>(line[name_bytes])]) {
      ++name_bytes;
    }
    if (name_bytes == 0 || name_bytes == line.size() || line[name_bytes] != ':') return false;
    const std::string_view name = line.substr(0, name_bytes);
    std::string_view* value = nullptr;
    for (const Field& field : kFields) {
      if (field.name.size() == name.size() &&
          absl::EqualsIgnoreCase(Absl(field.name), Absl(name))) {
        value = &(head.*field.value);
        break;
      }
    }
    if (value == nullptr && absl::EqualsIgnoreCase(Absl(name), "content-length")) {
      value = &content_length;
    }
    if (value == nullptr) continue;
    std::string_view text = line.substr(name_bytes + 1);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text = text.substr(0, text.find_last_not_of(" \t") + 1);
    if (text.empty() || !value->empty()) return false;
    *value = text;
  }
  return false;
}

// What the headers say of the body's length; false where they can be read in two ways.
bool SetBody(std::string_view content_length, HttpHead& head) {
  if (!head.transfer_encoding.empty()) {
    head.coding = HTP_CODING_CHUNKED;
    return content_length.empty() &&
           absl::EqualsIgnoreCase(Absl(head.transfer_encoding), "chunked");
  }
  if (content_length.empty()) return true;
  if (content_length.size() > kLengthDigitsMax ||
      !std::all_of(content_length.begin(), content_length.end(), IsDigit)) {
    return false;
  }
  head.coding = HTP_CODING_IDENTITY;
  head.length = 0;
  for (const char c : content_length) head.length = head.length * 10 + (c - '0');
  return true;
}

bool MayBeMultipart(std::string_view content_type) {
  constexpr std::string_view kMultipart = "multipart";
  return std::search(content_type.begin(), content_type.end(), kMultipart.begin(), kMultipart.end(),
                     [](char c, char lower) { return (c | 0x20) == lower; }) != content_type.end();
}

bool IsVersion(std::string_view text) { return text == "HTTP/1.1" || text == "HTTP/1.0"; }

// `GET /path HTTP/1.1`
bool TakeRequestLine(std::string_view line, HttpHead& head) {
  constexpr size_t kVersionBytes = 8;
  const size_t space = line.find(' ');
  if (space == 0 || space > kMethodBytesMax || line.size() < space + 2 + 1 + kVersionBytes) {
    return false;
  }
  head.method = line.substr(0, space);
  for (const char c : head.method) {
    if (c < 'A' || c > 'Z') return false;
  }
  if (head.method == "CONNECT") return false;
  const size_t target_end = line.size() - kVersionBytes - 1;
  if (line[target_end] != ' ' || !IsVersion(line.substr(target_end + 1))) return false;
  head.target = line.substr(space + 1, target_end - space - 1);
  if (head.target.front() != '/') return false;
  for (const char c : head.target) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

// `HTTP/1.1 200 OK`
bool TakeStatusLine(std::string_view line, HttpHead& head) {
  constexpr size_t kReasonAt = 13;
  if (line.size() <= kReasonAt || !IsVersion(line.substr(0, 8)) || line[8] != ' ' ||
      line[kReasonAt - 1] != ' ') {
    return false;
  }
  for (const char c : line.substr(9, 3)) {
    if (!IsDigit(c)) return false;
    head.status = head.status * 10 + (c - '0');
  }
  return head.status >= 200 && head.status < 600;
}

}  // namespace

std::string_view View(const bstr* text) {
  if (text == nullptr) return std::string_view();
  return {reinterpret_cast<const char*>(bstr_ptr(text)), bstr_len(text)};
}

void ReadHeaders(const htp_table_t* headers, HttpHead& head) {
  for (const Field& field : kFields) {
    // That of repeated ones is joined by `, `.
    const auto* header =
        static_cast<const htp_header_t*>(htp_table_get_c(headers, field.name.data()));
    if (header != nullptr) head.*field.value = View(header->value);
  }
}

size_t ReadPlainRequest(std::string_view bytes, HttpHead& head) {
  std::string_view rest = bytes.substr(0, kHeadBytesMax);
  const std::string_view line = TakeLine(rest);
  std::string_view content_length;
  if (line.empty() || !TakeRequestLine(line, head) || !TakeHeaders(rest, head, content_length) ||
      !SetBody(content_length, head) || (!head.host.empty() && !IsPlainHost(head.host))) {
    return 0;
  }
  head.headers_begin = line.size() + 2;
  return static_cast<size_t>(rest.data() - bytes.data());
}

size_t ReadPlainResponse(std::string_view bytes, HttpHead& head) {
  std::string_view rest = bytes.substr(0, kHeadBytesMax);
  const std::string_view line = TakeLine(rest);
  std::string_view content_length;
  if (line.empty() || !TakeStatusLine(line, head) || !TakeHeaders(rest, head, content_length) ||
      !SetBody(content_length, head) ||
      // libhtp refuses multipart/byteranges without a length.
      (head.coding == HTP_CODING_NO_BODY && MayBeMultipart(head.content_type))) {
    return 0;
  }
  if (head.coding == HTP_CODING_NO_BODY) head.coding = HTP_CODING_IDENTITY;
  return static_cast<size_t>(rest.data() - bytes.data());
}

}  // namespace skimwatch::traffic
