#include "agent/script/judge/behaviour.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/card_words.h"
#include "agent/script/judge/constant_evaluator.h"
#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/shown_text.h"
#include "agent/script/judge/web_address.h"

namespace skimwatch::script {
namespace {

// Of text within text within text.
constexpr int kNestingMax = 3;
constexpr size_t kNestedBytesMax = size_t{256} << 10;
// Of all such text together.
constexpr size_t kNestedBytesTotal = size_t{1} << 20;
constexpr absl::Duration kNestedParseTimeMax = absl::Seconds(2);
// Between two looks at the clock.
constexpr uint32_t kNodesPerLook = 64;
// What is looked at for card numbers before an excerpt is cut: one that begins in the excerpt ends
// in it, however it is encoded.
constexpr size_t kMaskedBytesMax = 2048;
// The shortest card number (ISO/IEC 7812-1) in the shortest form, 12 digits.
constexpr size_t kCardBytesMin = 12;
// Of what a listener is put on, by what it says itself.
constexpr size_t kEventBytesMax = 1000;
// The longest of HTML's own are `blockquote` and `figcaption`.
constexpr size_t kTagBytesMax = 20;
// Steps for what is asked of many places.
constexpr int64_t kFewSteps = 3000;
// Calls of one function that are tried when none has given text.
constexpr int kFruitlessCallsMax = 8;

std::string Lower(std::string_view text) {
  return absl::AsciiStrToLower(absl::string_view(text.data(), text.size()));
}

// Text that the evaluator put together, without card numbers.
std::string Redacted(std::string_view text) {
  std::string shown(text.substr(0, kMaskedBytesMax));
  if (shown.size() >= kCardBytesMin) shown = RedactCards(shown).text;
  return shown;
}

// In lower case a number that is encoded can still be made out, but is not found any more.
std::string RedactedLower(std::string_view text) { return Lower(Redacted(text)); }

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsInputEvent(std::string_view event) {
  static const auto& events = *new absl::flat_hash_set<std::string_view>{
      "input",    "change",    "keydown",          "keyup",        "keypress",   "blur",
      "submit",   "paste",     "focusout",         "beforeunload", "pagehide",   "onsubmit",
      "onchange", "oninput",   "onkeydown",        "onkeyup",      "onkeypress", "onblur",
      "onpaste",  "textInput", "visibilitychange", "unload"};
  return events.contains(event);
}

bool IsClick(std::string_view event) {
  return event == "click" || event == "mousedown" || event == "mouseup" || event == "touchend" ||
         event == "pointerdown" || event == "touchstart";
}

// Of what is clicked, what may be a button to pay with.
bool NamesButton(std::string_view target) {
  const std::string name = Lower(target);
  for (const std::string_view part :
       {"pay", "order", "checkout", "submit", "purchase", "buy", "button", "btn", "card"}) {
    if (Has(name, part)) return true;
  }
  return false;
}

// Text that a skimmer has a use for.
bool IsOfUse(std::string_view text) {
  if (text.size() < 4) return false;
  const std::string lower = Lower(text.substr(0, 400));
  for (const std::string_view part :
       {"://", "queryselector", "getelement", "xmlhttprequest", "sendbeacon", "websocket",
        "addeventlistener", "createelement", "cardnum", "checkout", "onepage", "document.", "eval(",
        "fetch(", "function("}) {
    if (Has(lower, part)) return true;
  }
  return NamesCardField(text);
}

// The calls that are worth a look, by the name that is called.
enum class Call : uint8_t {
  kNone,
  kFetch,
  kOpen,
  kBeacon,
  kListen,
  kOn,
  kLookup,
  kLookupByTag,
  kAttribute,
  kStorage,
  kWrite,
  kHtml,
  kEval,
  kTimer,
  kDecode,
  kJoin,
  kLoad,
  kAjax,
  kNavigate,
  kChannel,
  kMessage,
  kSubmit,
  kSerialize,
  kRegExp,
};

Call CallOf(std::string_view name) {
  static const auto& calls = *new absl::flat_hash_map<std::string_view, Call>{
      {"fetch", Call::kFetch},
      {"open", Call::kOpen},
      {"sendBeacon", Call::kBeacon},
      {"addEventListener", Call::kListen},
      {"attachEvent", Call::kListen},
      {"on", Call::kOn},
      {"bind", Call::kOn},
      {"delegate", Call::kOn},
      {"querySelector", Call::kLookup},
      {"querySelectorAll", Call::kLookup},
      {"getElementById", Call::kLookup},
      {"getElementsByName", Call::kLookup},
      {"getElementsByClassName", Call::kLookup},
      {"closest", Call::kLookup},
      {"matches", Call::kLookup},
      {"find", Call::kLookup},
      {"$", Call::kLookup},
      {"jQuery", Call::kLookup},
      {"getElementsByTagName", Call::kLookupByTag},
      {"setAttribute", Call::kAttribute},
      {"getItem", Call::kStorage},
      {"write", Call::kWrite},
      {"writeln", Call::kWrite},
      {"insertAdjacentHTML", Call::kHtml},
      {"eval", Call::kEval},
      {"Function", Call::kEval},
      {"constructor", Call::kEval},
      {"execScript", Call::kEval},
      {"setTimeout", Call::kTimer},
      {"setInterval", Call::kTimer},
      {"atob", Call::kDecode},
      {"fromCharCode", Call::kDecode},
      {"unescape", Call::kDecode},
      {"decodeURIComponent", Call::kDecode},
      {"apply", Call::kDecode},
      {"join", Call::kJoin},
      {"replace", Call::kJoin},
      {"concat", Call::kJoin},
      {"import", Call::kLoad},
      {"importScripts", Call::kLoad},
      {"getScript", Call::kLoad},
      {"register", Call::kLoad},
      {"ajax", Call::kAjax},
      {"post", Call::kAjax},
      {"get", Call::kAjax},
      {"axios", Call::kAjax},
      {"assign", Call::kNavigate},
      {"createDataChannel", Call::kChannel},
      {"postMessage", Call::kMessage},
      {"submit", Call::kSubmit},
      {"serialize", Call::kSerialize},
      {"serializeArray", Call::kSerialize},
      {"RegExp", Call::kRegExp},
  };
  const auto entry = calls.find(name);
  return entry == calls.end() ? Call::kNone : entry->second;
}

// What an assignment to a property may do.
enum class Write : uint8_t { kNone, kAddress, kHtml, kLocation, kHandler, kCode, kStyle };

Write WriteOf(std::string_view property) {
  static const auto& writes = *new absl::flat_hash_map<std::string_view, Write>{
      {"src", Write::kAddress},        {"href", Write::kAddress},
      {"action", Write::kAddress},     {"innerHTML", Write::kHtml},
      {"outerHTML", Write::kHtml},     {"srcdoc", Write::kHtml},
      {"location", Write::kLocation},  {"onsubmit", Write::kHandler},
      {"onchange", Write::kHandler},   {"oninput", Write::kHandler},
      {"onkeyup", Write::kHandler},    {"onkeydown", Write::kHandler},
      {"onkeypress", Write::kHandler}, {"onblur", Write::kHandler},
      {"onpaste", Write::kHandler},    {"onclick", Write::kHandler},
      {"text", Write::kCode},          {"cssText", Write::kStyle},
  };
  const auto entry = writes.find(property);
  return entry == writes.end() ? Write::kNone : entry->second;
}

// What a script and the text that it runs have together.
struct Bounds {
  const BehaviourLimits& limits;
  size_t nested_bytes_left = kNestedBytesTotal;
  BehaviourLeftOut left_out;
};

class Finder {
 public:
  Finder(const SyntaxTree& tree, int nesting, uint64_t offset,
         const ConstantEvaluator::Limits& limits, Bounds& bounds)
      : tree_(tree),
        nesting_(nesting),
        base_offset_(offset),
        bounds_(bounds),
        constants_(tree, limits) {
    luhn_.assign(tree.scopes().size(), 0);
  }

  const ConstantEvaluator& constants() const { return constants_; }

  std::vector<v1::ScriptFact> Run() {
    const std::vector<SyntaxNode>& nodes = tree_.nodes();
    for (uint32_t index = 0; index < nodes.size(); ++index) {
      if (index % kNodesPerLook == 0 && IsLate()) break;
      switch (nodes[index].kind) {
        case Kind::kCall:
          SeeCall(index);
          break;
        case Kind::kNew:
          SeeNew(index);
          break;
        case Kind::kAssignment:
          SeeAssignment(index);
          break;
        case Kind::kString:
          SeeString(index);
          break;
        case Kind::kTemplate:
          if (!tree_.HasSubstitution(index)) SeeString(index);
          break;
        case Kind::kProperty:
        case Kind::kShorthand:
          SeeName(index);
          break;
        case Kind::kIdentifier:
          if (tree_.TextOf(index).starts_with("_0x")) ++hexadecimal_names_;
          break;
        case Kind::kMember:
          SeeMember(index);
          break;
        case Kind::kSubscript:
          SeeSubscript(index);
          break;
        case Kind::kRegex:
          SeeRegex(index);
          break;
        case Kind::kBinary:
        case Kind::kAugmentedAssignment:
          SeeArithmetic(index);
          break;
        case Kind::kArray:
          SeeArray(index);
          break;
        case Kind::kPair:
          SeePair(index);
          break;
        case Kind::kDebugger:
          Add("anti_debugging", "debugger", index);
          break;
        case Kind::kSwitch:
          SeeSwitch(index);
          break;
        default:
          break;
      }
    }
    Finish();
    if (constants_.spent()) bounds_.left_out.constants = true;
    if (constants_.is_late()) bounds_.left_out.is_late = true;
    std::stable_sort(
        facts_.begin(), facts_.end(),
        [](const v1::ScriptFact& a, const v1::ScriptFact& b) { return a.offset() < b.offset(); });
    return std::move(facts_);
  }

 private:
  bool IsLate() {
    if (bounds_.limits.deadline == absl::InfiniteFuture()) return false;
    if (bounds_.limits.now() < bounds_.limits.deadline) return false;
    bounds_.left_out.is_late = true;
    return true;
  }

  bool IsFull() const { return facts_.size() >= bounds_.limits.facts_max; }

  // What the evaluator puts together may be a card number that does not stand in the text, in any
  // encoding, so each excerpt is looked at by itself.
  void Add(std::string_view name, std::string_view what, uint32_t node) {
    if (IsFull()) {
      bounds_.left_out.facts = true;
      return;
    }
    std::string excerpt = Redacted(what);
    std::replace(excerpt.begin(), excerpt.end(), kUnknownPart, '*');
    for (char& c : excerpt) {
      if (c == '\n' || c == '\t') c = ' ';
    }
    excerpt = ShownText(excerpt);
    MaskAndCut(excerpt, FactFinder::kExcerptBytesMax);
    AddFact(name, std::move(excerpt), base_offset_ + (nesting_ > 0 ? 0 : tree_.node(node).begin));
  }

  void AddFact(std::string_view name, std::string excerpt, uint64_t offset, uint32_t count = 1) {
    const auto known = numbers_.find(absl::StrCat(std::string(name), "\n", excerpt));
    if (known != numbers_.end()) {
      v1::ScriptFact& fact = facts_[known->second];
      fact.set_count(fact.count() + count);
      return;
    }
    if (IsFull()) {
      bounds_.left_out.facts = true;
      return;
    }
    ++counts_[name];
    numbers_.emplace(absl::StrCat(std::string(name), "\n", excerpt), facts_.size());
    v1::ScriptFact& fact = facts_.emplace_back();
    fact.set_name(std::string(name));
    fact.set_excerpt(std::move(excerpt));
    fact.set_offset(offset);
    fact.set_count(count);
  }

  uint32_t Argument(uint32_t call, uint32_t n) const {
    const uint32_t arguments = tree_.Child(call, Field::kArguments);
    return arguments == 0 ? 0 : tree_.ChildAt(arguments, n);
  }

  // --- Text -------------------------------------------------------------------------------------

  void SeeText(std::string_view text, uint32_t node) {
    if (text.empty()) return;
    if (NamesCardField(text)) Add("card_field_known", RedactedLower(text), node);
    if (text.size() <= 80 && text.find(' ') == std::string_view::npos) {
      const std::string lower = Lower(text);
      if (Has(lower, "checkout") || Has(lower, "onepage") || Has(lower, "onestep") ||
          Has(lower, "/payment") || Has(lower, "placeorder")) {
        Add("checkout_check", RedactedLower(text), node);
      }
    }
    SeeEngine(text, node);
    if (text.size() >= 8 && Has(text, "<") && SelectsHtmlFields(text)) {
      Add("overlay", "html of form fields", node);
    }
    if (text == "0246813579" || text == "0,2,4,6,8,1,3,5,7,9") {
      Add("luhn_structure", "table of doubled digits", node);
    }
    // `3|1|0|2`: the order of a function's statements.
    if (IsOrder(text)) {
      Add("obfuscator", "order of statements as text", node);
    }
  }

  // Each number from 0 on, once, in any order but theirs.
  static bool IsOrder(std::string_view text) {
    if (text.size() < 5 || text.size() > 200) return false;
    std::vector<size_t> numbers(1, 0);
    bool has_digit = false;
    for (const char c : text) {
      if (c == '|') {
        if (!has_digit) return false;
        numbers.push_back(0);
        has_digit = false;
      } else if (c >= '0' && c <= '9') {
        numbers.back() = numbers.back() * 10 + static_cast<size_t>(c - '0');
        if (numbers.back() > 1000) return false;
        has_digit = true;
      } else {
        return false;
      }
    }
    if (!has_digit || numbers.size() < 3 || std::is_sorted(numbers.begin(), numbers.end())) {
      return false;
    }
    std::sort(numbers.begin(), numbers.end());
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] != i) return false;
    }
    return true;
  }

  static bool SelectsHtmlFields(std::string_view html) {
    const std::string lower = Lower(html.substr(0, 20'000));
    if (!Has(lower, "<input") && !Has(lower, "<iframe") && !Has(lower, "<form")) return false;
    return Has(lower, "cc-") || Has(lower, "cardnumber") || Has(lower, "card-number") ||
           Has(lower, "card_number") || Has(lower, "cvv") || Has(lower, "cvc") ||
           Has(lower, "card number");
  }

  void SeeEngine(std::string_view text, uint32_t node) {
    if (text.size() > 200 || text.size() < 5) return;
    const std::string lower = Lower(text);
    const int engines = static_cast<int>(Has(lower, "google")) + Has(lower, "bing") +
                        Has(lower, "yahoo") + Has(lower, "duckduckgo") + Has(lower, "yandex") +
                        Has(lower, "baidu") + Has(lower, "ecosia");
    if (engines >= 2) Add("evasion", "search engines", node);
    if (engines == 1) search_engine_ = node;
    if (lower == "headlesschrome" || lower == "phantomjs" || Has(lower, "headless")) {
      Add("evasion", "automation", node);
    }
  }

  void SeeString(uint32_t index) {
    const std::string_view source = tree_.TextOf(index);
    if (source.size() < 4) return;
    if (source.size() > 20'000) return SeeLongString(source, index);
    if (source.find('\\') == std::string_view::npos) {
      SeeText(source.substr(1, source.size() - 2), index);
    } else {
      const Value value = constants_.Evaluate(index, kFewSteps);
      SeeText(value.Text(), index);
      if (value.decoded && IsOfUse(value.Text())) {
        Add("hidden_text", value.Text(), index);
      }
    }
    if (source.size() > 200) SeeLongString(source, index);
  }

  // Text that has no words: an encoded program, most likely.
  void SeeLongString(std::string_view source, uint32_t index) {
    if (source.substr(1, 5) == "data:" || source.size() < 300) return;
    const std::string_view sample = source.substr(0, 4096);
    std::array<uint32_t, 256> counts{};
    for (const char c : sample) ++counts[static_cast<unsigned char>(c)];
    if (counts[' '] * 50 > sample.size()) return;
    double entropy = 0;
    for (const uint32_t count : counts) {
      if (count == 0) continue;
      const double share = static_cast<double>(count) / static_cast<double>(sample.size());
      entropy -= share * std::log2(share);
    }
    if (entropy > 5.0) Add("obfuscator", "long text of high entropy", index);
  }

  void SeeName(uint32_t index) {
    const std::string_view name = tree_.TextOf(index);
    if (NamesCardField(name)) Add("card_field_known", Lower(name), index);
    if (name.starts_with("_0x")) ++hexadecimal_names_;
  }

  void SeeRegex(uint32_t index) {
    std::string_view source = tree_.TextOf(index);
    const size_t end = source.rfind('/');
    if (source.size() < 2 || end == 0) return;
    source = source.substr(1, end - 1);
    SeePattern(source, index);
    if (source.size() <= 400) {
      SeeEngine(source, index);
      const std::string lower = Lower(source);
      if (source.size() <= 160 && (Has(lower, "checkout") || Has(lower, "onepage"))) {
        Add("checkout_check", lower, index);
      }
      if (NamesCardField(absl::StrReplaceAll(lower, {{"\\", ""}, {"|", ","}, {"?", ""}}))) {
        Add("card_field_known", lower, index);
      }
    }
  }

  void SeePattern(std::string_view pattern, uint32_t index) {
    if (MatchesCards(pattern)) Add("card_pattern", pattern, index);
  }

  // --- Arithmetic -------------------------------------------------------------------------------

  enum LuhnPart : uint8_t { kModuloTen = 1, kDoubled = 2, kNine = 4 };

  void Note(uint32_t node, uint8_t part) {
    uint32_t scope = tree_.node(node).scope;
    luhn_[scope] |= part;
    if (scope == 0) return;
    // Its callbacks belong to a small function.
    const uint32_t parent = tree_.scopes()[scope].parent;
    const SyntaxNode& around = tree_.node(tree_.scopes()[parent].node);
    if (parent != 0 && around.end - around.begin < 2000) luhn_[parent] |= part;
  }

  bool IsNumber(uint32_t node, std::string_view decimal, std::string_view hexadecimal) const {
    if (node == 0) return false;
    node = tree_.Bare(node);
    if (tree_.node(node).kind != Kind::kNumber) return false;
    const std::string_view text = tree_.TextOf(node);
    return text == decimal || text == hexadecimal;
  }

  void SeeArithmetic(uint32_t index) {
    const uint32_t operation_node = tree_.Child(index, Field::kOperator);
    if (operation_node == 0) return;
    const std::string_view operation = tree_.TextOf(operation_node);
    if (operation.size() > 3) return;
    const uint32_t left = tree_.Child(index, Field::kLeft);
    const uint32_t right = tree_.Child(index, Field::kRight);
    switch (operation[0]) {
      case '%':
        if (IsNumber(right, "10", "0xa")) Note(index, kModuloTen);
        break;
      case '*':
        if (IsNumber(right, "2", "0x2") || IsNumber(left, "2", "0x2")) Note(index, kDoubled);
        break;
      case '<':
        if (operation == "<<" && IsNumber(right, "1", "0x1")) Note(index, kDoubled);
        if (IsNumber(left, "9", "0x9")) Note(index, kNine);
        break;
      case '>':
        if (IsNumber(right, "9", "0x9") || IsNumber(right, "10", "0xa") ||
            IsNumber(right, "4", "0x4")) {
          Note(index, kNine);
        }
        break;
      case '-':
        if (IsNumber(right, "9", "0x9")) Note(index, kNine);
        if (operation == "-" && left != 0 && right != 0) SeeWindowSize(index, left, right);
        break;
      default:
        break;
    }
  }

  void SeeWindowSize(uint32_t index, uint32_t left, uint32_t right) {
    const std::string_view a = tree_.TextOf(left);
    const std::string_view b = tree_.TextOf(right);
    if (a.size() > 120 || b.size() > 120) return;
    std::string outer(a);
    std::string inner(b);
    // Names out of a table.
    const auto property = [&](uint32_t node) {
      node = tree_.Bare(node);
      return tree_.node(node).kind == Kind::kSubscript ? constants_.PropertyOf(node)
                                                       : std::string();
    };
    outer += property(left);
    inner += property(right);
    if (Has(outer, "outer") && Has(inner, "inner")) {
      Add("anti_debugging", "size of developer tools", index);
    }
  }

  void SeeArray(uint32_t index) {
    static constexpr std::array<std::string_view, 10> kDoubledDigits = {"0", "2", "4", "6", "8",
                                                                        "1", "3", "5", "7", "9"};
    size_t matched = 0;
    for (uint32_t child = index + 1; child < tree_.node(index).next;
         child = tree_.node(child).next) {
      if (matched >= kDoubledDigits.size() || tree_.node(child).kind != Kind::kNumber) return;
      std::string_view text = tree_.TextOf(child);
      if (text.starts_with("0x")) text.remove_prefix(2);
      if (text != kDoubledDigits[matched]) return;
      ++matched;
    }
    if (matched == kDoubledDigits.size()) {
      Add("luhn_structure", "table of doubled digits", index);
    }
  }

  void SeeSwitch(uint32_t index) {
    uint32_t value = tree_.Child(index, Field::kValue);
    if (value == 0) return;
    value = tree_.Bare(value);
    if (tree_.node(value).kind != Kind::kSubscript) return;
    const uint32_t at = tree_.Child(value, Field::kIndex);
    if (at != 0 && tree_.node(tree_.Bare(at)).kind == Kind::kUpdate) {
      Add("obfuscator", "control-flow flattening", index);
    }
  }

  // --- Reads ------------------------------------------------------------------------------------

  void SeeMember(uint32_t index) {
    const uint32_t property = tree_.Child(index, Field::kProperty);
    if (property == 0) return;
    SeeProperty(index, tree_.TextOf(property));
  }

  void SeeSubscript(uint32_t index) {
    const uint32_t at = tree_.Child(index, Field::kIndex);
    if (at == 0) return;
    const Kind kind = tree_.node(tree_.Bare(at)).kind;
    // A name or number is an array's, mostly.
    if (kind == Kind::kNumber || kind == Kind::kUpdate) return;
    const std::string name = constants_.PropertyOf(index);
    if (name.empty()) return;
    if (kind != Kind::kString) SeeText(name, index);
    SeeProperty(index, name);
  }

  void SeeProperty(uint32_t index, std::string_view name) {
    if (name == "cookie") {
      if (tree_.node(index).field != Field::kLeft) Add("storage_read", "document.cookie", index);
    } else if (name == "forms") {
      Add("form_read", "document.forms", index);
    } else if (name == "referrer") {
      Add("evasion", "document.referrer", index);
    } else if (name == "webdriver") {
      Add("evasion", "automation", index);
    } else if (name == "Firebug" || name == "devtoolschange") {
      Add("anti_debugging", "developer tools", index);
    }
  }

  // --- Ways out ---------------------------------------------------------------------------------

  static std::string_view ElementOf(const Value& value) {
    if (!value.IsNative() || !value.Text().starts_with("element ")) return {};
    std::string_view tag = value.Text().substr(8);
    tag = tag.substr(0, tag.find('.'));
    return tag.size() > kTagBytesMax ? std::string_view("?") : tag;
  }

  static std::string TargetOf(const Value& value) {
    if (!value.IsNative()) return {};
    const std::string_view path = value.Text();
    if (path.starts_with("dom ")) return RedactedLower(path.substr(4));
    if (path.starts_with("document") || path == "window") return std::string(path);
    return {};
  }

  void SeeDestination(const Value& address, std::string_view sink, uint32_t node) {
    if (!address.IsString()) return;
    const std::string_view text = address.Text();
    const size_t unknown = text.find(kUnknownPart);
    // Only what stands before the unknown part is known; a host that it is part of is not.
    const std::string known = Redacted(text.substr(0, unknown));
    const size_t scheme = known.find("//");
    if (scheme == std::string::npos) {
      if (address.decoded && IsOfUse(text)) Add("hidden_text", text, node);
      return;
    }
    if (unknown != std::string::npos &&
        known.find_first_of("/?#", scheme + 2) == std::string::npos) {
      return;
    }
    const WebAddress parsed = ParseWebAddress(known);
    if (parsed.kind != WebAddress::Kind::kHost || parsed.host.empty()) return;
    if (parsed.host.ends_with("w3.org")) return;
    // A developer's own machine; nobody else hears there.
    if (parsed.host == "localhost" || parsed.host == "127.0.0.1" || parsed.host == "[::1]") return;
    Add(address.decoded ? "hidden_destination" : "destination",
        absl::StrCat(parsed.host, " by ", std::string(sink)), node);
  }

  void SeeSink(std::string_view sink, uint32_t address, uint32_t node) {
    Add("sink", sink, node);
    if (address == 0) return;
    SeeDestination(constants_.Evaluate(address), sink, node);
  }

  void SeeCode(std::string_view how, uint32_t argument, uint32_t node) {
    if (argument == 0) return;
    const Kind kind = tree_.node(tree_.Bare(argument)).kind;
    if (kind == Kind::kFunction || kind == Kind::kArrow) return;
    const Value value = constants_.Evaluate(argument);
    if (value.type == Value::Type::kFunction) return;
    const std::string_view source = tree_.TextOf(argument).substr(0, 4000);
    std::string what(how);
    if ((value.IsString() && value.decoded) || Has(source, "atob") || Has(source, "fromCharCode") ||
        Has(source, "unescape") || Has(source, "charCodeAt") || Has(source, "decodeURIComponent")) {
      what += " of decoded text";
    } else if (Has(source, "responseText") || Has(source, ".data")) {
      what += " of fetched text";
    } else if (how == "timer" && !value.IsString()) {
      // A function by its name, as good as always.
      return;
    }
    Add("code_from_text", what, node);
    if (!value.IsString() || value.partial) return;
    if (Has(value.Text(), "debugger") && value.Text().size() < 40) {
      Add("anti_debugging", "debugger", node);
    }
    Nest(value.Text(), node);
  }

  void Nest(std::string_view code, uint32_t node) {
    if (code.size() < 12) return;
    if (nesting_ >= kNestingMax || code.size() > kNestedBytesMax ||
        code.size() > bounds_.nested_bytes_left) {
      bounds_.left_out.constants = true;
      return;
    }
    if (IsLate()) return;
    bounds_.nested_bytes_left -= code.size();
    const std::string redacted = RedactCards(code).text;
    const absl::Duration left = bounds_.limits.deadline - bounds_.limits.now();
    const absl::StatusOr<SyntaxTree> tree =
        SyntaxTree::Parse(redacted, {.time_max = std::min(left, kNestedParseTimeMax)});
    if (!tree.ok()) {
      bounds_.left_out.constants = true;
      return;
    }
    const uint64_t offset = nesting_ > 0 ? base_offset_ : tree_.node(node).begin;
    Finder inner(*tree, nesting_ + 1, offset, constants_.Remaining(), bounds_);
    for (v1::ScriptFact& fact : inner.Run()) {
      AddFact(NameOf(fact.name()), fact.excerpt(), offset, fact.count());
    }
    constants_.Spend(inner.constants());
  }

  // Names outlive facts.
  static std::string_view NameOf(std::string_view name);

  // What is called: `fetch`, also where it is taken from a table or has another name.
  std::string NameOfCallee(uint32_t callee, bool& is_method) {
    const uint32_t bare = tree_.Bare(callee);
    const Kind kind = tree_.node(bare).kind;
    is_method = false;
    if (kind == Kind::kMember || kind == Kind::kSubscript) {
      is_method = true;
      return constants_.PropertyOf(bare);
    }
    if (kind == Kind::kImport) return "import";
    if (kind == Kind::kIdentifier) {
      const std::string_view name = tree_.TextOf(bare);
      if (CallOf(name) != Call::kNone) return std::string(name);
    } else if (kind != Kind::kSequence && kind != Kind::kTernary && kind != Kind::kBinary) {
      return {};
    }
    const Value value = constants_.Evaluate(bare, kFewSteps);
    if (!value.IsNative() || value.Text().size() > 100) return {};
    const std::string_view path = value.Text();
    const size_t dot = path.rfind('.');
    return std::string(dot == std::string_view::npos ? path : path.substr(dot + 1));
  }

  void SeeCall(uint32_t index) {
    const uint32_t callee = tree_.Child(index, Field::kFunction);
    if (callee == 0) return;
    bool is_method = false;
    const std::string name = NameOfCallee(callee, is_method);
    const Call call = CallOf(name);
    const uint32_t first = Argument(index, 0);
    if (call == Call::kNone) {
      if (!is_method) SeeOwnCall(index, callee, first);
      return;
    }
    const uint32_t second = Argument(index, 1);
    const uint32_t bare = tree_.Bare(callee);
    const auto object = [&]() {
      if (!is_method) return Value();
      const uint32_t node = tree_.Child(bare, Field::kObject);
      return node == 0 ? Value() : constants_.Evaluate(node);
    };
    switch (call) {
      case Call::kFetch:
        SeeSink("fetch", first, index);
        break;
      case Call::kOpen: {
        if (first == 0 || second == 0) break;
        const Value method = constants_.Evaluate(first, kFewSteps);
        const std::string verb = Lower(method.Text());
        const bool is_request = verb == "get" || verb == "post" || verb == "put" ||
                                verb == "patch" || verb == "head" || verb == "delete";
        if (is_request || (is_method && object().Text() == "new XMLHttpRequest")) {
          SeeSink("XMLHttpRequest", second, index);
        } else {
          SeeDestination(constants_.Evaluate(first, kFewSteps), "open", index);
        }
        break;
      }
      case Call::kBeacon:
        SeeSink("sendBeacon", first, index);
        break;
      case Call::kListen:
      case Call::kOn:
        SeeListener(index, first, second, call == Call::kOn, object());
        break;
      case Call::kLookup:
      case Call::kLookupByTag:
        SeeLookup(index, first, name, object);
        break;
      case Call::kAttribute:
        SeeAttribute(index, first, second, object());
        break;
      case Call::kStorage:
        Add("storage_read", "web storage", index);
        break;
      case Call::kWrite:
        if (first != 0 && object().Text() == "document") {
          Add("sink", "document.write", index);
          SeeHtml(first, "document.write", index);
        }
        break;
      case Call::kHtml:
        if (second != 0) SeeHtml(second, "html", index);
        break;
      case Call::kEval: {
        if (name == "constructor" && first == 0) break;
        const uint32_t last = LastArgument(index);
        SeeCode(name == "constructor" ? "Function" : name, last, index);
        break;
      }
      case Call::kTimer:
        SeeCode("timer", first, index);
        break;
      case Call::kDecode:
      case Call::kJoin:
        SeeDecoded(index);
        break;
      case Call::kLoad:
        if (first == 0) break;
        if (name == "register" && !Has(tree_.TextOf(bare).substr(0, 200), "serviceWorker")) break;
        SeeSink(name == "register" ? "service worker" : name, first, index);
        break;
      case Call::kAjax:
        SeeAjax(index, name, is_method, first, object());
        break;
      case Call::kNavigate: {
        const Value target = object();
        if (target.IsNative() && Has(target.Text(), "location")) {
          SeeSink("location", first, index);
        }
        break;
      }
      case Call::kChannel:
        Add("sink", "RTCDataChannel", index);
        break;
      case Call::kMessage:
        Add("sink", "postMessage", index);
        break;
      case Call::kSubmit:
        if (first == 0) Add("sink", "form.submit", index);
        break;
      case Call::kSerialize:
        Add("form_read", "serialize", index);
        break;
      case Call::kRegExp:
        if (first != 0) {
          const Value pattern = constants_.Evaluate(first, kFewSteps);
          if (pattern.IsString()) SeePattern(pattern.Text(), index);
        }
        break;
      case Call::kNone:
        break;
    }
  }

  uint32_t LastArgument(uint32_t call) const {
    const uint32_t arguments = tree_.Child(call, Field::kArguments);
    if (arguments == 0) return 0;
    uint32_t last = 0;
    for (uint32_t child = arguments + 1; child < tree_.node(arguments).next;
         child = tree_.node(child).next) {
      last = child;
    }
    return last;
  }

  // A call of one of the script's functions with a number, as those that look up text have it.
  void SeeOwnCall(uint32_t index, uint32_t callee, uint32_t first) {
    if (first == 0) return;
    const uint32_t bare = tree_.Bare(callee);
    if (tree_.node(bare).kind != Kind::kIdentifier) return;
    const Kind kind = tree_.node(tree_.Bare(first)).kind;
    if (kind != Kind::kNumber && kind != Kind::kString && kind != Kind::kUnary &&
        kind != Kind::kArray) {
      return;
    }
    const Value function = constants_.Evaluate(bare, kFewSteps);
    if (function.type != Value::Type::kFunction) return;
    int& fruitless = fruitless_[function.heap];
    if (fruitless > kFruitlessCallsMax) return;
    const Value value = constants_.Evaluate(index);
    if (!value.IsString() || value.Text().empty()) {
      ++fruitless;
      return;
    }
    fruitless = 0;
    if (!value.decoded) return;
    SeeText(value.Text(), index);
    if (IsOfUse(value.Text())) Add("hidden_text", value.Text(), index);
  }

  void SeeDecoded(uint32_t index) {
    // The outermost call of a chain says it all.
    const uint32_t parent = tree_.node(index).parent;
    if (parent != 0 && tree_.node(parent).kind == Kind::kMember &&
        tree_.node(index).field == Field::kObject) {
      const uint32_t grand = tree_.node(parent).parent;
      if (tree_.node(grand).kind == Kind::kCall && tree_.node(parent).field == Field::kFunction) {
        return;
      }
    }
    const Value value = constants_.Evaluate(index, 50'000);
    if (!value.IsString() || !value.decoded || value.Text().size() < 4) return;
    SeeText(value.Text(), index);
    if (!IsOfUse(value.Text())) return;
    Add("hidden_text", value.Text(), index);
    if (Has(value.Text(), "://") || value.Text().starts_with("//")) {
      SeeDestination(value, "text", index);
    }
  }

  void SeeListener(uint32_t index, uint32_t first, uint32_t second, bool is_jquery,
                   const Value& object) {
    if (first == 0) return;
    const Value event = constants_.Evaluate(first, kFewSteps);
    if (!event.IsString()) return;
    std::string target = TargetOf(object);
    if (is_jquery && second != 0) {
      const Value selector = constants_.Evaluate(second, kFewSteps);
      if (selector.IsString()) target = RedactedLower(selector.Text());
    }
    const bool names_button = !target.empty() && NamesButton(target);
    // `.on("blur change", ...)` names several, with name spaces behind a dot.
    std::string_view rest = event.Text().substr(0, kEventBytesMax);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      std::string_view one = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      one = one.substr(0, one.find('.'));
      if (!IsInputEvent(one) && !(IsClick(one) && names_button)) continue;
      Add("input_listener",
          target.empty() ? std::string(one) : absl::StrCat(std::string(one), " on ", target),
          index);
    }
  }

  template <typename Object>
  void SeeLookup(uint32_t index, uint32_t first, const std::string& name, const Object& object) {
    if (first == 0) return;
    const Value selector = constants_.Evaluate(first, kFewSteps);
    if (!selector.IsString()) return;
    if (name == "find" && !object().IsNative()) return;
    std::string text = Lower(selector.Text());
    std::string shown = RedactedLower(selector.Text());
    if (name == "getElementById") {
      text.insert(0, "#");
      shown.insert(0, "#");
    }
    if (NamesCardField(text)) {
      Add("card_field_read", shown, index);
    } else if (SelectsFields(text) && (name != "closest" && name != "matches")) {
      Add("form_read", shown, index);
    }
    if (selector.decoded) SeeText(text, index);
  }

  void SeeAttribute(uint32_t index, uint32_t first, uint32_t second, const Value& object) {
    if (first == 0 || second == 0) return;
    const Value attribute = constants_.Evaluate(first, kFewSteps);
    if (!attribute.IsString()) return;
    const std::string name = Lower(attribute.Text());
    if (name == "src" || name == "href" || name == "action" || name == "formaction") {
      SeeAddress(index, name, second, object);
    } else if (name.starts_with("on") && IsInputEvent(name)) {
      Add("input_listener", name.substr(2), index);
    }
  }

  // An address given to an element.
  void SeeAddress(uint32_t index, std::string_view property, uint32_t address,
                  const Value& object) {
    const std::string_view tag = ElementOf(object);
    const Value value = constants_.Evaluate(address);
    // Links and pictures of a page have fixed addresses; what is put together can carry data.
    const bool is_fixed = value.IsString() && !value.partial;
    std::string sink = absl::StrCat(tag.empty() || tag == "?" ? "element" : std::string(tag), ".",
                                    std::string(property));
    if (property == "href" && tag != "link") {
      if (object.IsNative() && Has(object.Text(), "location")) {
        sink = "location";
      } else {
        return;
      }
    }
    if (tag.empty() && is_fixed && value.Text().find("//") == std::string_view::npos) return;
    Add("sink", sink, index);
    SeeDestination(value, sink, index);
  }

  void SeeHtml(uint32_t argument, std::string_view how, uint32_t node) {
    const Value html = constants_.Evaluate(argument, kFewSteps);
    if (!html.IsString()) return;
    const std::string lower = Lower(html.Text().substr(0, 20'000));
    for (const std::string_view tag : {"<script", "<iframe", "<form", "<img", "<object"}) {
      const size_t at = lower.find(tag);
      if (at == std::string::npos) continue;
      const std::string sink = absl::StrCat(std::string(how), " ", std::string(tag.substr(1)));
      Add("sink", sink, node);
      const size_t address = lower.find("//", at);
      if (address == std::string::npos) continue;
      const size_t begin = lower.find_last_of("\"'= ", address);
      const size_t end = lower.find_first_of("\"'> ", address);
      const size_t from = begin == std::string::npos ? 0 : begin + 1;
      Value value = html;
      value.text = std::make_shared<const std::string>(
          lower.substr(from, end == std::string::npos ? end : end - from));
      SeeDestination(value, sink, node);
    }
    if (SelectsHtmlFields(html.Text())) Add("overlay", "html of form fields", node);
  }

  void SeeAjax(uint32_t index, const std::string& name, bool is_method, uint32_t first,
               const Value& object) {
    if (first == 0) return;
    if (is_method) {
      const bool is_library =
          object.IsNative() &&
          (object.Text() == "$" || object.Text() == "jQuery" || object.Text() == "axios");
      // Other things have a `get` and a `post`.
      if (!is_library) return;
    }
    uint32_t address = first;
    if (tree_.node(first).kind == Kind::kObject) {
      address = 0;
      for (uint32_t child = first + 1; child < tree_.node(first).next;
           child = tree_.node(child).next) {
        const uint32_t key = tree_.Child(child, Field::kKey);
        if (tree_.node(child).kind != Kind::kPair || key == 0) continue;
        if (LiteralText(tree_.TextOf(key)) == "url") address = tree_.Child(child, Field::kValue);
      }
    }
    SeeSink(name, address, index);
  }

  void SeeNew(uint32_t index) {
    const uint32_t constructor = tree_.Child(index, Field::kConstructor);
    if (constructor == 0) return;
    std::string_view name;
    std::string held;
    if (tree_.node(constructor).kind == Kind::kIdentifier && tree_.TextOf(constructor).size() > 3 &&
        !tree_.TextOf(constructor).starts_with("_0x")) {
      name = tree_.TextOf(constructor);
    } else {
      const Value value = constants_.Evaluate(constructor, kFewSteps);
      if (!value.IsNative()) return;
      held = value.Text();
      name = held;
      if (const size_t dot = name.rfind('.'); dot != std::string_view::npos) {
        name.remove_prefix(dot + 1);
      }
    }
    const uint32_t first = Argument(index, 0);
    if (name == "WebSocket" || name == "EventSource" || name == "Worker" ||
        name == "SharedWorker") {
      SeeSink(name, first, index);
    } else if (name == "XMLHttpRequest" || name == "RTCPeerConnection" || name == "Image" ||
               name == "webkitRTCPeerConnection") {
      Add("sink", name, index);
    } else if (name == "FormData") {
      if (first != 0) Add("form_read", "FormData", index);
    } else if (name == "Function") {
      SeeCode("Function", LastArgument(index), index);
    } else if (name == "RegExp" && first != 0) {
      const Value pattern = constants_.Evaluate(first, kFewSteps);
      if (pattern.IsString()) SeePattern(pattern.Text(), index);
    }
  }

  void SeeAssignment(uint32_t index) {
    uint32_t left = tree_.Child(index, Field::kLeft);
    const uint32_t right = tree_.Child(index, Field::kRight);
    if (left == 0 || right == 0) return;
    left = tree_.Bare(left);
    const Kind kind = tree_.node(left).kind;
    if (kind == Kind::kIdentifier) {
      if (tree_.TextOf(left) == "location") SeeSink("location", right, index);
      return;
    }
    if (kind != Kind::kMember && kind != Kind::kSubscript) return;
    const std::string property = constants_.PropertyOf(left);
    const Write write = WriteOf(property);
    const uint32_t object_node = tree_.Child(left, Field::kObject);
    if (object_node == 0) return;
    if (write == Write::kNone) {
      if (tree_.node(object_node).kind == Kind::kIdentifier &&
          tree_.TextOf(object_node) == "console" && tree_.IsFunction(tree_.Bare(right))) {
        Add("anti_debugging", "console replaced", index);
      }
      return;
    }
    const Value object = constants_.Evaluate(object_node, kFewSteps);
    switch (write) {
      case Write::kAddress:
        SeeAddress(index, property, right, object);
        break;
      case Write::kHtml:
        SeeHtml(right, "html", index);
        break;
      case Write::kLocation:
        if (object.IsNative()) SeeSink("location", right, index);
        break;
      case Write::kHandler: {
        const std::string target = TargetOf(object);
        if (property == "onclick" && !NamesButton(target)) break;
        Add("input_listener",
            target.empty() ? property.substr(2) : absl::StrCat(property.substr(2), " on ", target),
            index);
        break;
      }
      case Write::kCode:
        if (ElementOf(object) == "script") SeeCode("script.text", right, index);
        break;
      case Write::kStyle: {
        const Value style = constants_.Evaluate(right, kFewSteps);
        const std::string css =
            absl::StrReplaceAll(Lower(style.Text().substr(0, 4000)), {{" ", ""}});
        if (Has(css, "position:fixed") && Has(css, "z-index:9999") &&
            (ElementOf(object) == "iframe" || ElementOf(object) == "form")) {
          Add("overlay", "frame over the page", index);
        }
        break;
      }
      case Write::kNone:
        break;
    }
  }

  // `{src: "https://..."}` given to an element by Object.assign and the like.
  void SeePair(uint32_t index) {
    const uint32_t key = tree_.Child(index, Field::kKey);
    const uint32_t value = tree_.Child(index, Field::kValue);
    if (key == 0 || value == 0) return;
    const std::string_view name = tree_.TextOf(key);
    // `baseURL` is what axios and its like put in front.
    if (name != "src" && name != "action" && name != "baseURL") return;
    SeeDestination(constants_.Evaluate(value, kFewSteps), name, index);
  }

  void Finish() {
    for (uint32_t scope = 0; scope < luhn_.size(); ++scope) {
      if (luhn_[scope] != (kModuloTen | kDoubled | kNine) || scope == 0) continue;
      const uint32_t node = tree_.scopes()[scope].node;
      // The function itself, not one around it.
      if (tree_.node(node).end - tree_.node(node).begin > 2500) continue;
      Add("luhn_structure", "doubling, taking off nine and modulo ten", node);
      const uint32_t parent = tree_.scopes()[scope].parent;
      if (parent < luhn_.size() && parent > scope) luhn_[parent] = 0;
    }
    if (hexadecimal_names_ >= 6) AddFact("obfuscator", "hexadecimal names", base_offset_);
    if (constants_.rotations() > 0) AddFact("obfuscator", "rotated table of text", base_offset_);
    if (constants_.exhausted()) AddFact("obfuscator", "constants beyond bounds", base_offset_);
    if (search_engine_ != 0 && counts_.contains("evasion") &&
        numbers_.contains("evasion\ndocument.referrer")) {
      Add("evasion", "search engines", search_engine_);
    }
  }

  const SyntaxTree& tree_;
  const int nesting_;
  const uint64_t base_offset_;
  Bounds& bounds_;
  ConstantEvaluator constants_;
  std::vector<v1::ScriptFact> facts_;
  absl::flat_hash_map<std::string, size_t> numbers_;
  absl::flat_hash_map<std::string_view, int> counts_;
  std::vector<uint8_t> luhn_;
  absl::flat_hash_map<const void*, int> fruitless_;
  int hexadecimal_names_ = 0;
  uint32_t search_engine_ = 0;
};

constexpr std::array<std::string_view, 17> kBehaviours = {"card_field_read",
                                                          "card_field_known",
                                                          "form_read",
                                                          "input_listener",
                                                          "sink",
                                                          "destination",
                                                          "hidden_destination",
                                                          "hidden_text",
                                                          "storage_read",
                                                          "overlay",
                                                          "anti_debugging",
                                                          "evasion",
                                                          "code_from_text",
                                                          "obfuscator",
                                                          "card_pattern",
                                                          "luhn_structure",
                                                          "checkout_check"};

std::string_view Finder::NameOf(std::string_view name) {
  const auto entry = std::find(kBehaviours.begin(), kBehaviours.end(), name);
  return entry == kBehaviours.end() ? std::string_view("hidden_text") : *entry;
}

}  // namespace

std::vector<v1::ScriptFact> FindBehaviour(const SyntaxTree& tree, const BehaviourLimits& limits,
                                          BehaviourLeftOut* left_out) {
  Bounds bounds{.limits = limits};
  std::vector<v1::ScriptFact> facts =
      Finder(tree, 0, 0, {.deadline = limits.deadline, .now = limits.now}, bounds).Run();
  if (left_out != nullptr) *left_out = bounds.left_out;
  return facts;
}

std::vector<v1::ScriptFact> GainedBehaviour(const std::vector<v1::ScriptFact>& previous,
                                            const std::vector<v1::ScriptFact>& current) {
  absl::flat_hash_map<std::pair<std::string_view, std::string_view>, uint32_t> known;
  for (const v1::ScriptFact& fact : previous) {
    known[{fact.name(), fact.excerpt()}] += std::max(fact.count(), 1U);
  }
  std::vector<v1::ScriptFact> gained;
  for (const v1::ScriptFact& fact : current) {
    const auto entry = known.find({fact.name(), fact.excerpt()});
    const uint32_t before = entry == known.end() ? 0 : entry->second;
    if (std::max(fact.count(), 1U) > before) gained.push_back(fact);
  }
  return gained;
}

bool IsBehaviour(std::string_view name) {
  return std::find(kBehaviours.begin(), kBehaviours.end(), name) != kBehaviours.end();
}

}  // namespace skimwatch::script
