#include "agent/script/judge/constant_evaluator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::script {

// What arrays, objects and functions hold.
struct HeapObject {
  std::vector<Value> items;
  // Properties that were set.
  std::vector<std::pair<std::string, Value>> set;
  // Of a function its node, of an object literal its node.
  uint32_t node = 0;
  void* env = nullptr;
  // What was done to an array.
  bool was_reversed = false;
  bool was_shifted = false;
  bool was_pushed = false;
};

// The names of one call of a function.
struct ConstantEvaluator::Environment {
  uint32_t scope = 0;
  Environment* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> names;
  Value arguments;
};

namespace {

using Type = Value::Type;

// Of nested functions the ones that a name is looked up in.
constexpr int kScopesMax = 64;
// Values of one name that are looked at.
constexpr int kBindingsMax = 8;
constexpr size_t kItemsMax = 100'000;
constexpr size_t kPropertiesMax = 1000;
// Arrays in arrays that are looked into for a number.
constexpr int kNumberDepthMax = 8;
constexpr size_t kNativeBytesMax = 400;
// Of a native beside its path.
constexpr size_t kNativeOverheadBytes = 64;
constexpr double kNewArrayMax = 1000;
constexpr int kRotationsMax = 8;
constexpr int64_t kRotationSteps = 3'000'000;
// For finding the table that was rotated.
constexpr int64_t kTableSteps = 20'000;
// Between two looks at the clock.
constexpr int64_t kStepsPerLook = 256;

bool Truthy(const Value& value) {
  switch (value.type) {
    case Type::kBool:
      return value.boolean;
    case Type::kNumber:
      return value.number != 0 && !std::isnan(value.number);
    case Type::kString:
      return !value.Text().empty();
    case Type::kUndefined:
    case Type::kNull:
    case Type::kUnknown:
      return false;
    default:
      return true;
  }
}

// Whether a condition on it can be decided.
bool Decides(const Value& value) { return value.IsKnown() && !value.partial; }

std::string NumberText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  if (number == std::trunc(number) && std::abs(number) < 1e15) {
    return absl::StrCat(static_cast<int64_t>(number));
  }
  return absl::StrCat(number);
}

std::optional<double> ParseNumber(std::string_view text) {
  std::string digits(text);
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  if (!digits.empty() && digits.back() == 'n') digits.pop_back();
  if (digits.empty()) return std::nullopt;
  if (digits.size() > 2 && digits[0] == '0') {
    int base = 0;
    if (digits[1] == 'x' || digits[1] == 'X') base = 16;
    if (digits[1] == 'o' || digits[1] == 'O') base = 8;
    if (digits[1] == 'b' || digits[1] == 'B') base = 2;
    if (base != 0) {
      double value = 0;
      for (size_t i = 2; i < digits.size(); ++i) {
        const char c = digits[i];
        int digit = -1;
        if (c >= '0' && c <= '9') digit = c - '0';
        if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        if (digit < 0 || digit >= base) return std::nullopt;
        value = value * base + digit;
      }
      return value;
    }
  }
  double value = 0;
  if (!absl::SimpleAtod(digits, &value)) return std::nullopt;
  return value;
}

// An array may hold itself.
double ToNumber(const Value& value, int depth = 0) {
  switch (value.type) {
    case Type::kNumber:
      return value.number;
    case Type::kBool:
      return value.boolean ? 1 : 0;
    case Type::kNull:
      return 0;
    case Type::kString: {
      const absl::string_view text =
          absl::StripAsciiWhitespace(absl::string_view(value.Text().data(), value.Text().size()));
      if (text.empty()) return 0;
      return ParseNumber({text.data(), text.size()}).value_or(std::nan(""));
    }
    case Type::kArray:
      if (value.heap->items.empty()) return 0;
      if (value.heap->items.size() == 1 && depth < kNumberDepthMax) {
        return ToNumber(value.heap->items[0], depth + 1);
      }
      return std::nan("");
    default:
      return std::nan("");
  }
}

int32_t ToInt32(double number) {
  if (!std::isfinite(number)) return 0;
  const double two32 = 4294967296.0;
  double rest = std::fmod(std::trunc(number), two32);
  if (rest < 0) rest += two32;
  return static_cast<int32_t>(static_cast<uint32_t>(rest));
}

// A finite index, or 0.
int64_t ToIndex(const Value& value, int64_t otherwise = 0) {
  const double number = ToNumber(value);
  if (std::isnan(number)) return otherwise;
  if (number > 1e9) return 1'000'000'000;
  if (number < -1e9) return -1'000'000'000;
  return static_cast<int64_t>(number);
}

void AppendCode(std::string& text, uint32_t code) {
  if (code < 0x100) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xe0 | ((code >> 12) & 0x0f));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 5 < text.size() && (text[i + 1] == 'u' || text[i + 1] == 'U')) {
      uint32_t code = 0;
      bool is_code = true;
      for (size_t k = 2; k < 6; ++k) {
        const int digit = HexDigit(text[i + k]);
        is_code = is_code && digit >= 0;
        code = code * 16 + static_cast<uint32_t>(std::max(digit, 0));
      }
      if (is_code) {
        AppendCode(decoded, code);
        i += 5;
        continue;
      }
    }
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
      continue;
    }
    decoded += text[i];
  }
  return decoded;
}

bool IsArrayIndex(std::string_view text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Of one byte or none, of which there are many.
std::shared_ptr<const std::string> ShortText(std::string_view text) {
  static const auto& texts = *new std::array<std::shared_ptr<const std::string>, 257>([] {
    std::array<std::shared_ptr<const std::string>, 257> made;
    for (size_t i = 0; i < 256; ++i) {
      made[i] = std::make_shared<const std::string>(1, static_cast<char>(i));
    }
    made[256] = std::make_shared<const std::string>();
    return made;
  }());
  return text.empty() ? texts[256] : texts[static_cast<unsigned char>(text[0])];
}

size_t TextBytes(const std::vector<Value>& values) {
  size_t bytes = 0;
  for (const Value& value : values) bytes += value.Text().size();
  return bytes;
}

Value* FindSet(HeapObject& object, std::string_view name) {
  for (auto& [key, value] : object.set) {
    if (key == name) return &value;
  }
  return nullptr;
}

// Objects that stand for the page's globals.
bool IsGlobalObject(std::string_view path) {
  return path == "window" || path == "self" || path == "globalThis" || path == "top" ||
         path == "parent" || path == "frames" || path == "global" || path == "unsafeWindow" ||
         path == "document.defaultView" || path == "this";
}

}  // namespace

std::string LiteralText(std::string_view source) {
  if (source.size() >= 2 && (source[0] == '"' || source[0] == '\'' || source[0] == '`')) {
    source.remove_prefix(1);
    source.remove_suffix(1);
  }
  return Unescaped(source);
}

std::string Unescaped(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\\' || i + 1 >= source.size()) {
      text += source[i];
      continue;
    }
    const char c = source[++i];
    const auto hex = [&](size_t from, size_t digits) -> std::optional<uint32_t> {
      if (from + digits > source.size()) return std::nullopt;
      uint32_t code = 0;
      for (size_t k = from; k < from + digits; ++k) {
        const int digit = HexDigit(source[k]);
        if (digit < 0) return std::nullopt;
        code = code * 16 + static_cast<uint32_t>(digit);
      }
      return code;
    };
    switch (c) {
      case 'n':
        text += '\n';
        break;
      case 't':
        text += '\t';
        break;
      case 'r':
        text += '\r';
        break;
      case 'b':
        text += '\b';
        break;
      case 'f':
        text += '\f';
        break;
      case 'v':
        text += '\v';
        break;
      case '\r':
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
        break;
      case '\n':
        break;
      case 'x':
        if (const auto code = hex(i + 1, 2)) {
          AppendCode(text, *code);
          i += 2;
        } else {
          text += c;
        }
        break;
      case 'u':
        if (i + 1 < source.size() && source[i + 1] == '{') {
          // At most six digits.
          const size_t digits = source.substr(i + 2, 7).find('}');
          const auto code =
              digits == std::string_view::npos || digits == 0 ? std::nullopt : hex(i + 2, digits);
          if (code) {
            AppendCode(text, *code);
            i += 2 + digits;
            break;
          }
        } else if (const auto code = hex(i + 1, 4)) {
          AppendCode(text, *code);
          i += 4;
          break;
        }
        text += c;
        break;
      default:
        if (c >= '0' && c <= '7') {
          uint32_t code = 0;
          size_t k = i;
          while (k < source.size() && k < i + 3 && source[k] >= '0' && source[k] <= '7') {
            const uint32_t next = code * 8 + static_cast<uint32_t>(source[k] - '0');
            if (next > 255) break;
            code = next;
            ++k;
          }
          AppendCode(text, code);
          i = k - 1;
          break;
        }
        text += c;
    }
  }
  return text;
}

ConstantEvaluator::ConstantEvaluator(const SyntaxTree& tree, const Limits& limits)
    : tree_(tree),
      limits_(limits),
      steps_left_total_(limits.steps_total),
      string_bytes_left_(limits.string_bytes_total),
      items_left_(limits.items_max) {
  const std::vector<Binding>& bindings = tree.bindings();
  next_binding_.assign(bindings.size(), 0);
  // By one more than its number, so that 0 is none. Of a name the last one is the head.
  const auto add = [&](const Name& name, uint32_t number) {
    uint32_t& head = first_binding_[name];
    next_binding_[number] = head;
    head = number + 1;
  };
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    if (bindings[i].is_assignment) continue;
    add({.scope = bindings[i].scope, .text = tree.TextOf(bindings[i].name)}, i);
  }
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    if (!bindings[i].is_assignment) continue;
    Name name{.scope = bindings[i].scope, .text = tree.TextOf(bindings[i].name)};
    for (int hops = 0; hops < kScopesMax && name.scope != 0; ++hops) {
      if (first_binding_.contains(name)) break;
      name.scope = tree.scopes()[name.scope].parent;
    }
    add(name, i);
  }
  RunRotations();
}

ConstantEvaluator::~ConstantEvaluator() = default;

Value ConstantEvaluator::MakeNumber(double number) {
  Value value;
  value.type = Type::kNumber;
  value.number = number;
  return value;
}

Value ConstantEvaluator::MakeBool(bool boolean) {
  Value value;
  value.type = Type::kBool;
  value.boolean = boolean;
  return value;
}

Value ConstantEvaluator::MakeString(std::string text, bool decoded, bool partial) {
  Value value;
  if (text.size() > limits_.string_bytes_max) {
    exhausted_ = true;
    return value;
  }
  if (!TakeBytes(text.size())) return value;
  value.type = Type::kString;
  value.decoded = decoded;
  value.partial = partial;
  value.text =
      text.size() < 2 ? ShortText(text) : std::make_shared<const std::string>(std::move(text));
  return value;
}

Value ConstantEvaluator::MakeNative(std::string path) {
  Value value;
  if (path.size() > kNativeBytesMax) path.resize(kNativeBytesMax);
  std::shared_ptr<const std::string>& text = natives_[path];
  if (text == nullptr) {
    if (!TakeBytes(path.size() + kNativeOverheadBytes)) {
      natives_.erase(path);
      return value;
    }
    text = std::make_shared<const std::string>(std::move(path));
  }
  value.type = Type::kNative;
  value.text = text;
  return value;
}

HeapObject* ConstantEvaluator::NewObject() {
  if (heap_.size() >= limits_.objects_max) {
    exhausted_ = true;
    spent_ = true;
    return nullptr;
  }
  return heap_.emplace_back(std::make_unique<HeapObject>()).get();
}

Value ConstantEvaluator::MakeArray(std::vector<Value> items) {
  Value value;
  if (items.size() > kItemsMax || !ChargeItems(items.size()) || !TakeItems(items.size())) {
    return value;
  }
  HeapObject* object = NewObject();
  if (object == nullptr) return value;
  object->items = std::move(items);
  value.type = Type::kArray;
  value.heap = object;
  return value;
}

Value ConstantEvaluator::MakeFunction(uint32_t node, Environment* env) {
  Value value;
  HeapObject* object = NewObject();
  if (object == nullptr) return value;
  object->node = node;
  object->env = env;
  value.type = Type::kFunction;
  value.heap = object;
  return value;
}

bool ConstantEvaluator::Charge(int64_t steps) {
  if (steps > steps_left_ || steps > steps_left_total_ || is_late_) {
    exhausted_ = true;
    // What no question may cost does not tell that the whole is spent.
    if (steps_left_total_ < std::min(steps, limits_.steps_per_question)) spent_ = true;
    return false;
  }
  steps_left_ -= steps;
  steps_left_total_ -= steps;
  steps_to_look_ -= steps;
  if (steps_to_look_ > 0) return true;
  steps_to_look_ = kStepsPerLook;
  if (limits_.deadline == absl::InfiniteFuture() || limits_.now() < limits_.deadline) return true;
  is_late_ = true;
  exhausted_ = true;
  return false;
}

bool ConstantEvaluator::ChargeSearch(size_t text_bytes, size_t pattern_bytes) {
  constexpr size_t kPatternBytesPerPlace = 32;
  constexpr size_t kPlacesPerStep = 32;
  return Charge(static_cast<int64_t>(text_bytes * (1 + pattern_bytes / kPatternBytesPerPlace) /
                                     kPlacesPerStep));
}

bool ConstantEvaluator::TakeItems(size_t items) {
  if (items > items_left_) {
    exhausted_ = true;
    spent_ = true;
    return false;
  }
  items_left_ -= items;
  return true;
}

bool ConstantEvaluator::TakeBytes(size_t bytes) {
  if (bytes > string_bytes_left_) {
    exhausted_ = true;
    spent_ = true;
    return false;
  }
  string_bytes_left_ -= bytes;
  return true;
}

void ConstantEvaluator::AddName(Environment& env, std::string_view name, const Value& value) {
  if (TakeItems(1)) env.names.emplace_back(name, value);
}

void ConstantEvaluator::Store(HeapObject& object, std::string_view name, const Value& value) {
  if (object.set.size() >= kPropertiesMax || !TakeItems(1) || !TakeBytes(name.size())) return;
  object.set.emplace_back(name, value);
}

ConstantEvaluator::Limits ConstantEvaluator::Remaining() const {
  Limits remaining = limits_;
  remaining.steps_total = std::max<int64_t>(steps_left_total_, 0);
  remaining.string_bytes_total = string_bytes_left_;
  remaining.items_max = items_left_;
  remaining.objects_max = limits_.objects_max - std::min(heap_.size(), limits_.objects_max);
  return remaining;
}

void ConstantEvaluator::Spend(const ConstantEvaluator& inner) {
  steps_left_total_ -= inner.limits_.steps_total - inner.steps_left_total_;
  spent_ = spent_ || inner.spent_;
  is_late_ = is_late_ || inner.is_late_;
  exhausted_ = exhausted_ || inner.exhausted_;
}

Value ConstantEvaluator::Evaluate(uint32_t node) {
  return Evaluate(node, limits_.steps_per_question);
}

Value ConstantEvaluator::Evaluate(uint32_t node, int64_t steps) {
  steps_left_ = steps;
  depth_ = 0;
  return Eval(node, nullptr);
}

std::string ConstantEvaluator::PropertyOf(uint32_t node) {
  steps_left_ = limits_.steps_per_question;
  depth_ = 0;
  return PropertyName(node, nullptr);
}

std::string ConstantEvaluator::PropertyName(uint32_t node, Environment* env) {
  if (tree_.node(node).kind == Kind::kMember) {
    const uint32_t property = tree_.Child(node, Field::kProperty);
    if (property == 0 || !ChargeBytes(tree_.TextOf(property).size())) return {};
    return std::string(tree_.TextOf(property));
  }
  const uint32_t index = tree_.Child(node, Field::kIndex);
  if (index == 0) return {};
  const Value value = Eval(index, env);
  if (!ChargeBytes(value.Text().size())) return {};
  if (value.IsString() && !value.partial) return std::string(value.Text());
  if (value.type == Type::kNumber) return NumberText(value.number);
  return {};
}

Value ConstantEvaluator::Eval(uint32_t node, Environment* env) {
  if (!Step()) return {};
  if (depth_ >= limits_.depth_max) {
    exhausted_ = true;
    return {};
  }
  ++depth_;
  Value value;
  switch (tree_.node(node).kind) {
    case Kind::kString: {
      const std::string_view source = tree_.TextOf(node);
      if (!ChargeBytes(source.size())) break;
      std::string text = LiteralText(source);
      // One that is mostly escapes is not there to be read.
      const auto escapes = std::count(source.begin(), source.end(), '\\');
      const bool hidden = text.size() >= 6 && static_cast<size_t>(escapes) * 2 > text.size() &&
                          (source.find("\\x") != std::string_view::npos ||
                           source.find("\\u00") != std::string_view::npos);
      value = MakeString(std::move(text), hidden);
      break;
    }
    case Kind::kTemplate:
      value = EvalTemplate(node, env);
      break;
    case Kind::kNumber:
      if (!ChargeBytes(tree_.TextOf(node).size())) break;
      if (const auto number = ParseNumber(tree_.TextOf(node))) value = MakeNumber(*number);
      break;
    case Kind::kTrue:
      value = MakeBool(true);
      break;
    case Kind::kFalse:
      value = MakeBool(false);
      break;
    case Kind::kNull:
      value.type = Type::kNull;
      break;
    case Kind::kUndefined:
      value.type = Type::kUndefined;
      break;
    case Kind::kThis:
      value =
          env == nullptr && tree_.node(node).scope == 0 ? MakeNative("window") : MakeNative("this");
      break;
    case Kind::kIdentifier:
      value = EvalIdentifier(node, env);
      break;
    case Kind::kArray: {
      std::vector<Value> items;
      for (uint32_t child = node + 1; child < tree_.node(node).next;
           child = tree_.node(child).next) {
        if (tree_.node(child).kind == Kind::kSpread && tree_.HasChildren(child)) {
          const Value spread = Eval(child + 1, env);
          if (spread.type != Type::kArray) return --depth_, Value();
          const size_t more = spread.heap->items.size();
          if (items.size() + more > kItemsMax || !ChargeItems(more)) return --depth_, Value();
          items.insert(items.end(), spread.heap->items.begin(), spread.heap->items.end());
          continue;
        }
        items.push_back(Eval(child, env));
      }
      value = MakeArray(std::move(items));
      break;
    }
    case Kind::kObject:
      if (HeapObject* object = NewObject(); object != nullptr) {
        object->node = node;
        object->env = env;
        value.type = Type::kObject;
        value.heap = object;
      }
      break;
    case Kind::kFunction:
    case Kind::kArrow:
    case Kind::kMethod:
      value = MakeFunction(node, env);
      break;
    case Kind::kParenthesized:
    case Kind::kAwait:
      if (tree_.HasChildren(node)) value = Eval(node + 1, env);
      break;
    case Kind::kSequence:
      for (uint32_t child = node + 1; child < tree_.node(node).next;
           child = tree_.node(child).next) {
        value = Eval(child, env);
      }
      break;
    case Kind::kBinary:
      value = EvalBinary(node, env);
      break;
    case Kind::kUnary:
      value = EvalUnary(node, env);
      break;
    case Kind::kUpdate:
      value = EvalUpdate(node, env);
      break;
    case Kind::kTernary: {
      const uint32_t condition = tree_.Child(node, Field::kCondition);
      const uint32_t yes = tree_.Child(node, Field::kConsequence);
      const uint32_t no = tree_.Child(node, Field::kAlternative);
      if (condition == 0 || yes == 0 || no == 0) break;
      const Value decision = Eval(condition, env);
      if (Decides(decision) && !decision.IsNative()) {
        value = Eval(Truthy(decision) ? yes : no, env);
      } else {
        value = Eval(yes, env);
        if (!value.IsString() && !value.IsNative()) value = Eval(no, env);
      }
      break;
    }
    case Kind::kAssignment:
    case Kind::kAugmentedAssignment:
      value = EvalAssignment(node, env);
      break;
    case Kind::kMember:
    case Kind::kSubscript:
      value = EvalMember(node, env);
      break;
    case Kind::kCall:
      value = EvalCall(node, env);
      break;
    case Kind::kNew:
      value = EvalNew(node, env);
      break;
    case Kind::kImport:
      value = MakeNative("import");
      break;
    default:
      break;
  }
  --depth_;
  return value;
}

Value ConstantEvaluator::EvalTemplate(uint32_t node, Environment* env) {
  std::string text;
  bool decoded = false;
  bool partial = false;
  // Between the substitutions is text; what the grammar calls its parts does not matter.
  uint32_t at = tree_.node(node).begin + 1;
  const uint32_t end = std::max(at, tree_.node(node).end - 1);
  if (!ChargeBytes(end - at)) return {};
  const auto literal = [&](uint32_t to) {
    if (to > at) text += Unescaped(tree_.text().substr(at, to - at));
  };
  for (uint32_t child = node + 1; child < tree_.node(node).next; child = tree_.node(child).next) {
    if (tree_.node(child).kind != Kind::kSubstitution) continue;
    literal(tree_.node(child).begin);
    at = tree_.node(child).end;
    Value part = tree_.HasChildren(child) ? Eval(child + 1, env) : Value();
    if (part.type == Type::kNumber) part = MakeString(NumberText(part.number));
    if (part.IsString()) {
      if (!ChargeBytes(part.Text().size())) return {};
      text += part.Text();
      decoded = decoded || part.decoded;
      partial = partial || part.partial;
    } else {
      text += kUnknownPart;
      partial = true;
    }
    if (text.size() > limits_.string_bytes_max) return {};
  }
  literal(end);
  return MakeString(std::move(text), decoded, partial);
}

Value ConstantEvaluator::Concat(const Value& left, const Value& right) {
  const auto text_of = [](const Value& value, std::string& text, bool& partial) {
    switch (value.type) {
      case Type::kString:
        text = value.Text();
        partial = partial || value.partial;
        return;
      case Type::kNumber:
        text = NumberText(value.number);
        return;
      case Type::kBool:
        text = value.boolean ? "true" : "false";
        return;
      case Type::kNull:
        text = "null";
        return;
      case Type::kUndefined:
        text = "undefined";
        return;
      default:
        text = kUnknownPart;
        partial = true;
    }
  };
  if (!left.IsString() && !right.IsString()) {
    if (left.IsKnown() && right.IsKnown() && left.type != Type::kNative &&
        right.type != Type::kNative && left.heap == nullptr && right.heap == nullptr) {
      return MakeNumber(ToNumber(left) + ToNumber(right));
    }
    return {};
  }
  const size_t bytes = left.Text().size() + right.Text().size();
  if (bytes > limits_.string_bytes_max || !ChargeBytes(bytes)) return {};
  std::string before;
  std::string after;
  bool partial = false;
  text_of(left, before, partial);
  text_of(right, after, partial);
  bool decoded = left.decoded || right.decoded;
  const bool had_scheme = before.find("://") != std::string::npos ||
                          after.find("://") != std::string::npos ||
                          // `location.protocol + "//host"` is common.
                          after.starts_with("//");
  before += after;
  if (!decoded && !had_scheme && before.find("://") != std::string::npos) decoded = true;
  return MakeString(std::move(before), decoded, partial);
}

Value ConstantEvaluator::EvalBinary(uint32_t node, Environment* env) {
  // Long sums lean to the left.
  std::vector<uint32_t> right_sides;
  uint32_t leftmost = node;
  const auto is_sum = [&](uint32_t index) {
    if (tree_.node(index).kind != Kind::kBinary) return false;
    const uint32_t operation = tree_.Child(index, Field::kOperator);
    return operation != 0 && tree_.TextOf(operation) == "+";
  };
  while (is_sum(leftmost)) {
    const uint32_t left = tree_.Child(leftmost, Field::kLeft);
    const uint32_t right = tree_.Child(leftmost, Field::kRight);
    if (left == 0 || right == 0) return {};
    right_sides.push_back(right);
    leftmost = left;
    if (!Step()) return {};
  }
  if (!right_sides.empty()) {
    Value sum = Eval(leftmost, env);
    // Strings side by side are put together at once: a sum may have thousands.
    std::vector<Value> strings;
    const auto flush = [&] {
      if (strings.empty()) return;
      Value joined = MakeArray(std::move(strings));
      strings.clear();
      if (joined.IsKnown()) joined = ArrayMethod(joined, "join", {MakeString("")});
      sum = Concat(sum, joined);
    };
    for (auto right = right_sides.rbegin(); right != right_sides.rend(); ++right) {
      Value part = Eval(*right, env);
      if (sum.IsString() && part.IsString() && right_sides.size() > 16) {
        strings.push_back(std::move(part));
        continue;
      }
      flush();
      sum = Concat(sum, part);
    }
    flush();
    return sum;
  }
  const uint32_t left_node = tree_.Child(node, Field::kLeft);
  const uint32_t right_node = tree_.Child(node, Field::kRight);
  const uint32_t operator_node = tree_.Child(node, Field::kOperator);
  if (left_node == 0 || right_node == 0 || operator_node == 0) return {};
  const std::string_view operation = tree_.TextOf(operator_node);
  const Value left = Eval(left_node, env);
  if (operation == "&&" || operation == "||" || operation == "??") {
    if (!Decides(left)) {
      // `base || "https://..."`: the constant is what may be.
      const Value right = Eval(right_node, env);
      return left.IsKnown() ? left : right;
    }
    if (left.IsNative() && operation != "&&") {
      // The page may have it or not.
      const Value right = Eval(right_node, env);
      return right.IsString() ? right : left;
    }
    const bool takes_left = operation == "&&" ? !Truthy(left)
                            : operation == "||"
                                ? Truthy(left)
                                : left.type != Type::kNull && left.type != Type::kUndefined;
    return takes_left ? left : Eval(right_node, env);
  }
  const Value right = Eval(right_node, env);
  if (!left.IsKnown() || !right.IsKnown() || left.IsNative() || right.IsNative() || left.partial ||
      right.partial) {
    return {};
  }
  if (!ChargeBytes(left.Text().size() + right.Text().size())) return {};
  if (operation == "===" || operation == "==" || operation == "!==" || operation == "!=") {
    bool equal = false;
    if (left.type == right.type) {
      switch (left.type) {
        case Type::kNumber:
          equal = left.number == right.number;
          break;
        case Type::kString:
          equal = left.Text() == right.Text();
          break;
        case Type::kBool:
          equal = left.boolean == right.boolean;
          break;
        case Type::kUndefined:
        case Type::kNull:
          equal = true;
          break;
        default:
          equal = left.heap == right.heap;
      }
    } else if (operation.size() == 2) {
      const auto is_nothing = [](const Value& v) {
        return v.type == Type::kNull || v.type == Type::kUndefined;
      };
      equal = is_nothing(left) || is_nothing(right) ? is_nothing(left) && is_nothing(right)
                                                    : ToNumber(left) == ToNumber(right);
    }
    return MakeBool(equal == (operation[0] == '='));
  }
  if (left.IsString() && right.IsString() &&
      (operation == "<" || operation == ">" || operation == "<=" || operation == ">=")) {
    const int order = left.Text().compare(right.Text());
    if (operation == "<") return MakeBool(order < 0);
    if (operation == ">") return MakeBool(order > 0);
    return MakeBool(operation == "<=" ? order <= 0 : order >= 0);
  }
  const double a = ToNumber(left);
  const double b = ToNumber(right);
  if (operation == "-") return MakeNumber(a - b);
  if (operation == "*") return MakeNumber(a * b);
  if (operation == "/") return MakeNumber(a / b);
  if (operation == "%") return MakeNumber(std::fmod(a, b));
  if (operation == "**") return MakeNumber(std::pow(a, b));
  if (operation == "<") return MakeBool(a < b);
  if (operation == ">") return MakeBool(a > b);
  if (operation == "<=") return MakeBool(a <= b);
  if (operation == ">=") return MakeBool(a >= b);
  const int32_t x = ToInt32(a);
  const int32_t y = ToInt32(b);
  const auto shift = static_cast<uint32_t>(y) & 31U;
  if (operation == "&") return MakeNumber(x & y);
  if (operation == "|") return MakeNumber(x | y);
  if (operation == "^") return MakeNumber(x ^ y);
  if (operation == "<<") {
    return MakeNumber(static_cast<int32_t>(static_cast<uint32_t>(x) << shift));
  }
  if (operation == ">>") return MakeNumber(x >> shift);
  if (operation == ">>>") return MakeNumber(static_cast<uint32_t>(x) >> shift);
  return {};
}

Value ConstantEvaluator::EvalUnary(uint32_t node, Environment* env) {
  const uint32_t argument = tree_.Child(node, Field::kArgument);
  const uint32_t operator_node = tree_.Child(node, Field::kOperator);
  if (argument == 0 || operator_node == 0) return {};
  const std::string_view operation = tree_.TextOf(operator_node);
  if (operation == "void") {
    Value undefined;
    undefined.type = Type::kUndefined;
    return undefined;
  }
  const Value value = Eval(argument, env);
  if (!Decides(value) || value.IsNative() || !ChargeBytes(value.Text().size())) return {};
  if (operation == "!") return MakeBool(!Truthy(value));
  if (operation == "-") return MakeNumber(-ToNumber(value));
  if (operation == "+") return MakeNumber(ToNumber(value));
  if (operation == "~") return MakeNumber(~ToInt32(ToNumber(value)));
  if (operation == "typeof") {
    switch (value.type) {
      case Type::kUndefined:
        return MakeString("undefined");
      case Type::kString:
        return MakeString("string");
      case Type::kNumber:
        return MakeString("number");
      case Type::kBool:
        return MakeString("boolean");
      case Type::kFunction:
        return MakeString("function");
      default:
        return MakeString("object");
    }
  }
  return {};
}

Value ConstantEvaluator::EvalIdentifier(uint32_t node, Environment* env) {
  const std::string_view text = tree_.TextOf(node);
  if (!ChargeBytes(text.size())) return {};
  if (text == "NaN") return MakeNumber(std::nan(""));
  if (text == "Infinity") return MakeNumber(std::numeric_limits<double>::infinity());
  Name name{.scope = tree_.node(node).scope, .text = text};
  Environment* around = env;
  if (text == "arguments" && env != nullptr) return env->arguments;
  for (int hops = 0; hops < kScopesMax; ++hops) {
    Environment* active = around;
    while (active != nullptr && active->scope != name.scope) active = active->parent;
    if (active != nullptr) {
      if (!ChargeItems(active->names.size())) return {};
      for (const auto& [key, value] : active->names) {
        if (key == text) return value;
      }
      around = active->parent;
    }
    if (const auto found = first_binding_.find(name); found != first_binding_.end()) {
      if (active == nullptr) return EvalBinding(name);
      // A function that the call declares below, or a name that has no value yet.
      for (uint32_t number = found->second; number != 0; number = next_binding_[number - 1]) {
        const Binding& binding = tree_.bindings()[number - 1];
        if (binding.is_assignment || binding.value == 0 ||
            tree_.node(binding.value).kind != Kind::kFunction ||
            tree_.node(binding.value).parent == 0 ||
            tree_.Child(binding.value, Field::kName) != binding.name) {
          continue;
        }
        Value function = MakeFunction(binding.value, active);
        AddName(*active, text, function);
        return function;
      }
      Value undefined;
      undefined.type = Type::kUndefined;
      return undefined;
    }
    if (name.scope == 0) break;
    name.scope = tree_.scopes()[name.scope].parent;
  }
  if (const auto memo = memo_.find(Name{.scope = 0, .text = text});
      memo != memo_.end() && memo->second.is_set) {
    return memo->second.value;
  }
  return MakeNative(IsGlobalObject(text) ? "window" : std::string(text));
}

// The value of a name outside of any call that is being run.
Value ConstantEvaluator::EvalBinding(const Name& name) {
  {
    Memo& memo = memo_[name];
    if (memo.is_set) return memo.value;
    if (memo.is_pending) return {};
    memo.is_pending = true;
  }
  std::vector<uint32_t> numbers;
  for (uint32_t number = first_binding_[name]; number != 0; number = next_binding_[number - 1]) {
    if (numbers.size() < kBindingsMax) numbers.push_back(number - 1);
  }
  // In the order of the text, declarations first.
  std::reverse(numbers.begin(), numbers.end());
  std::stable_sort(numbers.begin(), numbers.end(), [&](uint32_t a, uint32_t b) {
    return tree_.bindings()[a].is_assignment < tree_.bindings()[b].is_assignment;
  });
  Value result;
  bool is_clear = true;
  for (const uint32_t number : numbers) {
    const Binding& binding = tree_.bindings()[number];
    if (binding.value == 0) {
      // A parameter, or a declaration that an assignment follows.
      if (!binding.is_assignment && tree_.node(binding.name).parent != 0 &&
          tree_.node(tree_.node(binding.name).parent).kind != Kind::kDeclarator) {
        is_clear = false;
      }
      continue;
    }
    const Value value = Eval(binding.value, nullptr);
    // A function or table that replaces itself is what it was first.
    if (result.heap != nullptr && result.type != Type::kObject) break;
    if (binding.appends) {
      if (result.IsString()) result = Concat(result, value);
      continue;
    }
    const bool says_nothing = !value.IsKnown() || value.type == Type::kNull ||
                              value.type == Type::kUndefined || value.type == Type::kBool ||
                              (value.IsString() && value.Text().empty());
    if (!result.IsKnown() || result.type == Type::kNull || result.type == Type::kUndefined ||
        (result.IsString() && result.Text().empty())) {
      if (value.IsKnown()) result = value;
      continue;
    }
    if (says_nothing) continue;
    // Of several the address.
    if (value.IsString() && value.Text().find("//") != std::string_view::npos &&
        !(result.IsString() && result.Text().find("//") != std::string_view::npos)) {
      result = value;
    } else if (value.IsNative() && value.Text().starts_with("element ") && !result.IsNative()) {
      result = value;
    } else if (result.type == Type::kNumber || result.type == Type::kBool) {
      is_clear = false;
    }
  }
  if (!is_clear && (result.type == Type::kNumber || result.type == Type::kBool)) result = {};
  // Numbers count; what they are at some time is not what they are.
  if (numbers.size() > 1 && result.type == Type::kNumber) result = {};
  Memo& memo = memo_[name];
  memo.is_pending = false;
  if (!memo.is_set) {
    memo.is_set = true;
    memo.value = result;
  }
  return memo.value;
}

Value ConstantEvaluator::Property(const Value& object, std::string_view name) {
  switch (object.type) {
    case Type::kNative: {
      const std::string_view path = object.Text();
      if (IsGlobalObject(path)) {
        return MakeNative(IsGlobalObject(name) ? "window" : std::string(name));
      }
      return MakeNative(absl::StrCat(absl::string_view(path.data(), path.size()), ".",
                                     absl::string_view(name.data(), name.size())));
    }
    case Type::kString:
      // Of an URL.
      if (name == "href") return object;
      if (object.partial) return {};
      if (name == "length") return MakeNumber(static_cast<double>(object.Text().size()));
      if (IsArrayIndex(name)) {
        const auto index = static_cast<size_t>(std::atoi(std::string(name).c_str()));
        if (index < object.Text().size()) {
          return MakeString(std::string(1, object.Text()[index]), object.decoded);
        }
        Value undefined;
        undefined.type = Type::kUndefined;
        return undefined;
      }
      return {};
    case Type::kArray:
      if (name == "length") return MakeNumber(static_cast<double>(object.heap->items.size()));
      if (IsArrayIndex(name)) {
        const auto index = static_cast<size_t>(std::atoi(std::string(name).c_str()));
        if (index < object.heap->items.size()) return object.heap->items[index];
      }
      break;
    case Type::kObject:
    case Type::kFunction:
      break;
    default:
      return {};
  }
  if (!ChargeItems(object.heap->set.size())) return {};
  if (const Value* set = FindSet(*object.heap, name)) return *set;
  if (object.type == Type::kObject && object.heap->node != 0) {
    const uint32_t node = object.heap->node;
    for (uint32_t child = node + 1; child < tree_.node(node).next; child = tree_.node(child).next) {
      if (!Step()) return {};
      if (tree_.node(child).kind == Kind::kPair) {
        const uint32_t key = tree_.Child(child, Field::kKey);
        const uint32_t value = tree_.Child(child, Field::kValue);
        if (key == 0 || value == 0) continue;
        if (!ChargeBytes(tree_.TextOf(key).size() + name.size())) return {};
        const Kind kind = tree_.node(key).kind;
        bool is_it = false;
        if (kind == Kind::kString) {
          is_it = LiteralText(tree_.TextOf(key)) == name;
        } else if (kind == Kind::kComputedName && tree_.HasChildren(key)) {
          const Value computed = Eval(key + 1, static_cast<Environment*>(object.heap->env));
          is_it = computed.IsString() && computed.Text() == name;
        } else {
          is_it = tree_.TextOf(key) == name;
        }
        if (!is_it) continue;
        Value found = Eval(value, static_cast<Environment*>(object.heap->env));
        Store(*object.heap, name, found);
        return found;
      }
      if (tree_.node(child).kind == Kind::kMethod) {
        const uint32_t key = tree_.Child(child, Field::kName);
        if (key == 0 || tree_.TextOf(key) != name) continue;
        return MakeFunction(child, static_cast<Environment*>(object.heap->env));
      }
      if (tree_.node(child).kind == Kind::kShorthand && tree_.TextOf(child) == name) {
        return EvalIdentifier(child, static_cast<Environment*>(object.heap->env));
      }
    }
  }
  Value undefined;
  undefined.type = Type::kUndefined;
  return undefined;
}

Value ConstantEvaluator::EvalMember(uint32_t node, Environment* env) {
  const uint32_t object_node = tree_.Child(node, Field::kObject);
  if (object_node == 0) return {};
  const Value object = Eval(object_node, env);
  if (!object.IsKnown()) return {};
  const std::string name = PropertyName(node, env);
  if (name.empty()) return {};
  return Property(object, name);
}

std::vector<Value> ConstantEvaluator::Arguments(uint32_t call, Environment* env) {
  std::vector<Value> values;
  const uint32_t list = tree_.Child(call, Field::kArguments);
  if (list == 0) return values;
  if (tree_.node(list).kind == Kind::kTemplate) {
    values.push_back(Eval(list, env));
    return values;
  }
  for (uint32_t child = list + 1; child < tree_.node(list).next; child = tree_.node(child).next) {
    if (tree_.node(child).kind == Kind::kSpread && tree_.HasChildren(child)) {
      const Value spread = Eval(child + 1, env);
      if (spread.type == Type::kArray && values.size() + spread.heap->items.size() < kItemsMax &&
          ChargeItems(spread.heap->items.size())) {
        values.insert(values.end(), spread.heap->items.begin(), spread.heap->items.end());
      } else {
        values.emplace_back();
      }
      continue;
    }
    // What `replace` takes; nothing else knows a pattern.
    if (tree_.node(child).kind == Kind::kRegex) {
      values.push_back(!ChargeBytes(tree_.TextOf(child).size())
                           ? Value()
                           : MakeString(std::string(tree_.TextOf(child))));
      continue;
    }
    values.push_back(Eval(child, env));
  }
  return values;
}

Value ConstantEvaluator::EvalCall(uint32_t node, Environment* env) {
  const uint32_t callee = tree_.Child(node, Field::kFunction);
  if (callee == 0) return {};
  const uint32_t bare = tree_.Bare(callee);
  const Kind kind = tree_.node(bare).kind;
  if (kind == Kind::kMember || kind == Kind::kSubscript) {
    const uint32_t object_node = tree_.Child(bare, Field::kObject);
    if (object_node == 0) return {};
    const Value object = Eval(object_node, env);
    if (!object.IsKnown()) return {};
    const std::string method = PropertyName(bare, env);
    if (method.empty()) return {};
    return CallMethod(object, method, Arguments(node, env));
  }
  const Value function = Eval(callee, env);
  if (function.IsNative()) return CallNative(function.Text(), Arguments(node, env));
  if (function.type == Type::kFunction) return CallFunction(function, Arguments(node, env));
  return {};
}

Value ConstantEvaluator::EvalNew(uint32_t node, Environment* env) {
  const uint32_t constructor = tree_.Child(node, Field::kConstructor);
  if (constructor == 0) return {};
  const Value value = Eval(constructor, env);
  if (!value.IsNative()) return {};
  const std::string_view path = value.Text();
  if (path == "Image") return MakeNative("element img");
  if (path == "Array") {
    const std::vector<Value> arguments = Arguments(node, env);
    if (arguments.size() == 1 && arguments[0].type == Type::kNumber) {
      // NaN is not above 0.
      const double length =
          arguments[0].number > 0 ? std::min(arguments[0].number, kNewArrayMax) : 0;
      return MakeArray(std::vector<Value>(static_cast<size_t>(length)));
    }
    return MakeArray(arguments);
  }
  if (path == "URL" || path == "String" || path == "Request") {
    const std::vector<Value> arguments = Arguments(node, env);
    if (path == "URL" && arguments.size() > 1) return ResolveUrl(arguments);
    if (!arguments.empty() && arguments[0].IsString()) return arguments[0];
  }
  return MakeNative(absl::StrCat("new ", absl::string_view(path.data(), path.size())));
}

// `new URL(path, base)`. A path that is not known is one below the base, most likely.
Value ConstantEvaluator::ResolveUrl(const std::vector<Value>& arguments) {
  const Value& path = arguments[0];
  const Value& base = arguments[1];
  if (!base.IsString()) return path.IsString() ? path : Value();
  if (!ChargeBytes(path.Text().size() + base.Text().size())) return {};
  std::string_view below = path.IsString() ? path.Text() : std::string_view();
  if (below.find("://") != std::string_view::npos || below.starts_with("//")) return path;
  const size_t host = base.Text().find("//");
  if (host == std::string_view::npos) return base;
  const std::string_view whole = base.Text().substr(0, base.Text().find_first_of("?#", host + 2));
  const size_t root = whole.find('/', host + 2);
  std::string resolved(whole);
  if (root == std::string_view::npos) {
    resolved += '/';
  } else {
    resolved.resize((below.starts_with('/') ? root : whole.rfind('/')) + 1);
  }
  if (below.starts_with('/')) below.remove_prefix(1);
  resolved += below;
  if (!path.IsString()) resolved += kUnknownPart;
  return MakeString(std::move(resolved), base.decoded || path.decoded,
                    base.partial || path.partial || !path.IsString());
}

Value ConstantEvaluator::CallFunction(const Value& function, const std::vector<Value>& arguments) {
  const uint32_t node = function.heap->node;
  const uint32_t body = tree_.Child(node, Field::kBody);
  if (body == 0 || !Step()) return {};
  if (environments_.size() >= limits_.objects_max) {
    exhausted_ = true;
    spent_ = true;
    return {};
  }
  if (depth_ + 12 >= limits_.depth_max) {
    exhausted_ = true;
    return {};
  }
  Environment* env = environments_.emplace_back(std::make_unique<Environment>()).get();
  env->parent = static_cast<Environment*>(function.heap->env);
  env->scope = tree_.node(body).scope;
  env->arguments = MakeArray(arguments);
  uint32_t parameters = tree_.Child(node, Field::kParameters);
  if (const uint32_t single = tree_.Child(node, Field::kParameter); single != 0) {
    AddName(*env, tree_.TextOf(single), arguments.empty() ? Value() : arguments[0]);
    parameters = 0;
  }
  if (parameters != 0) {
    size_t number = 0;
    for (uint32_t child = parameters + 1; child < tree_.node(parameters).next;
         child = tree_.node(child).next, ++number) {
      if (!Step()) return {};
      Value value;
      value.type = Type::kUndefined;
      if (number < arguments.size()) value = arguments[number];
      if (tree_.node(child).kind == Kind::kIdentifier) {
        AddName(*env, tree_.TextOf(child), value);
      } else if (tree_.node(child).kind == Kind::kAssignmentPattern) {
        const uint32_t left = tree_.Child(child, Field::kLeft);
        const uint32_t right = tree_.Child(child, Field::kRight);
        if (value.type == Type::kUndefined && right != 0) value = Eval(right, env);
        if (left != 0) AddName(*env, tree_.TextOf(left), value);
      }
    }
  }
  depth_ += 4;
  Value result;
  if (tree_.node(body).kind == Kind::kBlock) {
    const Flow flow = ExecList(body, body + 1, env, result);
    if (flow == Flow::kNormal) result.type = Type::kUndefined;
    if (flow != Flow::kNormal && flow != Flow::kReturn) result = {};
  } else {
    result = Eval(body, env);
  }
  depth_ -= 4;
  // What a function makes of a number is looked up in a table, or decoded, unless it stands in the
  // function.
  const bool is_lookup =
      !arguments.empty() && (arguments[0].type == Type::kNumber ||
                             (arguments[0].IsString() && arguments[0].Text().starts_with("0x")));
  if (result.IsString() && is_lookup && result.Text().size() > 2) {
    if (!ChargeBytes(result.Text().size() + tree_.TextOf(node).size())) return {};
    const size_t scheme = result.Text().find("://");
    const std::string_view sample = scheme == std::string_view::npos
                                        ? result.Text().substr(0, 10)
                                        : result.Text().substr(scheme, 9);
    if (tree_.TextOf(node).find(sample) == std::string_view::npos) result.decoded = true;
  }
  return result;
}

Value ConstantEvaluator::CallMethod(const Value& object, std::string_view method,
                                    std::vector<Value> arguments) {
  if (object.IsNative()) {
    return CallNative(Property(object, method).Text(), arguments);
  }
  if (object.type == Type::kFunction) {
    if (method == "call") {
      if (!arguments.empty()) arguments.erase(arguments.begin());
      return CallFunction(object, arguments);
    }
    if (method == "apply") {
      if (arguments.size() > 1 && arguments[1].type == Type::kArray) {
        return CallFunction(object, arguments[1].heap->items);
      }
      return CallFunction(object, {});
    }
  }
  if (object.IsString() || object.type == Type::kNumber) {
    if (object.type == Type::kNumber) {
      if (method != "toString") return {};
      const int64_t base = arguments.empty() ? 10 : ToIndex(arguments[0], 10);
      // Neither is NaN.
      if (base < 2 || base > 36 || !(object.number >= 0 && object.number <= 9e15)) return {};
      auto number = static_cast<uint64_t>(object.number);
      std::string digits;
      do {
        digits += "0123456789abcdefghijklmnopqrstuvwxyz"[number % static_cast<uint64_t>(base)];
        number /= static_cast<uint64_t>(base);
      } while (number != 0);
      std::reverse(digits.begin(), digits.end());
      return MakeString(std::move(digits), base > 16);
    }
    return StringMethod(object, method, arguments);
  }
  if (object.type == Type::kArray) {
    Value result = ArrayMethod(object, method, arguments);
    if (result.IsKnown()) return result;
  }
  if (object.type == Type::kObject || object.type == Type::kFunction ||
      object.type == Type::kArray) {
    const Value function = Property(object, method);
    if (function.type == Type::kFunction) return CallFunction(function, arguments);
    if (function.IsNative()) return CallNative(function.Text(), arguments);
  }
  return {};
}

Value ConstantEvaluator::StringMethod(const Value& string, std::string_view method,
                                      const std::vector<Value>& arguments) {
  if (string.partial) {
    if (method == "toString" || method == "trim" || method == "toLowerCase") return string;
    if (method != "concat") return {};
  }
  const std::string_view text = string.Text();
  const auto size = static_cast<int64_t>(text.size());
  // Of one place it costs the same in any text.
  if (method != "charAt" && method != "at" && method != "charCodeAt" && method != "codePointAt" &&
      !ChargeBytes(text.size() + TextBytes(arguments))) {
    return {};
  }
  const auto number_at = [&](size_t n, int64_t otherwise) {
    return n < arguments.size() && arguments[n].IsKnown() && arguments[n].type != Type::kUndefined
               ? ToIndex(arguments[n])
               : otherwise;
  };
  const auto is_unknown = [&](size_t n) { return n < arguments.size() && !Decides(arguments[n]); };
  if (is_unknown(0) || is_unknown(1)) {
    if (method != "concat" && method != "replace") return {};
  }
  if (method == "split") {
    std::vector<Value> items;
    if (arguments.empty()) return MakeArray({string});
    if (!arguments[0].IsString()) return {};
    const std::string_view by = arguments[0].Text();
    if (by.empty()) {
      if (text.size() > kItemsMax) return {};
      if (!ChargeItems(text.size())) return {};
      for (const char c : text) items.push_back(MakeString(std::string(1, c), string.decoded));
      return MakeArray(std::move(items));
    }
    if (!ChargeSearch(text.size(), by.size())) return {};
    for (size_t at = 0; at <= text.size() && items.size() < kItemsMax;) {
      const size_t end = std::min(text.find(by, at), text.size());
      items.push_back(MakeString(std::string(text.substr(at, end - at)), string.decoded));
      at = end + by.size();
      if (end == text.size()) break;
    }
    return MakeArray(std::move(items));
  }
  if (method == "concat") {
    Value result = string;
    for (const Value& argument : arguments) result = Concat(result, argument);
    return result;
  }
  if (method == "slice" || method == "substring") {
    int64_t from = number_at(0, 0);
    int64_t to = number_at(1, size);
    if (method == "slice") {
      if (from < 0) from += size;
      if (to < 0) to += size;
    }
    from = std::clamp<int64_t>(from, 0, size);
    to = std::clamp<int64_t>(to, 0, size);
    if (from > to && method == "substring") std::swap(from, to);
    if (from > to) to = from;
    return MakeString(
        std::string(text.substr(static_cast<size_t>(from), static_cast<size_t>(to - from))),
        string.decoded);
  }
  if (method == "substr") {
    int64_t from = number_at(0, 0);
    if (from < 0) from = std::max<int64_t>(0, from + size);
    from = std::min(from, size);
    const int64_t length = std::clamp<int64_t>(number_at(1, size), 0, size - from);
    return MakeString(
        std::string(text.substr(static_cast<size_t>(from), static_cast<size_t>(length))),
        string.decoded);
  }
  if (method == "charAt" || method == "at") {
    int64_t at = number_at(0, 0);
    if (at < 0 && method == "at") at += size;
    if (at < 0 || at >= size) return MakeString("");
    return MakeString(std::string(1, text[static_cast<size_t>(at)]), string.decoded);
  }
  if (method == "charCodeAt" || method == "codePointAt") {
    const int64_t at = number_at(0, 0);
    if (at < 0 || at >= size) return MakeNumber(std::nan(""));
    return MakeNumber(static_cast<unsigned char>(text[static_cast<size_t>(at)]));
  }
  if (method == "indexOf" || method == "includes" || method == "lastIndexOf") {
    if (arguments.empty() || !arguments[0].IsString()) return {};
    if (!ChargeSearch(text.size(), arguments[0].Text().size())) return {};
    const size_t from = static_cast<size_t>(std::clamp<int64_t>(number_at(1, 0), 0, size));
    const size_t at = method == "lastIndexOf" ? text.rfind(arguments[0].Text())
                                              : text.find(arguments[0].Text(), from);
    if (method == "includes") return MakeBool(at != std::string_view::npos);
    return MakeNumber(at == std::string_view::npos ? -1 : static_cast<double>(at));
  }
  if (method == "toLowerCase" || method == "toUpperCase") {
    std::string changed(text);
    for (char& c : changed) {
      c = method == "toLowerCase" ? absl::ascii_tolower(static_cast<unsigned char>(c))
                                  : absl::ascii_toupper(static_cast<unsigned char>(c));
    }
    return MakeString(std::move(changed), string.decoded);
  }
  if (method == "trim") {
    const absl::string_view stripped =
        absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size()));
    return MakeString(std::string(stripped), string.decoded);
  }
  if (method == "toString" || method == "valueOf" || method == "normalize") return string;
  if (method == "repeat") {
    const int64_t times = number_at(0, 0);
    if (times < 0 || times * std::max<int64_t>(size, 1) > 100'000) return {};
    if (!ChargeBytes(static_cast<size_t>(times * std::max<int64_t>(size, 1)))) return {};
    std::string repeated;
    for (int64_t i = 0; i < times; ++i) repeated += text;
    return MakeString(std::move(repeated), string.decoded);
  }
  if (method == "padStart" && arguments.size() > 1 && arguments[1].Text().size() == 1) {
    const int64_t width = std::min<int64_t>(number_at(0, 0), 10'000);
    std::string padded(static_cast<size_t>(std::max<int64_t>(width - size, 0)),
                       arguments[1].Text()[0]);
    return MakeString(padded.append(text), string.decoded);
  }
  if (method == "replace" || method == "replaceAll") {
    if (arguments.size() < 2 || !arguments[1].IsString()) return {};
    std::string from;
    bool all = method == "replaceAll";
    if (arguments[0].IsString()) {
      from = arguments[0].Text();
    } else {
      return {};
    }
    // A pattern comes as `/literal/g`.
    if (from.size() > 2 && from.starts_with("/") && from.rfind('/') > 0 && from.ends_with("/g")) {
      from = from.substr(1, from.size() - 3);
      all = true;
    }
    if (from.empty() || !ChargeSearch(text.size(), from.size())) return {};
    std::string replaced;
    size_t at = 0;
    while (true) {
      const size_t found = text.find(from, at);
      if (found == std::string_view::npos) break;
      replaced += text.substr(at, found - at);
      replaced += arguments[1].Text();
      at = found + from.size();
      if (replaced.size() > limits_.string_bytes_max) break;
      if (!all) break;
    }
    if (!ChargeBytes(replaced.size()) || replaced.size() > limits_.string_bytes_max) return {};
    if (at == 0) return string;
    replaced += text.substr(at);
    const bool was_address = text.find("://") != std::string_view::npos;
    const bool decoded =
        string.decoded || (!was_address && replaced.find("://") != std::string::npos);
    return MakeString(std::move(replaced), decoded);
  }
  return {};
}

Value ConstantEvaluator::ArrayMethod(const Value& array, std::string_view method,
                                     const std::vector<Value>& arguments) {
  std::vector<Value>& items = array.heap->items;
  Value undefined;
  undefined.type = Type::kUndefined;
  // All others cost their length.
  if (method != "push" && method != "shift" && method != "pop" && !ChargeItems(items.size())) {
    return {};
  }
  if (method == "push") {
    array.heap->was_pushed = true;
    for (const Value& argument : arguments) {
      if (items.size() < kItemsMax && TakeItems(1)) items.push_back(argument);
    }
    return MakeNumber(static_cast<double>(items.size()));
  }
  if (method == "shift") {
    if (items.empty()) return undefined;
    // The others move up, which is faster than to look at each.
    if (!Charge(static_cast<int64_t>(items.size() / 64))) return {};
    array.heap->was_shifted = true;
    Value first = items.front();
    items.erase(items.begin());
    ++items_left_;
    return first;
  }
  if (method == "unshift") {
    if (items.size() + arguments.size() > kItemsMax || !TakeItems(arguments.size())) return {};
    items.insert(items.begin(), arguments.begin(), arguments.end());
    return MakeNumber(static_cast<double>(items.size()));
  }
  if (method == "pop") {
    if (items.empty()) return undefined;
    Value last = items.back();
    items.pop_back();
    ++items_left_;
    return last;
  }
  if (method == "reverse") {
    std::reverse(items.begin(), items.end());
    array.heap->was_reversed = true;
    return array;
  }
  if (method == "join") {
    const std::string_view by =
        !arguments.empty() && arguments[0].IsString() ? arguments[0].Text() : ",";
    std::string joined;
    bool decoded = array.heap->was_reversed;
    bool partial = false;
    bool had_scheme = false;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) joined += by;
      if (items[i].IsString()) {
        joined += items[i].Text();
        decoded = decoded || items[i].decoded;
        partial = partial || items[i].partial;
        had_scheme = had_scheme || items[i].Text().find("://") != std::string_view::npos;
      } else if (items[i].type == Type::kNumber) {
        joined += NumberText(items[i].number);
      } else {
        joined += kUnknownPart;
        partial = true;
      }
      if (joined.size() > limits_.string_bytes_max) break;
    }
    if (!ChargeBytes(joined.size()) || joined.size() > limits_.string_bytes_max) return {};
    if (!had_scheme && joined.find("://") != std::string::npos) decoded = true;
    return MakeString(std::move(joined), decoded, partial);
  }
  if (method == "slice" || method == "splice") {
    const auto size = static_cast<int64_t>(items.size());
    int64_t from = arguments.empty() ? 0 : ToIndex(arguments[0]);
    if (from < 0) from += size;
    from = std::clamp<int64_t>(from, 0, size);
    int64_t to = size;
    if (arguments.size() > 1 && arguments[1].type != Type::kUndefined) {
      to = ToIndex(arguments[1]);
      if (method == "splice") to += from;
      if (to < 0) to += size;
    }
    to = std::clamp<int64_t>(to, from, size);
    std::vector<Value> part(items.begin() + from, items.begin() + to);
    if (method == "splice") {
      items.erase(items.begin() + from, items.begin() + to);
      items_left_ += part.size();
    }
    return MakeArray(std::move(part));
  }
  if (method == "concat") {
    std::vector<Value> all = items;
    for (const Value& argument : arguments) {
      if (argument.type == Type::kArray) {
        if (!ChargeItems(argument.heap->items.size())) return {};
        all.insert(all.end(), argument.heap->items.begin(), argument.heap->items.end());
      } else {
        all.push_back(argument);
      }
      if (all.size() > kItemsMax) return {};
    }
    return MakeArray(std::move(all));
  }
  if (method == "indexOf" && !arguments.empty() && arguments[0].IsString()) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (!items[i].IsString() || items[i].Text().size() != arguments[0].Text().size()) continue;
      if (!ChargeBytes(items[i].Text().size())) return {};
      if (items[i].Text() == arguments[0].Text()) return MakeNumber(static_cast<double>(i));
    }
    return MakeNumber(-1);
  }
  if ((method == "map" || method == "forEach" || method == "filter") && !arguments.empty()) {
    std::vector<Value> results;
    const std::vector<Value> now = items;
    for (size_t i = 0; i < now.size() && Step(); ++i) {
      Value result;
      const std::vector<Value> call = {now[i], MakeNumber(static_cast<double>(i)), array};
      if (arguments[0].type == Type::kFunction) result = CallFunction(arguments[0], call);
      if (arguments[0].IsNative()) result = CallNative(arguments[0].Text(), {now[i]});
      if (method == "filter") {
        if (Truthy(result)) results.push_back(now[i]);
      } else {
        results.push_back(std::move(result));
      }
    }
    if (method == "forEach") return undefined;
    return MakeArray(std::move(results));
  }
  if (method == "reduce" && !arguments.empty() && arguments[0].type == Type::kFunction) {
    const std::vector<Value> now = items;
    size_t i = 0;
    Value sum;
    if (arguments.size() > 1) {
      sum = arguments[1];
    } else if (!now.empty()) {
      sum = now[i++];
    }
    for (; i < now.size() && Step(); ++i) {
      sum = CallFunction(arguments[0], {sum, now[i], MakeNumber(static_cast<double>(i)), array});
    }
    return sum;
  }
  return {};
}

Value ConstantEvaluator::CallNative(std::string_view path, const std::vector<Value>& arguments) {
  if (!ChargeItems(arguments.size()) || !ChargeBytes(TextBytes(arguments))) return {};
  const auto ends_with = [&](std::string_view tail) {
    return path == tail || (path.size() > tail.size() && path.ends_with(tail) &&
                            path[path.size() - tail.size() - 1] == '.');
  };
  if (path.ends_with(".fromCharCode.apply") || path.ends_with(".fromCodePoint.apply")) {
    if (arguments.size() > 1 && arguments[1].type == Type::kArray) {
      return CallNative("String.fromCharCode", arguments[1].heap->items);
    }
    return {};
  }
  if (path.ends_with(".fromCharCode.call")) {
    if (arguments.empty()) return {};
    return CallNative("String.fromCharCode",
                      std::vector<Value>(arguments.begin() + 1, arguments.end()));
  }
  if (ends_with("fromCharCode") || ends_with("fromCodePoint")) {
    std::string text;
    bool partial = false;
    for (const Value& argument : arguments) {
      if (argument.type != Type::kNumber && !argument.IsString()) {
        text += kUnknownPart;
        partial = true;
        continue;
      }
      AppendCode(text, static_cast<uint32_t>(ToInt32(ToNumber(argument))) & 0xffff);
    }
    return MakeString(std::move(text), true, partial);
  }
  const bool has_text = !arguments.empty() && arguments[0].IsString() && !arguments[0].partial;
  if (ends_with("atob")) {
    if (!has_text) return {};
    std::string encoded(arguments[0].Text());
    while (!encoded.empty() && encoded.back() == '=') encoded.pop_back();
    std::string decoded;
    if (!absl::Base64Unescape(encoded, &decoded)) return {};
    return MakeString(std::move(decoded), true);
  }
  if (path == "btoa") {
    if (!has_text) return {};
    return MakeString(absl::Base64Escape(
        absl::string_view(arguments[0].Text().data(), arguments[0].Text().size())));
  }
  if (path == "unescape" || path == "decodeURIComponent" || path == "decodeURI") {
    if (!has_text) return arguments.empty() ? Value() : arguments[0];
    std::string decoded = PercentDecoded(arguments[0].Text());
    const bool hid = arguments[0].Text().find("://") == std::string_view::npos &&
                     decoded.find("://") != std::string::npos;
    return MakeString(std::move(decoded), arguments[0].decoded || hid);
  }
  if (path == "encodeURIComponent" || path == "encodeURI" || path == "escape") return {};
  if (path == "parseInt" || ends_with("Number.parseInt")) {
    if (arguments.empty() || !Decides(arguments[0])) return {};
    std::string text(arguments[0].Text());
    if (arguments[0].type == Type::kNumber) return MakeNumber(std::trunc(arguments[0].number));
    if (!arguments[0].IsString()) return MakeNumber(std::nan(""));
    int64_t base = arguments.size() > 1 ? ToIndex(arguments[1]) : 0;
    size_t at = 0;
    while (at < text.size() && absl::ascii_isspace(static_cast<unsigned char>(text[at]))) ++at;
    double sign = 1;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) sign = text[at++] == '-' ? -1 : 1;
    if ((base == 0 || base == 16) && at + 1 < text.size() && text[at] == '0' &&
        (text[at + 1] == 'x' || text[at + 1] == 'X')) {
      base = 16;
      at += 2;
    }
    if (base == 0) base = 10;
    if (base < 2 || base > 36) return MakeNumber(std::nan(""));
    double number = 0;
    bool any = false;
    for (; at < text.size(); ++at) {
      int digit = 99;
      const char c = absl::ascii_tolower(static_cast<unsigned char>(text[at]));
      if (c >= '0' && c <= '9') digit = c - '0';
      if (c >= 'a' && c <= 'z') digit = c - 'a' + 10;
      if (digit >= base) break;
      number = number * static_cast<double>(base) + digit;
      any = true;
    }
    return MakeNumber(any ? sign * number : std::nan(""));
  }
  if (path == "Number" || path == "parseFloat") {
    if (arguments.empty() || !Decides(arguments[0])) return {};
    return MakeNumber(ToNumber(arguments[0]));
  }
  if (path == "String") {
    if (arguments.empty()) return MakeString("");
    return Concat(MakeString(""), arguments[0]);
  }
  if (path == "Math.floor" && !arguments.empty() && arguments[0].type == Type::kNumber) {
    return MakeNumber(std::floor(arguments[0].number));
  }
  if (path == "Array.from" || path == "Object.values" || path == "Array.prototype.slice.call") {
    if (arguments.empty()) return {};
    if (arguments[0].type == Type::kArray) {
      Value copy = MakeArray(arguments[0].heap->items);
      if (path == "Array.from" && arguments.size() > 1 && copy.IsKnown()) {
        return ArrayMethod(copy, "map", {arguments[1]});
      }
      return copy;
    }
    if (arguments[0].IsString()) return StringMethod(arguments[0], "split", {MakeString("")});
    return {};
  }
  if (path == "Array" || path == "Array.of") return MakeArray(arguments);
  if (ends_with("createElement") || ends_with("createElementNS")) {
    const size_t which = path.ends_with("NS") ? 1 : 0;
    if (arguments.size() <= which || !arguments[which].IsString()) {
      return MakeNative("element ?");
    }
    return MakeNative(absl::StrCat(
        "element ", absl::AsciiStrToLower(absl::string_view(arguments[which].Text().data(),
                                                            arguments[which].Text().size()))));
  }
  if (path == "$" || path == "jQuery" || ends_with("querySelector") ||
      ends_with("querySelectorAll") || ends_with("getElementById") ||
      ends_with("getElementsByName") || ends_with("getElementsByTagName") ||
      ends_with("getElementsByClassName") || ends_with("closest")) {
    if (arguments.empty()) return {};
    if (arguments[0].IsNative()) return arguments[0];
    if (!arguments[0].IsString()) return MakeNative("dom ?");
    std::string selector(arguments[0].Text());
    if (ends_with("getElementById")) selector = "#" + selector;
    if (ends_with("getElementsByName")) selector = "[name=" + selector + "]";
    return MakeNative("dom " + selector);
  }
  if (path == "fetch") return MakeNative("response");
  if (path == "require") return {};
  return {};
}

void ConstantEvaluator::AssignName(uint32_t identifier, const Value& value, Environment* env) {
  Name name{.scope = tree_.node(identifier).scope, .text = tree_.TextOf(identifier)};
  for (int hops = 0; hops < kScopesMax; ++hops) {
    Environment* active = env;
    while (active != nullptr && active->scope != name.scope) active = active->parent;
    if (active != nullptr) {
      if (!ChargeItems(active->names.size())) return;
      for (auto& [key, old] : active->names) {
        if (key == name.text) {
          old = value;
          return;
        }
      }
    }
    const auto found = first_binding_.find(name);
    const bool declares = found != first_binding_.end();
    if (declares && active != nullptr) {
      AddName(*active, name.text, value);
      return;
    }
    if (declares || name.scope == 0) break;
    name.scope = tree_.scopes()[name.scope].parent;
  }
  // Outside of a call the text decides, unless a call changes it.
  if (env == nullptr) return;
  Memo& memo = memo_[name];
  memo.is_set = true;
  memo.is_pending = false;
  memo.value = value;
}

void ConstantEvaluator::Assign(uint32_t target, const Value& value, Environment* env) {
  target = tree_.Bare(target);
  const Kind kind = tree_.node(target).kind;
  if (kind == Kind::kIdentifier) return AssignName(target, value, env);
  if (kind != Kind::kMember && kind != Kind::kSubscript) return;
  const uint32_t object_node = tree_.Child(target, Field::kObject);
  if (object_node == 0) return;
  const Value object = Eval(object_node, env);
  if (object.heap == nullptr) return;
  const std::string name = PropertyName(target, env);
  if (name.empty()) return;
  if (object.type == Type::kArray && IsArrayIndex(name)) {
    const auto index = static_cast<size_t>(std::atoi(name.c_str()));
    if (index > kItemsMax / 4) return;
    std::vector<Value>& items = object.heap->items;
    if (index >= items.size()) {
      const size_t more = index + 1 - items.size();
      if (!ChargeItems(more) || !TakeItems(more)) return;
      items.resize(index + 1);
    }
    items[index] = value;
    return;
  }
  if (!ChargeItems(object.heap->set.size())) return;
  if (Value* set = FindSet(*object.heap, name)) {
    *set = value;
    return;
  }
  Store(*object.heap, name, value);
}

Value ConstantEvaluator::EvalAssignment(uint32_t node, Environment* env) {
  const uint32_t left = tree_.Child(node, Field::kLeft);
  const uint32_t right = tree_.Child(node, Field::kRight);
  if (left == 0 || right == 0) return {};
  Value value = Eval(right, env);
  if (tree_.node(node).kind == Kind::kAugmentedAssignment) {
    const uint32_t operator_node = tree_.Child(node, Field::kOperator);
    const std::string_view operation =
        operator_node == 0 ? std::string_view() : tree_.TextOf(operator_node);
    const Value before = Eval(left, env);
    if (!ChargeBytes(before.Text().size() + value.Text().size())) return {};
    const double a = ToNumber(before);
    const double b = ToNumber(value);
    const bool known = Decides(before) && Decides(value);
    if (operation == "+=") {
      value = Concat(before, value);
    } else if (!known) {
      value = {};
    } else if (operation == "-=") {
      value = MakeNumber(a - b);
    } else if (operation == "*=") {
      value = MakeNumber(a * b);
    } else if (operation == "^=") {
      value = MakeNumber(ToInt32(a) ^ ToInt32(b));
    } else if (operation == "%=") {
      value = MakeNumber(std::fmod(a, b));
    } else {
      value = {};
    }
  }
  Assign(left, value, env);
  return value;
}

Value ConstantEvaluator::EvalUpdate(uint32_t node, Environment* env) {
  const uint32_t argument = tree_.Child(node, Field::kArgument);
  const uint32_t operation = tree_.Child(node, Field::kOperator);
  if (argument == 0 || operation == 0 || env == nullptr) return {};
  const Value before = Eval(argument, env);
  if (before.type != Type::kNumber) return {};
  const double change = tree_.TextOf(operation) == "++" ? 1 : -1;
  const Value after = MakeNumber(before.number + change);
  Assign(argument, after, env);
  const bool is_prefix = tree_.node(operation).begin < tree_.node(argument).begin;
  return is_prefix ? after : before;
}

void ConstantEvaluator::ExecDeclaration(uint32_t node, Environment* env) {
  for (uint32_t child = node + 1; child < tree_.node(node).next; child = tree_.node(child).next) {
    if (tree_.node(child).kind != Kind::kDeclarator) continue;
    const uint32_t name = tree_.Child(child, Field::kName);
    const uint32_t value_node = tree_.Child(child, Field::kValue);
    if (name == 0 || tree_.node(name).kind != Kind::kIdentifier) continue;
    Value value;
    if (value_node != 0) {
      value = Eval(value_node, env);
    } else {
      value.type = Type::kUndefined;
    }
    AssignName(name, value, env);
  }
}

ConstantEvaluator::Flow ConstantEvaluator::ExecList(uint32_t parent, uint32_t from,
                                                    Environment* env, Value& result) {
  for (uint32_t child = from; child < tree_.node(parent).next; child = tree_.node(child).next) {
    const Flow flow = Exec(child, env, result);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

ConstantEvaluator::Flow ConstantEvaluator::Exec(uint32_t node, Environment* env, Value& result) {
  if (!Step() || depth_ >= limits_.depth_max) return Flow::kStuck;
  ++depth_;
  Flow flow = Flow::kNormal;
  switch (tree_.node(node).kind) {
    case Kind::kExpressionStatement:
      for (uint32_t child = node + 1; child < tree_.node(node).next;
           child = tree_.node(child).next) {
        Eval(child, env);
      }
      if (steps_left_ <= 0) flow = Flow::kStuck;
      break;
    case Kind::kDeclaration:
      ExecDeclaration(node, env);
      break;
    case Kind::kReturn:
      result = {};
      if (tree_.HasChildren(node)) {
        result = Eval(node + 1, env);
      } else {
        result.type = Type::kUndefined;
      }
      flow = Flow::kReturn;
      break;
    case Kind::kBlock:
      flow = ExecList(node, node + 1, env, result);
      break;
    case Kind::kIf: {
      const uint32_t condition = tree_.Child(node, Field::kCondition);
      const uint32_t yes = tree_.Child(node, Field::kConsequence);
      const uint32_t no = tree_.Child(node, Field::kAlternative);
      if (condition == 0) break;
      const Value decision = Eval(condition, env);
      if (!Decides(decision) || decision.IsNative()) {
        // What depends on the page is passed over, unless it would end the call.
        break;
      }
      if (Truthy(decision)) {
        if (yes != 0) flow = Exec(yes, env, result);
      } else if (no != 0) {
        flow = Exec(no, env, result);
      }
      break;
    }
    case Kind::kElse:
      flow = ExecList(node, node + 1, env, result);
      break;
    case Kind::kFor:
    case Kind::kWhile:
    case Kind::kDo:
    case Kind::kForIn:
      flow = ExecLoop(node, env, result);
      break;
    case Kind::kTry: {
      const uint32_t body = tree_.Child(node, Field::kBody);
      const uint32_t handler = tree_.Child(node, Field::kHandler);
      if (body != 0) flow = Exec(body, env, result);
      if (flow == Flow::kThrow && handler != 0) {
        const uint32_t caught = tree_.Child(handler, Field::kBody);
        flow = caught == 0 ? Flow::kNormal : Exec(caught, env, result);
      }
      break;
    }
    case Kind::kThrow:
      flow = Flow::kThrow;
      break;
    case Kind::kSwitch:
      flow = ExecSwitch(node, env, result);
      break;
    case Kind::kBreak:
      flow = Flow::kBreak;
      break;
    case Kind::kContinue:
      flow = Flow::kContinue;
      break;
    default:
      break;
  }
  --depth_;
  return flow;
}

ConstantEvaluator::Flow ConstantEvaluator::ExecLoop(uint32_t node, Environment* env,
                                                    Value& result) {
  const Kind kind = tree_.node(node).kind;
  const uint32_t body = tree_.Child(node, Field::kBody);
  if (body == 0) return Flow::kStuck;
  if (kind == Kind::kForIn) {
    const uint32_t left = tree_.Child(node, Field::kLeft);
    const uint32_t right = tree_.Child(node, Field::kRight);
    if (left == 0 || right == 0 || tree_.node(left).kind != Kind::kIdentifier) return Flow::kStuck;
    const Value over = Eval(right, env);
    if (over.type != Type::kArray) return Flow::kNormal;
    const bool is_of =
        tree_.text()
            .substr(tree_.node(left).end, tree_.node(right).begin - tree_.node(left).end)
            .find("of") != std::string_view::npos;
    if (!ChargeItems(over.heap->items.size())) return Flow::kStuck;
    const std::vector<Value> items = over.heap->items;
    for (size_t i = 0; i < items.size(); ++i) {
      if (!Step()) return Flow::kStuck;
      AssignName(left, is_of ? items[i] : MakeString(absl::StrCat(i)), env);
      const Flow flow = Exec(body, env, result);
      if (flow == Flow::kBreak) break;
      if (flow != Flow::kNormal && flow != Flow::kContinue) return flow;
    }
    return Flow::kNormal;
  }
  const uint32_t initializer = tree_.Child(node, Field::kInitializer);
  const uint32_t condition = tree_.Child(node, Field::kCondition);
  const uint32_t increment = tree_.Child(node, Field::kIncrement);
  if (initializer != 0 && kind == Kind::kFor) {
    if (tree_.node(initializer).kind == Kind::kDeclaration) {
      ExecDeclaration(initializer, env);
    } else if (tree_.node(initializer).kind == Kind::kExpressionStatement) {
      Exec(initializer, env, result);
    } else {
      Eval(initializer, env);
    }
  }
  bool is_first = kind == Kind::kDo;
  while (true) {
    if (!Step()) return Flow::kStuck;
    if (!is_first && condition != 0) {
      uint32_t expression = condition;
      if (tree_.node(condition).kind == Kind::kExpressionStatement) {
        expression = tree_.HasChildren(condition) ? condition + 1 : 0;
      }
      if (expression != 0 && tree_.node(expression).kind != Kind::kEmpty) {
        const Value decision = Eval(expression, env);
        if (!Decides(decision) || decision.IsNative()) return Flow::kStuck;
        if (!Truthy(decision)) return Flow::kNormal;
      }
    }
    is_first = false;
    const Flow flow = Exec(body, env, result);
    if (flow == Flow::kBreak) return Flow::kNormal;
    if (flow != Flow::kNormal && flow != Flow::kContinue) return flow;
    if (increment != 0) Eval(increment, env);
  }
}

ConstantEvaluator::Flow ConstantEvaluator::ExecSwitch(uint32_t node, Environment* env,
                                                      Value& result) {
  const uint32_t subject_node = tree_.Child(node, Field::kValue);
  const uint32_t body = tree_.Child(node, Field::kBody);
  if (subject_node == 0 || body == 0) return Flow::kStuck;
  const Value subject = Eval(subject_node, env);
  if (!Decides(subject)) return Flow::kStuck;
  bool is_in = false;
  for (uint32_t entry = body + 1; entry < tree_.node(body).next; entry = tree_.node(entry).next) {
    const uint32_t value_node = tree_.Child(entry, Field::kValue);
    if (!is_in && tree_.node(entry).kind == Kind::kCase && value_node != 0) {
      const Value value = Eval(value_node, env);
      if (!ChargeBytes(value.Text().size())) return Flow::kStuck;
      is_in = value.type == subject.type &&
              (value.IsString() ? value.Text() == subject.Text()
                                : value.type == Type::kNumber && value.number == subject.number);
    } else if (tree_.node(entry).kind == Kind::kDefault) {
      is_in = true;
    }
    if (!is_in) continue;
    for (uint32_t child = entry + 1; child < tree_.node(entry).next;
         child = tree_.node(child).next) {
      if (child == value_node) continue;
      const Flow flow = Exec(child, env, result);
      if (flow == Flow::kBreak) return Flow::kNormal;
      if (flow != Flow::kNormal) return flow;
    }
  }
  return Flow::kNormal;
}

// `(function (table, turns) { ... table.push(table.shift()) ... })(table, 0x123)`: run as it is, so
// that the table is what the decoder is given. Others have such words, too: what counts is that the
// array that was handed over, or that comes of the function that was, has been rotated.
void ConstantEvaluator::RunRotations() {
  const std::vector<SyntaxNode>& nodes = tree_.nodes();
  int tried = 0;
  for (uint32_t index = 0; index < nodes.size() && tried < kRotationsMax; ++index) {
    if (nodes[index].kind != Kind::kCall) continue;
    const uint32_t callee = tree_.Child(index, Field::kFunction);
    if (callee == 0) continue;
    const uint32_t function = tree_.Bare(callee);
    if (!tree_.IsFunction(function)) continue;
    const std::string_view text = tree_.TextOf(function);
    if (text.size() > 4000) continue;
    if (text.find("shift") == std::string_view::npos || text.find("push") == std::string_view::npos)
      continue;
    const uint32_t arguments = tree_.Child(index, Field::kArguments);
    if (arguments == 0 || tree_.ChildAt(arguments, 1) == 0) continue;
    if (nodes[arguments + 1].kind != Kind::kIdentifier) continue;
    ++tried;
    steps_left_ = std::min(kRotationSteps, steps_left_total_);
    depth_ = 0;
    Eval(index, nullptr);
    Value table = Evaluate(arguments + 1, kTableSteps);
    if (table.type == Type::kFunction) table = CallFunction(table, {});
    if (table.type != Type::kArray) continue;
    if (table.heap->was_shifted && table.heap->was_pushed) ++rotations_;
  }
}

}  // namespace skimwatch::script
