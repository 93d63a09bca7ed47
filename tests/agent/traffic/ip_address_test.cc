#include "agent/traffic/ip_address.h"

#include <optional>
#include <set>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

TEST(IpAddress, TextAndAddressAreOne) {
  // RFC 5952, sections 4 and 5.
  const struct {
    std::string text;
    std::string canonical;
    bool v4;
  } kCases[] = {
      {"192.0.2.1", "192.0.2.1", true},
      {"0.0.0.0", "0.0.0.0", true},
      {"255.255.255.255", "255.255.255.255", true},
      {"2001:db8::1", "2001:db8::1", false},
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", false},
      {"2001:DB8::A", "2001:db8::a", false},
      {"::", "::", false},
      {"::1", "::1", false},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", false},
      // Mapped: the same as the IPv4 address.
      {"::ffff:192.0.2.1", "192.0.2.1", true},
      {"::ffff:c000:201", "192.0.2.1", true},
  };
  for (const auto& c : kCases) {
    const auto ip = IpAddress::Parse(c.text);
    ASSERT_TRUE(ip.has_value()) << c.text;
    EXPECT_EQ(ip->ToString(), c.canonical) << c.text;
    EXPECT_EQ(ip->is_v4(), c.v4) << c.text;
    EXPECT_EQ(IpAddress::Parse(ip->ToString()), ip) << c.text;
  }
}

TEST(IpAddress, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "[::1]", "fe80::1%eth0",
        "::1::", "12345::", "host.example", "1.2.3.4:80"}) {
    EXPECT_EQ(IpAddress::Parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(IpAddress::Parse(std::string(1000, ':')), std::nullopt);
  EXPECT_EQ(IpAddress::Parse(std::string("1.2.3.4\0", 8)).has_value(), false);
}

TEST(IpAddress, ReadsNetworkOrder) {
  const uint8_t v4[] = {192, 0, 2, 1};
  EXPECT_EQ(IpAddress::V4(v4).ToString(), "192.0.2.1");
  const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_EQ(IpAddress::V6(v6).ToString(), "2001:db8::1");
}

TEST(IpAddress, KnowsLoopback) {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IpAddress::Parse(text)->is_loopback()) << text;
  }
  for (const char* text : {"128.0.0.1", "126.255.255.255", "::", "::2", "1::1", "0.0.0.0"}) {
    EXPECT_FALSE(IpAddress::Parse(text)->is_loopback()) << text;
  }
}

TEST(IpAddress, OrdersAndHashesByValue) {
  const auto a = *IpAddress::Parse("192.0.2.1");
  const auto b = *IpAddress::Parse("192.0.2.2");
  EXPECT_LT(a, b);
  const absl::flat_hash_set<Endpoint> set = {{a, 80}, {a, 443}, {b, 80}, {a, 80}};
  EXPECT_EQ(set.size(), 3u);
  EXPECT_TRUE(set.contains({*IpAddress::Parse("::ffff:192.0.2.1"), 443}));
  EXPECT_LT((Endpoint{a, 443}), (Endpoint{b, 80}));
}

}  // namespace
}  // namespace skimwatch::traffic
