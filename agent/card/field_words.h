#ifndef SKIMWATCH_AGENT_CARD_FIELD_WORDS_H_
#define SKIMWATCH_AGENT_CARD_FIELD_WORDS_H_

#include <cstdint>
#include <string_view>

namespace skimwatch::card {

// What a word of a field's name, or of the text around a number, says about the number.
enum class WordSense : uint8_t {
  kNothing,
  // Stands between a name and its value and says nothing: `value`, `is`, `no`.
  kFiller,
  // Names a card number: `cardnumber`, `pan`, `kreditkartennummer`.
  kCardNumber,
  // Names a card: `card`, `karte`, `visa`.
  kCard,
  // Names an account, of a card or of something else: `acct`.
  kAccount,
  // Makes a card's name the name of its number: `number`, `no`, `nummer`.
  kNumber,
  // Names something else that is a number: `timestamp`, `order`, `imei`.
  kOther,
  kExpiry,
  kSecurityCode,
  kHolder,
};

// `word` is lower case, letters only. Whole words are looked up; longer ones that are written
// together (`txtcardnumber`, `ordernumber`) by the names within them.
WordSense SenseOf(std::string_view word);

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_FIELD_WORDS_H_
