#include "agent/card/evidence.h"

#include <algorithm>
#include <bitset>
#include <iterator>
#include <string>

#include "agent/card/emv_field.h"
#include "agent/card/iban.h"
#include "agent/card/luhn.h"
#include "agent/card/number_rows.h"
#include "agent/card/record_tail.h"
#include "agent/card/surroundings.h"
#include "agent/card/test_numbers.h"
#include "agent/card/track.h"

namespace skimwatch::card {
namespace {

// A number of a common range and its usual length, alone in a text that says nothing: medium.
constexpr int kBaseCommon = 45;
constexpr int kBaseUnusualLength = 40;
constexpr int kBaseRare = 22;
constexpr int kBaseShort = 12;
constexpr int kBaseTrack = 90;

constexpr int kBrandGroups = 30;
constexpr int kFours = 22;
// Versions and addresses are in groups with dots too.
constexpr int kWeakGroups = 10;
constexpr int kNamedCardNumber = 40;
constexpr int kNamedCard = 25;
constexpr int kCardWordAfter = 15;
constexpr int kExpiry = 15;
constexpr int kSecurityCode = 25;
constexpr int kHolder = 10;
constexpr int kCheckout = 10;
// Tag and length in binary are right by chance once in a gigabyte; in hexadecimal never.
constexpr int kEmvTag = 15;
constexpr int kEmvTagInHex = 30;
constexpr int kEmvRecord = 15;
constexpr int kNumberedFields = 10;

constexpr int kNamedOther = -45;
constexpr int kBesideLetter = -25;
constexpr int kLongerRun = -40;
constexpr int kIban = -60;
constexpr int kNumberRows = -30;
constexpr int kSign = -25;
constexpr int kFewDigits = -35;
constexpr int kSequence = -45;
constexpr int kGtin = -20;
constexpr int kScript = -25;
constexpr int kBinaryMedia = -30;

// What parts in several fields can reach where neither their names say card, nor they are numbered
// and more speaks for a card.
constexpr int kScoreSplitMax = 59;

// What a match can reach that its own digits do not vouch for.
constexpr int kScoreUnverifiedMax = 35;

// Whether digits go up or down by one all along, but for a few places (`1234567890123452`).
bool IsSequence(absl::Span<const uint8_t> digits) {
  constexpr size_t kExceptions = 4;
  size_t up = 0;
  size_t down = 0;
  for (size_t i = 1; i < digits.size(); ++i) {
    if (digits[i] == (digits[i - 1] + 1) % 10) ++up;
    if (digits[i - 1] == (digits[i] + 1) % 10) ++down;
  }
  return std::max(up, down) + kExceptions >= digits.size();
}

bool HasFewDigits(absl::Span<const uint8_t> digits) {
  std::bitset<10> seen;
  for (const uint8_t digit : digits) seen.set(digit);
  return seen.count() <= 2;
}

int BaseScore(const Candidate& candidate) {
  constexpr uint8_t kShortDigits = 13;
  constexpr uint8_t kUsualDigitsMax = 16;
  if (candidate.size <= kShortDigits) return kBaseShort;
  if (candidate.brand.weight == IssuerWeight::kRare) return kBaseRare;
  return candidate.size <= kUsualDigitsMax ? kBaseCommon : kBaseUnusualLength;
}

bool IsDotted(std::string_view text, const Candidate& candidate) {
  return text.substr(candidate.begin, candidate.end - candidate.begin).find('.') !=
         std::string_view::npos;
}

bool IsQuoted(std::string_view text, const Candidate& candidate) {
  if (candidate.begin == 0 || candidate.end >= text.size()) return false;
  const char quote = text[candidate.begin - 1];
  return (quote == '"' || quote == '\'') && text[candidate.end] == quote;
}

// Adds up evidence and keeps its names.
class Tally {
 public:
  Tally(int score, CardMatch& match) : score_(score), match_(match) { match_.evidence.clear(); }

  void Add(bool holds, int weight, std::string_view name) {
    if (!holds) return;
    score_ += weight;
    match_.evidence.emplace_back(name);
  }
  int score() const { return std::clamp(score_, 0, kScoreMax); }

 private:
  int score_;
  CardMatch& match_;
};

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return text.ends_with(end); });
}

// Whether a location in lower case is one where people pay.
bool NamesCheckout(std::string_view location) {
  for (size_t at = 0; at < location.size(); ++at) {
    const std::string_view rest = location.substr(at);
    switch (rest[0]) {
      case 'c':
        if (rest.starts_with("checkout")) return true;
        break;
      case 'p':
        if (rest.starts_with("payment") || rest.starts_with("purchase")) return true;
        break;
      case '/':
        if (rest.starts_with("/pay")) return true;
        break;
      case 'b':
        if (rest.starts_with("billing")) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

std::string NameEvidence(std::string_view prefix, std::string_view name) {
  return std::string(prefix).append(name);
}

void AddNames(const Surroundings& around, Tally& tally) {
  const std::string_view name = around.name_text();
  switch (around.name) {
    case NameVerdict::kNone:
      return;
    case NameVerdict::kCardNumber:
      tally.Add(true, kNamedCardNumber, NameEvidence("field_name:", name));
      return;
    case NameVerdict::kCard:
      tally.Add(true, kNamedCard, NameEvidence("field_name:", name));
      return;
    case NameVerdict::kOther:
      tally.Add(true, kNamedOther, NameEvidence("against:field_name:", name));
      return;
  }
}

}  // namespace

StreamFacts FactsOf(const ScanContext& context) {
  StreamFacts facts;
  std::string location(context.location.substr(0, 1024));
  std::transform(location.begin(), location.end(), location.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  facts.checkout = NamesCheckout(location);
  const std::string_view path =
      context.is_request ? std::string_view()
                         : std::string_view(location).substr(0, location.find_first_of("?#"));
  const std::string_view type = context.content_type;
  facts.script = context.is_script || type.find("javascript") != std::string_view::npos ||
                 type == "text/css" || EndsWithAny(path, {".js", ".mjs", ".css", ".map"});
  facts.binary_media = type.starts_with("image/") || type.starts_with("font/") ||
                       type.starts_with("video/") || type.starts_with("audio/") ||
                       type.starts_with("application/font") ||
                       EndsWithAny(path, {".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico",
                                          ".woff", ".woff2", ".ttf", ".otf", ".eot", ".mp4"});
  return facts;
}

Confidence LevelOf(int score) {
  if (score >= kScoreHigh) return Confidence::kHigh;
  return score >= kScoreMedium ? Confidence::kMedium : Confidence::kLow;
}

bool Weigh(std::string_view text, const Candidate& candidate, const StreamFacts& facts,
           CardMatch& match, QuietText* quiet) {
  const bool vouched = candidate.luhn_valid && candidate.brand.luhn != LuhnRule::kNone &&
                       candidate.shape != Shape::kOddGroups;
  if (!vouched && ReadName(text, candidate.begin, candidate.end) != NameVerdict::kCardNumber)
    return false;
  // The bytes around a chip's fields are no text.
  const bool is_emv = candidate.emv == EmvField::kPan || candidate.emv == EmvField::kTrack2;
  Surroundings around =
      is_emv ? Surroundings{} : ReadSurroundings(text, candidate.begin, candidate.end, quiet);
  const bool names_card =
      around.name == NameVerdict::kCardNumber || around.name == NameVerdict::kCard;
  if (candidate.needs_name && !names_card) return false;
  // In a row of groups, what follows is more of the row.
  const RecordTail tail = candidate.in_longer_run || candidate.emv != EmvField::kNone
                              ? RecordTail{}
                              : ReadRecordTail(text, candidate.end);
  around.expiry = around.expiry || tail.expiry;
  around.security_code = around.security_code || tail.security_code;

  match.test_card = IsTestNumber(candidate.span());
  match.kind = MatchKind::kPan;
  Track track = Track::kNone;
  if (candidate.emv == EmvField::kTrack2) {
    track = Track::kTwo;
  } else if (vouched && candidate.emv == EmvField::kNone) {
    track = TrackAround(text, candidate.begin, candidate.end);
  }
  if (track != Track::kNone)
    match.kind = track == Track::kOne ? MatchKind::kTrack1 : MatchKind::kTrack2;

  Tally tally(track == Track::kNone ? BaseScore(candidate) : kBaseTrack, match);
  tally.Add(track == Track::kOne, 0, "track1");
  tally.Add(track == Track::kTwo, 0, "track2");
  const bool loose = candidate.has_loose_groups;
  const bool dotted = !loose && candidate.shape != Shape::kUngrouped && IsDotted(text, candidate);
  tally.Add(loose || dotted, kWeakGroups, loose ? "loose_groups" : "dotted_groups");
  tally.Add(!loose && !dotted && candidate.shape == Shape::kBrandGroups, kBrandGroups,
            "brand_grouping");
  tally.Add(!loose && !dotted && candidate.shape == Shape::kFours, kFours, "grouping");
  if (is_emv) {
    const bool in_hex = candidate.end - candidate.begin == candidate.size;
    tally.Add(true, in_hex ? kEmvTagInHex : kEmvTag, "emv_tag");
    tally.Add(!in_hex && FollowedByEmvField(text, candidate.end), kEmvRecord, "emv_record");
  }
  tally.Add(candidate.split != SplitKind::kNone, 0, "split_fields");
  tally.Add(candidate.split == SplitKind::kNumbered, kNumberedFields, "numbered_fields");
  AddNames(around, tally);
  tally.Add(around.card_word_after && around.name == NameVerdict::kNone, kCardWordAfter,
            "card_word");
  if (track == Track::kNone) {
    tally.Add(around.expiry, kExpiry, "expiry");
    tally.Add(around.security_code, kSecurityCode, "security_code");
    tally.Add(around.holder, kHolder, "cardholder_name");
  }
  tally.Add(facts.checkout, kCheckout, "checkout_location");

  const bool pattern_matters = !match.test_card && track == Track::kNone;
  tally.Add(pattern_matters && HasFewDigits(candidate.span()), kFewDigits,
            "against:repeated_digits");
  tally.Add(pattern_matters && IsSequence(candidate.span()), kSequence, "against:sequence");
  tally.Add(pattern_matters && candidate.shape == Shape::kUngrouped && !is_emv &&
                candidate.split == SplitKind::kNone && GtinValid(candidate.span()),
            kGtin, "against:gtin");
  tally.Add(candidate.beside_letter && around.name != NameVerdict::kCardNumber &&
                around.name != NameVerdict::kCard,
            kBesideLetter, "against:beside_letter");
  tally.Add(candidate.in_longer_run, kLongerRun, "against:longer_run");
  tally.Add(track == Track::kNone && candidate.emv == EmvField::kNone &&
                IsInIban(text, candidate.begin, candidate.end),
            kIban, "against:iban");
  tally.Add(IsRowOfNumbers(text, candidate.begin, candidate.end), kNumberRows,
            "against:number_rows");
  tally.Add(candidate.has_sign, kSign, "against:sign");
  tally.Add(facts.script, kScript, "against:script");
  tally.Add(facts.binary_media, kBinaryMedia, "against:binary_media");
  tally.Add(!candidate.luhn_valid, 0, "against:no_check_digit");
  tally.Add(candidate.shape == Shape::kOddGroups, 0, "against:odd_groups");

  match.score = vouched ? tally.score() : std::min(tally.score(), kScoreUnverifiedMax);
  const bool vouched_series = candidate.split == SplitKind::kNumbered &&
                              (around.expiry || around.security_code || around.holder);
  if (candidate.split != SplitKind::kNone && !names_card && !vouched_series) {
    match.score = std::min(match.score, kScoreSplitMax);
  }
  // Columns of a table look like such groups, but not where they are all of a value.
  if (loose && !names_card && !IsQuoted(text, candidate))
    match.score = std::min(match.score, kScoreUnverifiedMax);
  match.confidence = LevelOf(match.score);
  if (around.security_code && match.kind == MatchKind::kPan && vouched &&
      around.name != NameVerdict::kOther) {
    match.kind = MatchKind::kPanWithCvv;
  }
  return true;
}

}  // namespace skimwatch::card
