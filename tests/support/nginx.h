#ifndef SKIMWATCH_TESTS_SUPPORT_NGINX_H_
#define SKIMWATCH_TESTS_SUPPORT_NGINX_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "tests/support/child_process.h"

namespace skimwatch::testing {

// Where a program of the system is, as root and others find it; empty where it is not.
std::string Where(std::string_view program);

// A real nginx with one worker, whose files are all in a folder of the test's: `error.log`,
// `html`, and whatever its servers name.
class Nginx {
 public:
  // Makes the folder where it is not there.
  explicit Nginx(std::string folder);
  // Ends it.
  ~Nginx();
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  // Ends the one before, and starts one with what stands within `http { ... }`. True once
  // `answers` is; false when it ended before, for a port that another program had, say.
  bool Start(std::string_view servers, absl::FunctionRef<bool()> answers);
  void Stop();
  // What it said of its faults.
  std::string Log() const;

 private:
  const std::string folder_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_SUPPORT_NGINX_H_
