#include "agent/script/judge/web_address.h"

#include <string_view>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

struct Case {
  std::string_view raw;
  WebAddress::Kind kind;
  std::string_view host;
  std::string_view base;
  std::string_view query;
};

TEST(WebAddress, ReadsAddressesAsABrowserDoes) {
  constexpr auto kHost = WebAddress::Kind::kHost;
  constexpr auto kPath = WebAddress::Kind::kPath;
  constexpr auto kOpaque = WebAddress::Kind::kOpaque;
  const Case cases[] = {
      {"https://cdn.example/a/x.js?v=1#f", kHost, "cdn.example", "https://cdn.example/a/x.js",
       "?v=1"},
      {"//cdn.example/x.js", kHost, "cdn.example", "//cdn.example/x.js", ""},
      {"HTTPS://CDN.Example:443", kHost, "cdn.example", "https://cdn.example/", ""},
      {"http://cdn.example:8080/x", kHost, "cdn.example", "http://cdn.example:8080/x", ""},
      {" \x01ht\ntps://ev\til.example/x\r ", kHost, "evil.example", "https://evil.example/x", ""},
      {"/\\evil.example\\x.js", kHost, "evil.example", "//evil.example/x.js", ""},
      {"https:evil.example/x.js", kHost, "evil.example", "https://evil.example/x.js", ""},
      {"https:////evil.example/x.js", kHost, "evil.example", "https://evil.example/x.js", ""},
      {"https://shop.example@evil.example/x", kHost, "evil.example", "https://evil.example/x", ""},
      {"https://%65vil.example/x", kHost, "evil.example", "https://evil.example/x", ""},
      {"https://[2001:db8::1]:8443/x", kHost, "[2001:db8::1]", "https://[2001:db8::1]:8443/x", ""},
      {"https://[2001:db8::1]/x", kHost, "[2001:db8::1]", "https://[2001:db8::1]/x", ""},
      {"https://a.example/b/../c/./%2e%2E/x.js", kHost, "a.example", "https://a.example/x.js", ""},
      {"https://a.example?b/../c", kHost, "a.example", "https://a.example/", "?b/../c"},
      {"/js/x.js?v=2", kPath, "", "/js/x.js", "?v=2"},
      {"/../../x.js", kPath, "", "/x.js", ""},
      {"x.js", kPath, "", "x.js", ""},
      {"?x", kPath, "", "", "?x"},
      {"", kPath, "", "", ""},
      {"1a:b", kPath, "", "1a:b", ""},
      {"DATA:text/javascript,a()#b", kOpaque, "", "data:text/javascript,a()#b", ""},
      {"blob:https://a.example/1", kOpaque, "", "blob:https://a.example/1", ""},
      {"//", kHost, "", "///", ""},
  };
  for (const Case& c : cases) {
    const WebAddress address = ParseWebAddress(c.raw);
    EXPECT_EQ(address.kind, c.kind) << c.raw;
    EXPECT_EQ(address.host, c.host) << c.raw;
    EXPECT_EQ(address.base, c.base) << c.raw;
    EXPECT_EQ(address.query, c.query) << c.raw;
  }
}

}  // namespace
}  // namespace skimwatch::script
