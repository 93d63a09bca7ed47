#include "agent/card/surroundings.h"

#include <string.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "agent/card/field_structure.h"
#include "agent/card/field_words.h"
#include "agent/card/luhn.h"
#include "agent/card/secret_digits.h"
#include "agent/card/symbols.h"

namespace skimwatch::card {
namespace {

// How far before a number its structure is read.
constexpr size_t kStructureBytes = 1024;

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
constexpr bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Text with percent and backslash escapes undone and `+` as space; wiped in the end, since the text
// around a number may hold others.
template <size_t kBytesMax>
class PlainText {
 public:
  explicit PlainText(std::string_view text) {
    if (StandsForItself(text)) {
      raw_ = text.substr(0, kBytesMax);
      return;
    }
    size_t at = 0;
    while (at < text.size() && size_ < bytes_.size()) {
      const char c = text[at];
      if (c == '%' || c == '\\') {
        const Neighbour symbol = NeighbourAfter(text, at);
        if (symbol.escaped()) {
          bytes_[size_++] = symbol.code < 0x80 ? static_cast<char>(symbol.code) : '?';
          at += symbol.bytes;
          continue;
        }
      }
      if (c != 0) bytes_[size_++] = c == '+' ? ' ' : c;
      ++at;
    }
    DropSerialTypes();
  }
  ~PlainText() { explicit_bzero(bytes_.data(), size_); }
  PlainText(const PlainText&) = delete;
  PlainText& operator=(const PlainText&) = delete;

  std::string_view view() const {
    return raw_.empty() ? std::string_view(bytes_.data(), size_) : raw_;
  }

 private:
  // Whether nothing in a text is undone, or left out.
  static bool StandsForItself(std::string_view text) {
    static constexpr std::array<bool, 256> kUndone = [] {
      std::array<bool, 256> undone{};
      for (const char c : {'%', '\\', '+', '\0', ':'}) undone[static_cast<uint8_t>(c)] = true;
      return undone;
    }();
    for (size_t at = 0; at < text.size(); ++at) {
      if (!kUndone[static_cast<uint8_t>(text[at])]) continue;
      const bool is_type =
          text[at] == ':' && at > 0 && (text[at - 1] == 's' || text[at - 1] == 'i');
      if (text[at] != ':' || is_type) return false;
    }
    return true;
  }

  // PHP's serialize() writes `s:3:"cvv";s:3:"123";` and `i:123;`: what is before each value says
  // its type and length, and nothing here.
  void DropSerialTypes() {
    size_t kept = 0;
    for (size_t at = 0; at < size_;) {
      const size_t type = kept == 0 || !IsAsciiAlnum(bytes_[kept - 1]) ? SerialTypeBytes(at) : 0;
      at += type;
      if (at < size_ && type == 0) bytes_[kept++] = bytes_[at++];
    }
    explicit_bzero(bytes_.data() + kept, size_ - kept);
    size_ = kept;
  }

  // Bytes of `s:<length>:` before a quote, or of `i:` after `;` or `{` and before a number or the
  // end; 0 for others.
  size_t SerialTypeBytes(size_t at) const {
    constexpr size_t kLengthDigitsMax = 4;
    if (size_ - at < 2 || bytes_[at + 1] != ':') return 0;
    if (bytes_[at] == 'i') {
      const bool opened = at > 0 && (bytes_[at - 1] == ';' || bytes_[at - 1] == '{');
      return opened && (at + 2 == size_ || IsAsciiDigit(bytes_[at + 2])) ? 2 : 0;
    }
    if (bytes_[at] != 's') return 0;
    size_t end = at + 2;
    while (end < size_ && end - at - 2 < kLengthDigitsMax && IsAsciiDigit(bytes_[end])) ++end;
    const bool typed =
        end > at + 2 && end + 1 < size_ && bytes_[end] == ':' && bytes_[end + 1] == '"';
    return typed ? end + 1 - at : 0;
  }

  // The text as it is, where nothing had to be undone.
  std::string_view raw_;
  std::array<char, kBytesMax> bytes_;
  size_t size_ = 0;
};

// The same, and the text itself where nothing is escaped.
template <size_t kBytesMax>
class MaybePlainText {
 public:
  explicit MaybePlainText(std::string_view text) : raw_(text) {
    const bool escaped =
        text.find('%') != std::string_view::npos || text.find('\\') != std::string_view::npos;
    if (escaped) plain_.emplace(text);
  }
  std::string_view view() const { return plain_.has_value() ? plain_->view() : raw_; }

 private:
  const std::string_view raw_;
  std::optional<PlainText<kBytesMax>> plain_;
};

// A word in lower case, its letters only.
class WordText {
 public:
  void Add(std::string_view letters) {
    for (const char c : letters) {
      if (size_ < bytes_.size()) bytes_[size_++] = Lower(c);
    }
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 32> bytes_;
  size_t size_ = 0;
};

// Whether a word of `text` begins at `at`: a letter after none, or a capital as in `cardNumber` and
// `PANNumber`.
bool WordBegins(std::string_view text, size_t at) {
  if (!IsAsciiLetter(text[at])) return false;
  if (at == 0 || !IsAsciiLetter(text[at - 1])) return true;
  if (!IsUpper(text[at])) return false;
  return !IsUpper(text[at - 1]) ||
         (at + 1 < text.size() && IsAsciiLetter(text[at + 1]) && !IsUpper(text[at + 1]));
}

size_t WordEnd(std::string_view text, size_t begin) {
  size_t end = begin + 1;
  while (end < text.size() && IsAsciiLetter(text[end]) && !WordBegins(text, end)) ++end;
  return end;
}

WordSense SenseAt(std::string_view text, size_t begin, size_t end) {
  WordText word;
  word.Add(text.substr(begin, end - begin));
  return SenseOf(word.view());
}

// Reads the words before a number from the nearest on, and stops where another field begins.
class NameReader {
 public:
  explicit NameReader(std::string_view before) : text_(before), end_(before.size()) {}

  void Read(Surroundings& result) {
    SkipValueOpening();
    while (end_ > 0 && !decided_) {
      const char c = text_[end_ - 1];
      if (IsAsciiLetter(c)) {
        size_t begin = end_ - 1;
        while (begin > 0 && !WordBegins(text_, begin)) --begin;
        TakeWord(begin, result);
        end_ = begin;
      } else if (IsAsciiDigit(c)) {
        // The value of another field; what is before names that.
        constexpr size_t kDigitsOfNameMax = 4;
        size_t begin = end_ - 1;
        while (begin > 0 && IsAsciiDigit(text_[begin - 1])) --begin;
        if (end_ - begin > kDigitsOfNameMax) break;
        end_ = begin;
      } else if (EndsField(c)) {
        // `"key":"cardNumber","value":"4111...`: the name is the field before.
        if (!only_fillers_ || crossed_ || (c != ',' && c != '&')) break;
        crossed_ = true;
        only_fillers_ = false;
        --end_;
      } else {
        --end_;
      }
    }
    if (verdict_ == NameVerdict::kNone) return;
    result.name = verdict_;
  }

 private:
  static bool EndsField(char c) {
    return c == ',' || c == ';' || c == '&' || c == '{' || c == '}' || c == '|' || c == '<' ||
           c == '\n' || c == '\t' || c == '?';
  }

  // Steps over quotes, brackets and the signs of assignment. A line break is crossed only where
  // what is before leads on to a value, as in a multipart body.
  void SkipValueOpening() {
    bool line_broken = false;
    while (end_ > 0) {
      const char c = text_[end_ - 1];
      if (IsAsciiAlnum(c)) break;
      if (c == '\n') {
        line_broken = true;
      } else if (!IsSpace(c)) {
        if (line_broken && c != ':' && c != '"' && c != '=' && c != '>' && c != '[' && c != '(') {
          decided_ = true;
          return;
        }
        line_broken = false;
        if (EndsField(c) && c != ';') return;
      }
      --end_;
    }
    if (line_broken) decided_ = true;
  }

  void TakeWord(size_t begin, Surroundings& result) {
    constexpr int kOtherWordsMax = 3;
    constexpr int kWordsMax = 8;
    const WordSense sense = SenseAt(text_, begin, end_);
    switch (sense) {
      case WordSense::kFiller:
        if (words_ == 0) only_fillers_ = true;
        break;
      case WordSense::kNumber:
        if (verdict_ == NameVerdict::kCard && !account_)
          Decide(NameVerdict::kCardNumber, begin, result);
        number_begin_ = begin;
        number_end_ = end_;
        break;
      case WordSense::kCardNumber:
        Decide(NameVerdict::kCardNumber, begin, result);
        decided_ = true;
        break;
      case WordSense::kCard:
      case WordSense::kAccount:
        account_ = sense == WordSense::kAccount;
        if (verdict_ == NameVerdict::kNone) {
          const bool number = number_end_ > 0 && !account_;
          Decide(number ? NameVerdict::kCardNumber : NameVerdict::kCard, begin, result);
          if (number) AddToName(number_begin_, number_end_, result);
          decided_ = number;
        }
        break;
      case WordSense::kOther:
        if (verdict_ == NameVerdict::kNone && other_words_ < 2) {
          Decide(NameVerdict::kOther, begin, result);
        }
        decided_ = true;
        break;
      case WordSense::kExpiry:
      case WordSense::kSecurityCode:
      case WordSense::kHolder:
        decided_ = true;
        break;
      case WordSense::kNothing:
        // `(id, pan) VALUES (4111...`: the name is that of the column, not the one next to it.
        if (++other_words_ >= kOtherWordsMax || IsValues(begin)) decided_ = true;
        break;
    }
    if (sense != WordSense::kFiller) only_fillers_ = false;
    if (++words_ >= kWordsMax) decided_ = true;
  }

  bool IsValues(size_t begin) const {
    WordText word;
    word.Add(text_.substr(begin, end_ - begin));
    return word.view() == "values";
  }

  void Decide(NameVerdict verdict, size_t begin, Surroundings& result) {
    verdict_ = verdict;
    result.name_size = 0;
    AddToName(begin, end_, result);
  }

  void AddToName(size_t begin, size_t end, Surroundings& result) const {
    for (size_t i = begin; i < end && result.name_size < Surroundings::kNameBytesMax; ++i) {
      result.name_bytes[result.name_size++] = Lower(text_[i]);
    }
  }

  const std::string_view text_;
  size_t end_;
  NameVerdict verdict_ = NameVerdict::kNone;
  bool decided_ = false;
  bool account_ = false;
  bool only_fillers_ = false;
  bool crossed_ = false;
  int words_ = 0;
  int other_words_ = 0;
  size_t number_begin_ = 0;
  size_t number_end_ = 0;
};

// The last two digits of a year that a card expires in.
constexpr bool IsExpiryYear(int year) { return year >= 15 && year <= 49; }

// `MM/YY`, `MM/YYYY`, `YYYY-MM` or `YYYY/MM` at `at`, with nothing longer around it.
bool IsExpiryDateAt(std::string_view text, size_t at) {
  constexpr size_t kPartMax = 4;
  std::array<int, 2> parts{};
  std::array<size_t, 2> digits{};
  if (at > 0 && (IsAsciiAlnum(text[at - 1]) || text[at - 1] == '/' || text[at - 1] == '-')) {
    return false;
  }
  size_t end = at;
  char joint = 0;
  for (size_t part = 0; part < parts.size(); ++part) {
    for (; end < text.size() && IsAsciiDigit(text[end]); ++end) {
      if (digits[part] == kPartMax) return false;
      parts[part] = parts[part] * 10 + (text[end] - '0');
      ++digits[part];
    }
    if (part > 0) break;
    if (end >= text.size()) return false;
    joint = text[end++];
    if (joint != '/' && joint != '-') return false;
  }
  if (end < text.size() && (text[end] == '/' || text[end] == '-' || IsAsciiLetter(text[end]))) {
    return false;
  }
  const bool year_first = digits[0] == 4;
  if (digits[year_first ? 1 : 0] != 2) return false;
  const int month = parts[year_first ? 1 : 0];
  const int year = parts[year_first ? 0 : 1];
  const size_t year_digits = digits[year_first ? 0 : 1];
  if (month < 1 || month > 12) return false;
  if (year_digits == 4)
    return year >= 2000 && (year_first ? IsExpiryYear(year - 2000) : year < 2100);
  return year_digits == 2 && joint == '/';
}

// `Dec 2027`, `December/27`, `DEC-2027`, not within a whole date (`5 Dec 2027`): the word at
// [begin, end) is `word` in lower case.
bool IsMonthAndYearAt(std::string_view text, size_t begin, std::string_view word, size_t end) {
  constexpr std::string_view kMonths[] = {"january", "february", "march",     "april",
                                          "may",     "june",     "july",      "august",
                                          "october", "november", "september", "december"};
  constexpr size_t kShortName = 3;
  const bool is_month = std::any_of(
      std::begin(kMonths), std::end(kMonths),
      [&](std::string_view month) { return word == month || word == month.substr(0, kShortName); });
  if (!is_month || end >= text.size()) return false;
  if (begin >= 2 && IsAsciiDigit(text[begin - 2]) && !IsAsciiAlnum(text[begin - 1])) return false;
  const char joint = text[end];
  if (joint != ' ' && joint != '/' && joint != '-') return false;
  size_t at = end + 1;
  int year = 0;
  size_t digits = 0;
  for (; at < text.size() && IsAsciiDigit(text[at]) && digits <= 4; ++at, ++digits) {
    year = year * 10 + (text[at] - '0');
  }
  if (at < text.size() && (IsAsciiLetter(text[at]) || text[at] == ':')) return false;
  if (digits == 4) return year >= 2000 && IsExpiryYear(year - 2000);
  return digits == 2 && joint != ' ' && IsExpiryYear(year);
}

// Whether a value of three or four digits follows the name that ends at `at`.
bool SecurityCodeFollows(std::string_view text, size_t at) {
  constexpr size_t kGapMax = 16;
  size_t i = at;
  // `cvv2`
  if (i + 1 < text.size() && IsAsciiDigit(text[i]) && !IsAsciiDigit(text[i + 1])) ++i;
  // `"cvv";"123"` of serialized PHP, its types left out.
  if (i + 2 < text.size() && text[i] == '"' && text[i + 1] == ';' &&
      (text[i + 2] == '"' || IsAsciiDigit(text[i + 2]))) {
    i += 2;
  }
  const size_t gap_end = std::min(text.size(), i + kGapMax);
  while (i < gap_end && !IsAsciiDigit(text[i])) {
    if (text[i] == ',' || text[i] == '&' || text[i] == ';' || text[i] == '}') return false;
    ++i;
  }
  size_t end = i;
  while (end < text.size() && IsAsciiDigit(text[end])) ++end;
  if (end < text.size() && (IsAsciiLetter(text[end]) || text[end] == '.')) return false;
  return end - i == 3 || end - i == 4;
}

// What the text beside a number holds that settles whose a security code is, in its order.
class Marks {
 public:
  enum Kind : uint8_t { kCode, kNumber, kBreak };
  struct Mark {
    Kind kind;
    // Of breaks: a line, or an object.
    uint8_t strength = 0;
  };

  void Add(Kind kind, uint8_t strength = 0) {
    if (kind == kBreak && size_ > 0 && marks_[size_ - 1].kind == kBreak) {
      marks_[size_ - 1].strength = std::max(marks_[size_ - 1].strength, strength);
    } else if (size_ < marks_.size()) {
      marks_[size_++] = {kind, strength};
    }
  }
  size_t size() const { return size_; }
  // Counted from the first, or from the last.
  const Mark& at(size_t index, bool from_last) const {
    return marks_[from_last ? size_ - 1 - index : index];
  }

 private:
  std::array<Mark, 32> marks_;
  size_t size_ = 0;
};

// Whether a security code among `marks`, on one side of a number, is that number's: no other number
// stands between, and none beyond is in the same record as the code when this is not. Of two as
// close, the code is of the one before it, unless codes come first in the records.
bool OwnsCode(const Marks& marks, bool before) {
  uint8_t to_code = 0;
  size_t i = 0;
  for (; i < marks.size(); ++i) {
    const Marks::Mark& mark = marks.at(i, before);
    if (mark.kind == Marks::kNumber) return false;
    if (mark.kind == Marks::kCode) break;
    to_code = std::max(to_code, mark.strength);
  }
  if (i == marks.size()) return false;
  uint8_t to_other = 0;
  for (++i; i < marks.size(); ++i) {
    const Marks::Mark& mark = marks.at(i, before);
    if (mark.kind == Marks::kNumber) break;
    to_other = std::max(to_other, mark.strength);
  }
  if (i == marks.size()) return true;
  if (to_code != to_other) return to_code < to_other;
  if (!before) return true;
  for (++i; i < marks.size(); ++i) {
    const Marks::Kind kind = marks.at(i, before).kind;
    if (kind != Marks::kBreak) return kind == Marks::kCode;
  }
  return false;
}

// The digits of what may be another number, groups taken together; wiped in the end.
class OtherNumber {
 public:
  OtherNumber() = default;
  ~OtherNumber() { explicit_bzero(digits_.data(), digits_.size()); }
  OtherNumber(const OtherNumber&) = delete;
  OtherNumber& operator=(const OtherNumber&) = delete;

  // Takes the group [begin, end) of `text`; true when a number ends with it.
  bool Add(std::string_view text, size_t begin, size_t end) {
    constexpr size_t kDigitsMin = 14;
    const bool goes_on =
        begin == end_ + 1 && begin > 0 && (text[begin - 1] == ' ' || text[begin - 1] == '-');
    if (!goes_on) size_ = 0;
    end_ = end;
    for (size_t i = begin; i < end; ++i) {
      if (size_ == digits_.size()) return false;
      digits_[size_++] = static_cast<uint8_t>(text[i] - '0');
    }
    if (size_ < kDigitsMin || digits_[0] < 2 || digits_[0] > 6) return false;
    return LuhnValid({digits_.data(), size_});
  }

 private:
  std::array<uint8_t, SecretDigits::kMax> digits_{};
  size_t size_ = 0;
  size_t end_ = 0;
};

// The value of digits that follows a name that ends at `at`: at most four of them; -1 when there is
// none.
int SmallValueAfter(std::string_view text, size_t at) {
  constexpr size_t kGapMax = 16;
  constexpr size_t kDigitsMax = 4;
  const size_t gap_end = std::min(text.size(), at + kGapMax);
  while (at < gap_end && !IsAsciiDigit(text[at])) {
    if (text[at] == ',' || text[at] == '&' || text[at] == '}') return -1;
    ++at;
  }
  int value = 0;
  size_t end = at;
  for (; end < text.size() && IsAsciiDigit(text[end]); ++end) {
    if (end - at == kDigitsMax) return -1;
    value = value * 10 + (text[end] - '0');
  }
  return end == at ? -1 : value;
}

// A month and a year as fields of their own.
class MonthAndYear {
 public:
  // Takes a word in lower case and what its value would be; true when both were seen.
  bool Add(std::string_view word, std::string_view text, size_t end) {
    constexpr std::string_view kMonths[] = {"month", "mm", "mon", "monat", "mois", "mes", "mese"};
    constexpr std::string_view kYears[] = {"year", "yy", "yyyy", "jahr", "annee", "ano", "anno"};
    if (word[0] != 'm' && word[0] != 'y' && word[0] != 'j' && word[0] != 'a') return false;
    const auto is_any = [&](const auto& words) {
      return std::find(std::begin(words), std::end(words), word) != std::end(words);
    };
    if (is_any(kMonths)) {
      const int value = SmallValueAfter(text, end);
      month_ = month_ || (value >= 1 && value <= 12);
    } else if (is_any(kYears)) {
      const int value = SmallValueAfter(text, end);
      year_ = year_ || IsExpiryYear(value >= 2000 ? value - 2000 : value);
    }
    return month_ && year_;
  }

 private:
  bool month_ = false;
  bool year_ = false;
};

void ReadFields(std::string_view text, bool after, Surroundings& result) {
  size_t previous_begin = 0;
  size_t previous_end = 0;
  int words = 0;
  Marks marks;
  OtherNumber other;
  MonthAndYear month_and_year;
  for (size_t at = 0; at < text.size();) {
    if (IsAsciiDigit(text[at])) {
      if (IsExpiryDateAt(text, at)) result.expiry = true;
      const size_t begin = at;
      do {
        ++at;
      } while (at < text.size() && IsAsciiDigit(text[at]));
      if (other.Add(text, begin, at)) marks.Add(Marks::kNumber);
      continue;
    }
    if (!WordBegins(text, at)) {
      constexpr uint8_t kLine = 1;
      constexpr uint8_t kObject = 2;
      if (text[at] == '\n') marks.Add(Marks::kBreak, kLine);
      if (text[at] == '{' || text[at] == '}') marks.Add(Marks::kBreak, kObject);
      ++at;
      continue;
    }
    const size_t end = WordEnd(text, at);
    WordText word;
    word.Add(text.substr(at, end - at));
    WordSense sense = SenseOf(word.view());
    if (sense == WordSense::kFiller && previous_end > 0) {
      // `security code`, `name on card` and the like are two words or more.
      WordText joined;
      joined.Add(text.substr(previous_begin, previous_end - previous_begin));
      joined.Add(text.substr(at, end - at));
      const WordSense both = SenseOf(joined.view());
      if (both == WordSense::kSecurityCode || both == WordSense::kHolder) sense = both;
    }
    ++words;
    if (sense == WordSense::kExpiry || month_and_year.Add(word.view(), text, end) ||
        IsMonthAndYearAt(text, at, word.view(), end)) {
      result.expiry = true;
    }
    if (sense == WordSense::kHolder) result.holder = true;
    if (sense == WordSense::kSecurityCode && SecurityCodeFollows(text, end)) {
      marks.Add(Marks::kCode);
    }
    constexpr int kWordsAfterMax = 3;
    if (after && sense == WordSense::kCard && words <= kWordsAfterMax)
      result.card_word_after = true;
    previous_begin = at;
    previous_end = end;
    at = end;
  }
  if (OwnsCode(marks, !after)) result.security_code = true;
}

std::string_view BytesBefore(std::string_view text, size_t begin, size_t bytes_max) {
  const size_t from = begin > bytes_max ? begin - bytes_max : 0;
  return text.substr(from, begin - from);
}

// Whether there may be something to read: a letter, or the slash of a date. Lists of numbers have
// none, and are read past eight bytes at a time. Letters are among the bytes with bit 6.
bool SaysSomething(std::string_view text) {
  constexpr uint64_t kBit6 = 0x4040404040404040u;
  uint64_t seen = 0;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    memcpy(&word, text.data() + at, sizeof(word));
    seen |= word;
  }
  for (; at < text.size(); ++at) seen |= static_cast<uint8_t>(text[at]);
  return (seen & kBit6) != 0 || text.find('/') != std::string_view::npos;
}

NameVerdict Judge(std::string_view name, Surroundings& result) {
  Surroundings judged;
  NameReader(name).Read(judged);
  result.name = judged.name;
  result.name_bytes = judged.name_bytes;
  result.name_size = judged.name_size;
  return judged.name;
}

// Reads names that the structure of the body gives, where what stands directly before the number
// names nothing.
void ReadStructure(std::string_view text, size_t begin, size_t end, Surroundings& result) {
  constexpr size_t kBytesBefore = kStructureBytes;
  constexpr size_t kBytesAfter = 256;
  constexpr size_t kOpeningBytes = 4;
  if (result.name == NameVerdict::kCardNumber || result.name == NameVerdict::kCard) return;
  const std::string_view before_raw = BytesBefore(text, begin, kBytesBefore);
  const bool may_be_attribute =
      BytesBefore(text, begin, kOpeningBytes).find('=') != std::string_view::npos;
  if (result.name == NameVerdict::kOther && !may_be_attribute) return;
  if (!SaysSomething(before_raw)) return;
  const MaybePlainText<kBytesBefore> before(before_raw);
  if (result.name == NameVerdict::kOther && !IsElementValue(before.view())) return;
  const MaybePlainText<kBytesAfter> after(text.substr(end, kBytesAfter));
  const StructureNames names = NamesByStructure(before.view(), after.view());
  Surroundings best;
  bool in_parent = false;
  for (size_t i = 0; i < names.size; ++i) {
    Surroundings judged;
    const NameVerdict verdict = Judge(names.names[i].text, judged);
    // What the parent's parent is says little about a number.
    const bool is_far = in_parent;
    in_parent = in_parent || names.names[i].of_parent;
    if (verdict == NameVerdict::kNone || (verdict == NameVerdict::kOther && is_far)) continue;
    if (verdict == NameVerdict::kCard && names.names[i].of_parent && names.own_is_number &&
        !judged.name_text().starts_with("acc")) {
      judged.name = NameVerdict::kCardNumber;
    }
    if (best.name == NameVerdict::kNone || best.name == NameVerdict::kOther ||
        (best.name == NameVerdict::kCard && judged.name == NameVerdict::kCardNumber)) {
      best = judged;
    }
  }
  if (best.name == NameVerdict::kNone) Judge(TableColumnName(text, begin, end), best);
  result.name = best.name;
  result.name_bytes = best.name_bytes;
  result.name_size = best.name_size;
}

}  // namespace

NameVerdict ReadName(std::string_view text, size_t begin, size_t end) {
  const std::string_view before_raw = BytesBefore(text, begin, kSurroundingBytes);
  Surroundings result;
  if (SaysSomething(before_raw)) {
    const PlainText<kSurroundingBytes> before(before_raw);
    NameReader(before.view()).Read(result);
  }
  ReadStructure(text, begin, end, result);
  return result.name;
}

bool QuietText::Covers(std::string_view text, size_t begin, size_t end) {
  if (loud_ >= begin && loud_ < end) return false;
  const bool joins = begin >= begin_ && begin <= end_;
  if (joins && end <= end_) return true;
  constexpr uint8_t kBit6 = 0x40;
  for (size_t at = joins ? end_ : begin; at < end; ++at) {
    if ((static_cast<uint8_t>(text[at]) & kBit6) != 0 || text[at] == '/') {
      loud_ = at;
      return false;
    }
  }
  if (!joins) begin_ = begin;
  end_ = end;
  return true;
}

Surroundings ReadSurroundings(std::string_view text, size_t begin, size_t end, QuietText* quiet) {
  Surroundings result;
  if (quiet != nullptr && quiet->Covers(text, begin > kStructureBytes ? begin - kStructureBytes : 0,
                                        std::min(end + kSurroundingBytes, text.size()))) {
    return result;
  }
  const std::string_view before_raw = BytesBefore(text, begin, kSurroundingBytes);
  const std::string_view after_raw = text.substr(end, kSurroundingBytes);
  if (SaysSomething(before_raw) || SaysSomething(after_raw)) {
    const PlainText<kSurroundingBytes> before(before_raw);
    const PlainText<kSurroundingBytes> after(after_raw);
    NameReader(before.view()).Read(result);
    ReadFields(before.view(), /*after=*/false, result);
    ReadFields(after.view(), /*after=*/true, result);
  }
  ReadStructure(text, begin, end, result);
  return result;
}

}  // namespace skimwatch::card
