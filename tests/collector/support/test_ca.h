#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_CA_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_CA_H_

#include <memory>
#include <string>

#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::testing {

// A certificate authority for one test, with its files in a folder of the test's.
class TestCa {
 public:
  explicit TestCa(std::string folder);
  ~TestCa();

  // Issues a certificate for `name` with the URI SAN `uri` (none when empty) and the DNS name
  // `localhost`, and returns the three files as a configuration. Valid for a day.
  config::v1::Tls Issue(const std::string& name, const std::string& uri = "");

 private:
  struct Keys;
  const std::string folder_;
  std::unique_ptr<Keys> keys_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_CA_H_
