#include "agent/card/field_words.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace skimwatch::card {
namespace {

struct Word {
  std::string_view text;
  WordSense sense = WordSense::kNothing;

  friend constexpr bool operator<(const Word& a, const Word& b) { return a.text < b.text; }
};

constexpr auto kFiller = WordSense::kFiller;
constexpr auto kCardNumber = WordSense::kCardNumber;
constexpr auto kCard = WordSense::kCard;
constexpr auto kAccount = WordSense::kAccount;
constexpr auto kNumber = WordSense::kNumber;
constexpr auto kOther = WordSense::kOther;
constexpr auto kExpiry = WordSense::kExpiry;
constexpr auto kSecurityCode = WordSense::kSecurityCode;
constexpr auto kHolder = WordSense::kHolder;

// In order, so that those of one letter stand together. Names are those of HTML autocomplete
// (WHATWG, cc-number and its like), of the forms and APIs of shops and payment companies, and their
// translations.
constexpr Word kWords[] = {
    {"a", kFiller},
    {"account", kAccount},
    {"accountnumber", kAccount},
    {"acct", kAccount},
    {"amex", kCard},
    {"amount", kOther},
    {"and", kFiller},
    {"barcode", kOther},
    {"build", kOther},
    {"card", kCard},
    {"cardholder", kHolder},
    {"cardno", kCardNumber},
    {"cardnr", kCardNumber},
    {"cardnum", kCardNumber},
    {"cardnumber", kCardNumber},
    {"cardpan", kCardNumber},
    {"cards", kCard},
    {"carta", kCard},
    {"cartao", kCard},
    {"carte", kCard},
    {"cc", kCardNumber},
    {"ccard", kCardNumber},
    {"ccexp", kExpiry},
    {"ccn", kCardNumber},
    {"ccname", kHolder},
    {"ccno", kCardNumber},
    {"ccnr", kCardNumber},
    {"ccnum", kCardNumber},
    {"ccnumber", kCardNumber},
    {"checksum", kOther},
    {"cid", kSecurityCode},
    {"code", kFiller},
    {"coord", kOther},
    {"coordinates", kOther},
    {"coords", kOther},
    {"crc", kOther},
    {"created", kOther},
    {"creditcard", kCardNumber},
    {"csc", kSecurityCode},
    {"cursor", kOther},
    {"customer", kOther},
    {"cvc", kSecurityCode},
    {"cvn", kSecurityCode},
    {"cvv", kSecurityCode},
    {"data", kFiller},
    {"date", kOther},
    {"datetime", kOther},
    {"debitcard", kCardNumber},
    {"diners", kCard},
    {"discover", kCard},
    {"duration", kOther},
    {"ean", kOther},
    {"etag", kOther},
    {"event", kOther},
    {"exp", kExpiry},
    {"expdate", kExpiry},
    {"expiration", kExpiry},
    {"expire", kExpiry},
    {"expires", kExpiry},
    {"expiry", kExpiry},
    {"expmonth", kExpiry},
    {"expyear", kExpiry},
    {"fax", kOther},
    {"field", kFiller},
    {"fingerprint", kOther},
    {"gtin", kOther},
    {"guid", kOther},
    {"hash", kOther},
    {"height", kOther},
    {"holder", kHolder},
    {"iban", kOther},
    {"iccid", kOther},
    {"id", kOther},
    {"ids", kOther},
    {"imei", kOther},
    {"imsi", kOther},
    {"input", kFiller},
    {"invoice", kOther},
    {"is", kFiller},
    {"isbn", kOther},
    {"issn", kOther},
    {"item", kOther},
    {"itin", kOther},
    {"jcb", kCard},
    {"kaart", kCard},
    {"kaartnummer", kCardNumber},
    {"kart", kCard},
    {"karta", kCard},
    {"karte", kCard},
    {"kartennummer", kCardNumber},
    {"kartno", kCardNumber},
    {"kartnummer", kCardNumber},
    {"key", kOther},
    {"kort", kCard},
    {"kortnummer", kCardNumber},
    {"kreditkarte", kCardNumber},
    {"kreditkartennummer", kCardNumber},
    {"lat", kOther},
    {"latitude", kOther},
    {"length", kOther},
    {"lng", kOther},
    {"lon", kOther},
    {"long", kOther},
    {"longitude", kOther},
    {"maestro", kCard},
    {"mastercard", kCard},
    {"md", kOther},
    {"meid", kOther},
    {"mobile", kOther},
    {"modified", kOther},
    {"ms", kOther},
    {"msisdn", kOther},
    {"my", kFiller},
    {"n", kNumber},
    {"name", kFiller},
    {"no", kNumber},
    {"nonce", kOther},
    {"nr", kNumber},
    {"num", kNumber},
    {"number", kNumber},
    {"numbers", kNumber},
    {"numer", kNumber},
    {"numero", kNumber},
    {"nummer", kNumber},
    {"of", kFiller},
    {"offset", kOther},
    {"order", kOther},
    {"pan", kCardNumber},
    {"parcel", kOther},
    {"phone", kOther},
    {"pi", kOther},
    {"postal", kOther},
    {"primaryaccountnumber", kCardNumber},
    {"product", kOther},
    {"ref", kOther},
    {"reference", kOther},
    {"request", kOther},
    {"revision", kOther},
    {"rupay", kCard},
    {"seed", kOther},
    {"serial", kOther},
    {"session", kOther},
    {"sha", kOther},
    {"sid", kOther},
    {"size", kOther},
    {"sku", kOther},
    {"span", kOther},
    {"ssn", kOther},
    {"str", kFiller},
    {"string", kFiller},
    {"swift", kOther},
    {"tarjeta", kCard},
    {"tel", kOther},
    {"telephone", kOther},
    {"text", kFiller},
    {"the", kFiller},
    {"time", kOther},
    {"timestamp", kOther},
    {"token", kOther},
    {"total", kOther},
    {"trace", kOther},
    {"tracking", kOther},
    {"transaction", kOther},
    {"ts", kOther},
    {"txn", kOther},
    {"type", kFiller},
    {"uid", kOther},
    {"unionpay", kCard},
    {"upc", kOther},
    {"updated", kOther},
    {"user", kOther},
    {"userid", kOther},
    {"uuid", kOther},
    {"val", kFiller},
    {"validthru", kExpiry},
    {"validto", kExpiry},
    {"value", kFiller},
    {"vat", kOther},
    {"version", kOther},
    {"vin", kOther},
    {"visa", kCard},
    {"was", kFiller},
    {"width", kOther},
};
static_assert(std::is_sorted(std::begin(kWords), std::end(kWords)));

// Names inside words that are written together. The first that occurs decides.
constexpr Word kParts[] = {
    {"cardholder", kHolder},
    {"nameoncard", kHolder},
    {"cardname", kHolder},
    {"cardtoken", kOther},
    {"cardid", kOther},
    {"cardhash", kOther},
    {"cardexp", kExpiry},
    {"expir", kExpiry},
    {"validthru", kExpiry},
    {"cardcvv", kSecurityCode},
    {"cardcvc", kSecurityCode},
    {"securitycode", kSecurityCode},
    {"cardcode", kSecurityCode},
    {"verificationcode", kSecurityCode},
    {"pruefziffer", kSecurityCode},
    {"cvv", kSecurityCode},
    {"cvc", kSecurityCode},
    {"cardnum", kCardNumber},
    {"cardno", kCardNumber},
    {"ccnum", kCardNumber},
    {"creditcard", kCardNumber},
    {"debitcard", kCardNumber},
    {"kreditkart", kCardNumber},
    {"kartennummer", kCardNumber},
    {"kortnummer", kCardNumber},
    {"kartnummer", kCardNumber},
    {"numerocarte", kCardNumber},
    {"numerotarjeta", kCardNumber},
    {"numerocartao", kCardNumber},
    {"tarjeta", kCard},
    {"paymentcard", kCard},
    {"bankcard", kCard},
    {"timestamp", kOther},
    {"tracking", kOther},
    {"ordernum", kOther},
    {"orderno", kOther},
    {"orderid", kOther},
    {"phone", kOther},
    {"invoice", kOther},
    {"session", kOther},
    {"serial", kOther},
    {"barcode", kOther},
    {"latitude", kOther},
    {"longitude", kOther},
    {"reference", kOther},
    {"transaction", kOther},
    {"productid", kOther},
    {"itemid", kOther},
    {"customerid", kOther},
    {"requestid", kOther},
    {"userid", kOther},
    {"accountid", kOther},
    {"deviceid", kOther},
    {"messageid", kOther},
    {"imei", kOther},
    {"isbn", kOther},
    {"gtin", kOther},
    {"iccid", kOther},
};

// Where the words of each letter begin, and after the last letter where all end.
constexpr auto kFirstWords = [] {
  std::array<uint16_t, 27> first{};
  for (size_t letter = 0; letter < first.size(); ++letter) {
    size_t i = 0;
    while (i < std::size(kWords) && static_cast<size_t>(kWords[i].text[0] - 'a') < letter) ++i;
    first[letter] = static_cast<uint16_t>(i);
  }
  return first;
}();

// The letters that occur in `text`, a bit each: a name can only be within a word that has its
// letters.
constexpr uint32_t LettersOf(std::string_view text) {
  uint32_t letters = 0;
  for (const char c : text) letters |= 1u << ((c - 'a') & 31);
  return letters;
}

constexpr auto kPartLetters = [] {
  std::array<uint32_t, std::size(kParts)> letters{};
  for (size_t i = 0; i < letters.size(); ++i) letters[i] = LettersOf(kParts[i].text);
  return letters;
}();

// The first three letters of names, a bit each: most words have none of them anywhere.
constexpr size_t OpeningOf(const char* letters) {
  const auto index = [](char c) { return static_cast<size_t>(c - 'a') & 31; };
  return index(letters[0]) << 10 | index(letters[1]) << 5 | index(letters[2]);
}
constexpr auto kPartOpenings = [] {
  std::array<uint64_t, (size_t{1} << 15) / 64> openings{};
  for (const Word& part : kParts) {
    const size_t opening = OpeningOf(part.text.data());
    openings[opening / 64] |= uint64_t{1} << opening % 64;
  }
  return openings;
}();

bool MayHavePart(std::string_view word) {
  for (size_t i = 0; i + 3 <= word.size(); ++i) {
    const size_t opening = OpeningOf(word.data() + i);
    if ((kPartOpenings[opening / 64] >> opening % 64 & 1) != 0) return true;
  }
  return false;
}

}  // namespace

WordSense SenseOf(std::string_view word) {
  if (word.empty() || word[0] < 'a' || word[0] > 'z') return WordSense::kNothing;
  const size_t letter = word[0] - 'a';
  for (size_t i = kFirstWords[letter]; i < kFirstWords[letter + 1]; ++i) {
    if (kWords[i].text == word) return kWords[i].sense;
  }
  constexpr size_t kPartBytesMin = 5;
  if (word.size() < kPartBytesMin || !MayHavePart(word)) return WordSense::kNothing;
  const uint32_t letters = LettersOf(word);
  for (size_t i = 0; i < kPartLetters.size(); ++i) {
    if ((kPartLetters[i] & ~letters) != 0) continue;
    if (word.find(kParts[i].text) != std::string_view::npos) return kParts[i].sense;
  }
  return WordSense::kNothing;
}

}  // namespace skimwatch::card
