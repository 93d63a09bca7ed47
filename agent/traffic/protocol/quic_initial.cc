#include "agent/traffic/protocol/quic_initial.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "agent/traffic/protocol/client_hello.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kVersion1 = 0x00000001;
constexpr uint32_t kVersion2 = 0x6b3343cf;
// RFC 9001 5.2 and RFC 9369 3.3.1.
constexpr std::string_view kSalt1(
    "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", 20);
constexpr std::string_view kSalt2(
    "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", 20);
constexpr size_t kConnectionBytesMax = 20;
constexpr size_t kTagBytes = 16;
constexpr size_t kSampleBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr size_t kNumberBytesMax = 4;

using Secret = std::array<unsigned char, kHashBytes>;

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Secret Hmac(std::string_view key, std::string_view data) {
  Secret result{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Unsigned(data), data.size(),
       result.data(), &size);
  return result;
}

// HKDF-Expand-Label (RFC 8446 7.1) of at most a hash's bytes, which is one round.
template <size_t kBytes>
std::array<unsigned char, kBytes> ExpandLabel(const Secret& secret, std::string_view label) {
  static_assert(kBytes <= kHashBytes);
  std::string info = {'\0', static_cast<char>(kBytes), static_cast<char>(label.size() + 6)};
  info += "tls13 ";
  info += label;
  info += '\0';
  info += '\1';
  const Secret whole = Hmac({reinterpret_cast<const char*>(secret.data()), secret.size()}, info);
  std::array<unsigned char, kBytes> key;
  std::copy_n(whole.begin(), kBytes, key.begin());
  return key;
}

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  std::string_view Bytes(uint64_t n) {
    if (n > left()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(at_, n);
    at_ += n;
    return taken;
  }
  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (const char c : Bytes(bytes)) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }
  // RFC 9000 16.
  uint64_t Variable() {
    if (left() == 0) {
      ok_ = false;
      return 0;
    }
    const auto first = static_cast<uint8_t>(bytes_[at_]);
    const size_t bytes = size_t{1} << (first >> 6);
    const uint64_t number = Number(bytes);
    return bytes == 8 ? number & 0x3fffffffffffffff
                      : number & ((uint64_t{1} << (bytes * 8 - 2)) - 1);
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

enum class PacketType : uint8_t { kInitial, kZeroRtt, kHandshake, kRetry };

PacketType TypeOf(uint8_t first, uint32_t version) {
  const unsigned bits = first >> 4 & 3;
  // RFC 9369 3.2: version 2 counts from one.
  return static_cast<PacketType>(version == kVersion2 ? (bits + 3) % 4 : bits);
}

struct LongHeader {
  uint8_t first = 0;
  uint32_t version = 0;
  std::string_view destination;
};

std::optional<LongHeader> ReadLongHeader(Reader& reader) {
  LongHeader header;
  header.first = static_cast<uint8_t>(reader.Number(1));
  header.version = static_cast<uint32_t>(reader.Number(4));
  // Header form and fixed bit.
  if (!reader.ok() || (header.first & 0xc0) != 0xc0 ||
      (header.version != kVersion1 && header.version != kVersion2)) {
    return std::nullopt;
  }
  const uint64_t destination_bytes = reader.Number(1);
  header.destination = reader.Bytes(destination_bytes);
  const uint64_t source_bytes = reader.Number(1);
  reader.Bytes(source_bytes);
  if (!reader.ok() || destination_bytes > kConnectionBytesMax ||
      source_bytes > kConnectionBytesMax) {
    return std::nullopt;
  }
  return header;
}

}  // namespace

bool BeginsAsQuic(std::string_view datagram) {
  Reader reader(datagram);
  return ReadLongHeader(reader).has_value();
}

void QuicInitialReader::MakeKeys(uint32_t version, std::string_view connection) {
  const bool is_version2 = version == kVersion2;
  const Secret initial = Hmac(is_version2 ? kSalt2 : kSalt1, connection);
  const Secret client = ExpandLabel<kHashBytes>(initial, "client in");
  keys_ = {.key = ExpandLabel<16>(client, is_version2 ? "quicv2 key" : "quic key"),
           .iv = ExpandLabel<12>(client, is_version2 ? "quicv2 iv" : "quic iv"),
           .header_protection = ExpandLabel<16>(client, is_version2 ? "quicv2 hp" : "quic hp")};
  has_keys_ = true;
}

bool QuicInitialReader::Take(std::string_view datagram) {
  if (complete_ || ++datagrams_ > kDatagramsMax) return true;
  while (!complete_ && TakePacket(datagram)) {
  }
  return complete_ || datagrams_ == kDatagramsMax;
}

bool QuicInitialReader::TakePacket(std::string_view& datagram) {
  Reader reader(datagram);
  const std::optional<LongHeader> header = ReadLongHeader(reader);
  if (!header.has_value()) return false;
  const PacketType type = TypeOf(header->first, header->version);
  if (type == PacketType::kRetry) return false;
  if (type == PacketType::kInitial) reader.Bytes(reader.Variable());
  const uint64_t length = reader.Variable();
  const size_t number_at = reader.at();
  reader.Bytes(length);
  if (!reader.ok()) return false;
  const std::string_view packet = datagram.substr(0, reader.at());
  datagram.remove_prefix(reader.at());
  if (type != PacketType::kInitial) return true;
  std::string frames;
  if (!has_keys_ || !Decrypt(packet, number_at, frames)) {
    // The first of a connection, or the first after a Retry.
    MakeKeys(header->version, header->destination);
    if (!Decrypt(packet, number_at, frames)) return true;
    crypto_.clear();
    pieces_.clear();
  }
  TakeFrames(frames);
  return true;
}

// RFC 9001 5.3 and 5.4.
bool QuicInitialReader::Decrypt(std::string_view packet, size_t number_at,
                                std::string& frames) const {
  if (packet.size() < number_at + kNumberBytesMax + kSampleBytes) return false;
  const Context context(EVP_CIPHER_CTX_new());
  std::array<unsigned char, 32> mask;
  int bytes = 0;
  if (EVP_EncryptInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, keys_.header_protection.data(),
                         nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), mask.data(), &bytes,
                        Unsigned(packet.substr(number_at + kNumberBytesMax)), kSampleBytes) != 1) {
    return false;
  }
  std::string header(packet.substr(0, number_at + kNumberBytesMax));
  header[0] = static_cast<char>(header[0] ^ (mask[0] & 0x0f));
  const size_t number_bytes = static_cast<size_t>(header[0] & 0x03) + 1;
  header.resize(number_at + number_bytes);
  std::array<unsigned char, 12> nonce = keys_.iv;
  for (size_t i = 0; i < number_bytes; ++i) {
    header[number_at + i] = static_cast<char>(header[number_at + i] ^ mask[1 + i]);
    nonce[nonce.size() - number_bytes + i] ^= static_cast<unsigned char>(header[number_at + i]);
  }
  const std::string_view rest = packet.substr(header.size());
  if (rest.size() < kTagBytes) return false;
  const std::string_view sealed = rest.substr(0, rest.size() - kTagBytes);
  std::array<unsigned char, kTagBytes> tag;
  std::copy_n(Unsigned(rest.substr(sealed.size())), kTagBytes, tag.begin());
  frames.resize(sealed.size() + kTagBytes);
  auto* out = reinterpret_cast<unsigned char*>(frames.data());
  int tail_bytes = 0;
  const bool ok =
      EVP_DecryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, keys_.key.data(),
                         nonce.data()) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &bytes, Unsigned(header),
                        static_cast<int>(header.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), out, &bytes, Unsigned(sealed),
                        static_cast<int>(sealed.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), out + bytes, &tail_bytes) == 1;
  frames.resize(ok ? sealed.size() : 0);
  return ok;
}

// RFC 9000 17.2.2: PADDING, PING, ACK, CRYPTO and CONNECTION_CLOSE, after which nothing matters.
void QuicInitialReader::TakeFrames(std::string_view frames) {
  Reader reader(frames);
  while (reader.ok() && reader.left() > 0) {
    switch (reader.Variable()) {
      case 0x00:
      case 0x01:
        break;
      case 0x02:
      case 0x03: {
        // Largest, delay, ranges, first range; the counts of ECN are not sent before a handshake.
        reader.Variable();
        reader.Variable();
        const uint64_t ranges = reader.Variable();
        reader.Variable();
        for (uint64_t i = 0; reader.ok() && i < ranges; ++i) {
          reader.Variable();
          reader.Variable();
        }
        break;
      }
      case 0x06: {
        const uint64_t offset = reader.Variable();
        const std::string_view bytes = reader.Bytes(reader.Variable());
        if (reader.ok()) TakeCrypto(offset, bytes);
        break;
      }
      default:
        return;
    }
  }
}

void QuicInitialReader::TakeCrypto(uint64_t offset, std::string_view bytes) {
  if (bytes.empty() || offset > kClientHelloBytesMax ||
      offset + bytes.size() > kClientHelloBytesMax || pieces_.size() == kPiecesMax) {
    return;
  }
  const size_t end = offset + bytes.size();
  if (crypto_.size() < end) crypto_.resize(end);
  std::copy(bytes.begin(), bytes.end(), crypto_.begin() + static_cast<ptrdiff_t>(offset));
  pieces_.emplace_back(offset, end);
  std::sort(pieces_.begin(), pieces_.end());
  size_t whole = 0;
  for (const auto& [begin, piece_end] : pieces_) {
    if (begin > whole) break;
    whole = std::max(whole, piece_end);
  }
  const size_t needed = HandshakeMessageBytes(std::string_view(crypto_).substr(0, whole));
  if (needed == 0 || needed > whole) return;
  crypto_.resize(needed);
  complete_ = true;
}

}  // namespace skimwatch::traffic
