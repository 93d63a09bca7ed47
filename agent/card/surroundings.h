#ifndef SKIMWATCH_AGENT_CARD_SURROUNDINGS_H_
#define SKIMWATCH_AGENT_CARD_SURROUNDINGS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::card {

// How far around a number the text is read.
inline constexpr size_t kSurroundingBytes = 128;

// What the name of the field that holds a number says.
enum class NameVerdict : uint8_t { kNone, kCardNumber, kCard, kOther };

// What the text around a number says about it.
struct Surroundings {
  NameVerdict name = NameVerdict::kNone;
  // The words that decided, joined; letters only, at most kNameBytesMax of them.
  static constexpr size_t kNameBytesMax = 24;
  std::array<char, kNameBytesMax> name_bytes{};
  uint8_t name_size = 0;
  std::string_view name_text() const { return {name_bytes.data(), name_size}; }

  // A card's expiry date, or a field for one.
  bool expiry = false;
  // A field for the card's verification code (CVV, CVC, CID) that holds three or four digits, and
  // is this number's: in the same record, or no other number being as close.
  bool security_code = false;
  bool holder = false;
  // A card's name or a word for card stands after the number.
  bool card_word_after = false;
};

// Remembers what of one text says nothing about numbers: no letter and no slash of a date. In a
// list of numbers each would read the same text again. For one text that does not change.
class QuietText {
 public:
  // Whether [begin, end) of `text` is quiet. True may be said of less than all that is.
  bool Covers(std::string_view text, size_t begin, size_t end);

 private:
  size_t begin_ = 0;
  size_t end_ = 0;
  // One byte that was not quiet.
  size_t loud_ = std::string_view::npos;
};

// Reads up to kSurroundingBytes before and after [begin, end) of `text`. A name is what leads to
// the number in JSON (`"cardNumber":"`), forms (`cc=`, multipart `name="cc"`), XML and HTML
// (`<pan>`, `name="pan" value="`), headers and plain words (`Card number is `); percent and
// backslash escapes are seen through. Where that names nothing, field_structure.h says what the
// structure around does, from further away.
// `quiet`, if any, is of this text.
Surroundings ReadSurroundings(std::string_view text, size_t begin, size_t end,
                              QuietText* quiet = nullptr);
// Only the name, which is all that some candidates are judged by.
NameVerdict ReadName(std::string_view text, size_t begin, size_t end);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_SURROUNDINGS_H_
