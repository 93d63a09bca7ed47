#include "agent/script/judge/script_shape.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "agent/script/judge/constant_evaluator.h"
#include "agent/script/judge/shown_text.h"

namespace skimwatch::script {
namespace {

// Functions of fewer nodes are everywhere.
constexpr uint32_t kNodesMin = 10;
constexpr size_t kListedMax = 24;
constexpr size_t kExcerptBytesMax = 400;
constexpr size_t kContextBytes = 40;
constexpr size_t kNameBytesMax = 120;

// Base of the lists' polynomials; odd, so that no position is lost.
constexpr uint64_t kBase = 0x9e3779b97f4a7c15;

uint64_t Mix(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53;
  value ^= value >> 33;
  return value;
}

uint64_t HashText(std::string_view text) {
  // FNV-1a, the same in every run.
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return Mix(hash);
}

// What nodes of different kinds that mean the same have in common.
enum Tag : uint64_t {
  kTagAnd = 1001,
  kTagOr,
  kTagChoice,
  kTagFunction,
  kTagFunctionInside,
  kTagReturn,
  kTagMember,
  kTagString,
  kTagNumber,
  kTagTrue,
  kTagFalse,
  kTagUndefined,
  kTagLocal,
  kTagGlobal,
  kTagName,
  kTagPair,
  kTagOperator,
  kTagList,
};

// A list of hashes that can be put into another in place: `(a b) c` is `a b c`.
struct List {
  uint64_t hash = 0;
  uint64_t power = 1;

  void Append(uint64_t item) {
    hash = hash * kBase + item;
    power *= kBase;
  }
  void Append(const List& other) {
    hash = hash * other.power + other.hash;
    power *= other.power;
  }
};

class Shaper {
 public:
  explicit Shaper(const SyntaxTree& tree) : tree_(tree) {
    for (const Binding& binding : tree.bindings()) {
      if (!binding.is_assignment) declared_.insert(tree.TextOf(binding.name));
    }
  }

  ScriptShape Run() {
    const auto count = static_cast<uint32_t>(tree_.nodes().size());
    hashes_.resize(count);
    lists_.resize(count);
    sizes_.assign(count, 1);
    ScriptShape shape;
    std::vector<std::pair<uint32_t, FunctionShape>> functions;
    // Children come behind their parents.
    for (uint32_t index = count; index-- > 0;) {
      HashNode(index);
      const bool is_function = tree_.IsFunction(index);
      if (is_function || index == 0) {
        const SyntaxNode& node = tree_.node(index);
        functions.push_back({index,
                             {.hash = index == 0 ? hashes_[0] : own_hash_,
                              .size = sizes_[index],
                              .begin = node.begin,
                              .end = node.end,
                              .name = index == 0 ? std::string() : NameOf(index)}});
      }
      if (index == 0) break;
      // What is inside of a function is its own.
      sizes_[tree_.node(index).parent] += is_function ? 1 : sizes_[index];
    }
    std::reverse(functions.begin(), functions.end());
    List all;
    for (auto& [index, function] : functions) {
      all.Append(function.hash);
      shape.functions.push_back(std::move(function));
    }
    shape.hash = Mix(all.hash);
    return shape;
  }

 private:
  bool IsLocal(std::string_view name) const { return name.size() <= 2 || declared_.contains(name); }

  // Whether a node stands for its children.
  static bool IsTransparent(Kind kind) {
    switch (kind) {
      case Kind::kParenthesized:
      case Kind::kSequence:
      case Kind::kExpressionStatement:
      case Kind::kBlock:
      case Kind::kDeclaration:
      case Kind::kFormalParameters:
      case Kind::kElse:
        return true;
      default:
        return false;
    }
  }

  void AppendNode(List& list, uint32_t child) const {
    const Kind kind = tree_.node(child).kind;
    if (kind == Kind::kEmpty) return;
    // A function that is declared stands for itself, wherever it is.
    const Kind around = tree_.node(tree_.node(child).parent).kind;
    if (kind == Kind::kFunction && (around == Kind::kBlock || around == Kind::kProgram)) return;
    if (IsTransparent(kind)) {
      list.Append(lists_[child]);
    } else {
      list.Append(hashes_[child]);
    }
  }

  // A part that is one item, whatever it is made of.
  uint64_t ItemOf(uint32_t child) const {
    List list;
    if (child != 0) AppendNode(list, child);
    return Mix(list.hash + kTagList);
  }

  void Set(uint32_t index, uint64_t tag, const List& list, uint64_t token = 0) {
    hashes_[index] = Mix(Mix(tag + token * 31) ^ (list.hash * kBase + list.power));
  }

  void HashNode(uint32_t index) {
    const SyntaxNode& node = tree_.node(index);
    List list;
    switch (node.kind) {
      case Kind::kIdentifier: {
        const std::string_view name = tree_.TextOf(index);
        if (IsLocal(name)) return Set(index, kTagLocal, list);
        return Set(index, kTagGlobal, list, HashText(name));
      }
      case Kind::kProperty:
        return Set(index, kTagName, list, HashText(tree_.TextOf(index)));
      case Kind::kShorthand: {
        // `{a}` is `{a: a}`, and `{a: e}` once the name is shortened.
        List key;
        Set(index, kTagName, key, HashText(tree_.TextOf(index)));
        List pair;
        pair.Append(hashes_[index]);
        Set(index, kTagLocal, key);
        pair.Append(hashes_[index]);
        return Set(index, kTagPair, pair);
      }
      case Kind::kString:
        return Set(index, kTagString, list, HashText(LiteralText(tree_.TextOf(index))));
      case Kind::kNumber:
        return Set(index, kTagNumber, list, HashNumber(tree_.TextOf(index)));
      case Kind::kTrue:
        return Set(index, kTagTrue, list);
      case Kind::kFalse:
        return Set(index, kTagFalse, list);
      case Kind::kUndefined:
        return Set(index, kTagUndefined, list);
      case Kind::kRegex:
        return Set(index, node.symbol, list, HashText(tree_.TextOf(index)));
      case Kind::kOperator:
        return Set(index, kTagOperator, list, HashText(tree_.TextOf(index)));
      case Kind::kTemplate:
        if (!tree_.HasSubstitution(index)) {
          return Set(index, kTagString, list, HashText(LiteralText(tree_.TextOf(index))));
        }
        return HashTemplate(index);
      case Kind::kUnary:
        if (HashMinifiedConstant(index)) return;
        break;
      case Kind::kMember:
        if (const uint32_t property = tree_.Child(index, Field::kProperty); property != 0) {
          list.Append(ItemOf(tree_.Child(index, Field::kObject)));
          return Set(index, kTagMember, list, HashText(tree_.TextOf(property)));
        }
        break;
      case Kind::kSubscript:
        if (const uint32_t at = tree_.Child(index, Field::kIndex);
            at != 0 && tree_.node(at).kind == Kind::kString) {
          list.Append(ItemOf(tree_.Child(index, Field::kObject)));
          return Set(index, kTagMember, list, HashText(LiteralText(tree_.TextOf(at))));
        }
        break;
      case Kind::kPair:
        return HashPair(index);
      case Kind::kBinary:
        if (const uint32_t operation = tree_.Child(index, Field::kOperator); operation != 0) {
          const std::string_view text = tree_.TextOf(operation);
          if (text != "&&" && text != "||") break;
          list.Append(ItemOf(tree_.Child(index, Field::kLeft)));
          list.Append(ItemOf(tree_.Child(index, Field::kRight)));
          return Set(index, text == "&&" ? kTagAnd : kTagOr, list);
        }
        break;
      case Kind::kTernary:
        list.Append(ItemOf(tree_.Child(index, Field::kCondition)));
        list.Append(ItemOf(tree_.Child(index, Field::kConsequence)));
        list.Append(ItemOf(tree_.Child(index, Field::kAlternative)));
        return Set(index, kTagChoice, list);
      case Kind::kIf:
        return HashIf(index);
      case Kind::kFunction:
      case Kind::kArrow:
      case Kind::kMethod:
        return HashFunction(index);
      default:
        break;
    }
    for (uint32_t child = index + 1; child < node.next; child = tree_.node(child).next) {
      AppendNode(list, child);
    }
    lists_[index] = list;
    Set(index, node.kind == Kind::kReturn ? uint64_t{kTagReturn} : uint64_t{node.symbol}, list);
  }

  static uint64_t HashNumber(std::string_view text) {
    std::string digits(text);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    double value = 0;
    if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
      for (size_t i = 2; i < digits.size(); ++i) {
        const char c = digits[i];
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value * 16 + digit;
      }
    } else if (!absl::SimpleAtod(digits, &value)) {
      return HashText(text);
    }
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    return Mix(bits);
  }

  // `!0`, `!1` and `void 0`.
  bool HashMinifiedConstant(uint32_t index) {
    const uint32_t argument = tree_.Child(index, Field::kArgument);
    const uint32_t operation = tree_.Child(index, Field::kOperator);
    if (argument == 0 || operation == 0 || tree_.node(argument).kind != Kind::kNumber) return false;
    const std::string_view text = tree_.TextOf(operation);
    const std::string_view number = tree_.TextOf(argument);
    if (text == "void") {
      Set(index, kTagUndefined, {});
    } else if (text == "!" && number == "0") {
      Set(index, kTagTrue, {});
    } else if (text == "!" && number == "1") {
      Set(index, kTagFalse, {});
    } else {
      return false;
    }
    return true;
  }

  void HashTemplate(uint32_t index) {
    const SyntaxNode& node = tree_.node(index);
    List list;
    uint32_t at = node.begin + 1;
    const auto literal = [&](uint32_t to) {
      if (to > at) list.Append(HashText(Unescaped(tree_.text().substr(at, to - at))));
    };
    for (uint32_t child = index + 1; child < node.next; child = tree_.node(child).next) {
      if (tree_.node(child).kind != Kind::kSubstitution) continue;
      literal(tree_.node(child).begin);
      AppendNode(list, child);
      at = tree_.node(child).end;
    }
    literal(std::max(at, node.end - 1));
    Set(index, node.symbol, list);
  }

  void HashPair(uint32_t index) {
    const uint32_t key = tree_.Child(index, Field::kKey);
    const uint32_t value = tree_.Child(index, Field::kValue);
    List list;
    if (key != 0 && tree_.node(key).kind == Kind::kString) {
      const uint64_t kept = hashes_[key];
      Set(key, kTagName, {}, HashText(LiteralText(tree_.TextOf(key))));
      list.Append(hashes_[key]);
      hashes_[key] = kept;
    } else if (key != 0) {
      AppendNode(list, key);
    }
    if (value != 0) AppendNode(list, value);
    Set(index, kTagPair, list);
  }

  // `if (a) b` is `a && b`, `if (!a) b` is `a || b`, and with an `else` it is `a ? b : c`.
  void HashIf(uint32_t index) {
    uint32_t condition = tree_.Child(index, Field::kCondition);
    const uint32_t yes = tree_.Child(index, Field::kConsequence);
    const uint32_t no = tree_.Child(index, Field::kAlternative);
    uint64_t tag = kTagAnd;
    if (condition != 0) condition = tree_.Bare(condition);
    if (no == 0 && condition != 0 && tree_.node(condition).kind == Kind::kUnary) {
      const uint32_t operation = tree_.Child(condition, Field::kOperator);
      const uint32_t argument = tree_.Child(condition, Field::kArgument);
      if (operation != 0 && argument != 0 && tree_.TextOf(operation) == "!") {
        condition = argument;
        tag = kTagOr;
      }
    }
    List list;
    list.Append(ItemOf(condition));
    list.Append(ItemOf(yes));
    if (no != 0) list.Append(ItemOf(no));
    Set(index, no != 0 ? kTagChoice : tag, list);
  }

  void HashFunction(uint32_t index) {
    const SyntaxNode& node = tree_.node(index);
    List list;
    for (uint32_t child = index + 1; child < node.next; child = tree_.node(child).next) {
      const SyntaxNode& part = tree_.node(child);
      if (part.field == Field::kName) continue;
      if (part.field == Field::kBody && part.kind != Kind::kBlock) {
        // `() => a` returns it.
        List returned;
        AppendNode(returned, child);
        const uint64_t kept = hashes_[index];
        Set(index, kTagReturn, returned);
        list.Append(hashes_[index]);
        hashes_[index] = kept;
        continue;
      }
      AppendNode(list, child);
    }
    Set(index, kTagFunction, list);
    own_hash_ = hashes_[index];
    // Around it only that there is one, and a method's name.
    uint64_t token = 0;
    if (node.kind == Kind::kMethod) {
      if (const uint32_t name = tree_.Child(index, Field::kName); name != 0) {
        token = HashText(tree_.TextOf(name));
      }
    }
    Set(index, kTagFunctionInside, {}, token);
  }

  std::string NameOf(uint32_t index) const {
    uint32_t name = tree_.Child(index, Field::kName);
    if (name == 0) {
      const uint32_t parent = tree_.node(index).parent;
      switch (tree_.node(parent).kind) {
        case Kind::kDeclarator:
          name = tree_.Child(parent, Field::kName);
          break;
        case Kind::kPair:
          name = tree_.Child(parent, Field::kKey);
          break;
        case Kind::kAssignment:
          name = tree_.Child(parent, Field::kLeft);
          break;
        default:
          break;
      }
    }
    if (name == 0) return {};
    std::string text = ShownText(tree_.TextOf(name).substr(0, kNameBytesMax * 2));
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::replace(text.begin(), text.end(), '\t', ' ');
    MaskAndCut(text, kNameBytesMax);
    return text;
  }

  const SyntaxTree& tree_;
  absl::flat_hash_set<std::string_view> declared_;
  std::vector<uint64_t> hashes_;
  std::vector<List> lists_;
  std::vector<uint32_t> sizes_;
  uint64_t own_hash_ = 0;
};

constexpr uint32_t kNone = 0xffffffff;

// Which functions of the two are the same one.
struct Pairing {
  // Of each current function the previous one; kNone when it has none.
  std::vector<uint32_t> same;
  std::vector<bool> is_moved;
  std::vector<uint32_t> changed_from;
  std::vector<bool> previous_used;
};

// Those of the pairs that keep their order: the longest rising run of previous numbers.
std::vector<bool> InOrder(const std::vector<uint32_t>& same) {
  std::vector<uint32_t> tails;
  std::vector<uint32_t> before(same.size(), kNone);
  for (uint32_t c = 0; c < same.size(); ++c) {
    if (same[c] == kNone) continue;
    const auto place =
        std::lower_bound(tails.begin(), tails.end(), same[c],
                         [&](uint32_t tail, uint32_t value) { return same[tail] < value; });
    if (place != tails.begin()) before[c] = *(place - 1);
    if (place == tails.end()) {
      tails.push_back(c);
    } else {
      *place = c;
    }
  }
  std::vector<bool> in_order(same.size(), false);
  for (uint32_t c = tails.empty() ? kNone : tails.back(); c != kNone; c = before[c]) {
    in_order[c] = true;
  }
  return in_order;
}

Pairing PairUp(const std::vector<FunctionShape>& previous,
               const std::vector<FunctionShape>& current) {
  Pairing pairing;
  pairing.same.assign(current.size(), kNone);
  pairing.changed_from.assign(current.size(), kNone);
  pairing.previous_used.assign(previous.size(), false);
  absl::flat_hash_map<uint64_t, std::deque<uint32_t>> by_hash;
  for (uint32_t p = 0; p < previous.size(); ++p) by_hash[previous[p].hash].push_back(p);
  for (uint32_t c = 0; c < current.size(); ++c) {
    const auto entry = by_hash.find(current[c].hash);
    if (entry == by_hash.end() || entry->second.empty()) continue;
    pairing.same[c] = entry->second.front();
    pairing.previous_used[entry->second.front()] = true;
    entry->second.pop_front();
  }
  const std::vector<bool> in_order = InOrder(pairing.same);
  pairing.is_moved.assign(current.size(), false);
  for (uint32_t c = 0; c < current.size(); ++c) {
    pairing.is_moved[c] = pairing.same[c] != kNone && !in_order[c];
  }
  const auto change = [&](uint32_t p, uint32_t c) {
    pairing.changed_from[c] = p;
    pairing.previous_used[p] = true;
  };
  if (!current.empty() && !previous.empty() && pairing.same[0] == kNone &&
      !pairing.previous_used[0]) {
    change(0, 0);
  }
  // By name, where it is of one only.
  absl::flat_hash_map<std::string_view, uint32_t> by_name;
  for (uint32_t p = 0; p < previous.size(); ++p) {
    if (pairing.previous_used[p] || previous[p].name.size() < 3) continue;
    const auto [entry, is_new] = by_name.try_emplace(previous[p].name, p);
    if (!is_new) entry->second = kNone;
  }
  for (uint32_t c = 0; c < current.size(); ++c) {
    if (pairing.same[c] != kNone || pairing.changed_from[c] != kNone) continue;
    const auto entry = by_name.find(current[c].name);
    if (entry == by_name.end() || entry->second == kNone) continue;
    if (!pairing.previous_used[entry->second]) change(entry->second, c);
  }
  // By where they stand between two that are the same.
  uint32_t next_previous = 0;
  for (uint32_t c = 0; c < current.size(); ++c) {
    if (in_order[c]) {
      next_previous = pairing.same[c] + 1;
      continue;
    }
    if (pairing.same[c] != kNone || pairing.changed_from[c] != kNone) continue;
    while (next_previous < previous.size() && pairing.previous_used[next_previous]) {
      // One that is the same stands there: nothing is left before it.
      const bool is_anchor =
          std::find(pairing.same.begin() + c,
                    pairing.same.begin() + std::min<size_t>(c + 8, current.size()),
                    next_previous) !=
          pairing.same.begin() +
              static_cast<std::ptrdiff_t>(std::min<size_t>(c + 8, current.size()));
      if (is_anchor) break;
      ++next_previous;
    }
    if (next_previous >= previous.size() || pairing.previous_used[next_previous]) continue;
    const uint32_t old_size = previous[next_previous].size;
    const uint32_t new_size = current[c].size;
    if (new_size > old_size * 4 + 20 || old_size > new_size * 4 + 20) continue;
    change(next_previous, c);
  }
  return pairing;
}

std::string Excerpt(std::string_view text) {
  std::string shown = ShownText(text.substr(0, kExcerptBytesMax * 2));
  MaskAndCut(shown, kExcerptBytesMax);
  return shown;
}

}  // namespace

ScriptShape ShapeOf(const SyntaxTree& tree) { return Shaper(tree).Run(); }

void CompareShapes(const ScriptShape& previous, std::string_view previous_text,
                   const ScriptShape& current, std::string_view current_text,
                   v1::ScriptChange& change) {
  v1::ScriptLikeness& likeness = *change.mutable_likeness();
  likeness.set_same_structure(previous.hash == current.hash);
  const Pairing pairing = PairUp(previous.functions, current.functions);
  uint64_t same = 0;
  const auto text_of = [](std::string_view text, const FunctionShape& function) {
    return text.substr(function.begin, function.end - function.begin);
  };
  const auto list = [&](v1::FunctionChange::Change kind, const FunctionShape& function,
                        std::string_view now, std::string_view before) {
    if (change.functions_size() >= static_cast<int>(kListedMax)) return;
    v1::FunctionChange& entry = *change.add_functions();
    entry.set_change(kind);
    entry.set_name(function.name);
    entry.set_offset(function.begin);
    entry.set_size_bytes(function.end - function.begin);
    if (!now.empty()) entry.set_excerpt(Excerpt(now));
    if (!before.empty()) entry.set_previous_excerpt(Excerpt(before));
  };
  uint32_t added = 0;
  uint32_t removed = 0;
  uint32_t changed = 0;
  uint32_t moved = 0;
  for (uint32_t c = 0; c < current.functions.size(); ++c) {
    const FunctionShape& function = current.functions[c];
    if (pairing.same[c] != kNone) {
      ++same;
      if (pairing.is_moved[c] && function.size >= kNodesMin) ++moved;
      continue;
    }
    if (const uint32_t p = pairing.changed_from[c]; p != kNone) {
      ++changed;
      // Functions are in one another: to compare each whole would take the square of their depth.
      if (change.functions_size() >= static_cast<int>(kListedMax)) continue;
      const std::string_view now = text_of(current_text, function);
      const std::string_view before = text_of(previous_text, previous.functions[p]);
      const size_t common = std::min(now.size(), before.size());
      const auto head = static_cast<size_t>(
          std::mismatch(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(common),
                        before.begin())
              .first -
          now.begin());
      size_t tail = 0;
      while (tail < common - head &&
             now[now.size() - 1 - tail] == before[before.size() - 1 - tail]) {
        ++tail;
      }
      const size_t from = head > kContextBytes ? head - kContextBytes : 0;
      const size_t kept = tail > kContextBytes ? tail - kContextBytes : 0;
      list(v1::FunctionChange::CHANGE_CHANGED, function, now.substr(from, now.size() - kept - from),
           before.substr(from, before.size() - kept - from));
      continue;
    }
    if (function.size < kNodesMin) continue;
    ++added;
    list(v1::FunctionChange::CHANGE_ADDED, function, text_of(current_text, function), {});
  }
  for (uint32_t p = 0; p < previous.functions.size(); ++p) {
    const FunctionShape& function = previous.functions[p];
    if (pairing.previous_used[p] || function.size < kNodesMin) continue;
    ++removed;
    list(v1::FunctionChange::CHANGE_REMOVED, function, {}, text_of(previous_text, function));
  }
  change.set_functions_added(added);
  change.set_functions_removed(removed);
  change.set_functions_changed(changed);
  change.set_functions_moved(moved);
  const uint64_t all = std::max<uint64_t>(previous.functions.size(), 1);
  likeness.set_functions_percent(static_cast<uint32_t>(same * 100 / all));
}

}  // namespace skimwatch::script
