#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_JOURNALD_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_JOURNALD_H_

#include <memory>
#include <string>
#include <string_view>

#include "tests/support/child_process.h"

namespace skimwatch::integration {

// A real systemd-journald in a mount namespace of its own, where /run is its own and it keeps its
// journal. It reads nothing of the kernel's log and audit. Ends with the test.
class Journald {
 public:
  // `directory`, an empty folder, is where it keeps the journal. Waits until it takes messages. Not
  // running afterwards where root or the program is missing.
  void Start(const std::string& directory);
  bool is_running() const { return process_ != nullptr; }

  // The folder of its journal, from outside of the namespace.
  const std::string& directory() const { return directory_; }
  // Sends an entry by the native protocol: `NAME=value` lines.
  void Send(std::string_view fields) const;
  // Has it begin a new file.
  void Rotate() const;

 private:
  std::string Root() const;

  std::string directory_;
  std::unique_ptr<testing::ChildProcess> process_;
};

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_JOURNALD_H_
