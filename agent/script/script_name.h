#ifndef SKIMWATCH_AGENT_SCRIPT_SCRIPT_NAME_H_
#define SKIMWATCH_AGENT_SCRIPT_SCRIPT_NAME_H_

#include <optional>
#include <string>
#include <string_view>

#include "agent/script/judge/script_references.h"

namespace skimwatch::script {

// The name that a file below a web root has in findings and approvals: its path, behind `prefix`.
// Bytes that are not UTF-8, control characters, `%` and `#` are percent-encoded (RFC 3986, 2.1), so
// that different files have different names and none looks like an inline script's. A name that
// would hold a card number is masked and ends in `~masked`: files whose names differ in the number
// only share a name. One that is too long is cut and told apart by a digest.
std::string FileName(std::string_view prefix, std::string_view path);

// `page#inline-N`.
std::string NameOfInline(std::string_view page, int number);

// What stands behind `page#` in the name of a reference: `src=`, `frame=` or `base=`, and the
// address as it identifies the reference, with bytes that are not UTF-8, spaces, control characters
// and `#` percent-encoded. Of a `data:` address its beginning and a digest. Card numbers, also
// encoded ones, are masked and told apart by a digest.
std::string ReferenceKey(const ScriptReference& reference);

// `page#key`, at most 4160 bytes (the limit of ScriptChange.script): cut and told apart by a
// digest.
std::string NameOfReference(std::string_view page, std::string_view key);

struct InlineName {
  std::string page;
  int number = 0;
};

// nullopt for a name of another form.
std::optional<InlineName> ParseInlineName(std::string_view name);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SCRIPT_NAME_H_
