#include "agent/traffic/local_addresses.h"

#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

TEST(LocalAddresses, LoopbackIsLocalWithoutAsking) {
  int reads = 0;
  const LocalAddresses local([&] {
    ++reads;
    return std::vector<IpAddress>();
  });
  EXPECT_TRUE(local.Contains(Ip("127.0.0.1")));
  EXPECT_TRUE(local.Contains(Ip("127.1.2.3")));
  EXPECT_TRUE(local.Contains(Ip("::1")));
  EXPECT_EQ(reads, 0);
}

TEST(LocalAddresses, AsksOnceForManyStrangers) {
  int reads = 0;
  const LocalAddresses local([&] {
    ++reads;
    return std::vector<IpAddress>{Ip("192.0.2.1"), Ip("2001:db8::1")};
  });
  EXPECT_TRUE(local.Contains(Ip("192.0.2.1")));
  EXPECT_TRUE(local.Contains(Ip("2001:db8::1")));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(local.Contains(Ip("198.51.100.1")));
  EXPECT_EQ(reads, 1);
}

TEST(LocalAddresses, KnowsThoseOfTheKernel) {
  const LocalAddresses local;
  EXPECT_TRUE(local.Contains(Ip("127.0.0.1")));
  // TEST-NET-3 and the documentation prefix are nobody's (RFC 5737, RFC 3849).
  EXPECT_FALSE(local.Contains(Ip("203.0.113.99")));
  EXPECT_FALSE(local.Contains(Ip("2001:db8:ffff::99")));
}

}  // namespace
}  // namespace skimwatch::traffic
