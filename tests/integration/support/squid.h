#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SQUID_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SQUID_H_

#include <sys/types.h>

#include <string>

#include "tests/support/temp_folder.h"

namespace skimwatch::integration {

// A real Squid on a free port of loopback that hands what it passes on to an ICAP server.
class Squid {
 public:
  Squid();
  // Ends it.
  ~Squid();
  Squid(const Squid&) = delete;
  Squid& operator=(const Squid&) = delete;

  static bool IsInstalled();
  // Waits until it takes connections; a fatal failure with its log where it does not.
  void Start(int icap_port);
  int port() const { return port_; }

 private:
  // Its own, since it gives up root's rights.
  testing::TempFolder folder_;
  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_SQUID_H_
