#ifndef SKIMWATCH_TESTS_PROTO_TLS_CERTIFICATES_H_
#define SKIMWATCH_TESTS_PROTO_TLS_CERTIFICATES_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "skimwatch/config/v1/tls.pb.h"

namespace skimwatch::testing {

// A certificate and its private key, both in PEM.
struct CertifiedKey {
  std::string certificate_pem;
  std::string key_pem;
};

struct LeafOptions {
  // Subject's CN; none when empty.
  std::string common_name;
  std::vector<std::string> uris;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  absl::Time not_before = absl::Now() - absl::Hours(1);
  absl::Time not_after = absl::Now() + absl::Hours(24);
};

// A throw-away certificate authority for tests: P-256, so that making a certificate takes well
// under a millisecond. Aborts on what can only be a mistake in a test.
//
//   CertificateAuthority ca("test CA");
//   config::v1::Tls server = WriteTlsFiles(dir + "/server", ca.Issue(ServerLeaf()), ca);
//   config::v1::Tls agent = WriteTlsFiles(dir + "/agent", ca.Issue(AgentLeaf("web-1")), ca);
class CertificateAuthority {
 public:
  explicit CertificateAuthority(std::string_view common_name);
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  CertifiedKey Issue(const LeafOptions& leaf) const;
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
  std::string certificate_pem_;
};

// A server reached over loopback: `localhost`, `127.0.0.1` and `::1`.
LeafOptions ServerLeaf();
// An agent or operator known as `spiffe://example.org/<name>`.
LeafOptions SpiffeLeaf(std::string_view name);

// Writes `own.crt`, `own.key` (mode 0600) and `ca.crt` into `directory`, which is made when it is
// not there, and returns the configuration that names them, with a reload interval of a second.
config::v1::Tls WriteTlsFiles(const std::string& directory, const CertifiedKey& own,
                              const CertificateAuthority& ca);

// Replaces a file's content at once (write beside it, rename).
void ReplaceFile(const std::string& path, std::string_view content);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_PROTO_TLS_CERTIFICATES_H_
