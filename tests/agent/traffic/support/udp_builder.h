#ifndef SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_UDP_BUILDER_H_
#define SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_UDP_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/agent/traffic/support/packet_builder.h"

namespace skimwatch::traffic::testing {

// A UDP datagram in an Ethernet packet.
Packet UdpPacket(const Endpoint& from, const Endpoint& to, std::string_view payload,
                 absl::Time time = absl::FromUnixSeconds(1'700'000'000));

// A DNS name of labels, uncompressed.
std::string DnsNameBytes(const std::vector<std::string>& labels);
// `www.shop.example` as labels.
std::string DnsNameBytes(std::string_view name);
// A query for `name` of a type.
std::string DnsQueryBytes(std::string_view name_bytes, uint16_t type = 1);
// The answer to that, with records as they are.
std::string DnsResponseBytes(std::string_view name_bytes, uint16_t type,
                             const std::vector<std::string>& records);
std::string DnsRecordBytes(std::string_view owner_bytes, uint16_t type, std::string_view data);

}  // namespace skimwatch::traffic::testing

#endif  // SKIMWATCH_TESTS_AGENT_TRAFFIC_SUPPORT_UDP_BUILDER_H_
