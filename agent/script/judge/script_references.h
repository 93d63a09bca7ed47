#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_REFERENCES_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_REFERENCES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/script/judge/fact_finder.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// An attribute of an element, whatever parser read it.
struct PageAttribute {
  std::string_view name;
  std::string_view value;
  // The value holds server code or character references as they stand in the page, so that a
  // browser gets another one.
  bool is_raw = false;
};

// What a page has a browser fetch and run, or lets lead to such: a script, a frame, or the base of
// all addresses of the page.
struct ScriptReference {
  enum class Kind : uint8_t {
    // `script` with `src` (in SVG `href`), `link` with `rel` modulepreload, or preload as script.
    kScript,
    // `iframe` and `frame` with `src`, `embed`, `object`: a false payment form comes in one.
    kFrame,
    // `base` with a host: every relative address of the page is taken from there.
    kBase,
  };
  Kind kind = Kind::kScript;
  // What it is known by: scheme, host, port and path (WebAddress::base). Where server code makes
  // the address, its text.
  std::string address;
  // As facts show it; empty where the address names none, or code that no reader can run makes it.
  std::string host;
  // Below the page's own origin.
  bool is_same_origin = false;
  // `data:` and the like, which hold the code or the page themselves.
  bool is_opaque = false;
  // Every element that refers to the address has a digest that a browser compares (W3C Subresource
  // Integrity, 3.3).
  bool has_integrity = true;
  // What decides what runs, of every element of the page that refers to the address: `src` with its
  // query, `integrity`, `crossorigin`, `type`, one a line, the elements sorted. The version of a
  // reference is these bytes.
  std::string text;
};

// Gathers the references of one page from its elements. Thread-compatible; linear but for sorting.
class ReferenceCollector {
 public:
  // `name` in any case. An element that refers to nothing is passed over, as are a `script` of a
  // type that does not run, and frames of the page's own origin.
  void AddElement(std::string_view name, const std::vector<PageAttribute>& attributes);
  // One for each kind and address, sorted by them. Ends the collector.
  std::vector<ScriptReference> Take();

 private:
  struct Gathered {
    ScriptReference reference;
    std::vector<std::string> elements;
  };

  void Add(ScriptReference::Kind kind, std::string_view element, const PageAttribute& source,
           const std::vector<PageAttribute>& attributes);

  std::map<std::pair<ScriptReference::Kind, std::string>, Gathered> gathered_;
};

// Whether a `script` element of this type runs (HTML Living Standard, 4.12.1): no type, a
// JavaScript media type, `module`, `importmap` or `speculationrules`.
bool IsScriptType(std::string_view type);

// `external_host` with the host, `no_integrity` for a script that may be exchanged unnoticed,
// `obfuscation` for an address that is the code itself, with what `finder` sees in that.
std::vector<v1::ScriptFact> FactsOf(const ScriptReference& reference, const FactFinder& finder,
                                    int per_name_max);

// The host that an `external_host` fact's excerpt names, in lower case and without port.
std::string HostOfFact(const v1::ScriptFact& fact);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_REFERENCES_H_
