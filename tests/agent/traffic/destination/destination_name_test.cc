#include "agent/traffic/destination/destination_name.h"

#include <string>

#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using Change = v1::DestinationChange;

TEST(DestinationName, IsTheRegisteredDomainElseTheAddress) {
  const RegisteredDomains domains;
  const struct {
    const char* host;
    const char* address;
    const char* name;
    Change::Scope scope;
  } cases[] = {
      {"api.stripe.com", "192.0.2.7", "stripe.com", Change::SCOPE_PUBLIC},
      {"API.Shop.Example.co.uk", "", "example.co.uk", Change::SCOPE_PUBLIC},
      {"evil.github.io", "", "evil.github.io", Change::SCOPE_PUBLIC},
      {"", "192.0.2.7", "192.0.2.7", Change::SCOPE_PUBLIC},
      {"192.0.2.9", "192.0.2.7", "192.0.2.9", Change::SCOPE_PUBLIC},
      {"[2001:db8::9]", "", "2001:db8::9", Change::SCOPE_PUBLIC},
      {"", "", "unknown", Change::SCOPE_PUBLIC},
      {"", "10.1.2.3", "10.1.2.3", Change::SCOPE_PRIVATE},
      {"", "172.31.0.1", "172.31.0.1", Change::SCOPE_PRIVATE},
      {"", "172.32.0.1", "172.32.0.1", Change::SCOPE_PUBLIC},
      {"", "192.168.1.1", "192.168.1.1", Change::SCOPE_PRIVATE},
      {"", "100.64.0.1", "100.64.0.1", Change::SCOPE_PRIVATE},
      {"", "169.254.169.254", "169.254.169.254", Change::SCOPE_PRIVATE},
      {"", "fd00::1", "fd00::1", Change::SCOPE_PRIVATE},
      {"", "fe80::1", "fe80::1", Change::SCOPE_PRIVATE},
      {"", "127.0.0.1", "127.0.0.1", Change::SCOPE_LOOPBACK},
      {"", "::1", "::1", Change::SCOPE_LOOPBACK},
      {"localhost", "", "localhost", Change::SCOPE_LOOPBACK},
      // Through a proxy, or to a server of somebody who points a name inside.
      {"evil.com", "10.0.0.5", "evil.com", Change::SCOPE_PUBLIC},
      {"db.internal", "10.0.0.5", "db.internal", Change::SCOPE_PRIVATE},
      {"db.internal", "192.0.2.7", "db.internal", Change::SCOPE_PUBLIC},
      // What is no name.
      {"..", "192.0.2.7", "192.0.2.7", Change::SCOPE_PUBLIC},
      {"a b", "192.0.2.7", "192.0.2.7", Change::SCOPE_PUBLIC},
      {"\x01\xff", "", "unknown", Change::SCOPE_PUBLIC},
  };
  for (const auto& c : cases) {
    const DestinationName named = NameDestination(domains, c.host, c.address);
    EXPECT_EQ(named.name, c.name) << c.host << " at " << c.address;
    EXPECT_EQ(named.scope, c.scope) << c.host << " at " << c.address;
  }
}

TEST(DestinationName, ShowsNoCardNumber) {
  const RegisteredDomains domains;
  // A published test number.
  const std::string number = "4111111111111111";
  for (const std::string& host : {number + ".evil.com", "x." + number + ".com"}) {
    const DestinationName named = NameDestination(domains, host, "");
    EXPECT_EQ(named.name.find(number), std::string::npos);
    EXPECT_EQ(named.host.find(number), std::string::npos);
    EXPECT_EQ(named.host.size(), host.size());
  }
}

}  // namespace
}  // namespace skimwatch::traffic
