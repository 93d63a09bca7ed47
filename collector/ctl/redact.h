#ifndef SKIMWATCH_COLLECTOR_CTL_REDACT_H_
#define SKIMWATCH_COLLECTOR_CTL_REDACT_H_

#include <string>
#include <string_view>

namespace skimwatch::ctl {

// A message without what could be a card number, for standard error: messages quote what was typed,
// and somebody may have typed or pasted one anywhere. Digits of card numbers and, since a mistyped
// one is as good a secret, of every run of 12 to 19 digits (ISO/IEC 7812-1) become `*`.
std::string Redacted(std::string_view message);

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_REDACT_H_
