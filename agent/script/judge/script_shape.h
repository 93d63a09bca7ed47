#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_SHAPE_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_SHAPE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/script/judge/syntax_tree.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// One function without the functions inside of it.
struct FunctionShape {
  // Of what the function does, without names, spelling and layout.
  uint64_t hash = 0;
  // Syntax nodes that went into it.
  uint32_t size = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
  // Its own, or that of what it is given to; empty when there is none.
  std::string name;
};

// A script in normal form: whitespace, comments, local names, quotes, the spelling of numbers and
// what minifiers choose (`!0`, `void 0`, `a&&b()` for an `if`, commas for statements, braces,
// `a["b"]`, arrow functions, `var` and `let`) make no difference to it. So a rebuilt bundle has the
// hashes that it had, and a change shows in the function that has it and in no other.
struct ScriptShape {
  uint64_t hash = 0;
  // In the order of the text; the first is what stands outside of all functions.
  std::vector<FunctionShape> functions;
};

// Thread-safe; linear. The hashes are not cryptographic: an attacker can make two functions of one
// hash, which hides one in a list for people. What a script gained (behaviour.h) does not hang on
// it.
ScriptShape ShapeOf(const SyntaxTree& tree);

// Writes into `change` which functions came, went, changed and moved, with excerpts, and
// `likeness.same_structure` and `functions_percent`. Functions of a few nodes are not listed. The
// texts are those that the shapes are of, without card numbers. About linear.
void CompareShapes(const ScriptShape& previous, std::string_view previous_text,
                   const ScriptShape& current, std::string_view current_text,
                   v1::ScriptChange& change);

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_SCRIPT_SHAPE_H_
