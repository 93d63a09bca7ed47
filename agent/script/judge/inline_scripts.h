#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/script/judge/script_references.h"

namespace skimwatch::script {

// Code inside a page: a `script` element without `src`, an event-handler attribute, or a
// `javascript:` address.
struct InlineScript {
  // From 1, in document order, over both kinds.
  int number = 0;
  // Position of the text in the page, in bytes.
  uint64_t offset = 0;
  // Of an element the bytes as they stand; of an attribute the value with its character references
  // undone, unless server code is in it.
  std::string text;
};

// The scripts that a browser would run from `html` itself (HTML Living Standard, 4.12.1): elements
// whose `type` is absent, empty, a JavaScript media type, `module`, `importmap` or
// `speculationrules`, `on...` attributes and `javascript:` addresses, also inside `template` and
// `srcdoc`. Data blocks such as `application/json` are not scripts, nor is what stands in
// `noscript`. Elements of nothing but white space are left out.
//
// Server templates are taken as the pages they make: code between `<?` and `?>` or `<%` and `%>`
// counts as white space outside of scripts and as part of the text inside them, and the strings in
// such code are searched for scripts as well.
//
// Never fails: a browser has no invalid HTML either. Time and memory are linear in the page: one
// that would take a parser too long (elements nested hundreds of thousands deep) or too much memory
// is searched tag by tag, which finds every script and may take for one what stands inside a text
// area. Thread-safe.
std::vector<InlineScript> ExtractInlineScripts(std::string_view html);

// Everything of a page that runs or has something run.
struct PageScripts {
  std::vector<InlineScript> inline_scripts;
  std::vector<ScriptReference> references;
};

// The same with the page's references, also those inside `template` and `srcdoc`, in one pass.
// Where a page is searched tag by tag, character references of addresses are not undone.
PageScripts ExtractPageScripts(std::string_view html);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_INLINE_SCRIPTS_H_
