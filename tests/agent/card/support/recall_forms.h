#ifndef SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_RECALL_FORMS_H_
#define SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_RECALL_FORMS_H_

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/card_match.h"
#include "tests/agent/card/support/numbers.h"

namespace skimwatch::testing {

// What is around a number that is planted.
enum class Body : uint8_t {
  // The number alone.
  kBare,
  // A record with a field whose name is that of a card number.
  kNamed,
};

// One way to write a number, as the recall table has it: a row.
struct RecallForm {
  // As the table shows it: `base64, unpadded`.
  std::string name;
  // What card::CardMatch::encodings says of it, outermost first, in the words of
  // tests/data/precision.py: `percent > base64`; `plain` for none.
  std::string chain;
  // Evidence that every one has, and by which precision.py counts the form's false alarms; by its
  // chain where empty.
  std::string evidence;
  // The least part of its numbers that must be found.
  double recall_min = 0.999;
  // Encodings undone one in another that it takes.
  int decode_depth = 2;
  // Only numbers of this brand, and of this length; of every one in turn when empty, 0.
  std::string brand;
  size_t length = 0;
  // The whole text that is scanned.
  std::function<std::string(Random& random, std::string_view number, Body body)> write;
};

// In one run, in groups with every separator, in digits and code units that are wider.
std::vector<RecallForm> PlainForms();
// For each brand and length two: in one run, and in groups as the brand prints them.
std::vector<RecallForm> BrandForms();
// Numbers in several fields, and in the data of chips.
std::vector<RecallForm> StructuredForms();
// Each encoding alone: the one table to add a form to is in recall_forms.cc.
std::vector<RecallForm> EncodedForms();
// Every encoding in every other; every three of the encodings that EncodingName tells apart.
std::vector<RecallForm> NestedPairs();
std::vector<RecallForm> NestedTriples();

// What was found of `cases` planted numbers.
struct Recall {
  size_t cases = 0;
  size_t found = 0;
  // Of those found, by Body and Confidence.
  std::array<std::array<size_t, 3>, 2> confidence{};

  double rate() const { return static_cast<double>(found) / static_cast<double>(cases); }
  size_t Of(Body body, card::Confidence level) const {
    return confidence[static_cast<size_t>(body)][static_cast<size_t>(level)];
  }
  void Add(const Recall& other);
};

// Plants `cases` numbers, half of them bare, and scans each text whole and cut at random. A number
// is found when both ways give it, and nothing else, with the form's encodings.
Recall MeasureRecall(const RecallForm& form, size_t cases, uint64_t seed);

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_AGENT_CARD_SUPPORT_RECALL_FORMS_H_
