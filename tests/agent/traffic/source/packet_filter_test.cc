#include "agent/traffic/source/packet_filter.h"

#include <pcap/pcap.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// How much of `packet` the program takes, by libpcap's interpreter.
uint32_t Taken(const PacketFilter& filter, const std::string& packet) {
  std::vector<bpf_insn> program;
  for (const sock_filter& i : filter) program.push_back({i.code, i.jt, i.jf, i.k});
  return bpf_filter(program.data(), reinterpret_cast<const u_char*>(packet.data()),
                    static_cast<u_int>(packet.size()), static_cast<u_int>(packet.size()));
}

std::string Ip(char protocol) {
  std::string packet(40, '\0');
  packet[0] = 0x45;
  packet[9] = protocol;
  return packet;
}

std::string Ethernet(const std::string& ip) {
  return std::string(12, '\0') + std::string("\x08\x00", 2) + ip;
}

TEST(PacketFilter, TakesTheSnapshotOfWhatMatches) {
  const auto ethernet = CompilePacketFilter("tcp", LinkType::kEthernet, 1000);
  ASSERT_TRUE(ethernet.ok()) << ethernet.status();
  EXPECT_EQ(Taken(*ethernet, Ethernet(Ip(6))), 1000u);
  EXPECT_EQ(Taken(*ethernet, Ethernet(Ip(17))), 0u);
  const auto raw = CompilePacketFilter("tcp", LinkType::kRawIp, 2000);
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_EQ(Taken(*raw, Ip(6)), 2000u);
  EXPECT_EQ(Taken(*raw, Ip(17)), 0u);
}

TEST(PacketFilter, AnEmptyExpressionTakesAll) {
  const auto all = CompilePacketFilter("", LinkType::kEthernet, 1000);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(Taken(*all, "anything, even no IP"), 1000u);
}

TEST(PacketFilter, DropAllTakesNothing) { EXPECT_EQ(Taken(DropAllFilter(), Ethernet(Ip(6))), 0u); }

TEST(PacketFilter, ErrorsQuoteTheExpression) {
  const absl::Status status =
      CompilePacketFilter("tcp prot 80", LinkType::kEthernet, 1000).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("`tcp prot 80`"), HasSubstr("syntax")));
}

TEST(PacketFilter, RefusesVlanWhichWouldNeverMatch) {
  for (const std::string expression : {"vlan", "vlan 10 and tcp", "tcp and(vlan)"}) {
    const absl::Status status = CompilePacketFilter(expression, LinkType::kEthernet, 1000).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << expression;
    EXPECT_THAT(std::string(status.message()), HasSubstr("leave out `vlan`"));
  }
  EXPECT_FALSE(
      CompilePacketFilter(std::string("tcp\0 or udp", 10), LinkType::kEthernet, 1000).ok());
}

}  // namespace
}  // namespace skimwatch::traffic
