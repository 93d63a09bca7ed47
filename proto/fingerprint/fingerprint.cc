#include "proto/fingerprint/fingerprint.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace skimwatch::fingerprint {
namespace {

constexpr size_t kKeyBytesMin = 32;
constexpr size_t kDigitsMin = 12;
constexpr size_t kDigitsMax = 19;
constexpr size_t kFingerprintBytes = 32;

}  // namespace

absl::StatusOr<std::string> Fingerprint(const v1::FingerprintKey& key,
                                        absl::Span<const uint8_t> digits) {
  if (key.key().size() < kKeyBytesMin) {
    return absl::InvalidArgumentError(absl::StrCat("fingerprint key `", key.id(), "` has ",
                                                   key.key().size(), " bytes, expected at least ",
                                                   kKeyBytesMin));
  }
  if (digits.size() < kDigitsMin || digits.size() > kDigitsMax) {
    return absl::InvalidArgumentError(absl::StrCat("a card number has ", kDigitsMin, " to ",
                                                   kDigitsMax, " digits, not ", digits.size()));
  }
  std::array<unsigned char, kDigitsMax> ascii;
  bool valid = true;
  for (size_t i = 0; i < digits.size(); ++i) {
    valid = valid && digits[i] <= 9;
    ascii[i] = static_cast<unsigned char>('0' + digits[i]);
  }
  std::string fingerprint(kFingerprintBytes, '\0');
  unsigned int size = 0;
  const unsigned char* const result =
      valid ? HMAC(EVP_sha256(), key.key().data(), static_cast<int>(key.key().size()), ascii.data(),
                   digits.size(), reinterpret_cast<unsigned char*>(fingerprint.data()), &size)
            : nullptr;
  OPENSSL_cleanse(ascii.data(), ascii.size());
  if (!valid) return absl::InvalidArgumentError("a digit of the card number is not 0 to 9");
  if (result == nullptr || size != kFingerprintBytes) {
    return absl::InternalError("OpenSSL can't compute HMAC-SHA-256");
  }
  return fingerprint;
}

}  // namespace skimwatch::fingerprint
