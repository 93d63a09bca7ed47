#ifndef SKIMWATCH_TESTS_INTEGRATION_SUPPORT_PROCESS_MEMORY_H_
#define SKIMWATCH_TESTS_INTEGRATION_SUPPORT_PROCESS_MEMORY_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace skimwatch::integration {

// A form that digits have in memory.
enum class MemoryForm : uint8_t {
  // `4000...`.
  kText,
  // Bytes of value 0 to 9.
  kValues,
  // Within base64 text, at any of its alignments.
  kBase64,
  kHex,
  // As the control string stands.
  kControl,
};
std::string_view MemoryFormName(MemoryForm form);

// What the memory of a process shows of planted card numbers (support/cards.h).
struct MemoryReport {
  // Empty when the memory could be read; else why not.
  std::string error;
  uint64_t bytes_read = 0;
  uint64_t bytes_unreadable = 0;
  size_t regions = 0;
  // `[heap]+0x1234: card 17 as base64`, at most 40. Never a digit.
  std::vector<std::string> leaks;
  size_t leak_count = 0;
  // How often the control string was seen.
  size_t controls = 0;
};

// Looks for digits of numbers in bytes: for ten or (in base64) nine digits in a row of those that a
// mask hides and their neighbours, so that a part of a number counts too, and a mask does not.
class DigitSearch {
 public:
  // Numbers from 1 to below `cards`, and a text of at least 8 bytes that is to be found.
  DigitSearch(size_t cards, std::string_view control);

  void Look(std::string_view bytes, std::string_view name, uint64_t begin,
            MemoryReport& report) const;
  // Bytes that two pieces of one region must have in common for nothing to be missed.
  size_t overlap() const { return longest_; }

 private:
  struct Needle {
    std::string bytes;
    size_t card = 0;
    MemoryForm form = MemoryForm::kText;
  };
  void Add(std::string bytes, size_t card, MemoryForm form);

  std::vector<Needle> needles_;
  // By the first eight bytes.
  std::unordered_multimap<uint64_t, size_t> by_begin_;
  // One bit a hash of eight bytes that begin a needle: most of a memory is told by this alone.
  std::vector<bool> may_begin_;
  size_t longest_ = 8;
};

// Reads all memory that process `pid` can write (heap, stacks, anonymous and shared mappings) from
// /proc/PID/mem, while it runs. Needs root, since our programs are not dumpable.
MemoryReport SearchMemory(pid_t pid, const DigitSearch& search);

}  // namespace skimwatch::integration

#endif  // SKIMWATCH_TESTS_INTEGRATION_SUPPORT_PROCESS_MEMORY_H_
