#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_BROWSER_SITE_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_BROWSER_SITE_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/nginx.h"

namespace skimwatch::integration {

// A shop, a vendor of scripts and a thief, as shoppers meet them: a real nginx that ends TLS for
// shop.example, vendor.example and evil.example on one port of loopback, and real Chromium. The
// shop has deploy/browser-reports/ in its configuration, as an operator would have.
//
// Files of the shop are in `html`, those of the vendor in `vendor`; card numbers may stand in both.
class BrowserSite {
 public:
  explicit BrowserSite(std::string folder);

  static bool HasChromium();

  // Lines of nginx's configuration beside those that every site has: of the server that `where`
  // says, `shop` or `vendor`, or of `http`, for servers of its own. From the next start on.
  void Configure(const std::string& where, const std::string& lines) const;

  // Waits until it answers; a fatal failure where it does not. Reports go to `socket`. `headers`
  // are the add_header lines of pages; those of deploy/browser-reports/headers.conf where empty.
  // May be called again with others.
  void Start(const std::string& socket, const std::string& headers = "");

  void WriteShop(const std::string& name, const std::string& content) const;
  void WriteVendor(const std::string& name, const std::string& content) const;
  // `https://shop.example:8443`
  std::string Origin(const std::string& host) const;
  // Where all of them listen.
  int port() const { return port_; }
  // What a browser believes the certificate by: `--ignore-certificate-errors-spki-list`.
  const std::string& key_digest() const { return key_digest_; }
  // Where evil.example's /socket leads: a port of loopback that a test may listen at.
  int socket_port() const { return socket_port_; }
  // For a browser to find the site and believe its certificate.
  std::vector<std::string> BrowserArguments() const;
  // Requests that nginx saw, one a line: `host method path`.
  std::string Requests() const;

 private:
  const std::string folder_;
  std::string key_digest_;
  const int port_;
  const int socket_port_;
  testing::Nginx nginx_;

  friend class Shopper;
};

// Chromium with a profile of its own that opens a page, and stays on it until it goes.
class Shopper {
 public:
  Shopper(const BrowserSite& site, const std::string& url);
  ~Shopper();
  Shopper(const Shopper&) = delete;
  Shopper& operator=(const Shopper&) = delete;

 private:
  std::string profile_;
  pid_t pid_ = 0;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_BROWSER_SITE_H_
