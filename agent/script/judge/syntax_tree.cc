#include "agent/script/judge/syntax_tree.h"

#include <tree_sitter/api.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/parser_memory.h"

extern "C" const TSLanguage* tree_sitter_javascript(void);

namespace skimwatch::script {
namespace {

struct ParserDeleter {
  void operator()(TSParser* parser) const { ts_parser_delete(parser); }
};
struct TreeDeleter {
  void operator()(TSTree* tree) const { ts_tree_delete(tree); }
};

Kind KindOf(std::string_view type) {
  static const auto& kinds = *new absl::flat_hash_map<std::string_view, Kind>{
      {"ERROR", Kind::kError},
      {"program", Kind::kProgram},
      {"identifier", Kind::kIdentifier},
      {"undefined", Kind::kUndefined},
      {"property_identifier", Kind::kProperty},
      {"private_property_identifier", Kind::kProperty},
      {"shorthand_property_identifier", Kind::kShorthand},
      {"shorthand_property_identifier_pattern", Kind::kShorthand},
      {"string", Kind::kString},
      {"template_string", Kind::kTemplate},
      {"template_substitution", Kind::kSubstitution},
      {"number", Kind::kNumber},
      {"regex", Kind::kRegex},
      {"true", Kind::kTrue},
      {"false", Kind::kFalse},
      {"null", Kind::kNull},
      {"this", Kind::kThis},
      {"array", Kind::kArray},
      {"object", Kind::kObject},
      {"pair", Kind::kPair},
      {"spread_element", Kind::kSpread},
      {"computed_property_name", Kind::kComputedName},
      {"call_expression", Kind::kCall},
      {"new_expression", Kind::kNew},
      {"arguments", Kind::kArguments},
      {"member_expression", Kind::kMember},
      {"subscript_expression", Kind::kSubscript},
      {"assignment_expression", Kind::kAssignment},
      {"augmented_assignment_expression", Kind::kAugmentedAssignment},
      {"binary_expression", Kind::kBinary},
      {"unary_expression", Kind::kUnary},
      {"update_expression", Kind::kUpdate},
      {"ternary_expression", Kind::kTernary},
      {"parenthesized_expression", Kind::kParenthesized},
      {"sequence_expression", Kind::kSequence},
      {"await_expression", Kind::kAwait},
      {"function_expression", Kind::kFunction},
      {"function_declaration", Kind::kFunction},
      {"generator_function", Kind::kFunction},
      {"generator_function_declaration", Kind::kFunction},
      {"arrow_function", Kind::kArrow},
      {"method_definition", Kind::kMethod},
      {"formal_parameters", Kind::kFormalParameters},
      {"assignment_pattern", Kind::kAssignmentPattern},
      {"array_pattern", Kind::kPattern},
      {"object_pattern", Kind::kPattern},
      {"pair_pattern", Kind::kPattern},
      {"rest_pattern", Kind::kPattern},
      {"object_assignment_pattern", Kind::kPattern},
      {"class", Kind::kClass},
      {"class_declaration", Kind::kClass},
      {"statement_block", Kind::kBlock},
      {"expression_statement", Kind::kExpressionStatement},
      {"variable_declaration", Kind::kDeclaration},
      {"lexical_declaration", Kind::kDeclaration},
      {"variable_declarator", Kind::kDeclarator},
      {"return_statement", Kind::kReturn},
      {"if_statement", Kind::kIf},
      {"else_clause", Kind::kElse},
      {"for_statement", Kind::kFor},
      {"for_in_statement", Kind::kForIn},
      {"while_statement", Kind::kWhile},
      {"do_statement", Kind::kDo},
      {"try_statement", Kind::kTry},
      {"catch_clause", Kind::kCatch},
      {"finally_clause", Kind::kFinally},
      {"throw_statement", Kind::kThrow},
      {"switch_statement", Kind::kSwitch},
      {"switch_body", Kind::kSwitchBody},
      {"switch_case", Kind::kCase},
      {"switch_default", Kind::kDefault},
      {"break_statement", Kind::kBreak},
      {"continue_statement", Kind::kContinue},
      {"labeled_statement", Kind::kLabeled},
      {"debugger_statement", Kind::kDebugger},
      {"empty_statement", Kind::kEmpty},
      {"import", Kind::kImport},
  };
  const auto entry = kinds.find(type);
  return entry == kinds.end() ? Kind::kOther : entry->second;
}

Field FieldOf(std::string_view name) {
  static const auto& fields = *new absl::flat_hash_map<std::string_view, Field>{
      {"alternative", Field::kAlternative},
      {"argument", Field::kArgument},
      {"arguments", Field::kArguments},
      {"body", Field::kBody},
      {"condition", Field::kCondition},
      {"consequence", Field::kConsequence},
      {"constructor", Field::kConstructor},
      {"finalizer", Field::kFinalizer},
      {"function", Field::kFunction},
      {"handler", Field::kHandler},
      {"increment", Field::kIncrement},
      {"index", Field::kIndex},
      {"initializer", Field::kInitializer},
      {"key", Field::kKey},
      {"left", Field::kLeft},
      {"name", Field::kName},
      {"object", Field::kObject},
      {"operator", Field::kOperator},
      {"parameter", Field::kParameter},
      {"parameters", Field::kParameters},
      {"property", Field::kProperty},
      {"right", Field::kRight},
      {"value", Field::kValue},
  };
  const auto entry = fields.find(name);
  return entry == fields.end() ? Field::kNone : entry->second;
}

// What the grammar's numbers mean to the judge.
struct Tables {
  std::vector<Kind> kinds;
  // Comments and punctuation.
  std::vector<bool> is_left_out;
  std::vector<Field> fields;

  Tables() {
    const TSLanguage* language = tree_sitter_javascript();
    const uint32_t symbols = ts_language_symbol_count(language);
    for (uint32_t symbol = 0; symbol < symbols; ++symbol) {
      const auto number = static_cast<TSSymbol>(symbol);
      const std::string_view type = ts_language_symbol_name(language, number);
      const bool is_named = ts_language_symbol_type(language, number) == TSSymbolTypeRegular;
      kinds.push_back(is_named ? KindOf(type) : Kind::kOther);
      is_left_out.push_back(!is_named || type == "comment" || type == "html_comment" ||
                            type == "hash_bang_line" || type == "optional_chain");
    }
    const uint32_t count = ts_language_field_count(language);
    fields.push_back(Field::kNone);
    for (uint32_t field = 1; field <= count; ++field) {
      fields.push_back(
          FieldOf(ts_language_field_name_for_id(language, static_cast<TSFieldId>(field))));
    }
  }
};

const Tables& GrammarTables() {
  static const auto& tables = *new Tables;
  return tables;
}

// Of these the text is enough.
bool IsLeaf(Kind kind) {
  switch (kind) {
    case Kind::kString:
    case Kind::kRegex:
    case Kind::kIdentifier:
    case Kind::kProperty:
    case Kind::kShorthand:
    case Kind::kNumber:
    case Kind::kThis:
      return true;
    default:
      return false;
  }
}

// Patterns that a node is in at most, on average.
constexpr size_t kPatternsPerNode = 4;

}  // namespace

absl::StatusOr<SyntaxTree> SyntaxTree::Parse(std::string_view text, const Options& options) {
  if (text.size() > options.bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("larger than ", options.bytes_max, " bytes, which is as much as is parsed"));
  }
  // Outlives parser and tree.
  const ParserMemory memory;
  std::unique_ptr<TSParser, ParserDeleter> parser(ts_parser_new());
  if (!ts_parser_set_language(parser.get(), tree_sitter_javascript())) {
    return absl::InternalError("the grammar is of another tree-sitter");
  }
  // To the parser 0 is no limit.
  ts_parser_set_timeout_micros(parser.get(),
                               std::max<int64_t>(absl::ToInt64Microseconds(options.time_max), 1));
  const std::unique_ptr<TSTree, TreeDeleter> tree(ts_parser_parse_string(
      parser.get(), nullptr, text.data(), static_cast<uint32_t>(text.size())));
  if (tree == nullptr) {
    return absl::DeadlineExceededError(
        absl::StrCat("parsing took longer than ", absl::FormatDuration(options.time_max)));
  }
  parser.reset();
  SyntaxTree result;
  result.text_ = text;
  result.Build(tree.get(), options.nodes_max);
  result.Bind();
  return result;
}

void SyntaxTree::Build(void* tree, uint32_t nodes_max) {
  const Tables& tables = GrammarTables();
  const TSNode root = ts_tree_root_node(static_cast<TSTree*>(tree));
  TSTreeCursor cursor = ts_tree_cursor_new(root);
  nodes_.reserve(text_.size() / 4 + 16);
  scopes_.push_back({});
  // The nodes that are open, by their index; the cursor's depth and this differ where a node is
  // left out.
  std::vector<uint32_t> open;
  uint32_t scope = 0;
  uint32_t inside_error = 0;
  bool is_done = false;
  while (!is_done) {
    const TSNode node = ts_tree_cursor_current_node(&cursor);
    const TSSymbol symbol = ts_node_symbol(node);
    // ERROR has the last number there is.
    const Kind kind = symbol < tables.kinds.size() ? tables.kinds[symbol] : Kind::kError;
    bool left_out = symbol < tables.is_left_out.size() && tables.is_left_out[symbol];
    Field field = Field::kNone;
    if (const TSFieldId id = ts_tree_cursor_current_field_id(&cursor); id != 0) {
      field = tables.fields[id];
    }
    if (left_out && field == Field::kOperator) left_out = false;
    bool descends = false;
    if (!left_out) {
      if (nodes_.size() >= nodes_max) {
        truncated_ = true;
        break;
      }
      const auto index = static_cast<uint32_t>(nodes_.size());
      const uint32_t parent = open.empty() ? 0 : open.back();
      const uint32_t begin = ts_node_start_byte(node);
      const uint32_t end = ts_node_end_byte(node);
      const bool is_operator = field == Field::kOperator;
      nodes_.push_back({.symbol = symbol,
                        .kind = is_operator ? Kind::kOperator : kind,
                        .field = field,
                        .begin = begin,
                        .end = end,
                        .next = index + 1,
                        .parent = parent,
                        .scope = scope});
      if (kind == Kind::kError && inside_error == 0) error_bytes_ += end - begin;
      if (!IsLeaf(kind) && !is_operator && ts_tree_cursor_goto_first_child(&cursor)) {
        descends = true;
        open.push_back(index);
        if (kind == Kind::kError) ++inside_error;
        if (kind == Kind::kFunction || kind == Kind::kArrow || kind == Kind::kMethod) {
          scopes_.push_back({.node = index, .parent = scope});
          scope = static_cast<uint32_t>(scopes_.size() - 1);
        }
      }
    }
    if (descends) continue;
    while (!ts_tree_cursor_goto_next_sibling(&cursor)) {
      if (open.empty() || !ts_tree_cursor_goto_parent(&cursor)) {
        is_done = true;
        break;
      }
      const uint32_t closed = open.back();
      open.pop_back();
      nodes_[closed].next = static_cast<uint32_t>(nodes_.size());
      if (nodes_[closed].kind == Kind::kError) --inside_error;
      scope = nodes_[closed].scope;
    }
  }
  // Where the walk stopped early.
  for (; !open.empty(); open.pop_back()) {
    nodes_[open.back()].next = static_cast<uint32_t>(nodes_.size());
  }
  ts_tree_cursor_delete(&cursor);
}

uint32_t SyntaxTree::Child(uint32_t index, Field field) const {
  for (uint32_t child = index + 1; child < nodes_[index].next; child = nodes_[child].next) {
    if (nodes_[child].field == field) return child;
  }
  return 0;
}

uint32_t SyntaxTree::ChildAt(uint32_t index, uint32_t n) const {
  for (uint32_t child = index + 1; child < nodes_[index].next; child = nodes_[child].next) {
    if (n-- == 0) return child;
  }
  return 0;
}

bool SyntaxTree::HasSubstitution(uint32_t index) const {
  for (uint32_t child = index + 1; child < nodes_[index].next; child = nodes_[child].next) {
    if (nodes_[child].kind == Kind::kSubstitution) return true;
  }
  return false;
}

uint32_t SyntaxTree::Bare(uint32_t index) const {
  while (nodes_[index].kind == Kind::kParenthesized && HasChildren(index)) ++index;
  return index;
}

// Names in a pattern, without what they are taken from: `{a, b: [c]} = d` binds a and c.
void SyntaxTree::BindNames(uint32_t pattern, uint32_t scope, uint32_t value) {
  if (nodes_[pattern].kind == Kind::kIdentifier) {
    bindings_.push_back({.scope = scope, .name = pattern, .value = value});
    return;
  }
  // Defaults inside are looked at as names too, which makes such a name unknown at worst.
  // Those of functions and classes have patterns of their own, which are looked at by themselves.
  for (uint32_t index = pattern; index < nodes_[pattern].next; ++index) {
    const Kind kind = nodes_[index].kind;
    if (IsFunction(index) || kind == Kind::kClass) {
      index = nodes_[index].next - 1;
      continue;
    }
    // What the parser did not understand may have one in another.
    if (++pattern_nodes_ > nodes_.size() * kPatternsPerNode) {
      truncated_ = true;
      return;
    }
    if (kind == Kind::kIdentifier || kind == Kind::kShorthand) {
      bindings_.push_back({.scope = scope, .name = index, .value = 0});
    }
  }
}

// Of a function that is called where it stands, parameters have the call's arguments as values.
void SyntaxTree::BindParameters(uint32_t function, uint32_t parameters, uint32_t scope) {
  uint32_t outer = function;
  while (nodes_[nodes_[outer].parent].kind == Kind::kParenthesized) outer = nodes_[outer].parent;
  const uint32_t call = nodes_[outer].parent;
  const bool is_called =
      nodes_[call].kind == Kind::kCall && nodes_[outer].field == Field::kFunction;
  const uint32_t arguments = is_called ? Child(call, Field::kArguments) : 0;
  if (arguments == 0 || nodes_[parameters].kind != Kind::kFormalParameters) {
    return BindNames(parameters, scope, 0);
  }
  uint32_t argument = arguments + 1;
  for (uint32_t parameter = parameters + 1; parameter < nodes_[parameters].next;
       parameter = nodes_[parameter].next) {
    const bool has_argument = argument < nodes_[arguments].next;
    BindNames(parameter, scope, has_argument ? argument : 0);
    if (has_argument) argument = nodes_[argument].next;
  }
}

void SyntaxTree::Bind() {
  // The scope that a function opens, by its node.
  uint32_t next_scope = 1;
  for (uint32_t index = 0; index < nodes_.size(); ++index) {
    const SyntaxNode& node = nodes_[index];
    switch (node.kind) {
      case Kind::kFunction:
      case Kind::kArrow:
      case Kind::kMethod: {
        // One without any part opened no scope.
        if (next_scope >= scopes_.size() || scopes_[next_scope].node != index) break;
        const uint32_t inner = next_scope++;
        if (const uint32_t name = Child(index, Field::kName);
            name != 0 && node.kind == Kind::kFunction && nodes_[name].kind == Kind::kIdentifier) {
          bindings_.push_back({.scope = node.scope, .name = name, .value = index});
        }
        uint32_t parameters = Child(index, Field::kParameters);
        if (parameters == 0) parameters = Child(index, Field::kParameter);
        if (parameters != 0) {
          BindParameters(index, parameters, inner);
        }
        break;
      }
      case Kind::kClass:
        if (const uint32_t name = Child(index, Field::kName); name != 0) {
          bindings_.push_back({.scope = node.scope, .name = name, .value = index});
        }
        break;
      case Kind::kDeclarator:
        if (const uint32_t name = Child(index, Field::kName); name != 0) {
          BindNames(name, node.scope, Child(index, Field::kValue));
        }
        break;
      case Kind::kCatch:
        if (const uint32_t name = Child(index, Field::kParameter); name != 0) {
          BindNames(name, node.scope, 0);
        }
        break;
      case Kind::kForIn:
        if (const uint32_t left = Child(index, Field::kLeft); left != 0) {
          BindNames(left, node.scope, 0);
        }
        break;
      case Kind::kAssignment:
        if (const uint32_t left = Child(index, Field::kLeft);
            left != 0 && nodes_[left].kind == Kind::kIdentifier) {
          bindings_.push_back({.scope = node.scope,
                               .name = left,
                               .value = Child(index, Field::kRight),
                               .is_assignment = true});
        }
        break;
      case Kind::kAugmentedAssignment:
        if (const uint32_t left = Child(index, Field::kLeft);
            left != 0 && nodes_[left].kind == Kind::kIdentifier) {
          const uint32_t operation = Child(index, Field::kOperator);
          const bool appends = operation != 0 && TextOf(operation) == "+=";
          bindings_.push_back({.scope = node.scope,
                               .name = left,
                               .value = appends ? Child(index, Field::kRight) : 0,
                               .is_assignment = true,
                               .appends = appends});
        }
        break;
      case Kind::kUpdate:
        if (const uint32_t left = Child(index, Field::kArgument);
            left != 0 && nodes_[left].kind == Kind::kIdentifier) {
          bindings_.push_back(
              {.scope = node.scope, .name = left, .value = 0, .is_assignment = true});
        }
        break;
      default:
        break;
    }
  }
}

}  // namespace skimwatch::script
