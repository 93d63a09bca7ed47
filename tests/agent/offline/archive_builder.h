#ifndef SKIMWATCH_TESTS_AGENT_OFFLINE_ARCHIVE_BUILDER_H_
#define SKIMWATCH_TESTS_AGENT_OFFLINE_ARCHIVE_BUILDER_H_

#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::offline::testing {

struct Member {
  std::string name;
  std::string bytes;
};

// An archive in memory. `format` is one of libarchive's writers: `zip`, `ustar`, `pax`, `gnutar`,
// `7zip`, `newc` and `odc` (cpio), `arbsd`; `options` are its own, such as `zip:compression=store`.
std::string Archive(const std::string& format, const std::vector<Member>& members,
                    const std::string& options = "");
// The same, its members encrypted with a password.
std::string EncryptedZip(const std::vector<Member>& members);

std::string CompressBzip2(std::string_view bytes);
std::string CompressXz(std::string_view bytes);
// A member of lzip.
std::string CompressLzip(std::string_view bytes);

}  // namespace skimwatch::offline::testing

#endif  // SKIMWATCH_TESTS_AGENT_OFFLINE_ARCHIVE_BUILDER_H_
