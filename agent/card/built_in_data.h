#ifndef SKIMWATCH_AGENT_CARD_BUILT_IN_DATA_H_
#define SKIMWATCH_AGENT_CARD_BUILT_IN_DATA_H_

#include <string_view>

namespace skimwatch::card {

// Data files of this folder, compiled in: brands.yaml and test_numbers.tsv.
std::string_view BrandsYaml();
std::string_view TestNumbersTsv();

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_BUILT_IN_DATA_H_
