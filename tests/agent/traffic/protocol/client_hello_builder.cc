#include "tests/agent/traffic/protocol/client_hello_builder.h"

#include <string_view>
#include <vector>

#include "tests/agent/traffic/support/packet_builder.h"

namespace skimwatch::traffic::testing {
namespace {

std::string Vector8(std::string_view bytes) {
  return static_cast<char>(bytes.size()) + std::string(bytes);
}

std::string Vector16(std::string_view bytes) {
  return BigEndian16(static_cast<uint32_t>(bytes.size())) + std::string(bytes);
}

std::string Numbers(const std::vector<uint16_t>& values) {
  std::string bytes;
  for (const uint16_t value : values) bytes += BigEndian16(value);
  return bytes;
}

std::string ExtensionContent(uint16_t type, const ClientHello& hello) {
  switch (type) {
    case 0x0000:
      return Vector16(std::string(1, '\0') + Vector16(hello.server_name));
    case 0x000d:
      return Vector16(Numbers(hello.signature_algorithms));
    case 0x0010: {
      std::string names;
      for (const std::string& name : hello.alpn) names += Vector8(name);
      return Vector16(names);
    }
    case 0x002b:
      return Vector8(Numbers(hello.supported_versions));
    default:
      return "content";
  }
}

}  // namespace

std::string ClientHelloMessage(const ClientHello& hello) {
  std::string extensions;
  for (const uint16_t type : hello.extensions) {
    extensions += BigEndian16(type) + Vector16(ExtensionContent(type, hello));
  }
  const std::string body = BigEndian16(hello.legacy_version) + std::string(32, 'r') +
                           Vector8(std::string(32, 's')) + Vector16(Numbers(hello.cipher_suites)) +
                           Vector8(std::string(1, '\0')) + Vector16(extensions);
  return '\1' + BigEndian32(static_cast<uint32_t>(body.size())).substr(1) + body;
}

}  // namespace skimwatch::traffic::testing
