// Any file as a program: never a crash, a hang or memory beyond the limits, and no function twice.

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/traffic/source/tls_uprobe/elf_functions.h"
#include "agent/traffic/source/tls_uprobe/mapped_files.h"
#include "agent/traffic/source/tls_uprobe/process_table.h"

namespace skimwatch::traffic {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"SSL_write", "SSL_read", "write"};

void Run(const uint8_t* data, size_t size) {
  static const int kFile = memfd_create("elf", MFD_CLOEXEC);
  if (ftruncate(kFile, 0) != 0) abort();
  if (pwrite(kFile, data, size, 0) != static_cast<ssize_t>(size)) abort();
  const auto functions = FindElfFunctions(kFile, kNames);
  if (functions.ok()) {
    for (size_t i = 1; i < functions->size(); ++i) {
      if ((*functions)[i - 1].name >= (*functions)[i].name) abort();
    }
  }
  // What /proc says of processes: names and paths in it are anybody's.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ParseMapping(1, text);
  StartTicksOf(text);
  if (const std::string id = ContainerIdOf(text); !id.empty() && id.size() != 64) abort();
}

}  // namespace
}  // namespace skimwatch::traffic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skimwatch::traffic::Run(data, size);
  return 0;
}
