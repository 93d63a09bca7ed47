#include "agent/script/judge/script_references.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/html_scanner.h"
#include "agent/script/judge/shown_text.h"
#include "agent/script/judge/web_address.h"

namespace skimwatch::script {
namespace {

// Essences of a JavaScript media type (WHATWG MIME Sniffing, 4.6).
constexpr std::string_view kJavaScriptTypes[] = {"application/ecmascript",
                                                 "application/javascript",
                                                 "application/x-ecmascript",
                                                 "application/x-javascript",
                                                 "text/ecmascript",
                                                 "text/javascript",
                                                 "text/javascript1.0",
                                                 "text/javascript1.1",
                                                 "text/javascript1.2",
                                                 "text/javascript1.3",
                                                 "text/javascript1.4",
                                                 "text/javascript1.5",
                                                 "text/jscript",
                                                 "text/livescript",
                                                 "text/x-ecmascript",
                                                 "text/x-javascript",
                                                 "module",
                                                 "importmap",
                                                 "speculationrules"};

// Attributes that are part of a version, behind the address.
constexpr std::string_view kVersionAttributes[] = {"rel",      "integrity", "crossorigin", "type",
                                                   "language", "nomodule",  "sandbox"};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The words of an attribute that is a list.
std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    text = Trim(text);
    if (text.empty()) return words;
    const size_t end = std::min(text.find_first_of(" \t\n\f\r"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

bool HasWord(std::string_view text, std::string_view word) {
  const std::vector<std::string_view> words = Words(text);
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return EqualsIgnoringCase(w, word); });
}

// The first of that name: a parser drops the others. nullptr when there is none.
const PageAttribute* Find(const std::vector<PageAttribute>& attributes, std::string_view name) {
  const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const auto& attribute) {
    return EqualsIgnoringCase(attribute.name, name);
  });
  return found == attributes.end() ? nullptr : &*found;
}

std::string_view ValueOf(const std::vector<PageAttribute>& attributes, std::string_view name) {
  const PageAttribute* found = Find(attributes, name);
  return found == nullptr ? std::string_view() : found->value;
}

// One that server code makes may be a digest.
bool HasIntegrity(const std::vector<PageAttribute>& attributes) {
  const PageAttribute* integrity = Find(attributes, "integrity");
  if (integrity == nullptr) return false;
  if (integrity->is_raw) return true;
  const std::vector<std::string_view> words = Words(integrity->value);
  return std::any_of(words.begin(), words.end(), [](std::string_view word) {
    const std::string lower = absl::AsciiStrToLower(std::string(word.substr(0, 7)));
    return lower == "sha256-" || lower == "sha384-" || lower == "sha512-";
  });
}

// Where a raw value's first piece of code or character reference begins.
size_t LiteralBytes(std::string_view value) {
  size_t at = 0;
  for (; at < value.size(); ++at) {
    const std::string_view two = value.substr(at, 2);
    if (two == "<?" || two == "<%" || value[at] == '&') break;
  }
  return at;
}

struct Source {
  WebAddress address;
  // Nothing is known of where a browser would go.
  bool is_unknown = false;
};

Source ReadSource(const PageAttribute& source) {
  Source read;
  const std::string_view value = Trim(source.value);
  const size_t literal = source.is_raw ? LiteralBytes(value) : value.size();
  read.address = ParseWebAddress(value.substr(0, literal));
  if (literal == value.size()) return read;
  const std::string_view rest = value.substr(literal);
  WebAddress& address = read.address;
  if (!address.query.empty()) {
    address.query.append(rest);
    return read;
  }
  // What code adds to a host before a slash ends it is part of the host.
  const std::string host_alone = absl::StrCat("//", address.host, "/");
  if (address.kind == WebAddress::Kind::kHost &&
      (address.host.empty() || (address.base.ends_with(host_alone) && value[literal - 1] != '/'))) {
    read.is_unknown = true;
  }
  if (address.kind == WebAddress::Kind::kPath) {
    // Without a name before a slash, what follows may make a scheme or a host of it.
    read.is_unknown = address.base.find('/') == std::string::npos ||
                      address.base.find_first_not_of('/') == std::string::npos;
  }
  if (read.is_unknown) {
    address = WebAddress{.kind = WebAddress::Kind::kPath, .host = "", .base = "", .query = ""};
    address.base = value;
  } else {
    address.base.append(rest);
  }
  return read;
}

// As a fact may show it.
std::string ShownHost(std::string_view host) {
  std::string shown = ShownText(host);
  MaskAndCut(shown, FactFinder::kExcerptBytesMax);
  return shown;
}

}  // namespace

bool IsScriptType(std::string_view type) {
  type = Trim(type);
  return type.empty() ||
         std::any_of(std::begin(kJavaScriptTypes), std::end(kJavaScriptTypes),
                     [&](std::string_view known) { return EqualsIgnoringCase(known, type); });
}

void ReferenceCollector::AddElement(std::string_view name,
                                    const std::vector<PageAttribute>& attributes) {
  using Kind = ScriptReference::Kind;
  const auto add = [&](Kind kind, std::string_view attribute) {
    const PageAttribute* source = Find(attributes, attribute);
    if (source != nullptr) Add(kind, name, *source, attributes);
  };
  if (EqualsIgnoringCase(name, "script")) {
    if (!IsScriptType(ValueOf(attributes, "type"))) return;
    for (const std::string_view attribute : {"src", "href", "xlink:href"}) {
      add(Kind::kScript, attribute);
    }
  } else if (EqualsIgnoringCase(name, "link")) {
    const std::string_view rel = ValueOf(attributes, "rel");
    const bool is_preload =
        HasWord(rel, "preload") && EqualsIgnoringCase(Trim(ValueOf(attributes, "as")), "script");
    if (is_preload || HasWord(rel, "modulepreload")) add(Kind::kScript, "href");
  } else if (EqualsIgnoringCase(name, "iframe") || EqualsIgnoringCase(name, "frame") ||
             EqualsIgnoringCase(name, "embed")) {
    add(Kind::kFrame, "src");
  } else if (EqualsIgnoringCase(name, "object")) {
    add(Kind::kFrame, "data");
  } else if (EqualsIgnoringCase(name, "base")) {
    add(Kind::kBase, "href");
  }
}

void ReferenceCollector::Add(ScriptReference::Kind kind, std::string_view element,
                             const PageAttribute& source,
                             const std::vector<PageAttribute>& attributes) {
  Source read = ReadSource(source);
  const WebAddress& address = read.address;
  const bool is_path = address.kind == WebAddress::Kind::kPath;
  const bool is_opaque = address.kind == WebAddress::Kind::kOpaque;
  if (address.base.empty() || (is_path && kind != ScriptReference::Kind::kScript)) return;
  // A browser refuses an address whose host is empty. `about:` is an empty page, and `javascript:`
  // an inline script.
  if (address.kind == WebAddress::Kind::kHost && address.host.empty()) return;
  if (address.base.starts_with("about:") || address.base.starts_with("javascript:")) return;

  Gathered& gathered = gathered_[{kind, address.base}];
  ScriptReference& reference = gathered.reference;
  reference.kind = kind;
  reference.address = address.base;
  reference.host = ShownHost(address.host);
  reference.is_same_origin = is_path && !read.is_unknown;
  reference.is_opaque = is_opaque;
  reference.has_integrity = reference.has_integrity && HasIntegrity(attributes);
  std::string text = absl::StrCat("<", absl::AsciiStrToLower(std::string(element)), "\n  ",
                                  absl::AsciiStrToLower(std::string(source.name)), "=\"",
                                  address.base, address.query, "\"\n");
  for (const std::string_view name : kVersionAttributes) {
    const PageAttribute* attribute = Find(attributes, name);
    if (attribute == nullptr) continue;
    absl::StrAppend(&text, "  ", std::string(name), "=\"", std::string(Trim(attribute->value)),
                    "\"\n");
  }
  absl::StrAppend(&text, ">\n");
  gathered.elements.push_back(std::move(text));
}

std::vector<ScriptReference> ReferenceCollector::Take() {
  std::vector<ScriptReference> references;
  references.reserve(gathered_.size());
  for (auto& [key, gathered] : gathered_) {
    std::vector<std::string>& elements = gathered.elements;
    std::sort(elements.begin(), elements.end());
    // Equal elements say the same once; a parser that mends crossed elements copies them too.
    elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    for (const std::string& element : elements) gathered.reference.text.append(element);
    references.push_back(std::move(gathered.reference));
  }
  gathered_.clear();
  return references;
}

std::vector<v1::ScriptFact> FactsOf(const ScriptReference& reference, const FactFinder& finder,
                                    int per_name_max) {
  std::vector<v1::ScriptFact> facts;
  const auto add = [&](std::string_view name, std::string_view excerpt) {
    v1::ScriptFact& fact = facts.emplace_back();
    fact.set_name(std::string(name));
    fact.set_excerpt(std::string(excerpt));
  };
  if (!reference.host.empty()) add("external_host", reference.host);
  if (reference.is_opaque) {
    add("obfuscation", "an address that holds what it leads to");
    for (v1::ScriptFact& fact : finder.Find(reference.text, per_name_max)) {
      facts.push_back(std::move(fact));
    }
  } else if (reference.kind == ScriptReference::Kind::kScript && !reference.has_integrity) {
    add("no_integrity", "a reference without integrity");
  }
  return facts;
}

std::string HostOfFact(const v1::ScriptFact& fact) {
  std::string_view host = fact.excerpt();
  if (const size_t slashes = host.find("//"); slashes != std::string_view::npos) {
    host = host.substr(slashes + 2);
    host = host.substr(0, host.find(':'));
  }
  return absl::AsciiStrToLower(std::string(host));
}

}  // namespace skimwatch::script
