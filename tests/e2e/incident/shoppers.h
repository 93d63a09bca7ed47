#ifndef SKIMWATCH_TESTS_E2E_INCIDENT_SHOPPERS_H_
#define SKIMWATCH_TESTS_E2E_INCIDENT_SHOPPERS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::e2e {

// One visit to a page.
struct Visit {
  std::string url;
  // The page that the shopper comes from; empty for none.
  std::string referrer;
  // As whom the site sees them: one of 127.0.0.0/8.
  std::string address;
  // Where the names of all sites lead: a port of loopback.
  int port = 0;
  // The planted card that is typed and paid with (integration::CardNumber). Nothing for somebody
  // who only looks.
  std::optional<size_t> card;
};

// Shoppers with real browsers (shoppers.mjs): contexts of one Chromium that share nothing, each
// with an address of the network of their own. They type key by key, and stay on the page until
// they leave.
class Shoppers {
 public:
  explicit Shoppers(const std::string& key_digest);
  ~Shoppers();
  Shoppers(const Shoppers&) = delete;
  Shoppers& operator=(const Shoppers&) = delete;

  // Needs Chromium and Node.js.
  static bool ArePossible();

  // All at once. Comes back when each looked, or paid; a failure is added for each who could not.
  void Go(const std::vector<Visit>& visits);
  // Closes their pages.
  void Leave();

 private:
  const testing::TempFolder profile_;
  std::unique_ptr<testing::ChildProcess> process_;
  size_t visits_ = 0;
  size_t leavings_ = 0;
};

}  // namespace skimwatch::e2e

#endif  // SKIMWATCH_TESTS_E2E_INCIDENT_SHOPPERS_H_
