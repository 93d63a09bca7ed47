#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_

#include <memory>
#include <string_view>
#include <vector>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// Reads in a script's text what bears on cards and on data leaving a page. A fact is an
// observation, not a verdict: checkout code of good standing has many; what matters is a version
// that gains one.
//
//   card_number_pattern  a regular expression or a length check for 13 to 19 digits
//   luhn_routine         arithmetic of the check digit (ISO/IEC 7812-1, annex B), by its structure
//   card_field_name      a name that forms give to a card's number, date, code or holder
//   card_number          a card number itself
//   network_sink         a way to send: requests, sockets, images, forms, inserted scripts
//   exfil_encoding       a form in which collected data is sent
//   listener_on_input    a listener on what is typed or submitted
//   obfuscation          code made from text, names and tables that obfuscators leave
//   checkout_path        a path of a checkout, as skimmers choose their pages by
//   external_host        a host that stands in the text
//
// A page's reference has facts of its own (script_references.h, root_inventory.h):
//
//   no_integrity         nothing keeps the other host from serving something else
//   unknown_host         no script that was there at first, or is approved, names the host
//
// Immutable and thread-safe; time is linear in the text. Facts come in order of offset, one for
// each name and excerpt, at most `per_name_max` of one name, with excerpts that are printable and
// free of card numbers.
class FactFinder {
 public:
  static constexpr int kFactsPerNameMax = 20;
  static constexpr int kExcerptBytesMax = 120;

  FactFinder();
  ~FactFinder();
  FactFinder(const FactFinder&) = delete;
  FactFinder& operator=(const FactFinder&) = delete;

  std::vector<v1::ScriptFact> Find(std::string_view text,
                                   int per_name_max = kFactsPerNameMax) const;

 private:
  struct Rules;
  std::unique_ptr<const Rules> rules_;
};

// Facts of `current` that `previous` lacks, compared by name and excerpt: a moved fact is not new.
std::vector<v1::ScriptFact> GainedFacts(const std::vector<v1::ScriptFact>& previous,
                                        const std::vector<v1::ScriptFact>& current);

// At most `per_name_max` of each name, the first ones.
std::vector<v1::ScriptFact> FirstFacts(const std::vector<v1::ScriptFact>& facts, int per_name_max);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_FACT_FINDER_H_
