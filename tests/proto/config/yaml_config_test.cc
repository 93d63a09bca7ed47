#include "proto/config/yaml_config.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/agent.pb.h"
#include "skimwatch/v1/finding.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::AgentConfig Agent(std::string_view yaml) {
  v1::AgentConfig config;
  const absl::Status status = FromYaml(yaml, "agent.yaml", config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

template <typename Message>
std::string ErrorOf(std::string_view yaml) {
  Message message;
  const absl::Status status = FromYaml(yaml, "a.yaml", message);
  EXPECT_NE(status.code(), absl::StatusCode::kOk) << yaml;
  EXPECT_NE(status.code(), absl::StatusCode::kInternal) << yaml;
  return std::string(status.message());
}

TEST(FromYaml, ReadsScalarsListsAndNestedMessages) {
  const v1::AgentConfig config = Agent(R"(
# a comment
sites:
  - name: shop
    hosts: [shop.example, "*.shop.example"]
  - {name: blog}
sampling:
  flow_ratio: 0.25
limits:
  body_bytes_max: 18446744073709551615
scan:
  decode_depth: 0
  report_test_cards: false
)");
  ASSERT_EQ(config.sites_size(), 2);
  EXPECT_EQ(config.sites(0).hosts(1), "*.shop.example");
  EXPECT_EQ(config.sites(1).name(), "blog");
  EXPECT_EQ(config.sampling().flow_ratio(), 0.25);
  EXPECT_EQ(config.limits().body_bytes_max(), 18446744073709551615u);
  EXPECT_TRUE(config.scan().has_decode_depth());
  EXPECT_EQ(config.scan().decode_depth(), 0u);
  EXPECT_TRUE(config.scan().has_report_test_cards());
  EXPECT_FALSE(config.scan().report_test_cards());
}

TEST(FromYaml, LeavesOptionalFieldsUnsetThatAreNotThere) {
  const v1::AgentConfig config = Agent("scan: {mask: none}");
  EXPECT_FALSE(config.scan().has_decode_depth());
  EXPECT_FALSE(config.scan().has_report_test_cards());
}

TEST(FromYaml, TakesDigitsAsTextWhereTextIsExpected) {
  EXPECT_EQ(Agent("sites: [{name: 42}]").sites(0).name(), "42");
}

TEST(FromYaml, TakesNothingAsAnEmptyMessageOrList) {
  const v1::AgentConfig config = Agent("sampling:\nsites:\n");
  EXPECT_TRUE(config.has_sampling());
  EXPECT_EQ(config.sites_size(), 0);
}

TEST(FromYaml, TakesAnEmptyFileAsNoSettings) {
  for (const std::string_view text : {"", "\n\n", "# nothing\n", "---\n"}) {
    EXPECT_EQ(Agent(text).ByteSizeLong(), 0u) << text;
  }
}

TEST(FromYaml, FollowsAliases) {
  const v1::AgentConfig config = Agent("sites:\n- &a {name: one}\n- *a\n");
  ASSERT_EQ(config.sites_size(), 2);
  EXPECT_EQ(config.sites(1).name(), "one");
}

TEST(FromYaml, ReadsMapsEnumsBytesAndSignedKeys) {
  skimwatch::v1::Coverage coverage;
  ASSERT_TRUE(FromYaml("by_reason_bytes: {shed.full: 7, sampled_out.hash: 9}", "c", coverage).ok());
  EXPECT_EQ(coverage.by_reason_bytes().at("shed.full"), 7u);
  skimwatch::v1::SpoolState spool;
  ASSERT_TRUE(FromYaml("dropped_findings: {-1: 2, 5: 3}", "c", spool).ok());
  EXPECT_EQ(spool.dropped_findings().at(-1), 2u);
  skimwatch::v1::Finding finding;
  ASSERT_TRUE(FromYaml("severity: SEVERITY_HIGH\ncard_number: {score: 80}", "c", finding).ok());
  EXPECT_EQ(finding.severity(), skimwatch::v1::SEVERITY_HIGH);
  EXPECT_EQ(finding.card_number().score(), 80u);
  skimwatch::v1::FingerprintKey key;
  ASSERT_TRUE(FromYaml("{id: k, key: AAEC}", "c", key).ok());
  EXPECT_EQ(key.key(), std::string("\0\1\2", 3));
}

struct BadCase {
  std::string_view name;
  std::string_view yaml;
  std::string_view error;
};

class BadAgentYaml : public testing::TestWithParam<BadCase> {};

TEST_P(BadAgentYaml, IsRefusedWithPlaceAndExpectation) {
  EXPECT_EQ(ErrorOf<v1::AgentConfig>(GetParam().yaml), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    FromYaml, BadAgentYaml,
    testing::Values(
        BadCase{"UnknownKeyNearAKnownOne", "sites: []\ncolector: {}\n",
                "a.yaml:2:1: colector: found an unknown key, expected `collector` perhaps"},
        BadCase{"UnknownKeyInCamelCase", "sampling: {flowRatio: 1}",
                "a.yaml:1:12: sampling.flowRatio: found an unknown key, expected `flow_ratio` "
                "perhaps"},
        BadCase{"UnknownKeyInAList", "sites:\n  - name: a\n    hots: [b]\n",
                "a.yaml:3:5: sites[0].hots: found an unknown key, expected `hosts` perhaps"},
        BadCase{"UnknownKeyLikeNone", "spool:\n  zzz: 1\n",
                "a.yaml:2:3: spool.zzz: found an unknown key, expected one of: directory, "
                "size_mib, segment_mib"},
        BadCase{"MergeKey", "sites: [{<<: {name: a}}]",
                "a.yaml:1:10: sites[0].<<: found an unknown key, expected one of: name, hosts, "
                "services"},
        BadCase{"ControlCharactersInAKey", "\"a\\eb\": 1",
                "a.yaml:1:1: a\\x1bb: found an unknown key, expected one of: sites, collector, "
                "sources, sampling, budget, limits, spool, scan, state_directory, metrics, "
                "logging, expected_flows, ..."},
        BadCase{"RepeatedKey", "sampling: {}\nlimits: {}\nsampling: {}\n",
                "a.yaml:3:1: sampling: found the key again, expected it once (the first is in "
                "line 1)"},
        BadCase{"TextForANumber", "limits:\n  flows_max: many\n",
                "a.yaml:2:14: limits.flows_max: found `many`, expected a whole number from 0 to "
                "4294967295"},
        BadCase{"QuotedNumber", "limits: {flows_max: \"5\"}",
                "a.yaml:1:21: limits.flows_max: found the text `5`, expected a whole number from "
                "0 to 4294967295"},
        BadCase{"NegativeNumber", "limits: {flows_max: -1}",
                "a.yaml:1:21: limits.flows_max: found `-1`, expected a whole number from 0 to "
                "4294967295"},
        BadCase{"NumberOutOfRange", "limits: {flows_max: 4294967296}",
                "a.yaml:1:21: limits.flows_max: found `4294967296`, expected a whole number from "
                "0 to 4294967295"},
        BadCase{"FractionForAWholeNumber", "limits: {flows_max: 1.5}",
                "a.yaml:1:21: limits.flows_max: found `1.5`, expected a whole number from 0 to "
                "4294967295"},
        BadCase{"HexNumber", "limits: {flows_max: 0x10}",
                "a.yaml:1:21: limits.flows_max: found `0x10`, expected a whole number from 0 to "
                "4294967295"},
        BadCase{"NothingForANumber", "limits: {flows_max: }",
                "a.yaml:1:21: limits.flows_max: found nothing, expected a whole number from 0 to "
                "4294967295"},
        BadCase{"NotANumber", "sampling: {flow_ratio: .nan}",
                "a.yaml:1:24: sampling.flow_ratio: found `.nan`, expected a number"},
        BadCase{"InfiniteNumber", "sampling: {flow_ratio: inf}",
                "a.yaml:1:24: sampling.flow_ratio: found `inf`, expected a number"},
        BadCase{"TooLargeANumber", "sampling: {flow_ratio: 1e999}",
                "a.yaml:1:24: sampling.flow_ratio: found `1e999`, expected a number"},
        BadCase{"YesForTrue", "scan: {report_test_cards: yes}",
                "a.yaml:1:27: scan.report_test_cards: found `yes`, expected true or false"},
        BadCase{"ListForText", "state_directory: [a]",
                "a.yaml:1:18: state_directory: found a list, expected text"},
        BadCase{"MappingForText", "state_directory: {a: b}",
                "a.yaml:1:18: state_directory: found a mapping, expected text"},
        BadCase{"NothingForText", "state_directory: ~",
                "a.yaml:1:18: state_directory: found nothing, expected text"},
        BadCase{"TextForAList", "sites: shop", "a.yaml:1:8: sites: found `shop`, expected a list"},
        BadCase{"MappingForAList", "sites: {name: shop}",
                "a.yaml:1:8: sites: found a mapping, expected a list"},
        BadCase{"ListForAMapping", "limits: [1]",
                "a.yaml:1:9: limits: found a list, expected a mapping of keys to values"},
        BadCase{"TextForAMapping", "sites: [shop]",
                "a.yaml:1:9: sites[0]: found `shop`, expected a mapping of keys to values"},
        BadCase{"ListAtTheTop", "- a\n- b\n",
                "a.yaml:1:1: found a list, expected a mapping of keys to values"},
        BadCase{"ListAsAKey", "? [a, b]\n: c\n",
                "a.yaml:1:3: found a list as a key, expected text"},
        BadCase{"SecondDocument", "limits: {}\n---\nspool: {}\n",
                "a.yaml:2:1: found a second document, expected one"},
        BadCase{"LongValueIsCut",
                "limits: {flows_max: "
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
                "a.yaml:1:21: limits.flows_max: found "
                "`aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...`, expected a "
                "whole number from 0 to 4294967295"},
        BadCase{"NotUtf8", "sites:\n- name: \xff\n",
                "a.yaml:2:9: found a byte that is not text, expected UTF-8"},
        BadCase{"AllErrorsAtOnce", "limits: {flows_max: x}\nspool: {size: 1}\n",
                "a.yaml:1:21: limits.flows_max: found `x`, expected a whole number from 0 to "
                "4294967295\n"
                "a.yaml:2:9: spool.size: found an unknown key, expected one of: directory, "
                "size_mib, segment_mib"}),
    [](const auto& bad) { return std::string(bad.param.name); });

TEST(FromYaml, SaysWhereTextIsNotYaml) {
  EXPECT_THAT(ErrorOf<v1::AgentConfig>("sites:\n  - name: a\n   hosts: b\n"),
              StartsWith("a.yaml:3:"));
  EXPECT_THAT(ErrorOf<v1::AgentConfig>("sites: [a\n"), HasSubstr("found what is not YAML"));
  EXPECT_THAT(ErrorOf<v1::AgentConfig>("a: *nothing\n"), StartsWith("a.yaml:1:"));
  EXPECT_THAT(ErrorOf<v1::AgentConfig>("\tsites: []"), StartsWith("a.yaml:1:"));
}

TEST(FromYaml, EndsOnTextThatKeepsTheParserInPlace) {
  // Alone, these make YAML::LoadAll of yaml-cpp 0.7 add empty documents for ever.
  for (const std::string_view text : {",", "]", "}", "a: b\n, c", "limits: {}\n]"}) {
    EXPECT_THAT(ErrorOf<v1::AgentConfig>(text), StartsWith("a.yaml:")) << text;
  }
}

TEST(FromYaml, NamesTheKnownValuesOfAnEnum) {
  EXPECT_EQ(ErrorOf<skimwatch::v1::Finding>("confidence: high"),
            "a.yaml:1:13: confidence: found `high`, expected one of: CONFIDENCE_UNSPECIFIED, "
            "CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH");
}

TEST(FromYaml, RefusesTwoOfAOneof) {
  EXPECT_EQ(ErrorOf<skimwatch::v1::Finding>("card_number: {}\ncanary: {}\n"),
            "a.yaml:2:1: canary: found it beside `card_number`, expected one of the two");
}

TEST(FromYaml, RefusesBadMapEntries) {
  EXPECT_EQ(ErrorOf<skimwatch::v1::Coverage>("by_reason_bytes: {a: b}"),
            "a.yaml:1:22: by_reason_bytes.a: found `b`, expected a whole number from 0 to "
            "18446744073709551615");
  EXPECT_EQ(ErrorOf<skimwatch::v1::Coverage>("by_reason_bytes: {a: 1, a: 2}"),
            "a.yaml:1:25: by_reason_bytes.a: found the key again, expected it once (the first is "
            "in line 1)");
  EXPECT_EQ(ErrorOf<skimwatch::v1::SpoolState>("dropped_findings: {x: 1}"),
            "a.yaml:1:20: dropped_findings.x: found `x`, expected a whole number from -2147483648 "
            "to 2147483647");
}

TEST(FromYaml, NeverShowsASecretThatItCannotRead) {
  const std::string error = ErrorOf<skimwatch::v1::FingerprintKey>("key: 'hunter2!'");
  EXPECT_EQ(error, "a.yaml:1:6: key: found what is not base64, expected base64");
}

TEST(FromYaml, StopsAfterTwentyErrors) {
  std::string yaml;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&yaml, "zz", i, ": 1\n");
  const std::string error = ErrorOf<v1::AgentConfig>(yaml);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 20);
  EXPECT_THAT(error, HasSubstr("\nand more"));
}

TEST(FromYaml, BoundsDeepNesting) {
  EXPECT_THAT(ErrorOf<v1::AgentConfig>(absl::StrCat("sites: ", std::string(100'000, '['))),
              HasSubstr("found what is not YAML"));
  EXPECT_THAT(ErrorOf<v1::AgentConfig>(absl::StrCat("sites: ", std::string(100'000, '{'))),
              HasSubstr("found what is not YAML"));
}

TEST(FromYaml, BoundsAliasesOfAliases) {
  // Each level stands for ten of the level below: 10^9 sites from a few lines.
  std::string yaml = "sites:\n- &s {name: a, hosts: &l0 [a, a, a, a, a, a, a, a, a, a]}\n";
  for (int i = 0; i < 20'000; ++i) yaml += "- *s\n";
  EXPECT_THAT(ErrorOf<v1::AgentConfig>(yaml), HasSubstr("values with all aliases followed"));
}

TEST(FromYaml, BoundsItsOwnSize) {
  EXPECT_THAT(ErrorOf<v1::AgentConfig>(std::string((1 << 20) + 1, '#')),
              HasSubstr("expected at most 1048576"));
}

TEST(FromYamlFile, NamesAFileThatIsNotThere) {
  v1::AgentConfig config;
  const std::string path = testing::TempDir() + "no-such.yaml";
  const absl::Status status = FromYamlFile(path, config);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(FromYamlFile, RefusesAFolder) {
  v1::AgentConfig config;
  const absl::Status status = FromYamlFile(testing::TempDir(), config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("found a folder, expected a file"));
}

TEST(ToYaml, MakesTextThatReadsBackAsTheSameMessage) {
  const v1::AgentConfig config = Agent(R"(
sites:
  - name: "true"
    hosts: ["*.a", "123", "~", "- x", "a: b", "#c", "é", "\x07", "-", "1e3", ""]
collector: {address: "unix:/run/x", tls: {plaintext: true}}
sampling: {flow_ratio: 0.1}
limits: {body_bytes_max: 0}
scan: {decode_depth: 0, report_test_cards: false}
)");
  const std::string yaml = ToYaml(config);
  const v1::AgentConfig again = Agent(yaml);
  EXPECT_EQ(again.SerializeAsString(), config.SerializeAsString()) << yaml;
}

TEST(ToYaml, KeepsTheOrderOfTheFieldsAndShowsZeros) {
  EXPECT_EQ(ToYaml(Agent("scan: {mask: none}\nsampling: {}\nsites: [{name: a}]")),
            "sites:\n"
            "  - name: a\n"
            "sampling:\n"
            "  flow_ratio: 0\n"
            "  flow_ratio_min: 0\n"
            "scan:\n"
            "  mask: none\n"
            "  fold_window_seconds: 0\n");
}

TEST(ToYaml, HidesSecrets) {
  skimwatch::v1::Policy policy;
  policy.add_fingerprint_keys()->set_key("hunter2hunter2hunter2");
  const std::string yaml = ToYaml(policy);
  EXPECT_THAT(yaml, HasSubstr("key: \"<hidden>\""));
  EXPECT_EQ(yaml.find("hunter"), std::string::npos);
}

}  // namespace
}  // namespace skimwatch::config
