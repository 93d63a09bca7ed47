#include "collector/ctl/csp_policy.h"

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "collector/ctl/script_words.h"

namespace skimwatch::ctl {
namespace {

constexpr std::string_view kGroup = "skimwatch";

bool IsAddress(std::string_view page) {
  return page.starts_with("https://") || page.starts_with("http://");
}

// Scheme, host and port.
std::string OriginOf(std::string_view address) {
  const size_t authority = address.find("://");
  if (authority == std::string_view::npos) return "";
  return std::string(address.substr(0, address.find('/', authority + 3)));
}

// What a page's script is, by its name.
struct Reference {
  // `inline`, `src`, `frame`, `base`; empty for a file of its own.
  std::string kind;
  std::string address;
};

Reference ParseName(const v1::Script& script) {
  std::string_view rest = script.name();
  if (!rest.starts_with(script.page()) || script.page().empty()) return {};
  rest.remove_prefix(script.page().size());
  if (rest.starts_with("#inline-")) return {"inline", ""};
  for (const std::string_view kind : {"src", "frame", "base"}) {
    const std::string mark = absl::StrCat("#", std::string(kind), "=");
    if (rest.starts_with(mark)) return {std::string(kind), std::string(rest.substr(mark.size()))};
  }
  return {};
}

// The address itself rather than what is left of one that was masked or cut.
bool IsWhole(std::string_view address) {
  return IsAddress(address) && address.find('~') == std::string_view::npos &&
         address.find('*') == std::string_view::npos && address.find(' ') == std::string_view::npos;
}

// As a source expression holds it (CSP Level 3, 2.3.1).
std::string SourceOf(std::string_view address) {
  return absl::StrReplaceAll(std::string(address),
                             {{";", "%3B"}, {",", "%2C"}, {"'", "%27"}, {"\"", "%22"}});
}

std::string AttributeOf(std::string_view text) {
  return absl::StrReplaceAll(std::string(text), {{"&", "&amp;"}, {"\"", "&quot;"}, {"<", "&lt;"}});
}

bool HasFact(const v1::ScriptRecord& record, std::string_view name) {
  return std::any_of(record.facts().begin(), record.facts().end(),
                     [&](const v1::ScriptFact& fact) { return fact.name() == name; });
}

std::string Sha256Source(const std::string& sha256) {
  return absl::StrCat("sha256-", absl::Base64Escape(sha256));
}

// What a directive allows, in an order that does not change from run to run.
using Sources = std::set<std::string>;

class Builder {
 public:
  Builder(const CspRequest& request, const std::map<std::string, std::string>& integrity_of)
      : request_(request), integrity_of_(integrity_of) {}

  void Add(const v1::Script& script);
  CspSuggestion Take();

 private:
  void AddExternal(const v1::Script& script, const std::string& address,
                   const std::vector<const v1::ScriptRecord*>& approved);

  const CspRequest& request_;
  const std::map<std::string, std::string>& integrity_of_;
  Sources scripts_;
  Sources frames_;
  Sources origins_;
  std::set<std::string> elements_;
  bool browsers_know_page_ = false;
  // Every external script can have an `integrity` attribute.
  bool all_bytes_known_ = true;
  bool has_base_ = false;
  CspSuggestion suggestion_;
};

void Builder::Add(const v1::Script& script) {
  std::vector<const v1::ScriptRecord*> approved;
  for (const v1::ScriptRecord& record : script.history()) {
    if (IsApproved(record, request_.now)) approved.push_back(&record);
  }
  const Reference reference = ParseName(script);
  browsers_know_page_ = browsers_know_page_ || IsAddress(script.page());
  if (approved.empty()) {
    if (script.state() != v1::Script::STATE_MISSING) {
      suggestion_.left_out.emplace_back(script.name(), "not approved");
    }
    return;
  }
  ++suggestion_.scripts;
  if (reference.kind == "inline") {
    for (const v1::ScriptRecord* const record : approved) {
      scripts_.insert(absl::StrCat("'", Sha256Source(record->version().sha256()), "'"));
    }
    return;
  }
  if (reference.kind == "base") {
    has_base_ = true;
    return;
  }
  if (!IsWhole(reference.address)) {
    --suggestion_.scripts;
    suggestion_.left_out.emplace_back(script.name(), "its address is not known in full");
    return;
  }
  if (reference.kind == "frame") {
    frames_.insert(SourceOf(reference.address));
    return;
  }
  AddExternal(script, reference.address, approved);
}

void Builder::AddExternal(const v1::Script& script, const std::string& address,
                          const std::vector<const v1::ScriptRecord*>& approved) {
  origins_.insert(OriginOf(address));
  // A web root knows the address that a page names, browsers the bytes that come from there.
  bool bytes_known = IsAddress(script.page());
  std::vector<std::string> digests;
  for (const v1::ScriptRecord* const record : approved) {
    if (HasFact(*record, "no_hash") || HasFact(*record, "many_versions")) bytes_known = false;
    const std::string& sha256 = record->version().sha256();
    const auto known = integrity_of_.find(sha256);
    const std::string strong = known == integrity_of_.end() ? "" : known->second;
    digests.push_back(strong.empty() ? Sha256Source(sha256) : strong);
  }
  all_bytes_known_ = all_bytes_known_ && bytes_known;
  if (bytes_known) {
    // A browser takes any of the strongest kind only (Subresource Integrity, 3.3.4), so versions
    // that are known in different kinds are given in the one that all have.
    const bool is_mixed = std::any_of(digests.begin(), digests.end(), [&](const std::string& d) {
      return d.substr(0, d.find('-')) != digests[0].substr(0, digests[0].find('-'));
    });
    if (is_mixed) {
      digests.clear();
      for (const v1::ScriptRecord* const record : approved) {
        digests.push_back(Sha256Source(record->version().sha256()));
      }
    }
    elements_.insert(absl::StrCat("<script src=\"", AttributeOf(address), "\" integrity=\"",
                                  absl::StrJoin(digests, " "),
                                  "\" crossorigin=\"anonymous\"></script>"));
  }
  if (request_.is_strict && bytes_known) {
    for (const std::string& digest : digests) scripts_.insert(absl::StrCat("'", digest, "'"));
  } else {
    scripts_.insert(SourceOf(address));
  }
}

CspSuggestion Builder::Take() {
  // A web root's pages leave out which of its own files they load.
  if (!browsers_know_page_) scripts_.insert("'self'");
  const std::string reporting =
      absl::StrCat("report-uri ", request_.endpoint, "; report-to ", std::string(kGroup));
  const std::string script_src =
      absl::StrCat("script-src ", absl::StrJoin(scripts_, " "), " 'report-sha256'");
  const std::string base = has_base_ ? "" : "; base-uri 'self'";
  const std::string frames =
      frames_.empty() ? "" : absl::StrCat("; frame-src 'self' ", absl::StrJoin(frames_, " "));
  const std::string policy = absl::StrCat(script_src, "; object-src 'none'", base, frames, "; ");
  const std::string origins =
      origins_.empty() ? "" : absl::StrCat(" ", absl::StrJoin(origins_, " "));
  auto& headers = suggestion_.headers;
  headers.emplace_back("Reporting-Endpoints",
                       absl::StrCat(std::string(kGroup), "=\"", request_.endpoint, "\""));
  headers.emplace_back("Content-Security-Policy", absl::StrCat(policy, reporting));
  // Where data may go is not in the inventory: what leaves for another place is told, not stopped.
  headers.emplace_back("Content-Security-Policy-Report-Only",
                       absl::StrCat(policy, "connect-src 'self'", origins, "; img-src 'self' data:",
                                    origins, "; form-action 'self'; ", reporting));
  headers.emplace_back(
      request_.is_strict && all_bytes_known_ ? "Integrity-Policy" : "Integrity-Policy-Report-Only",
      absl::StrCat("blocked-destinations=(script), endpoints=(", std::string(kGroup), ")"));
  suggestion_.elements.assign(elements_.begin(), elements_.end());
  return std::move(suggestion_);
}

}  // namespace

bool IsOfPage(const v1::Script& script, const std::vector<std::string>& pages) {
  if (script.page().empty()) return false;
  return std::any_of(pages.begin(), pages.end(), [&](const std::string& page) {
    if (script.page() == page) return true;
    // The file that a page's address names below a web root.
    if (!IsAddress(page) || IsAddress(script.page())) return false;
    const std::string origin = OriginOf(page);
    std::string_view path = std::string_view(page).substr(origin.size());
    if (path.starts_with('/')) path.remove_prefix(1);
    return path == script.page() || (path.empty() && script.page() == "index.html");
  });
}

CspSuggestion SuggestCsp(const CspRequest& request, const std::vector<v1::Script>& scripts,
                         const std::map<std::string, std::string>& integrity_of) {
  Builder builder(request, integrity_of);
  for (const v1::Script& script : scripts) builder.Add(script);
  return builder.Take();
}

}  // namespace skimwatch::ctl
