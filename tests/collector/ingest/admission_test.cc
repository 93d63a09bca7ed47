#include "collector/ingest/admission.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::ingest {
namespace {

using ::testing::HasSubstr;

v1::Hello GoodHello() {
  v1::Hello hello;
  hello.set_protocol_major(kProtocolMajor);
  hello.set_epoch(1);
  hello.add_sites("shop");
  return hello;
}

TEST(MatchesIdentity, IsExactOrAPrefix) {
  EXPECT_TRUE(MatchesIdentity("web-1", "web-1"));
  EXPECT_FALSE(MatchesIdentity("web-1", "web-10"));
  EXPECT_TRUE(MatchesIdentity("spiffe://shop/agent/*", "spiffe://shop/agent/web-1"));
  EXPECT_FALSE(MatchesIdentity("spiffe://shop/agent/*", "spiffe://shop/ops/ann"));
  EXPECT_TRUE(MatchesIdentity("*", "anybody"));
}

TEST(AdmitAgent, TurnsOperatorsAwayUnlessTheyAreNamed) {
  config::v1::CollectorConfig config;
  config.add_roles()->set_identity("ann");
  EXPECT_TRUE(AdmitAgent(config, "web-1").ok());
  EXPECT_EQ(AdmitAgent(config, "ann").code(), absl::StatusCode::kPermissionDenied);
  config.add_agents("web-*");
  EXPECT_TRUE(AdmitAgent(config, "web-1").ok());
  EXPECT_EQ(AdmitAgent(config, "db-1").code(), absl::StatusCode::kPermissionDenied);
  config.add_agents("ann");
  EXPECT_TRUE(AdmitAgent(config, "ann").ok());
}

TEST(AdmitAgent, TakesNobodyFromTheOperatorsSocket) {
  config::v1::CollectorConfig config;
  EXPECT_EQ(AdmitAgent(config, "local-operator").code(), absl::StatusCode::kPermissionDenied);
  config.add_agents("*");
  config.add_agents("local-operator");
  EXPECT_TRUE(AdmitAgent(config, "local").ok());
  EXPECT_EQ(AdmitAgent(config, "local-operator").code(), absl::StatusCode::kPermissionDenied);
}

TEST(CheckHello, TellsWhatIsWrong) {
  EXPECT_TRUE(CheckHello(GoodHello(), "web-1").ok());

  v1::Hello hello = GoodHello();
  hello.set_identity("web-1");
  EXPECT_TRUE(CheckHello(hello, "web-1").ok());
  const absl::Status fraud = CheckHello(hello, "web-2");
  EXPECT_EQ(fraud.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(fraud.message()), HasSubstr("claims to be 'web-1'"));

  hello = GoodHello();
  hello.set_protocol_major(kProtocolMajor + 1);
  EXPECT_EQ(CheckHello(hello, "a").code(), absl::StatusCode::kFailedPrecondition);
  hello = GoodHello();
  hello.set_protocol_minor(99);
  EXPECT_TRUE(CheckHello(hello, "a").ok());
  hello = GoodHello();
  hello.set_epoch(0);
  EXPECT_EQ(CheckHello(hello, "a").code(), absl::StatusCode::kInvalidArgument);
  hello = GoodHello();
  hello.add_sites("");
  EXPECT_EQ(CheckHello(hello, "a").code(), absl::StatusCode::kInvalidArgument);
  hello = GoodHello();
  for (int i = 0; i < 300; ++i) hello.add_sites("s");
  EXPECT_EQ(CheckHello(hello, "a").code(), absl::StatusCode::kInvalidArgument);
  hello = GoodHello();
  hello.set_version(std::string(1000, 'v'));
  EXPECT_EQ(CheckHello(hello, "a").code(), absl::StatusCode::kInvalidArgument);
}

TEST(CheckHello, AClaimWithControlCharactersIsShownHarmless) {
  v1::Hello hello = GoodHello();
  hello.set_identity("web-1\n2024 info forged line");
  const absl::Status status = CheckHello(hello, "web-2");
  EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
}

TEST(CheckHeartbeat, BoundsWhatItMakesTheCollectorKeep) {
  v1::Heartbeat heartbeat;
  (*heartbeat.mutable_coverage()->mutable_by_reason_bytes())["shed.flow_table_full"] = 1;
  EXPECT_TRUE(CheckHeartbeat(heartbeat).ok());
  (*heartbeat.mutable_coverage()->mutable_by_reason_bytes())[std::string(100'000, 'x')] = 1;
  EXPECT_EQ(CheckHeartbeat(heartbeat).code(), absl::StatusCode::kInvalidArgument);
}

TEST(CheckHeartbeat, TakesPagesByNamesThatConfigurationsAllow) {
  v1::Heartbeat heartbeat;
  v1::PageLook& page = *heartbeat.add_pages();
  page.set_name("checkout-2");
  page.set_site("shop.eu");
  EXPECT_TRUE(CheckHeartbeat(heartbeat).ok());
  for (const std::string name : {"", "Checkout", "a b", "a\nb", std::string(64, 'a').c_str()}) {
    page.set_name(name);
    EXPECT_EQ(CheckHeartbeat(heartbeat).code(), absl::StatusCode::kInvalidArgument) << name;
  }
  page.set_name("checkout");
  page.set_site("\xff");
  EXPECT_EQ(CheckHeartbeat(heartbeat).code(), absl::StatusCode::kInvalidArgument);
  page.set_site("shop");
  for (int i = 0; i < 40; ++i) page.add_looks(1);
  EXPECT_EQ(CheckHeartbeat(heartbeat).code(), absl::StatusCode::kInvalidArgument);
  page.clear_looks();
  for (int i = 0; i < 256; ++i) *heartbeat.add_pages() = page;
  EXPECT_EQ(CheckHeartbeat(heartbeat).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace skimwatch::ingest
