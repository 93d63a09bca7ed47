#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::traffic {

// What a TLS client says of itself (RFC 8446 4.1.2), in the order in which it does.
struct ClientHello {
  uint16_t legacy_version = 0;
  std::vector<uint16_t> cipher_suites;
  std::vector<uint16_t> extensions;
  std::vector<uint16_t> supported_versions;
  std::vector<uint16_t> signature_algorithms;
  std::vector<std::string> alpn;
  // As sent.
  std::string server_name;
  bool has_server_name = false;
  bool has_encrypted_hello = false;
};

// Longer ones are not read. With post-quantum key shares a browser's has some 2 KiB.
inline constexpr size_t kClientHelloBytesMax = size_t{16} << 10;

// Reads a handshake message of that type, its header of 4 bytes included. Nothing when it is none
// or is malformed.
std::optional<ClientHello> ParseClientHello(std::string_view message);

// What a ClientHello came over.
enum class Ja4Transport : char { kTcp = 't', kQuic = 'q' };

// The JA4 fingerprint of a TLS client: `t13d1516h2_8daaf6152771_e5627efa2ab1`. By FoxIO's
// description, https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md. JA4 is FoxIO's,
// Copyright (c) 2023, under the BSD 3-clause license; the rest of the JA4+ family is not used.
std::string Ja4(const ClientHello& hello, Ja4Transport transport);

// Puts together a ClientHello that begins a TLS stream, over any number of records and pieces, in
// kClientHelloBytesMax at most.
class ClientHelloReader {
 public:
  // The next bytes from the client. True when the message is complete, or will never be: `message`
  // says which.
  bool Take(std::string_view bytes);
  // Complete, or empty.
  std::string_view message() const { return complete_ ? message_ : std::string_view(); }

 private:
  // Of the record, as far as it has come.
  std::array<char, 5> header_{};
  size_t header_bytes_ = 0;
  size_t record_left_ = 0;
  bool complete_ = false;
  std::string message_;
};

// The length of a handshake message with its header, once enough of it is there; 0 before.
size_t HandshakeMessageBytes(std::string_view beginning);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_CLIENT_HELLO_H_
