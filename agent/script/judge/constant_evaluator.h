#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_CONSTANT_EVALUATOR_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_CONSTANT_EVALUATOR_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/script/judge/cpu_time.h"
#include "agent/script/judge/syntax_tree.h"

namespace skimwatch::script {

struct HeapObject;

// What is known of an expression's value without running the page.
struct Value {
  enum class Type : uint8_t {
    kUnknown,
    kUndefined,
    kNull,
    kBool,
    kNumber,
    kString,
    kArray,
    kObject,
    kFunction,
    // Something of the browser's, named by how a script gets at it: `document.querySelector`,
    // `new Image`, `element script` (made by createElement), `dom #card` (found by a selector), and
    // what hangs on them behind a dot.
    kNative,
  };
  Type type = Type::kUnknown;
  // Of a string: made by a decoder, from character codes, backwards, or out of pieces so that it
  // does not stand in the text.
  bool decoded = false;
  // Of a string: parts are not known; kUnknownPart stands for each.
  bool partial = false;
  bool boolean = false;
  double number = 0;
  // Of a string or native.
  std::shared_ptr<const std::string> text;
  // Of an array, object or function; the evaluator's.
  HeapObject* heap = nullptr;

  bool IsKnown() const { return type != Type::kUnknown; }
  bool IsString() const { return type == Type::kString; }
  bool IsNative() const { return type == Type::kNative; }
  std::string_view Text() const { return text == nullptr ? std::string_view() : *text; }
};

inline constexpr char kUnknownPart = '\x01';

// Works out the constants of a script: literals, concatenation, templates, the methods of strings
// and arrays, `atob`, `fromCharCode`, `decodeURIComponent` and the like, and calls of the script's
// own functions, which are run on a small interpreter. So strings come out that an obfuscator put
// into a table behind a decoder, the table's rotation included.
//
// Nothing outside is touched: what a page, a user or the network would give is unknown, and so is
// all that depends on it. A name with several values has the one that is known, when it is one.
//
// Bounded: a number of steps for each question and for the whole, a time, bytes of strings, values
// that are kept, depth of calls and expressions. What goes over bytes or values costs steps by
// their number. Beyond a bound, values are unknown and `exhausted` says so; `spent` says that it is
// a bound of the whole, so that every further constant is unknown. Memory is below 40 MiB of
// strings and about 100 bytes for each value of `items_max`. Strings are bytes; a character above
// U+00FF counts as its UTF-8 bytes. Thread-compatible.
class ConstantEvaluator {
 public:
  struct Limits {
    int64_t steps_per_question = 200'000;
    int64_t steps_total = 6'000'000;
    size_t string_bytes_max = size_t{1} << 20;
    size_t string_bytes_total = size_t{32} << 20;
    size_t objects_max = 200'000;
    // Values that are kept in arrays, objects and the names of calls.
    size_t items_max = 2'000'000;
    int depth_max = 200;
    // Nothing is worked out after it.
    absl::Time deadline = absl::InfiniteFuture();
    std::function<absl::Time()> now = ThreadCpuTime;
  };

  // `tree` must outlive this. Runs the functions that rotate a table of strings first.
  ConstantEvaluator(const SyntaxTree& tree, const Limits& limits);
  ~ConstantEvaluator();
  ConstantEvaluator(const ConstantEvaluator&) = delete;
  ConstantEvaluator& operator=(const ConstantEvaluator&) = delete;

  Value Evaluate(uint32_t node);
  // With fewer steps, for what is asked often and seldom known.
  Value Evaluate(uint32_t node, int64_t steps);
  // Name of the property that a member or subscript expression reads; empty when it is not known.
  std::string PropertyOf(uint32_t node);
  bool exhausted() const { return exhausted_; }
  // A bound of the whole is reached, `is_late` when it is the time.
  bool spent() const { return spent_ || is_late_ || steps_left_total_ <= 0; }
  bool is_late() const { return is_late_; }
  // What is left of the bounds of the whole, for the constants of text that this script runs.
  Limits Remaining() const;
  // Takes off what `inner`, made with them, has used; its memory is given back with it.
  void Spend(const ConstantEvaluator& inner);
  // Functions that rotated a table of strings, as obfuscators put in.
  int rotations() const { return rotations_; }

 private:
  struct Environment;
  enum class Flow : uint8_t { kNormal, kBreak, kContinue, kReturn, kThrow, kStuck };
  struct Name {
    uint32_t scope = 0;
    std::string_view text;
    bool operator==(const Name& other) const { return scope == other.scope && text == other.text; }
    template <typename H>
    friend H AbslHashValue(H h, const Name& name) {
      return H::combine(std::move(h), name.scope, name.text);
    }
  };
  struct Memo {
    Value value;
    bool is_set = false;
    bool is_pending = false;
  };

  bool Step() { return Charge(1); }
  // Takes `steps`; false when there are not as many.
  bool Charge(int64_t steps);
  // Steps for going over so many bytes or values.
  bool ChargeBytes(size_t bytes) { return Charge(static_cast<int64_t>(bytes / kBytesPerStep)); }
  bool ChargeItems(size_t items) { return Charge(static_cast<int64_t>(items / kItemsPerStep)); }
  // For looking for a pattern in a text by comparing it at each place.
  bool ChargeSearch(size_t text_bytes, size_t pattern_bytes);
  // Room for so many more values.
  bool TakeItems(size_t items);
  bool TakeBytes(size_t bytes);
  void AddName(Environment& env, std::string_view name, const Value& value);
  void Store(HeapObject& object, std::string_view name, const Value& value);
  Value Eval(uint32_t node, Environment* env);
  Value EvalBinary(uint32_t node, Environment* env);
  Value EvalUnary(uint32_t node, Environment* env);
  Value EvalTemplate(uint32_t node, Environment* env);
  Value EvalCall(uint32_t node, Environment* env);
  Value EvalNew(uint32_t node, Environment* env);
  Value EvalMember(uint32_t node, Environment* env);
  Value EvalAssignment(uint32_t node, Environment* env);
  Value EvalUpdate(uint32_t node, Environment* env);
  Value EvalIdentifier(uint32_t node, Environment* env);
  Value EvalBinding(const Name& name);
  Value MakeFunction(uint32_t node, Environment* env);
  Value ResolveUrl(const std::vector<Value>& arguments);
  Value Property(const Value& object, std::string_view name);
  Value CallFunction(const Value& function, const std::vector<Value>& arguments);
  Value CallMethod(const Value& object, std::string_view method, std::vector<Value> arguments);
  Value StringMethod(const Value& string, std::string_view method,
                     const std::vector<Value>& arguments);
  Value ArrayMethod(const Value& array, std::string_view method,
                    const std::vector<Value>& arguments);
  Value CallNative(std::string_view path, const std::vector<Value>& arguments);
  std::vector<Value> Arguments(uint32_t call, Environment* env);
  void Assign(uint32_t target, const Value& value, Environment* env);
  void AssignName(uint32_t identifier, const Value& value, Environment* env);
  Flow Exec(uint32_t node, Environment* env, Value& result);
  Flow ExecList(uint32_t parent, uint32_t from, Environment* env, Value& result);
  Flow ExecLoop(uint32_t node, Environment* env, Value& result);
  Flow ExecSwitch(uint32_t node, Environment* env, Value& result);
  void ExecDeclaration(uint32_t node, Environment* env);
  std::string PropertyName(uint32_t node, Environment* env);

  Value Concat(const Value& left, const Value& right);
  Value MakeString(std::string text, bool decoded = false, bool partial = false);
  Value MakeArray(std::vector<Value> items);
  static Value MakeNumber(double number);
  static Value MakeBool(bool boolean);
  Value MakeNative(std::string path);
  HeapObject* NewObject();
  void RunRotations();

  static constexpr size_t kBytesPerStep = 128;
  static constexpr size_t kItemsPerStep = 16;

  const SyntaxTree& tree_;
  const Limits limits_;
  // The first binding of a name, and the next one of the same name by binding.
  absl::flat_hash_map<Name, uint32_t> first_binding_;
  std::vector<uint32_t> next_binding_;
  absl::flat_hash_map<Name, Memo> memo_;
  std::deque<std::unique_ptr<HeapObject>> heap_;
  std::deque<std::unique_ptr<Environment>> environments_;
  int64_t steps_left_ = 0;
  int64_t steps_left_total_;
  // Steps until the clock is looked at.
  int64_t steps_to_look_ = 0;
  size_t string_bytes_left_;
  size_t items_left_;
  // Each path once.
  absl::flat_hash_map<std::string, std::shared_ptr<const std::string>> natives_;
  int depth_ = 0;
  int rotations_ = 0;
  bool exhausted_ = false;
  bool spent_ = false;
  bool is_late_ = false;
};

// A string in its quotes as the script means it, escapes undone; text without quotes is taken
// whole.
std::string LiteralText(std::string_view source);
// The same for what stands between quotes, or between two parts of a template.
std::string Unescaped(std::string_view source);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_CONSTANT_EVALUATOR_H_
