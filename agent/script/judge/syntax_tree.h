#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SYNTAX_TREE_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SYNTAX_TREE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace skimwatch::script {

// What the judge tells apart of tree-sitter's node types; the rest is kOther.
enum class Kind : uint8_t {
  kOther,
  kError,
  kProgram,
  kIdentifier,
  // Names behind a dot and in front of a colon.
  kProperty,
  kShorthand,
  kString,
  kTemplate,
  kSubstitution,
  kNumber,
  kRegex,
  kTrue,
  kFalse,
  kNull,
  kUndefined,
  kThis,
  kArray,
  kObject,
  kPair,
  kSpread,
  kComputedName,
  kCall,
  kNew,
  kArguments,
  kMember,
  kSubscript,
  kAssignment,
  kAugmentedAssignment,
  kBinary,
  kUnary,
  kUpdate,
  kTernary,
  kParenthesized,
  kSequence,
  kAwait,
  kFunction,
  kArrow,
  kMethod,
  kFormalParameters,
  kAssignmentPattern,
  kPattern,
  kClass,
  kBlock,
  kExpressionStatement,
  kDeclaration,
  kDeclarator,
  kReturn,
  kIf,
  kElse,
  kFor,
  kForIn,
  kWhile,
  kDo,
  kTry,
  kCatch,
  kFinally,
  kThrow,
  kSwitch,
  kSwitchBody,
  kCase,
  kDefault,
  kBreak,
  kContinue,
  kLabeled,
  kDebugger,
  kEmpty,
  kImport,
  kOperator,
};

// The part that a node plays in its parent, where the judge asks.
enum class Field : uint8_t {
  kNone,
  kAlternative,
  kArgument,
  kArguments,
  kBody,
  kCondition,
  kConsequence,
  kConstructor,
  kFinalizer,
  kFunction,
  kHandler,
  kIncrement,
  kIndex,
  kInitializer,
  kKey,
  kLeft,
  kName,
  kObject,
  kOperator,
  kParameter,
  kParameters,
  kProperty,
  kRight,
  kValue,
};

struct SyntaxNode {
  // tree-sitter's own type.
  uint16_t symbol = 0;
  Kind kind = Kind::kOther;
  Field field = Field::kNone;
  // Bytes of the text.
  uint32_t begin = 0;
  uint32_t end = 0;
  // The node behind everything that is in this one.
  uint32_t next = 0;
  uint32_t parent = 0;
  // The function that the node's names are looked up in first; 0 is the script.
  uint32_t scope = 0;
};

// A name that a function declares, or gives a value.
struct Binding {
  uint32_t scope = 0;
  // The name's node.
  uint32_t name = 0;
  // What it is bound to; 0 for a parameter and where that is not one expression.
  uint32_t value = 0;
  // Of an assignment rather than a declaration, which may be of an outer function's name.
  bool is_assignment = false;
  // The value is added to what was there (`+=`).
  bool appends = false;
};

// The syntax of a script, in the order of its text: node 0 is the whole, the first child of a node
// follows it, and `next` is its next sibling as long as that has the same parent. Comments and
// punctuation are not there, and of strings and regular expressions only the whole.
//
// Made by tree-sitter, which takes any bytes: what it does not understand is in kError nodes, and
// the code around it is seen. Immutable once made; memory is 24 bytes a node, about eight times a
// minified text, and while it is made some fifty times the text.
class SyntaxTree {
 public:
  struct Options {
    // Above it nothing is parsed; the library counts bytes in 32 bits.
    size_t bytes_max = size_t{8} << 20;
    // Some texts take time by the square of their length.
    absl::Duration time_max = absl::Seconds(20);
    // Nodes beyond are left out, and the tree says so.
    uint32_t nodes_max = 20'000'000;
  };

  // `text` must outlive the tree. RESOURCE_EXHAUSTED above a limit, DEADLINE_EXCEEDED when parsing
  // took too long.
  static absl::StatusOr<SyntaxTree> Parse(std::string_view text, const Options& options);

  const std::vector<SyntaxNode>& nodes() const { return nodes_; }
  const SyntaxNode& node(uint32_t index) const { return nodes_[index]; }
  std::string_view text() const { return text_; }
  std::string_view TextOf(uint32_t index) const {
    return text_.substr(nodes_[index].begin, nodes_[index].end - nodes_[index].begin);
  }
  // The child that plays `field`; 0 when there is none.
  uint32_t Child(uint32_t index, Field field) const;
  // The n-th child from 0; 0 when there are fewer.
  uint32_t ChildAt(uint32_t index, uint32_t n) const;
  bool HasChildren(uint32_t index) const { return index + 1 < nodes_[index].next; }
  // Of a template: whether it has parts that are not text.
  bool HasSubstitution(uint32_t index) const;
  bool IsFunction(uint32_t index) const {
    const Kind kind = nodes_[index].kind;
    return kind == Kind::kFunction || kind == Kind::kArrow || kind == Kind::kMethod;
  }
  // The expression inside any parentheses.
  uint32_t Bare(uint32_t index) const;

  const std::vector<Binding>& bindings() const { return bindings_; }
  // By scope: the function's node, and the scope around it.
  struct Scope {
    uint32_t node = 0;
    uint32_t parent = 0;
  };
  const std::vector<Scope>& scopes() const { return scopes_; }

  // Bytes of the text that are no JavaScript that tree-sitter knows.
  uint64_t error_bytes() const { return error_bytes_; }
  // Nodes or names were left out.
  bool truncated() const { return truncated_; }

 private:
  std::string_view text_;
  std::vector<SyntaxNode> nodes_;
  std::vector<Binding> bindings_;
  std::vector<Scope> scopes_;
  uint64_t error_bytes_ = 0;
  bool truncated_ = false;
  // Looked at for names.
  size_t pattern_nodes_ = 0;

  void Build(void* tree, uint32_t nodes_max);
  void Bind();
  void BindNames(uint32_t pattern, uint32_t scope, uint32_t value);
  void BindParameters(uint32_t function, uint32_t parameters, uint32_t scope);
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SYNTAX_TREE_H_
