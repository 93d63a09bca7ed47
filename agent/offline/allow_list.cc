#include "agent/offline/allow_list.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "agent/card/scanner.h"
#include "agent/offline/shown_text.h"
#include "proto/config/error_list.h"
#include "proto/config/read_file.h"
#include "proto/config/source_map.h"
#include "proto/config/yaml_reader.h"
#include "skimwatch/config/v1/allow_list.pb.h"

namespace skimwatch::offline {
namespace {

using config::ElementPath;
using config::ErrorList;
using config::FieldPath;
using config::Quoted;
using config::SourceMap;
using config::v1::AllowEntry;

constexpr size_t kFingerprintDigits = 64;
constexpr std::array<card::MatchKind, 4> kKinds = {
    card::MatchKind::kPan, card::MatchKind::kPanWithCvv, card::MatchKind::kTrack1,
    card::MatchKind::kTrack2};

// A date as ISO 8601 has it, `2027-03-31`.
std::optional<absl::CivilDay> DayOf(const std::string& text) {
  constexpr size_t kBytes = 10;
  absl::CivilDay day;
  if (text.size() != kBytes || !absl::ParseCivilTime(text, &day)) return std::nullopt;
  // Months and days beyond their end would be carried.
  return absl::FormatCivilTime(day) == text ? std::optional(day) : std::nullopt;
}

bool IsRule(std::string_view rule) {
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](card::MatchKind kind) { return rule == card::MatchKindName(kind); });
}

// Checks what the form of the file does not say.
class Checker {
 public:
  Checker(const SourceMap& positions, std::string_view key_id, const card::BrandTable& brands,
          ErrorList& errors)
      : positions_(positions), key_id_(key_id), brands_(brands), errors_(errors) {}

  void Check(const AllowEntry& entry, const std::string& path) {
    path_ = path;
    if (entry.fingerprint().empty() && entry.path().empty() && entry.rule().empty() &&
        entry.brand().empty() && !entry.has_test_card()) {
      Add("", "found no condition, expected fingerprint, path, rule, brand or test_card");
    }
    CheckFingerprint(entry);
    if (!entry.path().empty() && !IgnorePattern::Parse(entry.path()).has_value()) {
      Add("path", absl::StrCat("found ", Quoted(entry.path()),
                               ", expected a pattern that can match a path"));
    } else if (entry.path().starts_with('!')) {
      Add("path", "found a pattern that keeps, expected one that allows");
    }
    if (!entry.rule().empty() && !IsRule(entry.rule())) {
      Add("rule", absl::StrCat("found ", Quoted(entry.rule()),
                               ", expected pan, pan_with_cvv, track1 or track2"));
    }
    if (!entry.brand().empty() && !IsBrand(entry.brand())) {
      Add("brand", absl::StrCat("found ", Quoted(entry.brand()),
                                ", expected a brand as findings name it, such as visa"));
    }
    if (absl::StripAsciiWhitespace(entry.reason()).empty()) {
      Add("reason", "found nothing, expected why this may be there");
    }
    if (!DayOf(entry.expires()).has_value()) {
      Add("expires",
          absl::StrCat("found ", entry.expires().empty() ? "nothing" : Quoted(entry.expires()),
                       ", expected its last day, as in 2027-03-31"));
    }
  }

 private:
  void CheckFingerprint(const AllowEntry& entry) {
    if (entry.fingerprint().empty()) {
      if (!entry.key_id().empty()) Add("key_id", "found it without fingerprint, expected both");
      return;
    }
    const bool is_hex = std::all_of(
        entry.fingerprint().begin(), entry.fingerprint().end(),
        [](unsigned char c) { return absl::ascii_isxdigit(c) && !absl::ascii_isupper(c); });
    if (entry.fingerprint().size() != kFingerprintDigits || !is_hex) {
      Add("fingerprint", "found something else, expected the 64 digits that --format json shows");
    }
    if (key_id_.empty()) {
      Add("fingerprint", "found it in a run without a key, expected --fingerprint-key");
    } else if (!entry.key_id().empty() && entry.key_id() != key_id_) {
      Add("key_id", absl::StrCat("found ", Quoted(entry.key_id()), ", expected the run's key ",
                                 Quoted(key_id_)));
    }
  }

  bool IsBrand(std::string_view name) const {
    const auto ranges = brands_.ranges();
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const card::BrandRange& range) { return range.brand == name; });
  }

  void Add(std::string_view field, const std::string& what) {
    const std::string path = field.empty() ? path_ : FieldPath(path_, field);
    errors_.Add(positions_.Nearest(path), path, what);
  }

  const SourceMap& positions_;
  const std::string_view key_id_;
  const card::BrandTable& brands_;
  ErrorList& errors_;
  std::string path_;
};

// Which line holds a card number; 0 when none does. Fingerprints are no encoding of anything.
int LineOfCardNumber(std::string_view text, const card::BrandTable& brands) {
  class First final : public card::MatchSink {
   public:
    void OnMatch(const card::CardMatch& match) override { at = std::min(at, match.offset); }
    uint64_t at = UINT64_MAX;
  } first;
  card::ScanStream stream({.decode_depth = 0}, brands);
  stream.Begin({});
  stream.Feed(text, first);
  stream.Finish(first);
  if (first.at == UINT64_MAX) return 0;
  const std::string_view before = text.substr(0, static_cast<size_t>(first.at));
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

}  // namespace

absl::StatusOr<std::unique_ptr<AllowList>> AllowList::Load(const std::string& path,
                                                           std::string_view key_id,
                                                           const card::BrandTable& brands,
                                                           absl::Time now) {
  const absl::StatusOr<std::string> text = config::ReadFile(path);
  if (!text.ok()) return text.status();
  return Parse(*text, path, key_id, brands, now);
}

absl::StatusOr<std::unique_ptr<AllowList>> AllowList::Parse(std::string_view text,
                                                            const std::string& name,
                                                            std::string_view key_id,
                                                            const card::BrandTable& brands,
                                                            absl::Time now) {
  // Before anything that quotes it.
  if (const int line = LineOfCardNumber(text, brands); line > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":", line,
                     ": found a card number, expected none: name a finding by its fingerprint"));
  }
  config::v1::AllowList message;
  SourceMap positions;
  if (absl::Status status = config::ReadYaml(text, name, message, positions); !status.ok()) {
    return status;
  }
  ErrorList errors(name);
  Checker checker(positions, key_id, brands, errors);
  for (int i = 0; i < message.entries_size(); ++i) {
    checker.Check(message.entries(i), ElementPath("entries", i));
  }
  if (absl::Status status = errors.status(); !status.ok()) return status;

  auto list = std::make_unique<AllowList>();
  const absl::CivilDay today = absl::ToCivilDay(now, absl::UTCTimeZone());
  for (int i = 0; i < message.entries_size(); ++i) {
    const AllowEntry& from = message.entries(i);
    if (*DayOf(from.expires()) < today) {
      list->expired_.push_back(ShownText(
          absl::StrCat(name, ":", positions.Nearest(ElementPath("entries", i)).line,
                       ": expired on ", from.expires(), " and allows nothing: ", from.reason())));
      continue;
    }
    auto entry = std::make_unique<Entry>();
    entry->fingerprint = from.fingerprint();
    if (!from.path().empty()) entry->path = IgnorePattern::Parse(from.path());
    entry->rule = from.rule();
    entry->brand = from.brand();
    if (from.has_test_card()) entry->test_card = from.test_card();
    list->entries_.push_back(std::move(entry));
  }
  return list;
}

bool AllowList::Allows(const Subject& subject) const {
  // The file, or a folder that it is in.
  const auto fits_path = [&](const IgnorePattern& pattern) {
    for (size_t slash = subject.path.find('/', 1); slash != std::string_view::npos;
         slash = subject.path.find('/', slash + 1)) {
      if (pattern.Matches(subject.path.substr(0, slash), /*is_folder=*/true)) return true;
    }
    return pattern.Matches(subject.path, /*is_folder=*/false);
  };
  for (const auto& entry : entries_) {
    if (!entry->fingerprint.empty() && entry->fingerprint != subject.fingerprint) continue;
    if (!entry->rule.empty() && entry->rule != card::MatchKindName(subject.match.kind)) continue;
    if (!entry->brand.empty() && entry->brand != subject.match.brand) continue;
    if (entry->test_card.value_or(subject.match.test_card) != subject.match.test_card) continue;
    if (entry->path.has_value() && !fits_path(*entry->path)) continue;
    entry->used.store(true, std::memory_order_relaxed);
    return true;
  }
  return false;
}

std::vector<std::string> AllowList::Expired() const { return expired_; }

uint64_t AllowList::unused() const {
  return static_cast<uint64_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const std::unique_ptr<Entry>& entry) {
        return !entry->used.load(std::memory_order_relaxed);
      }));
}

}  // namespace skimwatch::offline
