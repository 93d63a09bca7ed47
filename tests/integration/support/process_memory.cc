#include "tests/integration/support/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/support/cards.h"
#include "tests/support/daemon.h"

namespace skimwatch::integration {
namespace {

constexpr size_t kHashBits = 22;
constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr size_t kLeaksShown = 40;

uint64_t EightBytes(const char* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

size_t HashOf(uint64_t eight) { return (eight * 0x9E3779B97F4A7C15u) >> (64 - kHashBits); }

struct Region {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
};

std::vector<Region> WritableRegions(pid_t pid) {
  std::vector<Region> regions;
  std::istringstream lines(testing::ReadFile(absl::StrCat("/proc/", pid, "/maps")));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string range;
    std::string rights;
    std::string skipped;
    Region region;
    fields >> range >> rights >> skipped >> skipped >> skipped;
    std::getline(fields >> std::ws, region.name);
    if (rights.compare(0, 2, "rw") != 0) continue;
    const size_t dash = range.find('-');
    region.begin = std::stoull(range.substr(0, dash), nullptr, 16);
    region.end = std::stoull(range.substr(dash + 1), nullptr, 16);
    if (region.name.empty()) region.name = absl::StrCat("anonymous ", range.substr(0, dash));
    regions.push_back(std::move(region));
  }
  return regions;
}

}  // namespace

std::string_view MemoryFormName(MemoryForm form) {
  switch (form) {
    case MemoryForm::kText:
      return "text";
    case MemoryForm::kValues:
      return "values";
    case MemoryForm::kBase64:
      return "base64";
    case MemoryForm::kHex:
      return "hex";
    case MemoryForm::kControl:
      return "control";
  }
  return "?";
}

DigitSearch::DigitSearch(size_t cards, std::string_view control)
    : may_begin_(size_t{1} << kHashBits) {
  // The first has zeros, as memory that nobody wrote to.
  for (size_t card = 1; card < cards; ++card) {
    const std::string number = CardNumber(card);
    const std::string inner = number.substr(5, 10);
    Add(inner, card, MemoryForm::kText);
    std::string values = inner;
    for (char& c : values) c = static_cast<char>(c - '0');
    Add(values, card, MemoryForm::kValues);
    Add(absl::BytesToHexString(inner), card, MemoryForm::kHex);
    // Three groups that hold digits alone, for each place in a group that the number may begin at.
    for (size_t first = 4; first < 7; ++first) {
      Add(absl::Base64Escape(number.substr(first, 9)), card, MemoryForm::kBase64);
    }
  }
  Add(std::string(control), 0, MemoryForm::kControl);
}

void DigitSearch::Add(std::string bytes, size_t card, MemoryForm form) {
  longest_ = std::max(longest_, bytes.size());
  const uint64_t begin = EightBytes(bytes.data());
  may_begin_[HashOf(begin)] = true;
  by_begin_.emplace(begin, needles_.size());
  needles_.push_back({.bytes = std::move(bytes), .card = card, .form = form});
}

void DigitSearch::Look(std::string_view bytes, std::string_view name, uint64_t begin,
                       MemoryReport& report) const {
  for (size_t at = 0; at + 8 <= bytes.size(); ++at) {
    const uint64_t eight = EightBytes(bytes.data() + at);
    if (!may_begin_[HashOf(eight)]) continue;
    const auto [from, to] = by_begin_.equal_range(eight);
    for (auto it = from; it != to; ++it) {
      const Needle& needle = needles_[it->second];
      if (bytes.compare(at, needle.bytes.size(), needle.bytes) != 0) continue;
      if (needle.form == MemoryForm::kControl) {
        ++report.controls;
        continue;
      }
      ++report.leak_count;
      if (report.leaks.size() < kLeaksShown) {
        report.leaks.push_back(absl::StrCat(std::string(name), "+0x", absl::Hex(begin + at),
                                            ": card ", needle.card, " as ",
                                            std::string(MemoryFormName(needle.form))));
      }
    }
  }
}

MemoryReport SearchMemory(pid_t pid, const DigitSearch& search) {
  MemoryReport report;
  const int fd = open(absl::StrCat("/proc/", pid, "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    report.error = absl::StrCat("cannot open /proc/PID/mem: ", std::strerror(errno));
    return report;
  }
  std::string piece(kPieceBytes, '\0');
  for (const Region& region : WritableRegions(pid)) {
    ++report.regions;
    uint64_t at = region.begin;
    while (at < region.end) {
      const size_t want = std::min<uint64_t>(piece.size(), region.end - at);
      const ssize_t got = pread(fd, piece.data(), want, static_cast<off_t>(at));
      if (got <= 0) {
        report.bytes_unreadable += region.end - at;
        break;
      }
      search.Look(std::string_view(piece).substr(0, static_cast<size_t>(got)), region.name,
                  at - region.begin, report);
      report.bytes_read += static_cast<uint64_t>(got);
      if (at + static_cast<uint64_t>(got) >= region.end) break;
      // A number that lies over the border is whole in the next piece.
      at += std::max<uint64_t>(
          1, static_cast<uint64_t>(got) - std::min<uint64_t>(got - 1, search.overlap() - 1));
    }
  }
  close(fd);
  return report;
}

}  // namespace skimwatch::integration
