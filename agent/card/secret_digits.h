#ifndef SKIMWATCH_AGENT_CARD_SECRET_DIGITS_H_
#define SKIMWATCH_AGENT_CARD_SECRET_DIGITS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace skimwatch::card {

// The digits of one card number, in the only type that may hold them.
//
// The buffer is wiped when the object dies or is moved from. It can't be copied, formatted,
// compared to text or streamed, so that a number can't reach a log, an error or a test's output by
// accident. Code that needs the digits (Luhn, mask, fingerprint) reads them through `Reveal()`, a
// name that is easy to search for.
//
// Thread-compatible. Fixed size; never allocates.
class SecretDigits {
 public:
  // ISO/IEC 7812-1: a PAN has at most 19 digits.
  static constexpr size_t kMax = 19;

  SecretDigits() = default;
  // `digits` are values 0 to 9, not characters; what is beyond kMax is not taken.
  explicit SecretDigits(absl::Span<const uint8_t> digits);
  ~SecretDigits();

  SecretDigits(SecretDigits&& other) noexcept;
  SecretDigits& operator=(SecretDigits&& other) noexcept;
  SecretDigits(const SecretDigits&) = delete;
  SecretDigits& operator=(const SecretDigits&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The digits as values 0 to 9. The view must not outlive this object, and what is made from it
  // must be wiped or one-way.
  absl::Span<const uint8_t> Reveal() const { return {digits_.data(), size_}; }

  void Wipe();

 private:
  std::array<uint8_t, kMax> digits_{};
  uint8_t size_ = 0;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_SECRET_DIGITS_H_
