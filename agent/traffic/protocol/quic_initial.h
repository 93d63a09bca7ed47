#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_QUIC_INITIAL_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_QUIC_INITIAL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace skimwatch::traffic {

// Whether a datagram begins with a long header of QUIC version 1 or 2 (RFC 9000 17.2, RFC 9369).
bool BeginsAsQuic(std::string_view datagram);

// Reads the ClientHello of a QUIC connection from the client's Initial packets, whose keys anybody
// can derive from the connection's first identifier (RFC 9001 5.2): over any number of packets in
// any number of datagrams, in any order, up to kDatagramsMax of them and kClientHelloBytesMax of
// bytes. After a Retry the keys are made anew. Thread-compatible.
class QuicInitialReader {
 public:
  // The next datagram of the client. True when the message is complete, or will never be: `message`
  // says which.
  bool Take(std::string_view datagram);
  // The ClientHello as a handshake message, or empty.
  std::string_view message() const { return complete_ ? crypto_ : std::string_view(); }

 private:
  static constexpr int kDatagramsMax = 16;
  static constexpr size_t kPiecesMax = 256;

  struct Keys {
    std::array<unsigned char, 16> key;
    std::array<unsigned char, 12> iv;
    std::array<unsigned char, 16> header_protection;
  };

  void MakeKeys(uint32_t version, std::string_view connection);
  // Takes the packet off the front of `datagram`; false when the rest is none that can be read.
  bool TakePacket(std::string_view& datagram);
  bool Decrypt(std::string_view packet, size_t number_at, std::string& frames) const;
  void TakeFrames(std::string_view frames);
  void TakeCrypto(uint64_t offset, std::string_view bytes);

  int datagrams_ = 0;
  bool has_keys_ = false;
  Keys keys_{};
  // The stream of CRYPTO frames, where `pieces_` have come.
  std::string crypto_;
  std::vector<std::pair<size_t, size_t>> pieces_;
  bool complete_ = false;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_QUIC_INITIAL_H_
