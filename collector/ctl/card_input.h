#ifndef SKIMWATCH_COLLECTOR_CTL_CARD_INPUT_H_
#define SKIMWATCH_COLLECTOR_CTL_CARD_INPUT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace skimwatch::ctl {

// The digits of a card number that was typed, kept out of swap and wiped in the end. It can't be
// copied, and nothing prints it.
class CardInput {
 public:
  CardInput();
  CardInput(const CardInput&) = delete;
  CardInput& operator=(const CardInput&) = delete;
  ~CardInput();

  // Values 0 to 9.
  absl::Span<const uint8_t> digits() const { return {digits_.data(), size_}; }
  // Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).
  bool HasLuhnDigit() const;

 private:
  friend absl::StatusOr<std::unique_ptr<CardInput>> ReadCard(int fd);
  friend absl::StatusOr<std::unique_ptr<CardInput>> ParseCard(std::string_view text);
  static constexpr size_t kDigitsMax = 19;

  // Digits of one line of `fd`.
  absl::Status Read(int fd);

  // What was read; each byte is taken in and wiped at once, so a line is never in memory whole.
  std::array<uint8_t, kDigitsMax> digits_{};
  size_t size_ = 0;
};

// Reads a card number, 12 to 19 digits with blanks or hyphens between them, from `fd`: one line,
// after which there may be nothing else. On a terminal it asks on standard error and does not
// echo. Errors never show what was read.
absl::StatusOr<std::unique_ptr<CardInput>> ReadCard(int fd);

// The card number that a line of a list holds, in the same form. The error does not show it.
absl::StatusOr<std::unique_ptr<CardInput>> ParseCard(std::string_view text);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_CARD_INPUT_H_
