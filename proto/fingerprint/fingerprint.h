#ifndef SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_
#define SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::fingerprint {

// HMAC-SHA-256 of a card number's digits (as ASCII) under `key`: 32 bytes. The same card under the
// same key gives the same fingerprint on every agent, and nothing can be told from it without the
// key (PCI DSS 4.0.1, 3.5.1.1). `digits` are values 0 to 9, 12 to 19 of them (ISO/IEC 7812-1).
// INVALID_ARGUMENT when the key is shorter than 32 bytes, or the digits are not that. No copy of
// the digits is left in memory.
absl::StatusOr<std::string> Fingerprint(const v1::FingerprintKey& key,
                                        absl::Span<const uint8_t> digits);

// Reads a key file: one line, `id`, space, 64 or more hex digits. Its group may read
// the file, and others may not. An id is 1 to 64 letters, digits, `-`, `_` and `.`.
// NOT_FOUND: no such file. PERMISSION_DENIED: it can't be opened, or others may read it.
// INVALID_ARGUMENT: it does not hold a key. Messages name the file, never its content.
absl::StatusOr<v1::FingerprintKey> ReadKeyFile(const std::string& path);

// Writes a new random key of 32 bytes to `path`, mode 0600, named by the date and a random part.
// The file is there with its whole content or not at all, also after a power loss.
// ALREADY_EXISTS when there is a file.
absl::StatusOr<v1::FingerprintKey> CreateKeyFile(const std::string& path);

// Reads all files of the configuration's `fingerprint_keys.files`, newest key first; a first file
// that does not exist is created. INVALID_ARGUMENT when two keys have the same id.
absl::StatusOr<std::vector<v1::FingerprintKey>> LoadKeyFiles(absl::Span<const std::string> paths);

}  // namespace skimwatch::fingerprint

#endif  // SKIMWATCH_PROTO_FINGERPRINT_FINGERPRINT_H_
