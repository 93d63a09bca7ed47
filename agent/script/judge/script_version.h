#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_VERSION_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_VERSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// Identifies a script's bytes as they come, for files that are too large to hold.
// Thread-compatible.
class VersionHasher {
 public:
  VersionHasher();
  ~VersionHasher();
  VersionHasher(const VersionHasher&) = delete;
  VersionHasher& operator=(const VersionHasher&) = delete;

  void Add(std::string_view bytes);
  // SHA-256, size and subresource-integrity value (W3C Subresource Integrity, 3.1) of all that was
  // added. Ends the hasher.
  v1::ScriptVersion Finish();

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
  uint64_t size_bytes_ = 0;
};

// The same for bytes at hand.
v1::ScriptVersion VersionOf(std::string_view bytes);

// SHA-256 alone, 32 bytes: what tells whether a file is the one that is known.
std::string Sha256(std::string_view bytes);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_VERSION_H_
