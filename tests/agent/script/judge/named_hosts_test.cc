#include "agent/script/judge/named_hosts.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

bool Names(const std::string& text, const std::string& host) {
  absl::flat_hash_set<std::string> hosts = {host, "other.example"};
  RemoveNamedHosts(text, hosts);
  EXPECT_TRUE(hosts.contains("other.example")) << text;
  return !hosts.contains(host);
}

TEST(NamedHosts, FindsAHostAsAWholeName) {
  for (const char* text : {
           "a.example",
           "'https://a.example/x'",
           "//a.example:8443/",
           "https://A.Example/",
           "user@a.example",
           "see a.example.",
           "a.example.\n",
           "a.example. Next",
           "https:\\/\\/a.example\\/",
           "https%3A%2F%2Fa.example%2Fx",
           "\\x2f\\x2fa.example",
           "\\u002f\\u002fa.example",
           "line\\na.example",
           "b.example a.example",
       }) {
    EXPECT_TRUE(Names(text, "a.example")) << text;
  }
}

TEST(NamedHosts, DoesNotTakeAPartOfAnotherNameForIt) {
  for (const char* text : {
           "",
           "https://a.example.org/",
           "https://www.a.example/",
           "https://da.example/",
           "https://a.examples/",
           "https://a.example-1/",
           "-a.example",
           ".a.example",
           "a_example",
       }) {
    EXPECT_FALSE(Names(text, "a.example")) << text;
  }
  EXPECT_FALSE(Names("https://www.googletagmanager.com/api", "etagmanager.com"));
}

TEST(NamedHosts, FindsHostsWithoutADot) {
  EXPECT_TRUE(Names("http://backend/x", "backend"));
  EXPECT_FALSE(Names("http://backend2/x", "backend"));
}

}  // namespace
}  // namespace skimwatch::script
