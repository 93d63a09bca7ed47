#ifndef SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_
#define SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::fingerprint {

// HMAC-SHA-256 of a card number's digits (as ASCII) under `key`: 32 bytes. The same card under the
// same key gives the same fingerprint on every agent, and nothing can be told from it without the
// key (PCI DSS 4.0.1, 3.5.1.1). `digits` are values 0 to 9. INVALID_ARGUMENT when the key is
// shorter than 32 bytes.
absl::StatusOr<std::string> Fingerprint(const v1::FingerprintKey& key,
                                        absl::Span<const uint8_t> digits);

// Reads a key file: one line, `id`, space, 64 or more hex digits. The file must not be readable by
// group or others.
absl::StatusOr<v1::FingerprintKey> ReadKeyFile(const std::string& path);

// Writes a new random key of 32 bytes to `path`, mode 0600, named by the date and a random part.
// ALREADY_EXISTS when there is a file.
absl::StatusOr<v1::FingerprintKey> CreateKeyFile(const std::string& path);

}  // namespace skimwatch::fingerprint

#endif  // SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_
