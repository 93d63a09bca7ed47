#include "proto/config/syntax.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::config {
namespace {

TEST(Syntax, SiteNames) {
  for (const auto good : {"shop", "a", "0", "shop-1.example_x"}) EXPECT_TRUE(IsSiteName(good));
  EXPECT_TRUE(IsSiteName(std::string(63, 'a')));
  for (const auto bad : {"", "Shop", "a b", "a/b", "é"}) EXPECT_FALSE(IsSiteName(bad)) << bad;
  EXPECT_FALSE(IsSiteName(std::string(64, 'a')));
}

TEST(Syntax, Hosts) {
  for (const auto good : {"localhost", "a.example", "x-1.example", "my_app", "192.0.2.1", "::1",
                          "3com.example", "xn--nxasmq6b"}) {
    EXPECT_TRUE(IsHost(good)) << good;
  }
  for (const auto bad : {"", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "256.1.1.1", "1.2.3",
                         "a b", "[::1]", "a:1", "*.a"}) {
    EXPECT_FALSE(IsHost(bad)) << bad;
  }
  EXPECT_FALSE(IsHost(std::string(64, 'a')));
  EXPECT_TRUE(IsHostPattern("*.a.example"));
  for (const auto bad : {"*", "*.", "*a", "a.*", "*.*.a", "*.192.0.2.1"}) {
    EXPECT_FALSE(IsHostPattern(bad)) << bad;
  }
}

TEST(Syntax, IpPrefixes) {
  for (const auto good : {"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::1/128"}) {
    EXPECT_TRUE(IsIpPrefix(good)) << good;
  }
  for (const auto bad : {"", "/8", "192.0.2.0/33", "192.0.2.0/", "::/129", "192.0.2.0/-1",
                         "192.0.2.0/+1", "192.0.2.0/8/8", "a/8", "192.0.2.0/ 8"}) {
    EXPECT_FALSE(IsIpPrefix(bad)) << bad;
  }
}

TEST(Syntax, HostsWithPorts) {
  EXPECT_EQ(ParseHostPort("a.example:80")->host, "a.example");
  EXPECT_EQ(ParseHostPort("a.example:80")->port, 80);
  EXPECT_EQ(ParseHostPort("[::1]:65535")->host, "::1");
  EXPECT_EQ(ParseHostPort("[::1]:65535")->port, 65535);
  EXPECT_EQ(ParseHostPort(":443")->host, "");
  EXPECT_EQ(ParseHostPort("127.0.0.1:0")->port, 0);
  for (const auto bad : {"", "a", "a:", "a:65536", "a:-1", "a:+1", "a:1a", "::1:80", "[::1]80",
                         "[127.0.0.1]:80", "[a]:80", "[:80", "a b:80", "a:999999999999"}) {
    EXPECT_FALSE(ParseHostPort(bad)) << bad;
  }
}

TEST(Syntax, LocalAddresses) {
  for (const auto local : {"127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "unix:/run/x"}) {
    EXPECT_TRUE(IsLocalAddress(local)) << local;
  }
  for (const auto remote : {"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "localhost.example:1",
                            "127.example:1", "unix:x", "", "[::ffff:192.0.2.1]:1"}) {
    EXPECT_FALSE(IsLocalAddress(remote)) << remote;
  }
}

TEST(Syntax, UnixAddressesMustFitTheirSocket) {
  EXPECT_TRUE(IsUnixAddress("unix:/" + std::string(106, 'a')));
  EXPECT_FALSE(IsUnixAddress("unix:/" + std::string(107, 'a')));
  EXPECT_FALSE(IsUnixAddress("unix:/"));
}

TEST(Syntax, JournalMatchesAreAFieldAndItsValue) {
  for (const std::string& good : {std::string("_SYSTEMD_UNIT=shop.service"), std::string("A1="),
                                  std::string("A=b=c"), std::string(64, 'A') + "=x"}) {
    EXPECT_TRUE(IsJournalMatch(good)) << good;
  }
  for (const std::string& bad :
       {std::string("unit=shop.service"), std::string("UNIT"), std::string("=shop"), std::string(),
        std::string("1A=shop"), std::string(65, 'A') + "=x", std::string("A=x\0", 4)}) {
    EXPECT_FALSE(IsJournalMatch(bad)) << bad;
  }
}

TEST(Syntax, IdentityPatterns) {
  for (const auto good : {"*", "a*", "spiffe://e/agent/*", "CN with blanks"}) {
    EXPECT_TRUE(IsIdentityPattern(good)) << good;
  }
  for (const auto bad : {"", "*a", "a**", "a*b", "a\n"})
    EXPECT_FALSE(IsIdentityPattern(bad)) << bad;
}

}  // namespace
}  // namespace skimwatch::config
