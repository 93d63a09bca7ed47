#include "agent/offline/findings.h"

#include <openssl/sha.h>

#include <array>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/card/mask.h"
#include "proto/fingerprint/fingerprint.h"

namespace skimwatch::offline {
namespace {

// Half of a SHA-256: enough that two never meet by chance.
constexpr size_t kIdentityBytes = 16;
// In no path, and in no name.
constexpr absl::string_view kSeparator("\0", 1);

std::string Identity(std::string_view what) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(what.data()), what.size(), hash.data());
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(hash.data()), kIdentityBytes));
}

}  // namespace

std::string PathBelow(std::string_view path, std::string_view folder) {
  if (path == "-") return "-";
  const std::filesystem::path absolute =
      (std::filesystem::path(folder) / std::filesystem::path(path)).lexically_normal();
  const std::string text = absolute.string();
  const std::string prefix = absl::StrCat(std::string(folder), folder.ends_with('/') ? "" : "/");
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

void Findings::OfFile::Found(const Place& place, uint64_t offset, const card::CardMatch& match,
                             std::optional<TextPosition> begin, std::optional<TextPosition> end) {
  const ScanOptions& options = findings_.options_;
  const Policy& policy = findings_.policy_;
  ScanReport& report = findings_.report_;
  if (match.test_card && !options.test_cards) {
    report.OnTestCardLeftOut();
    return;
  }
  std::string fingerprint;
  if (policy.key != nullptr) {
    const auto made = fingerprint::Fingerprint(*policy.key, match.digits.Reveal());
    if (made.ok()) fingerprint = absl::BytesToHexString(*made);
  }
  const std::string path = PathBelow(place.path, findings_.folder_);
  if (policy.allow_list != nullptr &&
      policy.allow_list->Allows({.path = path, .match = match, .fingerprint = fingerprint})) {
    report.OnAllowed();
    return;
  }
  // Under a key, the number; without one, no more of it than is shown.
  const std::string kind(card::MatchKindName(match.kind));
  const std::string number =
      !fingerprint.empty() ? fingerprint
                           : absl::StrCat(std::string(match.brand), " ",
                                          card::Mask(match.digits, options.mask, match.iin_digits));
  const std::string identity = Identity(absl::StrJoin({path, kind, number}, kSeparator));
  if (policy.written != nullptr) policy.written->Add(identity, path, kind, match.brand);
  if (policy.known != nullptr && policy.known->Take(identity)) {
    report.OnKnown();
    return;
  }
  report.OnFinding(place, match);
  if (options.quiet) return;
  findings_.output_.Write(number_, {.place = place,
                                    .offset = offset,
                                    .match = match,
                                    .begin = begin,
                                    .end = end,
                                    .fingerprint = fingerprint,
                                    .key_id = policy.key == nullptr ? "" : policy.key->id(),
                                    .identity = identity,
                                    .occurrence = seen_[identity]++});
}

}  // namespace skimwatch::offline
