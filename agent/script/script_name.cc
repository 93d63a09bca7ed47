#include "agent/script/script_name.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/script_version.h"
#include "proto/text/utf8.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

constexpr std::string_view kInlineMark = "#inline-";
// A page's name may have 4096 bytes in a finding.
constexpr size_t kNameBytesMax = 4096;
// ScriptChange.script may have as many (proto/validation/text_limits.cc).
constexpr size_t kScriptBytesMax = 4160;
constexpr size_t kDigestBytes = 8;
constexpr std::string_view kMaskedMark = "~masked";

void AppendEncoded(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    out.append(absl::StrFormat("%%%02X", static_cast<unsigned char>(byte)));
  }
}

// Letters only: a digest with digits could make a card number with what stands before.
std::string DigestOf(std::string_view whole) {
  std::string digest;
  for (const char byte : Sha256(whole).substr(0, kDigestBytes)) {
    digest.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) >> 4)));
    digest.push_back(static_cast<char>('a' + (static_cast<unsigned char>(byte) & 15)));
  }
  return digest;
}

// `encoded` are further characters to encode.
std::string Encoded(std::string_view whole, std::string_view encoded) {
  std::string name;
  name.reserve(whole.size());
  for (size_t at = 0; at < whole.size();) {
    const std::string_view rest = whole.substr(at);
    const size_t size = text::Utf8SequenceBytes(rest);
    const std::string_view character = rest.substr(0, size == 0 ? 1 : size);
    if (size == 0 || encoded.find(character) != std::string_view::npos ||
        validation::HasControlCharacter(character, false)) {
      AppendEncoded(character, name);
    } else {
      name.append(character);
    }
    at += character.size();
  }
  return name;
}

std::string_view MarkOf(ScriptReference::Kind kind) {
  switch (kind) {
    case ScriptReference::Kind::kFrame:
      return "frame=";
    case ScriptReference::Kind::kBase:
      return "base=";
    case ScriptReference::Kind::kScript:
      break;
  }
  return "src=";
}

}  // namespace

std::string FileName(std::string_view prefix, std::string_view path) {
  const std::string whole = absl::StrCat(std::string(prefix), std::string(path));
  std::string name = Encoded(whole, "%#");
  if (validation::MaskCardNumbers(name)) {
    // No digest: with what the mask leaves, it could be tested against every number.
    validation::CutUtf8(name, kNameBytesMax - kMaskedMark.size());
    return absl::StrCat(name, std::string(kMaskedMark));
  }
  if (name.size() <= kNameBytesMax) return name;
  const std::string digest = DigestOf(whole);
  validation::CutUtf8(name, kNameBytesMax - 1 - digest.size());
  return absl::StrCat(name, "~", digest);
}

std::string ReferenceKey(const ScriptReference& reference) {
  const std::string& address = reference.address;
  // Of what holds code itself, what kind it is.
  const std::string shown =
      reference.is_opaque ? address.substr(0, std::min(address.find(','), size_t{64})) : address;
  const std::string redacted = RedactCards(shown).text;
  std::string key = absl::StrCat(std::string(MarkOf(reference.kind)), Encoded(redacted, "# "));
  const bool masked = validation::MaskCardNumbers(key) || redacted != shown;
  if (key.size() > kScriptBytesMax) {
    validation::CutUtf8(key, kScriptBytesMax);
  } else if (!masked && shown == address) {
    return key;
  }
  // As for files: no digest of what holds a number.
  if (masked) return absl::StrCat(key, std::string(kMaskedMark));
  return absl::StrCat(key, "~", DigestOf(address));
}

std::string NameOfReference(std::string_view page, std::string_view key) {
  std::string name = absl::StrCat(std::string(page), "#", std::string(key));
  if (name.size() > kScriptBytesMax) {
    const std::string digest = DigestOf(key);
    validation::CutUtf8(name, kScriptBytesMax - 1 - digest.size());
    absl::StrAppend(&name, "~", digest);
  }
  // What is cut off a long run of digits may leave a number.
  validation::MaskCardNumbers(name);
  return name;
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
