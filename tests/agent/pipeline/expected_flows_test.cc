#include "agent/pipeline/expected_flows.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::HasSubstr;

SightingOrigin Processor() {
  SightingOrigin origin = testing::OutboundOrigin();
  origin.path = "/v1/charges/new";
  origin.provenance.set_host("api.processor.example");
  origin.provenance.mutable_server()->set_address("198.51.100.20");
  origin.provenance.mutable_server()->set_port(443);
  return origin;
}

ExpectedFlows FlowsOf(const std::function<void(v1::ExpectedFlow&)>& fill) {
  ExpectedFlows::Rules rules;
  fill(*rules.Add());
  return ExpectedFlows::Create(rules).value();
}

TEST(ExpectedFlows, MatchWhenEverySetFieldMatches) {
  struct Case {
    const char* what;
    std::function<void(v1::ExpectedFlow&)> rule;
    std::function<void(SightingOrigin&)> origin;
    bool expected;
  };
  const auto same = [](SightingOrigin&) {};
  const auto whole = [](v1::ExpectedFlow& flow) {
    flow.set_site("shop");
    flow.set_host("api.processor.example");
    flow.set_address("198.51.100.0/24");
    flow.set_port(443);
    flow.set_path_prefix("/v1/charges");
    flow.set_method("POST");
  };
  const Case cases[] = {
      {"everything", whole, same, true},
      {"another site", whole, [](SightingOrigin& o) { o.site = "blog"; }, false},
      {"another host", whole, [](SightingOrigin& o) { o.provenance.set_host("chat.example"); },
       false},
      {"no host", whole, [](SightingOrigin& o) { o.provenance.clear_host(); }, false},
      {"a host that ends alike", whole,
       [](SightingOrigin& o) { o.provenance.set_host("evilapi.processor.example"); }, false},
      {"the host's name at another address", whole,
       [](SightingOrigin& o) { o.provenance.mutable_server()->set_address("203.0.113.9"); }, false},
      {"no address", whole, [](SightingOrigin& o) { o.provenance.clear_server(); }, false},
      {"another port", whole,
       [](SightingOrigin& o) { o.provenance.mutable_server()->set_port(8443); }, false},
      {"another path", whole, [](SightingOrigin& o) { o.path = "/v2/charges"; }, false},
      {"a path that climbs out", whole, [](SightingOrigin& o) { o.path = "/v1/charges/../evil"; },
       false},
      {"a path that climbs out in disguise", whole,
       [](SightingOrigin& o) { o.path = "/v1/charges/%2E%2e/evil"; }, false},
      {"another method", whole, [](SightingOrigin& o) { o.provenance.set_method("GET"); }, false},
      {"a host below a wildcard",
       [](v1::ExpectedFlow& flow) { flow.set_host("*.Processor.example"); }, same, true},
      {"a wildcard's own domain",
       [](v1::ExpectedFlow& flow) { flow.set_host("*.api.processor.example"); }, same, false},
      {"one address", [](v1::ExpectedFlow& flow) { flow.set_address("198.51.100.20"); }, same,
       true},
      {"an odd prefix", [](v1::ExpectedFlow& flow) { flow.set_address("198.51.100.16/29"); }, same,
       true},
      {"beside an odd prefix", [](v1::ExpectedFlow& flow) { flow.set_address("198.51.100.24/29"); },
       same, false},
      {"an IPv6 prefix", [](v1::ExpectedFlow& flow) { flow.set_address("2001:db8:7::/45"); },
       [](SightingOrigin& o) { o.provenance.mutable_server()->set_address("2001:db8:1:2::9"); },
       true},
      {"beside an IPv6 prefix", [](v1::ExpectedFlow& flow) { flow.set_address("2001:db8:8::/45"); },
       [](SightingOrigin& o) { o.provenance.mutable_server()->set_address("2001:db8:1:2::9"); },
       false},
      {"a file", [](v1::ExpectedFlow& flow) { flow.set_file("/var/spool/settle/*.csv"); },
       [](SightingOrigin& o) { o.provenance.set_file("/var/spool/settle/a.csv"); }, true},
      {"a file in a folder below",
       [](v1::ExpectedFlow& flow) { flow.set_file("/var/spool/settle/*.csv"); },
       [](SightingOrigin& o) { o.provenance.set_file("/var/spool/settle/x/a.csv"); }, false},
      {"another process",
       [](v1::ExpectedFlow& flow) {
         flow.set_host("api.processor.example");
         flow.set_executable("/usr/sbin/php-fpm");
       },
       same, false},
  };
  for (const Case& c : cases) {
    SightingOrigin origin = Processor();
    c.origin(origin);
    EXPECT_EQ(FlowsOf(c.rule).Contains(origin), c.expected) << c.what;
  }
}

TEST(ExpectedFlows, AnyRuleIsEnough) {
  ExpectedFlows flows = FlowsOf([](v1::ExpectedFlow& flow) { flow.set_host("other.example"); });
  EXPECT_FALSE(flows.Contains(Processor()));
  flows.Append(FlowsOf([](v1::ExpectedFlow& flow) { flow.set_host("api.processor.example"); }));
  EXPECT_TRUE(flows.Contains(Processor()));
  EXPECT_FALSE(ExpectedFlows().Contains(Processor()));
}

TEST(ExpectedFlows, RefuseRulesThatCantBeRead) {
  struct Case {
    std::function<void(v1::ExpectedFlow&)> rule;
    const char* message;
  };
  const Case cases[] = {
      {[](v1::ExpectedFlow& flow) { flow.set_path_prefix("/"); }, "none of host, address and file"},
      {[](v1::ExpectedFlow& flow) { flow.set_address("198.51.100"); }, "`198.51.100`"},
      {[](v1::ExpectedFlow& flow) { flow.set_address("198.51.100.0/33"); }, "/33"},
      {[](v1::ExpectedFlow& flow) { flow.set_address("2001:db8::/129"); }, "/129"},
      {[](v1::ExpectedFlow& flow) { flow.set_address("198.51.100.0/-1"); }, "/-1"},
  };
  for (const Case& c : cases) {
    ExpectedFlows::Rules rules;
    rules.Add()->set_name("settlement");
    c.rule(*rules.Mutable(0));
    const absl::Status status = ExpectedFlows::Create(rules).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("`settlement`"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace skimwatch::pipeline
