#include "proto/destination/destination_pattern.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::destination {
namespace {

TEST(DestinationPattern, CoversWhatItSays) {
  const struct {
    const char* pattern;
    const char* name;
    bool matches;
  } cases[] = {
      {"example.com", "example.com", true},
      {" Example.COM ", "example.com", true},
      {"example.com", "www.example.com", false},
      {"example.com", "notexample.com", false},
      {"*.github.io", "shop.github.io", true},
      {"*.github.io", "a.b.github.io", true},
      {"*.github.io", "github.io", false},
      {"*.github.io", "evilgithub.io", false},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.8", false},
      {"192.0.2.0/24", "192.0.2.255", true},
      {"192.0.2.0/24", "192.0.3.0", false},
      {"192.0.2.128/25", "192.0.2.127", false},
      {"192.0.2.0/24", "example.com", false},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      // Not the IPv4 addresses that are mapped below it.
      {"2001:db8::1", "192.0.2.7", false},
  };
  for (const auto& c : cases) {
    const auto pattern = DestinationPattern::Parse(c.pattern);
    ASSERT_TRUE(pattern.ok()) << c.pattern << ": " << pattern.status();
    EXPECT_EQ(pattern->Matches(c.name), c.matches) << c.pattern << " and " << c.name;
  }
}

TEST(DestinationPattern, RefusesWhatCoversTooMuchOrNothing) {
  for (const std::string pattern :
       {"", " ", "*", "*.", "*.com", "*com", "a..b", ".example.com", "example.com.", "0.0.0.0/0",
        "::/0", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "2001:db8::/129", "example.com/24",
        "exa mple.com", "https://example.com", "*.*.example.com"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(DestinationPattern::Parse(pattern).status())) << pattern;
  }
  EXPECT_FALSE(DestinationPattern::Parse(std::string(300, 'a')).ok());
}

}  // namespace
}  // namespace skimwatch::destination
