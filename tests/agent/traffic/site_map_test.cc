#include "agent/traffic/site_map.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::Pointee;
using ::testing::StrEq;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

struct Site {
  std::string name;
  std::vector<std::string> hosts;
  std::vector<std::string> services;
};

absl::StatusOr<std::shared_ptr<const SiteMap>> Map(
    const std::vector<Site>& sites, std::shared_ptr<const LocalAddresses> local = nullptr) {
  SiteMap::Sites messages;
  for (const Site& site : sites) {
    config::v1::Site& message = *messages.Add();
    message.set_name(site.name);
    for (const std::string& host : site.hosts) message.add_hosts(host);
    for (const std::string& service : site.services) message.add_services(service);
  }
  return SiteMap::Create(messages, std::move(local));
}

TEST(SiteMap, FindsTheSiteOfAService) {
  const auto map = Map({{"shop", {}, {"192.0.2.1:443", "[2001:db8::1]:8443"}},
                        {"blog", {}, {"192.0.2.1:8080", ":9000"}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.1"), 443}), Pointee(StrEq("shop")));
  EXPECT_THAT((*map)->SiteOfService({Ip("::ffff:192.0.2.1"), 443}), Pointee(StrEq("shop")));
  EXPECT_THAT((*map)->SiteOfService({Ip("2001:db8::1"), 8443}), Pointee(StrEq("shop")));
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.1"), 8080}), Pointee(StrEq("blog")));
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.1"), 80}), IsNull());
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.2"), 443}), IsNull());
  // Without local addresses, a port is everybody's.
  EXPECT_THAT((*map)->SiteOfService({Ip("198.51.100.1"), 9000}), Pointee(StrEq("blog")));
}

TEST(SiteMap, AServiceWithoutAddressIsThisHosts) {
  const auto local =
      std::make_shared<LocalAddresses>([] { return std::vector<IpAddress>{Ip("192.0.2.1")}; });
  for (const char* service : {":443", "0.0.0.0:443", "[::]:443"}) {
    const auto map = Map({{"shop", {}, {service}}}, local);
    ASSERT_TRUE(map.ok()) << map.status();
    EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.1"), 443}), Pointee(StrEq("shop"))) << service;
    EXPECT_THAT((*map)->SiteOfService({Ip("127.0.0.1"), 443}), Pointee(StrEq("shop"))) << service;
    EXPECT_THAT((*map)->SiteOfService({Ip("198.51.100.1"), 443}), IsNull()) << service;
  }
}

TEST(SiteMap, AnExactServiceGoesBeforeAPort) {
  const auto map = Map({{"all", {}, {":443"}}, {"one", {}, {"192.0.2.1:443"}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.1"), 443}), Pointee(StrEq("one")));
  EXPECT_THAT((*map)->SiteOfService({Ip("192.0.2.2"), 443}), Pointee(StrEq("all")));
}

TEST(SiteMap, FindsTheSiteOfAnAddress) {
  const auto map = Map({{"shop", {}, {"192.0.2.1:443", ":80"}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT((*map)->SiteOfAddress(Ip("192.0.2.1")), Pointee(StrEq("shop")));
  EXPECT_THAT((*map)->SiteOfAddress(Ip("192.0.2.2")), IsNull());
}

TEST(SiteMap, TheLongestMatchOfAHostGoesFirst) {
  const auto map = Map({{"exact", {"www.shop.example"}, {}},
                        {"narrow", {"*.pay.shop.example"}, {}},
                        {"wide", {"*.shop.example", "Shop.Example"}, {}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT((*map)->SiteOfHost("www.shop.example"), Pointee(StrEq("exact")));
  EXPECT_THAT((*map)->SiteOfHost("a.pay.shop.example"), Pointee(StrEq("narrow")));
  EXPECT_THAT((*map)->SiteOfHost("a.b.pay.shop.example"), Pointee(StrEq("narrow")));
  EXPECT_THAT((*map)->SiteOfHost("pay.shop.example"), Pointee(StrEq("wide")));
  EXPECT_THAT((*map)->SiteOfHost("shop.example"), Pointee(StrEq("wide")));
  EXPECT_THAT((*map)->SiteOfHost("badshop.example"), IsNull());
  EXPECT_THAT((*map)->SiteOfHost("example"), IsNull());
  EXPECT_THAT((*map)->SiteOfHost(""), IsNull());
  EXPECT_THAT((*map)->SiteOfHost("."), IsNull());
  EXPECT_THAT((*map)->SiteOfHost(".shop.example"), IsNull());
}

TEST(SiteMap, AWildcardIsNotTheNameItself) {
  const auto map = Map({{"shop", {"*.shop.example"}, {}}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT((*map)->SiteOfHost("shop.example"), IsNull());
}

TEST(SiteMap, ErrorsNameTheSiteAndWhatCannotBeRead) {
  for (const char* service :
       {"", "443", "192.0.2.1", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:http",
        "2001:db8::1:443", "[192.0.2.1]:443", "[]:443", "[2001:db8::1]", "shop.example:443",
        "192.0.2.1:-1"}) {
    const absl::Status status = Map({{"shop", {}, {service}}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << service;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("site shop"), HasSubstr(service)));
  }
  for (const char* host : {"", "*.", "*", "a*.example", "https://shop.example", "shop.example:443",
                           "shop.example/path", "*.*.example", "two words"}) {
    const absl::Status status = Map({{"shop", {host}, {}}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << host;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("site shop"), HasSubstr(host)));
  }
}

TEST(SiteMap, NothingBelongsToTwoSites) {
  const std::vector<std::pair<Site, Site>> kCases = {
      {{"a", {}, {"192.0.2.1:443"}}, {"b", {}, {"192.0.2.1:443"}}},
      {{"a", {}, {":443"}}, {"b", {}, {"0.0.0.0:443"}}},
      {{"a", {"shop.example"}, {}}, {"b", {"SHOP.example"}, {}}},
      {{"a", {"*.shop.example"}, {}}, {"b", {"*.shop.example"}, {}}},
  };
  for (const auto& [a, b] : kCases) {
    const absl::Status status = Map({a, b}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("site b"), HasSubstr("belongs to site a")));
  }
  // Twice in one site is no harm.
  EXPECT_TRUE(Map({{"a", {"x.example", "x.example"}, {":443", ":443"}}}).ok());
}

}  // namespace
}  // namespace skimwatch::traffic
