#include "agent/script/script_name.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/script/judge/script_version.h"
#include "proto/text/utf8.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kInlineMark = "#inline-";
// A page's name may have 4096 bytes in a finding.
constexpr size_t kNameBytesMax = 4096;
constexpr size_t kDigestBytes = 8;
constexpr std::string_view kMaskedMark = "~masked";

void AppendEncoded(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    out.append(absl::StrFormat("%%%02X", static_cast<unsigned char>(byte)));
  }
}

}  // namespace

std::string FileName(std::string_view prefix, std::string_view path) {
  const std::string whole = absl::StrCat(std::string(prefix), std::string(path));
  std::string name;
  name.reserve(whole.size());
  for (size_t at = 0; at < whole.size();) {
    const std::string_view rest = std::string_view(whole).substr(at);
    const size_t size = text::Utf8SequenceBytes(rest);
    const std::string_view character = rest.substr(0, size == 0 ? 1 : size);
    if (size == 0 || character == "%" || character == "#" ||
        validation::HasControlCharacter(character, false)) {
      AppendEncoded(character, name);
    } else {
      name.append(character);
    }
    at += character.size();
  }
  if (validation::MaskCardNumbers(name)) {
    // No digest: with what the mask leaves, it could be tested against every number.
    validation::CutUtf8(name, kNameBytesMax - kMaskedMark.size());
    return absl::StrCat(name, std::string(kMaskedMark));
  }
  if (name.size() <= kNameBytesMax) return name;
  // Letters only: a digest with digits could make a card number with what stands before.
  std::string digest;
  for (const char byte : Sha256(whole).substr(0, kDigestBytes)) {
    digest.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) >> 4)));
    digest.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) & 15)));
  }
  validation::CutUtf8(name, kNameBytesMax - 1 - digest.size());
  return absl::StrCat(name, "~", digest);
}

std::string NameOfInline(std::string_view page, int number) {
  return absl::StrCat(std::string(page), std::string(kInlineMark), number);
}

std::optional<InlineName> ParseInlineName(std::string_view name) {
  const size_t mark = name.rfind(kInlineMark);
  if (mark == std::string_view::npos) return std::nullopt;
  InlineName parsed;
  parsed.page = name.substr(0, mark);
  const std::string digits(name.substr(mark + kInlineMark.size()));
  if (!absl::SimpleAtoi(digits, &parsed.number) || parsed.number < 1) return std::nullopt;
  // `#inline-01` and `#inline-+1` name nothing.
  if (digits != absl::StrCat(parsed.number)) return std::nullopt;
  return parsed;
}

}  // namespace skimwatch::script
