// The scanner against the reference engine, and against itself with every set of vector
// instructions that the processor has, on generated text that is cut at random.
//
// A run of a few seconds is part of the tests. SKIMWATCH_DIFFERENTIAL_SECONDS=3600 makes a long
// one, SKIMWATCH_DIFFERENTIAL_SEED=7 one of other texts:
//   SKIMWATCH_DIFFERENTIAL_SECONDS=3600 build/release/bin/card_test --gtest_filter='Differential.*'

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/card/brand_table.h"
#include "hwy/highway.h"
#include "tests/agent/card/support/generated_text.h"
#include "tests/agent/card/support/numbers.h"
#include "tests/agent/card/support/reference_engine.h"
#include "tests/agent/card/support/scan.h"

namespace skimwatch::testing {
namespace {

uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t number = 0;
  if (text == nullptr) return otherwise;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << name;
  return number;
}

// How many texts to try; `otherwise` in a run that asks for none.
uint64_t Texts(uint64_t otherwise) {
  return NumberFromEnvironment("SKIMWATCH_DIFFERENTIAL_TEXTS", otherwise);
}
uint64_t Seed() { return NumberFromEnvironment("SKIMWATCH_DIFFERENTIAL_SEED", 1); }

// The target that the scanner uses until the end of the scope.
class UsingTarget {
 public:
  explicit UsingTarget(int64_t target) { Use(target); }
  ~UsingTarget() { Use(0); }
  UsingTarget(const UsingTarget&) = delete;
  UsingTarget& operator=(const UsingTarget&) = delete;

 private:
  static void Use(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
  }
};

ScanSetup AnySetup(Random& random) {
  constexpr card::ScanContext kContexts[] = {{},
                                             {.location = "/shop/checkout"},
                                             {.location = "/static/app.js"},
                                             {.content_type = "image/png"},
                                             {.location = "/pixel.gif", .is_request = true}};
  ScanSetup setup;
  setup.options.decode_depth = static_cast<int>(Below(random, 4));
  setup.context = kContexts[Below(random, std::size(kContexts))];
  return setup;
}

std::vector<size_t> AnyCuts(Random& random, size_t bytes) {
  std::vector<size_t> cuts(Below(random, 6));
  for (size_t& cut : cuts) cut = Below(random, bytes + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// Without what holds a form that the reference does not undo.
std::vector<Found> OfReference(const std::vector<Found>& found) {
  std::vector<Found> kept;
  for (const Found& match : found) {
    if (std::all_of(match.encodings.begin(), match.encodings.end(), IsOfReference)) {
      kept.push_back(match);
    }
  }
  return kept;
}

// Whether both found the same. Evidence is compared where nothing was decoded: a number that two
// ways of decoding lead to has that of the one that says more, and the scanner decodes no more of
// the text around than it must.
bool AreSame(const ScanSetup& setup, const std::vector<Found>& found,
             const std::vector<Found>& expected) {
  if (found == expected) return true;
  if (found.size() != expected.size()) return false;
  for (size_t i = 0; i < found.size(); ++i) {
    Found same = found[i];
    if (setup.options.decode_depth > 0) {
      same.evidence = expected[i].evidence;
      same.score = expected[i].score;
      same.confidence = expected[i].confidence;
      same.kind = expected[i].kind;
    }
    if (same != expected[i]) return false;
  }
  return true;
}

std::string Lines(const std::vector<Found>& found) {
  std::string lines;
  for (const Found& match : found) {
    std::ostringstream line;
    line << match;
    absl::StrAppend(&lines, "  ", line.str(), "\n");
  }
  return lines;
}

// What `found` and `expected` differ in, and how the text was made.
std::string Difference(const GeneratedText& text, uint64_t index, const ScanSetup& setup,
                       const std::vector<Found>& found, const std::vector<Found>& expected) {
  return absl::StrCat("seed ", Seed(), ", text ", index, " of ", text.bytes.size(),
                      " bytes, depth ", setup.options.decode_depth, "\nmade of: ", text.recipe,
                      "\nfound:\n", Lines(found), "expected:\n", Lines(expected));
}

TEST(Differential, FindsWhatTheReferenceFinds) {
  Random random(Seed());
  const uint64_t texts = Texts(20'000);
  uint64_t numbers = 0;
  uint64_t differences = 0;
  for (uint64_t index = 0; index < texts; ++index) {
    const ScanSetup setup = AnySetup(random);
    const GeneratedText text = GenerateText(random, 40 + Below(random, 300), 3);
    const std::vector<Found> found =
        OfReference(ScanInPieces(text.bytes, AnyCuts(random, text.bytes.size()), setup));
    const std::vector<Found> expected = ReferenceScan(text.bytes, setup);
    numbers += expected.size();
    if (AreSame(setup, found, expected)) continue;
    constexpr uint64_t kShown = 5;
    if (++differences <= kShown) ADD_FAILURE() << Difference(text, index, setup, found, expected);
  }
  EXPECT_EQ(differences, 0u) << "of " << texts << " texts";
  EXPECT_GT(numbers, texts / 2);
  RecordProperty("numbers", absl::StrCat(numbers));
}

// With every set of instructions, and however a long text is cut.
TEST(Differential, FindsTheSameWithEveryInstructionSet) {
  Random random(Seed());
  const uint64_t texts = Texts(1500);
  const std::vector<int64_t> targets = hwy::SupportedAndGeneratedTargets();
  for (uint64_t index = 0; index < texts && !HasFailure(); ++index) {
    const ScanSetup setup = AnySetup(random);
    GeneratedText text;
    // Some are longer than the scanner can hold at once.
    const size_t bytes = Below(random, 50) == 0 ? 200'000 : 100 + Below(random, 3000);
    while (text.bytes.size() < bytes) {
      const GeneratedText more = GenerateText(random, 400, 3);
      text.bytes += more.bytes;
      if (bytes < 1000) absl::StrAppend(&text.recipe, text.recipe.empty() ? "" : " ", more.recipe);
    }
    const std::vector<Found> expected = Scan(text.bytes, setup);
    for (const int64_t target : targets) {
      const UsingTarget use(target);
      const std::vector<Found> found =
          ScanInPieces(text.bytes, AnyCuts(random, text.bytes.size()), setup);
      EXPECT_EQ(found, expected) << hwy::TargetName(target) << "\n"
                                 << Difference(text, index, setup, found, expected);
    }
  }
}

}  // namespace
}  // namespace skimwatch::testing
