#ifndef SKIMWATCH_AGENT_TRAFFIC_IP_ADDRESS_H_
#define SKIMWATCH_AGENT_TRAFFIC_IP_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace skimwatch::traffic {

// An IPv4 or IPv6 address. IPv4 is held in its mapped form (::ffff:a.b.c.d), so that one comparison
// serves both. A value type; never allocates but in ToString.
class IpAddress {
 public:
  IpAddress() = default;
  // `bytes` points to 4 or 16 bytes in network order.
  static IpAddress V4(const uint8_t* bytes);
  static IpAddress V6(const uint8_t* bytes);
  // `192.0.2.1`, `2001:db8::1`; no brackets, no zone.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool is_v4() const;
  bool is_loopback() const;
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  // RFC 5952.
  std::string ToString() const;

  auto operator<=>(const IpAddress&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.bytes_);
  }

 private:
  std::array<uint8_t, 16> bytes_{};
};

// One end of a flow.
struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Endpoint& e) {
    return H::combine(std::move(h), e.ip, e.port);
  }
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_IP_ADDRESS_H_
