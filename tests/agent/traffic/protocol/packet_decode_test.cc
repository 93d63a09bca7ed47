#include "agent/traffic/protocol/packet_decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>

#include "agent/traffic/protocol/flow_key.h"
#include "tests/agent/traffic/support/packet_builder.h"

namespace skimwatch::traffic::testing {
namespace {

Segment SegmentV4() {
  return {.from = At("192.0.2.1:40000"),
          .to = At("198.51.100.2:80"),
          .sequence = 0xfffffff0,
          .acknowledgment = 77,
          .flags = kAck,
          .payload = "hello"};
}

Segment SegmentV6() {
  Segment segment = SegmentV4();
  segment.from = At("[2001:db8::1]:40000");
  segment.to = At("[2001:db8::2]:80");
  return segment;
}

std::string EtherType(const std::string& type_and_rest) {
  return std::string(12, '\1') + type_and_rest;
}

struct Case {
  std::string name;
  LinkType link;
  std::string bytes;
};

class DecodedPacket : public ::testing::TestWithParam<Case> {};

TEST_P(DecodedPacket, HasTheTcpSegment) {
  const Packet packet{.link = GetParam().link, .bytes = GetParam().bytes};
  const std::optional<TcpSegment> segment = DecodePacket(packet.view());
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->source.port, 40000);
  EXPECT_EQ(segment->destination.port, 80);
  EXPECT_EQ(segment->destination, segment->source.ip.is_v4() ? SegmentV4().to : SegmentV6().to);
  EXPECT_EQ(segment->sequence, 0xfffffff0);
  EXPECT_EQ(segment->acknowledgment, 77U);
  EXPECT_TRUE(segment->ack);
  EXPECT_FALSE(segment->syn || segment->fin || segment->rst);
  EXPECT_EQ(segment->payload, "hello");
  EXPECT_EQ(segment->payload_wire_bytes, 5U);

  // Wherever it is cut, nothing is read beyond, and the length of the payload stays known.
  for (size_t size = 0; size < GetParam().bytes.size(); ++size) {
    // On the heap, so that the address sanitizer sees a byte too much.
    const std::string cut(GetParam().bytes, 0, size);
    const std::optional<TcpSegment> part =
        DecodePacket({.link = GetParam().link,
                      .bytes = std::string_view(cut),
                      .wire_bytes = static_cast<uint32_t>(GetParam().bytes.size())});
    if (!part.has_value()) continue;
    EXPECT_EQ(part->payload_wire_bytes, 5U);
    EXPECT_TRUE(std::string_view("hello").starts_with(part->payload));
  }
}

std::string WithOptions() {
  Segment segment = SegmentV4();
  segment.options = std::string(12, '\1');
  return EtherType(BigEndian16(0x0800) + IpBytes(segment, std::string(8, '\1')));
}

std::string V6With(uint8_t first, const std::string& headers) {
  return IpBytes(SegmentV6(), headers, first);
}

INSTANTIATE_TEST_SUITE_P(
    All, DecodedPacket,
    ::testing::Values(
        Case{"EthernetV4", LinkType::kEthernet, EthernetBytes(SegmentV4())},
        Case{"EthernetV6", LinkType::kEthernet, EthernetBytes(SegmentV6())},
        Case{"EthernetPadded", LinkType::kEthernet, EthernetBytes(SegmentV4()) + "padpad"},
        Case{"IpAndTcpOptions", LinkType::kEthernet, WithOptions()},
        Case{"Vlan", LinkType::kEthernet,
             EtherType(BigEndian16(0x8100) + BigEndian16(5) + BigEndian16(0x0800) +
                       IpBytes(SegmentV4()))},
        Case{"QinQ", LinkType::kEthernet,
             EtherType(BigEndian16(0x88a8) + BigEndian16(5) + BigEndian16(0x8100) + BigEndian16(6) +
                       BigEndian16(0x86dd) + IpBytes(SegmentV6()))},
        Case{"LinuxCooked", LinkType::kLinuxCooked,
             std::string(14, '\0') + BigEndian16(0x0800) + IpBytes(SegmentV4())},
        Case{"LinuxCookedVlan", LinkType::kLinuxCooked,
             std::string(14, '\0') + BigEndian16(0x8100) + BigEndian16(7) + BigEndian16(0x0800) +
                 IpBytes(SegmentV4())},
        Case{"LinuxCooked2", LinkType::kLinuxCooked2,
             BigEndian16(0x86dd) + std::string(18, '\0') + IpBytes(SegmentV6())},
        Case{"RawV4", LinkType::kRawIp, IpBytes(SegmentV4())},
        Case{"RawV6", LinkType::kRawIp, IpBytes(SegmentV6())},
        Case{"NullBigEndian", LinkType::kNull, BigEndian32(2) + IpBytes(SegmentV4())},
        Case{"NullLittleEndian", LinkType::kNull,
             std::string("\x1e\0\0\0", 4) + IpBytes(SegmentV6())},
        Case{"Loop", LinkType::kLoop, BigEndian32(24) + IpBytes(SegmentV6())},
        Case{"V6HopByHop", LinkType::kRawIp, V6With(0, std::string("\6\0\0\0\0\0\0\0", 8))},
        Case{"V6RoutingAndDestination", LinkType::kRawIp,
             V6With(43, std::string("\x3c\1", 2) + std::string(14, '\0') +
                            std::string("\6\0\0\0\0\0\0\0", 8))},
        Case{"V6Authentication", LinkType::kRawIp,
             V6With(51, std::string("\6\4", 2) + std::string(22, '\0'))},
        Case{"V6AtomicFragment", LinkType::kRawIp, V6With(44, std::string("\6\0\0\0\0\0\0\7", 8))}),
    [](const auto& param) { return param.param.name; });

std::string Changed(std::string bytes, size_t at, char to) {
  bytes[at] = to;
  return bytes;
}

class NoTcpInPacket : public ::testing::TestWithParam<Case> {};

TEST_P(NoTcpInPacket, IsUndecodable) {
  const Packet packet{.link = GetParam().link, .bytes = GetParam().bytes};
  EXPECT_FALSE(DecodePacket(packet.view()).has_value());
}

INSTANTIATE_TEST_SUITE_P(
    All, NoTcpInPacket,
    ::testing::Values(
        Case{"Empty", LinkType::kEthernet, ""},
        Case{"Arp", LinkType::kEthernet, EtherType(BigEndian16(0x0806) + std::string(28, '\1'))},
        Case{"Udp", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 9, 17)},
        Case{"MoreFragments", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 6, 0x20)},
        Case{"LaterFragment", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 7, 1)},
        Case{"V6Fragment", LinkType::kRawIp, V6With(44, std::string("\6\0\0\1\0\0\0\7", 8))},
        Case{"V6NoNextHeader", LinkType::kRawIp, V6With(59, "")},
        Case{"V6Encrypted", LinkType::kRawIp, V6With(50, std::string(8, '\0'))},
        Case{"HeaderTooShort", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 0, 0x44)},
        Case{"TotalTooShort", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 3, 19)},
        Case{"TcpHeaderTooShort", LinkType::kRawIp, Changed(IpBytes(SegmentV4()), 32, 0x40)},
        Case{"TcpHeaderTooLong", LinkType::kRawIp,
             Changed(IpBytes(SegmentV4()), 32, static_cast<char>(0xf0))},
        Case{"UnknownFamily", LinkType::kNull, BigEndian32(99) + IpBytes(SegmentV4())},
        Case{"EndlessVlans", LinkType::kEthernet,
             EtherType(BigEndian16(0x8100) + BigEndian16(1) + BigEndian16(0x8100) + BigEndian16(1) +
                       BigEndian16(0x8100) + BigEndian16(1) + BigEndian16(0x8100) + BigEndian16(1) +
                       BigEndian16(0x8100) + BigEndian16(1) + BigEndian16(0x0800) +
                       IpBytes(SegmentV4()))}),
    [](const auto& param) { return param.param.name; });

TEST(PacketDecode, TakesTheLengthFromTheWireWhereTheCardCutsLater) {
  std::string bytes = IpBytes(SegmentV4());
  bytes[2] = bytes[3] = '\0';
  const Packet packet{.link = LinkType::kRawIp, .bytes = bytes};
  const auto segment = DecodePacket(packet.view());
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->payload, "hello");
}

}  // namespace
}  // namespace skimwatch::traffic::testing
