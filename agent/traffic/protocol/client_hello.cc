#include "agent/traffic/protocol/client_hello.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace skimwatch::traffic {
namespace {

constexpr char kClientHelloType = 1;
constexpr char kHandshakeRecord = 22;
constexpr size_t kHandshakeHeaderBytes = 4;
constexpr size_t kRandomBytes = 32;
// https://www.iana.org/assignments/tls-extensiontype-values
constexpr uint16_t kServerName = 0x0000;
constexpr uint16_t kSignatureAlgorithms = 0x000d;
constexpr uint16_t kAlpn = 0x0010;
constexpr uint16_t kSupportedVersions = 0x002b;
constexpr uint16_t kEncryptedClientHello = 0xfe0d;
constexpr size_t kCountMax = 99;
constexpr size_t kHashCharacters = 12;
constexpr size_t kAlpnMax = 32;

// Takes fields off the front; what is not there is empty, and `ok` is false from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::string_view Bytes(size_t n) {
    if (n > bytes_.size()) {
      ok_ = false;
      n = 0;
    }
    const std::string_view taken = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return taken;
  }
  size_t Number(size_t bytes) {
    size_t number = 0;
    for (const char c : Bytes(bytes)) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }
  // A vector whose length stands in that many bytes.
  std::string_view Vector(size_t length_bytes) { return Bytes(Number(length_bytes)); }
  std::vector<uint16_t> Numbers(std::string_view bytes) {
    std::vector<uint16_t> numbers;
    for (Reader reader(bytes); reader.left() >= 2;) {
      numbers.push_back(static_cast<uint16_t>(reader.Number(2)));
    }
    ok_ = ok_ && bytes.size() % 2 == 0;
    return numbers;
  }
  size_t left() const { return bytes_.size(); }
  bool ok() const { return ok_; }
  void Fail() { ok_ = false; }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

void ReadExtension(uint16_t type, std::string_view content, Reader& message, ClientHello& hello) {
  Reader reader(content);
  switch (type) {
    case kServerName: {
      hello.has_server_name = true;
      Reader names(reader.Vector(2));
      constexpr size_t kHostName = 0;
      if (names.Number(1) != kHostName) break;
      hello.server_name = names.Vector(2);
      if (!names.ok()) message.Fail();
      break;
    }
    case kSignatureAlgorithms:
      hello.signature_algorithms = message.Numbers(reader.Vector(2));
      break;
    case kAlpn:
      for (Reader names(reader.Vector(2)); names.left() > 0 && hello.alpn.size() < kAlpnMax;) {
        hello.alpn.emplace_back(names.Vector(1));
        if (!names.ok()) return message.Fail();
      }
      break;
    case kSupportedVersions:
      hello.supported_versions = message.Numbers(reader.Vector(1));
      break;
    case kEncryptedClientHello:
      hello.has_encrypted_hello = true;
      break;
    default:
      return;
  }
  if (!reader.ok()) message.Fail();
}

// RFC 8701: values that mean nothing, to keep servers tolerant.
bool IsGrease(uint16_t value) { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

std::string_view VersionName(uint16_t version) {
  switch (version) {
    case 0x0304:
      return "13";
    case 0x0303:
      return "12";
    case 0x0302:
      return "11";
    case 0x0301:
      return "10";
    case 0x0300:
      return "s3";
    case 0x0002:
      return "s2";
    case 0xfeff:
      return "d1";
    case 0xfefd:
      return "d2";
    case 0xfefc:
      return "d3";
    default:
      return "00";
  }
}

std::vector<uint16_t> WithoutGrease(std::vector<uint16_t> values) {
  values.erase(std::remove_if(values.begin(), values.end(), IsGrease), values.end());
  return values;
}

std::string TwoDigits(size_t count) {
  count = std::min(count, kCountMax);
  return {static_cast<char>('0' + count / 10), static_cast<char>('0' + count % 10)};
}

char HexDigit(unsigned value) { return "0123456789abcdef"[value & 0x0f]; }

std::string HexList(const std::vector<uint16_t>& values) {
  std::string list;
  for (const uint16_t value : values) {
    if (!list.empty()) list += ',';
    for (int shift = 12; shift >= 0; shift -= 4) list += HexDigit(value >> shift);
  }
  return list;
}

std::string TruncatedHash(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (size_t i = 0; i < kHashCharacters / 2; ++i) {
    hex += HexDigit(digest[i] >> 4);
    hex += HexDigit(digest[i]);
  }
  return hex;
}

std::string AlpnCharacters(const std::vector<std::string>& alpn) {
  if (alpn.empty() || alpn.front().empty()) return "00";
  const char first = alpn.front().front();
  const char last = alpn.front().back();
  const auto is_alphanumeric = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  if (is_alphanumeric(first) && is_alphanumeric(last)) return {first, last};
  return {HexDigit(static_cast<uint8_t>(first) >> 4), HexDigit(static_cast<uint8_t>(last))};
}

}  // namespace

size_t HandshakeMessageBytes(std::string_view beginning) {
  if (beginning.size() < kHandshakeHeaderBytes) return 0;
  return kHandshakeHeaderBytes + Reader(beginning.substr(1)).Number(3);
}

std::optional<ClientHello> ParseClientHello(std::string_view message) {
  if (message.empty() || message.front() != kClientHelloType ||
      HandshakeMessageBytes(message) != message.size()) {
    return std::nullopt;
  }
  Reader reader(message.substr(kHandshakeHeaderBytes));
  ClientHello hello;
  hello.legacy_version = static_cast<uint16_t>(reader.Number(2));
  reader.Bytes(kRandomBytes);
  reader.Vector(1);
  hello.cipher_suites = reader.Numbers(reader.Vector(2));
  reader.Vector(1);
  // SSL 3.0 and TLS 1.0 clients may have no extensions at all.
  if (reader.ok() && reader.left() > 0) {
    for (Reader extensions(reader.Vector(2)); extensions.left() > 0;) {
      const auto type = static_cast<uint16_t>(extensions.Number(2));
      const std::string_view content = extensions.Vector(2);
      if (!extensions.ok()) return std::nullopt;
      hello.extensions.push_back(type);
      ReadExtension(type, content, reader, hello);
    }
  }
  if (!reader.ok() || reader.left() > 0) return std::nullopt;
  return hello;
}

std::string Ja4(const ClientHello& hello, Ja4Transport transport) {
  std::vector<uint16_t> ciphers = WithoutGrease(hello.cipher_suites);
  std::vector<uint16_t> extensions = WithoutGrease(hello.extensions);
  const std::vector<uint16_t> versions = WithoutGrease(hello.supported_versions);
  std::string ja4(1, static_cast<char>(transport));
  ja4 += VersionName(versions.empty() ? hello.legacy_version
                                      : *std::max_element(versions.begin(), versions.end()));
  ja4 += hello.has_server_name ? 'd' : 'i';
  ja4 += TwoDigits(ciphers.size());
  ja4 += TwoDigits(extensions.size());
  ja4 += AlpnCharacters(hello.alpn);

  constexpr std::string_view kNothing = "000000000000";
  ja4 += '_';
  std::sort(ciphers.begin(), ciphers.end());
  ja4 += ciphers.empty() ? std::string(kNothing) : TruncatedHash(HexList(ciphers));

  ja4 += '_';
  extensions.erase(std::remove_if(extensions.begin(), extensions.end(),
                                  [](uint16_t e) { return e == kServerName || e == kAlpn; }),
                   extensions.end());
  std::sort(extensions.begin(), extensions.end());
  std::string list = HexList(extensions);
  if (const auto algorithms = WithoutGrease(hello.signature_algorithms); !algorithms.empty()) {
    list += '_' + HexList(algorithms);
  }
  ja4 += extensions.empty() ? std::string(kNothing) : TruncatedHash(list);
  return ja4;
}

bool ClientHelloReader::Take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (record_left_ == 0) {
      const std::string_view piece = bytes.substr(0, header_.size() - header_bytes_);
      std::copy(piece.begin(), piece.end(),
                header_.begin() + static_cast<ptrdiff_t>(header_bytes_));
      header_bytes_ += piece.size();
      bytes.remove_prefix(piece.size());
      if (header_bytes_ < header_.size()) return false;
      header_bytes_ = 0;
      if (header_[0] != kHandshakeRecord) return true;
      record_left_ = static_cast<size_t>(static_cast<uint8_t>(header_[3])) << 8 |
                     static_cast<uint8_t>(header_[4]);
      continue;
    }
    const std::string_view piece = bytes.substr(0, record_left_);
    message_ += piece;
    record_left_ -= piece.size();
    bytes.remove_prefix(piece.size());
    const size_t needed = HandshakeMessageBytes(message_);
    if (message_.front() != kClientHelloType || needed > kClientHelloBytesMax) return true;
    if (needed > 0 && message_.size() >= needed) {
      message_.resize(needed);
      complete_ = true;
      return true;
    }
  }
  return false;
}

}  // namespace skimwatch::traffic
