#include "agent/card/secret_digits.h"

#include <algorithm>

#include "agent/card/wipe.h"

namespace skimwatch::card {

SecretDigits::SecretDigits(absl::Span<const uint8_t> digits)
    : size_(static_cast<uint8_t>(std::min(digits.size(), kMax))) {
  std::copy_n(digits.begin(), size_, digits_.begin());
}

SecretDigits::~SecretDigits() { Wipe(); }

SecretDigits::SecretDigits(SecretDigits&& other) noexcept
    : digits_(other.digits_), size_(other.size_) {
  other.Wipe();
}

SecretDigits& SecretDigits::operator=(SecretDigits&& other) noexcept {
  if (this != &other) {
    digits_ = other.digits_;
    size_ = other.size_;
    other.Wipe();
  }
  return *this;
}

void SecretDigits::Wipe() {
  // A plain store to an object about to die may be optimised away.
  WipeArray(digits_);
  size_ = 0;
}

}  // namespace skimwatch::card
