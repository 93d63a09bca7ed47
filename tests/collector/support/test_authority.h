#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_AUTHORITY_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_AUTHORITY_H_

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/tls.pb.h"
#include "tests/proto/tls/certificates.h"

namespace skimwatch::testing {

// A certificate authority whose certificates go by their CN and are good for loopback, written into
// a folder of the test.
class TestAuthority {
 public:
  explicit TestAuthority(std::string folder, std::string name = "authority")
      : folder_(std::move(folder)), name_(std::move(name)), ca_(name_) {}

  // A certificate whose CN is `name`, and the files that use it. Negative for one that has expired.
  config::v1::Tls Issue(const std::string& name, absl::Duration valid = absl::Hours(24)) const {
    LeafOptions leaf = ServerLeaf();
    leaf.common_name = name;
    leaf.not_after = absl::Now() + valid;
    return WriteTlsFiles(folder_ + "/" + name_ + "." + name, ca_.Issue(leaf), ca_);
  }

  // The file with this authority's certificate.
  std::string ca_file() const { return Issue("unused").ca_file(); }

 private:
  const std::string folder_;
  const std::string name_;
  const CertificateAuthority ca_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_TEST_AUTHORITY_H_
