#include "proto/audit/seal.h"

#include <openssl/sha.h>

#include <array>
#include <cstdint>

#include "google/protobuf/util/time_util.h"

namespace skimwatch::audit {
namespace {

void AppendNumber(uint64_t number, std::string& bytes) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
}

void AppendText(std::string_view text, std::string& bytes) {
  AppendNumber(text.size(), bytes);
  bytes += text;
}

}  // namespace

std::string FirstSeal() { return std::string(kSealBytes, '\0'); }

std::string Seal(std::string_view previous, const v1::Decision& decision) {
  std::string bytes(previous);
  AppendNumber(decision.id(), bytes);
  AppendNumber(static_cast<uint64_t>(
                   google::protobuf::util::TimeUtil::TimestampToMicroseconds(decision.at())),
               bytes);
  AppendText(decision.who(), bytes);
  AppendText(decision.action(), bytes);
  AppendText(decision.subject(), bytes);
  AppendText(decision.reason(), bytes);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return std::string(digest.begin(), digest.end());
}

}  // namespace skimwatch::audit
