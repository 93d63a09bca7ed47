#include "agent/script/judge/judgement.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "agent/script/judge/shown_text.h"

namespace skimwatch::script {
namespace {

constexpr size_t kReasonsMax = 32;
constexpr size_t kReasonBytesMax = 240;
// Below it, a script is another one rather than another version.
constexpr uint32_t kKnownPercent = 20;
constexpr int kFarDistance = 100;
constexpr uint32_t kKeptPercent = 30;

using Facts = std::vector<v1::ScriptFact>;

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> others) {
  return std::find(others.begin(), others.end(), text) != others.end();
}

const v1::ScriptFact* Find(const Facts& facts, std::initializer_list<std::string_view> names) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const v1::ScriptFact& fact) {
    return IsOneOf(fact.name(), names);
  });
  return found == facts.end() ? nullptr : &*found;
}

const v1::ScriptFact* FindWith(const Facts& facts, std::string_view name,
                               std::initializer_list<std::string_view> parts) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const v1::ScriptFact& fact) {
    return fact.name() == name &&
           std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
             return fact.excerpt().find(part) != std::string::npos;
           });
  });
  return found == facts.end() ? nullptr : &*found;
}

// `a.example by fetch`.
std::string HostOf(const v1::ScriptFact& destination) {
  return destination.excerpt().substr(0, destination.excerpt().find(" by "));
}

// The ways in which code comes to a page.
bool LoadsCode(std::string_view excerpt) {
  for (const std::string_view way :
       {" by script.src", " by import", " by getScript", " by html script",
        " by document.write script", " by service worker", " by Worker", " by SharedWorker"}) {
    if (excerpt.ends_with(way) || (way == " by import" && excerpt.ends_with("importScripts"))) {
      return true;
    }
  }
  return false;
}

std::string Words(const v1::ScriptFact& fact) {
  const std::string& name = fact.name();
  const std::string& what = fact.excerpt();
  if (name == "card_field_read") return absl::StrCat("reads ", what);
  if (name == "card_field_known") return absl::StrCat("knows the field ", what);
  if (name == "form_read") return absl::StrCat("reads a form's fields (", what, ")");
  if (name == "input_listener") return absl::StrCat("listener on ", what);
  if (name == "sink") return absl::StrCat("sends (", what, ")");
  if (name == "destination") return absl::StrCat("sends to ", what);
  if (name == "hidden_destination") return absl::StrCat("sends to ", what, ", hidden in the text");
  if (name == "hidden_text") return absl::StrCat("hidden text ", what);
  if (name == "storage_read") return absl::StrCat("reads ", what);
  if (name == "overlay") return absl::StrCat("puts into the page: ", what);
  if (name == "anti_debugging") return absl::StrCat("looks for debuggers (", what, ")");
  if (name == "evasion") return absl::StrCat("looks at who visits (", what, ")");
  if (name == "code_from_text") return absl::StrCat("runs text as code (", what, ")");
  if (name == "obfuscator") return absl::StrCat("obfuscated (", what, ")");
  if (name == "card_pattern") return absl::StrCat("matches card numbers (", what, ")");
  if (name == "luhn_structure") return absl::StrCat("checks card numbers (", what, ")");
  if (name == "checkout_check") return absl::StrCat("looks for a checkout (", what, ")");
  if (name == "card_number") return "holds a card number";
  if (name == "yara_rule") return absl::StrCat("matches the rule ", what);
  return absl::StrCat(name, " ", what);
}

class Grader {
 public:
  explicit Grader(const Evidence& evidence) : evidence_(evidence), gained_(evidence.gained) {}

  Judgement Run() {
    cards_ = Find(gained_, {"card_field_read", "card_pattern", "luhn_structure", "card_number",
                            "card_field_known"});
    sends_ = Find(gained_, {"destination", "sink"});
    takes_ = Find(gained_, {"input_listener", "form_read"});
    hidden_ = Find(gained_, {"hidden_destination"});
    for (const v1::ScriptFact& fact : gained_) {
      if (!IsOneOf(fact.name(), {"destination", "hidden_destination"})) continue;
      if (!evidence_.new_hosts.contains(HostOf(fact))) continue;
      if (new_host_ == nullptr) new_host_ = &fact;
      if (LoadsCode(fact.excerpt()) && loads_ == nullptr) loads_ = &fact;
    }
    knew_cards_ =
        Find(evidence_.facts, {"card_field_read", "card_pattern", "luhn_structure"}) != nullptr;
    obfuscated_ = FindWith(gained_, "obfuscator",
                           {"hexadecimal names", "rotated table", "control-flow", "order of"});
    Critical();
    High();
    Medium();
    if (judgement_.reasons.empty()) Low();
    for (std::string& reason : judgement_.reasons) {
      // What is harmless in two excerpts may be a number side by side.
      MaskAndCut(reason, kReasonBytesMax);
    }
    if (judgement_.reasons.size() > kReasonsMax) judgement_.reasons.resize(kReasonsMax);
    return std::move(judgement_);
  }

 private:
  void Say(v1::Severity severity, std::initializer_list<const v1::ScriptFact*> facts) {
    std::string reason = StartOfReason();
    bool first = true;
    for (const v1::ScriptFact* fact : facts) {
      if (fact == nullptr) continue;
      absl::StrAppend(&reason, first ? "" : ", ", Words(*fact));
      if (IsOneOf(fact->name(), {"destination", "hidden_destination"}) &&
          evidence_.new_hosts.contains(HostOf(*fact))) {
        absl::StrAppend(&reason, ", a host never seen");
      }
      first = false;
    }
    Note(severity, std::move(reason));
  }

  const char* StartOfReason() const {
    return evidence_.change == v1::ScriptChange::CHANGE_ADDED ? "new script: " : "gained: ";
  }

  void Note(v1::Severity severity, std::string reason) {
    if (judgement_.reasons.empty()) judgement_.severity = severity;
    // Less grave ones would not be shown.
    if (judgement_.reasons.size() >= kReasonsMax) return;
    if (std::find(judgement_.reasons.begin(), judgement_.reasons.end(), reason) ==
        judgement_.reasons.end()) {
      judgement_.reasons.push_back(std::move(reason));
    }
  }

  void Critical() {
    constexpr v1::Severity kCritical = v1::SEVERITY_CRITICAL;
    const v1::ScriptFact* out = new_host_ != nullptr ? new_host_
                                : hidden_ != nullptr ? hidden_
                                                     : sends_;
    if (cards_ != nullptr && out != nullptr) Say(kCritical, {cards_, takes_, out});
    if (hidden_ != nullptr) Say(kCritical, {hidden_});
    if (takes_ != nullptr && new_host_ != nullptr) Say(kCritical, {takes_, new_host_});
    if (loads_ != nullptr && evidence_.change != v1::ScriptChange::CHANGE_ADDED) {
      Say(kCritical, {loads_});
    }
    // Text that comes from there is run.
    const v1::ScriptFact* runs = Find(gained_, {"code_from_text"});
    if (runs != nullptr && new_host_ != nullptr) Say(kCritical, {runs, new_host_});
    const v1::ScriptFact* decoded =
        FindWith(gained_, "code_from_text", {"of decoded", "of fetched"});
    if (decoded != nullptr) Say(kCritical, {decoded});
    const v1::ScriptFact* text = Find(gained_, {"hidden_text"});
    if (text != nullptr && (sends_ != nullptr || takes_ != nullptr)) {
      Say(kCritical, {text, sends_ != nullptr ? sends_ : takes_});
    }
    if (obfuscated_ != nullptr &&
        (sends_ != nullptr || takes_ != nullptr || text != nullptr ||
         Find(gained_, {"code_from_text", "anti_debugging", "card_field_known"}) != nullptr)) {
      Say(kCritical, {obfuscated_, text, sends_, takes_});
    }
    const v1::ScriptFact* window = FindWith(gained_, "anti_debugging", {"size of", "console"});
    if (window != nullptr && (sends_ != nullptr || takes_ != nullptr)) {
      Say(kCritical, {window, takes_, sends_});
    }
    const v1::ScriptFact* visitors = FindWith(gained_, "evasion", {"search engines"});
    if (visitors != nullptr && (sends_ != nullptr || takes_ != nullptr)) {
      Say(kCritical, {visitors, takes_, sends_});
    }
    if (knew_cards_ && new_host_ != nullptr) Say(kCritical, {new_host_});
    for (const std::string& rule : evidence_.critical_rules) {
      Note(kCritical, absl::StrCat("matches the rule ", rule));
    }
  }

  void High() {
    constexpr v1::Severity kHigh = v1::SEVERITY_HIGH;
    if (new_host_ != nullptr) Say(kHigh, {new_host_});
    if (knew_cards_) NameHosts(kHigh);
    for (const v1::ScriptFact& fact : gained_) {
      // Large libraries have constants that take long, too.
      if (fact.excerpt() == "constants beyond bounds") continue;
      if (IsOneOf(fact.name(),
                  {"card_field_read", "card_field_known", "card_pattern", "luhn_structure",
                   "card_number", "hidden_text", "code_from_text", "anti_debugging", "obfuscator",
                   "overlay", "evasion", "yara_rule"})) {
        Say(kHigh, {&fact});
      }
    }
  }

  // Of a sink whose form is not known, the host is.
  void NameHosts(v1::Severity severity) {
    for (const std::string& host : evidence_.named_hosts) {
      Note(severity, absl::StrCat(StartOfReason(), "names ", host, ", a host never seen"));
    }
  }

  void Medium() {
    NameHosts(v1::SEVERITY_MEDIUM);
    for (const v1::ScriptFact& fact : gained_) {
      if (IsOneOf(fact.name(), {"sink", "destination", "input_listener", "form_read",
                                "storage_read", "checkout_check"})) {
        Say(v1::SEVERITY_MEDIUM, {&fact});
      }
    }
    if (!judgement_.reasons.empty()) return;
    if (evidence_.change == v1::ScriptChange::CHANGE_ADDED) {
      Note(v1::SEVERITY_MEDIUM, "new script, not approved");
      return;
    }
    const v1::ScriptLikeness& likeness = evidence_.likeness;
    // A text that is too short for a digest has no distance.
    const bool is_far = likeness.tlsh_distance() < 0 ? evidence_.kept_percent < kKeptPercent
                                                     : likeness.tlsh_distance() > kFarDistance;
    if (!likeness.same_structure() && likeness.functions_percent() < kKnownPercent && is_far) {
      Note(v1::SEVERITY_MEDIUM,
           absl::StrCat("another script under this name: ", likeness.functions_percent(),
                        " % of its functions are as before"));
    }
  }

  void Low() {
    if (evidence_.likeness.same_structure()) {
      return Note(v1::SEVERITY_LOW, "rebuilt: only layout, names and what minifiers choose differ");
    }
    Note(v1::SEVERITY_LOW,
         absl::StrCat("no new behaviour; ", evidence_.likeness.functions_percent(),
                      " % of its functions are as before"));
  }

  const Evidence& evidence_;
  const Facts& gained_;
  Judgement judgement_;
  const v1::ScriptFact* cards_ = nullptr;
  const v1::ScriptFact* sends_ = nullptr;
  const v1::ScriptFact* takes_ = nullptr;
  const v1::ScriptFact* hidden_ = nullptr;
  const v1::ScriptFact* new_host_ = nullptr;
  const v1::ScriptFact* loads_ = nullptr;
  const v1::ScriptFact* obfuscated_ = nullptr;
  bool knew_cards_ = false;
};

}  // namespace

Judgement GradeByBehaviour(const Evidence& evidence) { return Grader(evidence).Run(); }

}  // namespace skimwatch::script
