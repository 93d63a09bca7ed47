#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_LITERAL_FINDER_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_LITERAL_FINDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::script {

// Finds where any of some hundred literals stands in a text, without regard to the case of ASCII
// letters. A table of bits that is asked with three bytes of the text leaves few places at which
// anything is compared, so that the rate does not depend on how many literals there are.
//
//   const LiteralFinder finder({"fetch", "atob"});
//   for (auto place = finder.Next(text, 0); place; place = finder.Next(text, place->begin + 1))
//
// Immutable and thread-safe.
class LiteralFinder {
 public:
  struct Place {
    size_t begin = 0;
    // Of the literals as they were given; of several that stand there, the longest.
    size_t literal = 0;
  };

  // Distinct literals in lower case, of two bytes or more.
  explicit LiteralFinder(std::vector<std::string> literals);

  // The first place at or after `from`.
  std::optional<Place> Next(std::string_view text, size_t from) const;

 private:
  // Literals that may stand where the first three bytes have one hash.
  struct Slot {
    // By the fourth byte, folded, whether one of them goes on with it, or ends before it.
    std::array<bool, 256> goes_on{};
    // The longest first.
    std::vector<size_t> literals;
  };

  static constexpr size_t kHashes = size_t{1} << 16;

  void Enter(uint32_t key, size_t literal);
  // The literal that stands at `at`, which the filter let through.
  std::optional<size_t> Match(std::string_view text, size_t at, uint32_t key) const;

  std::vector<std::string> literals_;
  std::vector<uint64_t> filter_;
  // By the hash, from 1; 0 for none.
  std::vector<uint16_t> slot_of_;
  std::vector<Slot> slots_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_LITERAL_FINDER_H_
