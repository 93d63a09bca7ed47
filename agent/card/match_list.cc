#include "agent/card/match_list.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "agent/card/evidence.h"

namespace skimwatch::card {
namespace {

bool SameNumber(const CardMatch& a, const CardMatch& b) {
  const auto digits_a = a.digits.Reveal();
  const auto digits_b = b.digits.Reveal();
  return std::equal(digits_a.begin(), digits_a.end(), digits_b.begin(), digits_b.end());
}

// Whether `slice` is a part of `whole`, in its bytes and in its digits.
bool IsSlice(const CardMatch& slice, const CardMatch& whole) {
  if (slice.offset < whole.offset || slice.digits.size() >= whole.digits.size() ||
      slice.offset + slice.length > whole.offset + whole.length) {
    return false;
  }
  const auto part = slice.digits.Reveal();
  const auto all = whole.digits.Reveal();
  return std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
}

// Whether tag and length before it say where it begins and ends.
bool IsTagged(const CardMatch& match) {
  return std::find(match.evidence.begin(), match.evidence.end(), "emv_tag") != match.evidence.end();
}

// Whether `a` is to stay where both overlap.
bool IsBetter(const CardMatch& a, const CardMatch& b) {
  // In hexadecimal, tag and length of track 2 are digits, and may pass for a number's first.
  if (IsTagged(a) != IsTagged(b)) return IsTagged(a);
  // Of what one line of base64 shows of a number, and all lines together, the whole is right.
  if (IsSlice(b, a)) return true;
  if (IsSlice(a, b)) return false;
  return std::make_tuple(a.confidence, b.encodings.size(), a.score) >
         std::make_tuple(b.confidence, a.encodings.size(), b.score);
}

// The bytes and the chain of the one that is shorter, the evidence of the one that is stronger.
void Join(CardMatch& kept, CardMatch& other) {
  if (other.encodings.size() < kept.encodings.size()) {
    std::swap(kept.encodings, other.encodings);
    std::swap(kept.offset, other.offset);
    std::swap(kept.length, other.length);
  } else if (other.encodings.size() == kept.encodings.size()) {
    // Encodings beside each other can be undone in either order. What was cut is shorter.
    if (other.encodings < kept.encodings) std::swap(kept.encodings, other.encodings);
    if (other.offset == kept.offset) kept.length = std::max(kept.length, other.length);
  }
  if (other.score > kept.score) {
    kept.score = other.score;
    kept.confidence = other.confidence;
    kept.kind = other.kind;
    kept.evidence = std::move(other.evidence);
  }
}

void VouchForEachOther(std::vector<CardMatch>& matches) {
  constexpr uint64_t kCloseBytes = 256;
  // Neighbours are judged by what they were worth alone.
  const auto vouches = [&](size_t a, size_t b) {
    const CardMatch& first = matches[std::min(a, b)];
    const CardMatch& second = matches[std::max(a, b)];
    return second.offset <= first.offset + first.length + kCloseBytes &&
           first.encodings == second.encodings && !SameNumber(first, second);
  };
  std::vector<bool> vouched(matches.size());
  for (size_t i = 0; i < matches.size(); ++i) {
    const auto counts = [&](size_t other) {
      return matches[other].confidence != Confidence::kLow && vouches(i, other);
    };
    if (matches[i].confidence == Confidence::kLow) continue;
    vouched[i] = (i > 0 && counts(i - 1)) || (i + 1 < matches.size() && counts(i + 1));
  }
  for (size_t i = 0; i < matches.size(); ++i) {
    if (!vouched[i]) continue;
    matches[i].score = std::min(matches[i].score + kScoreOtherNumbers, kScoreMax);
    matches[i].confidence = LevelOf(matches[i].score);
    matches[i].evidence.emplace_back("other_numbers");
  }
}

}  // namespace

void MergeMatches(std::vector<CardMatch>& matches) {
  const auto in_order = [](const CardMatch& a, const CardMatch& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    return std::make_tuple(a.length, a.encodings.size(), -a.score) <
           std::make_tuple(b.length, b.encodings.size(), -b.score);
  };
  // Where nothing is encoded they are in order.
  if (!std::is_sorted(matches.begin(), matches.end(), in_order)) {
    std::sort(matches.begin(), matches.end(), in_order);
  }
  size_t kept = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    CardMatch& next = matches[i];
    bool take = true;
    while (kept > 0) {
      CardMatch& last = matches[kept - 1];
      if (next.offset >= last.offset + last.length) break;
      if (SameNumber(last, next)) {
        Join(last, next);
        take = false;
      } else if (IsBetter(next, last)) {
        --kept;
        continue;
      } else {
        take = false;
      }
      break;
    }
    if (!take) continue;
    if (kept != i) matches[kept] = std::move(next);
    ++kept;
  }
  matches.erase(matches.begin() + static_cast<ptrdiff_t>(kept), matches.end());
  if (matches.size() > 1) VouchForEachOther(matches);
}

}  // namespace skimwatch::card
