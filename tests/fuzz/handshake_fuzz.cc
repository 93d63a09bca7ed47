// What is read of a single message or datagram: ClientHellos, QUIC's Initial packets, DNS. Never a
// crash or a hang, nothing beyond the bytes, and the same however they are cut.
//
// Input: a byte that chooses, then the bytes; of QUIC, datagrams: two bytes of length, and so many.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/traffic/protocol/client_hello.h"
#include "agent/traffic/protocol/dns_message.h"
#include "agent/traffic/protocol/quic_initial.h"

namespace skimwatch::traffic {
namespace {

void Check(bool ok) {
  if (!ok) std::abort();
}

void Fingerprint(std::string_view message) {
  const auto hello = ParseClientHello(message);
  if (!hello.has_value()) return;
  for (const Ja4Transport transport : {Ja4Transport::kTcp, Ja4Transport::kQuic}) {
    Check(Ja4(*hello, transport).size() == 36);
  }
}

void Records(std::string_view bytes) {
  ClientHelloReader whole;
  whole.Take(bytes);
  ClientHelloReader cut;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    if (cut.Take(bytes.substr(at, 3))) break;
  }
  Check(whole.message() == cut.message());
  Fingerprint(whole.message());
}

void Datagrams(std::string_view bytes) {
  QuicInitialReader reader;
  while (bytes.size() >= 2) {
    const size_t size =
        static_cast<size_t>(static_cast<uint8_t>(bytes[0])) << 8 | static_cast<uint8_t>(bytes[1]);
    const std::string datagram(bytes.substr(2, size));
    bytes.remove_prefix(std::min(bytes.size(), 2 + size));
    BeginsAsQuic(datagram);
    if (reader.Take(datagram)) break;
  }
  Fingerprint(reader.message());
}

void Dns(std::string_view bytes) {
  const auto message = ParseDnsMessage(bytes);
  // What is a message begins as one.
  if (message.has_value()) Check(MayBeDnsMessage(bytes));
  for (size_t size = 0; size < std::min<size_t>(bytes.size(), 64); ++size) {
    MayBeDnsMessage(bytes.substr(0, size));
  }
}

}  // namespace
}  // namespace skimwatch::traffic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // A copy of its own size, so that a sanitizer sees a byte too much.
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 3) {
    case 0:
      skimwatch::traffic::Fingerprint(bytes);
      break;
    case 1:
      skimwatch::traffic::Records(bytes);
      break;
    case 2:
      skimwatch::traffic::Datagrams(bytes);
      break;
    default:
      skimwatch::traffic::Dns(bytes);
  }
  return 0;
}
