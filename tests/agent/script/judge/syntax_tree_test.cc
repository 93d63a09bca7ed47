#include "agent/script/judge/syntax_tree.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

SyntaxTree Parse(std::string_view text) {
  absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(text, {});
  EXPECT_TRUE(tree.ok()) << tree.status();
  return *std::move(tree);
}

uint32_t FindKind(const SyntaxTree& tree, Kind kind) {
  for (uint32_t i = 0; i < tree.nodes().size(); ++i) {
    if (tree.node(i).kind == kind) return i;
  }
  return 0;
}

TEST(SyntaxTree, HasThePartsOfACallByTheirFields) {
  const SyntaxTree tree = Parse("send(a.b, 'c'); // d");
  const uint32_t call = FindKind(tree, Kind::kCall);
  ASSERT_NE(call, 0U);
  EXPECT_EQ(tree.TextOf(tree.Child(call, Field::kFunction)), "send");
  const uint32_t arguments = tree.Child(call, Field::kArguments);
  EXPECT_EQ(tree.TextOf(tree.ChildAt(arguments, 0)), "a.b");
  EXPECT_EQ(tree.TextOf(tree.ChildAt(arguments, 1)), "'c'");
  EXPECT_EQ(tree.ChildAt(arguments, 2), 0U);
}

TEST(SyntaxTree, KnowsWhichFunctionDeclaresAName) {
  const SyntaxTree tree = Parse("var a = 1; function f(b) { let c = b; a = 2; }");
  struct Expected {
    std::string name;
    uint32_t scope;
    bool is_assignment;
  };
  std::vector<std::string> found;
  for (const Binding& binding : tree.bindings()) {
    found.push_back(std::string(tree.TextOf(binding.name)) + std::to_string(binding.scope) +
                    (binding.is_assignment ? "=" : ""));
  }
  EXPECT_THAT(found, testing::UnorderedElementsAre("a0", "f0", "b1", "c1", "a1="));
}

TEST(SyntaxTree, SeesTheCodeAroundWhatIsNoJavaScript) {
  const SyntaxTree tree = Parse("var x = ;;; @@ fetch('https://a.example/'); }}} function g() {}");
  EXPECT_GT(tree.error_bytes(), 0U);
  EXPECT_NE(FindKind(tree, Kind::kCall), 0U);
}

TEST(SyntaxTree, TakesAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes += static_cast<char>((i * 7919) >> 3);
  const SyntaxTree tree = Parse(bytes);
  for (uint32_t i = 1; i < tree.nodes().size(); ++i) {
    EXPECT_LE(tree.node(i).end, bytes.size());
    EXPECT_LT(tree.node(i).parent, i);
    EXPECT_LE(tree.node(i).next, tree.node(tree.node(i).parent).next);
  }
}

TEST(SyntaxTree, RefusesWhatIsAboveTheLimit) {
  const std::string text(1000, ';');
  const auto tree = SyntaxTree::Parse(text, {.bytes_max = 999});
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(SyntaxTree, StopsWhenParsingTakesTooLong) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "a(b,";
  const auto tree = SyntaxTree::Parse(text, {.time_max = absl::Milliseconds(1)});
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(SyntaxTree, LeavesOutNodesBeyondTheirLimitAndSaysSo) {
  const SyntaxTree tree = *SyntaxTree::Parse("a();b();c();d();", {.nodes_max = 8});
  EXPECT_TRUE(tree.truncated());
  EXPECT_LE(tree.nodes().size(), 8U);
  EXPECT_EQ(tree.node(0).next, tree.nodes().size());
}

TEST(SyntaxTree, DoesNotOverflowTheStackOnDeepNesting) {
  for (const char* open : {"(", "[", "{a:", "!", "function f(){", "a=>", "`${", "if(a)"}) {
    std::string text;
    for (int i = 0; i < 50'000; ++i) text += open;
    const auto tree = SyntaxTree::Parse(text, {.time_max = absl::Seconds(5)});
    if (tree.ok()) {
      EXPECT_GT(tree->nodes().size(), 0U) << open;
    }
  }
}

TEST(SyntaxTree, BindsNamesInLinearTime) {
  // Methods and classes in the defaults of others, also where the syntax is broken.
  constexpr int kLevels = 1500;
  for (const auto& [open, close] : {std::pair<std::string, std::string>{"{a(b=", "){}}"},
                                    {"class { static { let {a = ", "} = 1; } }"},
                                    {"let {a = (", ")} = 1"},
                                    {"function ({a = ", "}) {}"}}) {
    std::string script = "x = ";
    for (int i = 0; i < kLevels; ++i) script += open;
    script += "1";
    for (int i = 0; i < kLevels; ++i) script += close;
    const absl::StatusOr<SyntaxTree> tree = SyntaxTree::Parse(script, {});
    ASSERT_TRUE(tree.ok()) << open;
    EXPECT_LE(tree->bindings().size(), tree->nodes().size() * 5) << open;
  }
}

}  // namespace
}  // namespace skimwatch::script
