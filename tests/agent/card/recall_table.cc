// Measures how many planted numbers the scanner finds in every form, and prints the tables of
// docs/detection.md.

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tests/agent/card/support/recall_forms.h"

namespace {

using nlohmann::json;
using skimwatch::testing::Body;
using skimwatch::testing::MeasureRecall;
using skimwatch::testing::Recall;
using skimwatch::testing::RecallForm;

constexpr std::string_view kBegin = "<!-- recall_table: begin -->\n";
constexpr std::string_view kEnd = "<!-- recall_table: end -->\n";
constexpr std::array<std::string_view, 3> kLevels = {"low", "medium", "high"};
constexpr uint64_t kSeed = 2026;

std::string Percent(const Recall& recall) {
  // Never rounded up to all.
  if (recall.found == recall.cases) return "100 %";
  return absl::StrFormat("%.2f %%", std::min(99.99, 100 * recall.rate()));
}

// The usual confidence, and the lowest where that is another.
std::string Confidence(const Recall& recall, Body body) {
  const auto& counts = recall.confidence[static_cast<size_t>(body)];
  const auto usual = static_cast<size_t>(
      std::distance(counts.begin(), std::max_element(counts.begin(), counts.end())));
  const auto lowest = static_cast<size_t>(std::distance(
      counts.begin(), std::find_if(counts.begin(), counts.end(), [](size_t n) { return n > 0; })));
  if (lowest >= usual) return std::string(kLevels[usual]);
  return absl::StrCat(std::string(kLevels[usual]), ", least ", std::string(kLevels[lowest]));
}

// What precision.py counted, or nothing.
class Precision {
 public:
  explicit Precision(const std::string& path) {
    if (path.empty()) return;
    std::ifstream file(path);
    counts_ = json::parse(file, nullptr, /*allow_exceptions=*/false);
  }

  bool is_there() const { return counts_.contains("bytes"); }

  // False alarms per GiB as `high / medium / low`.
  std::string Of(const RecallForm& form) const {
    if (!is_there()) return "";
    const json none = {{"high", 0}, {"medium", 0}, {"low", 0}};
    return Rates(form.evidence.empty() ? counts_["by_form"].value(form.chain, none)
                                       : counts_["by_evidence"].value(form.evidence, none));
  }
  // Of all chains of several encodings.
  std::string OfNested() const {
    if (!is_there()) return "";
    json sum = {{"high", 0}, {"medium", 0}, {"low", 0}};
    for (const auto& [chain, row] : counts_["by_form"].items()) {
      if (chain.find('>') == std::string::npos) continue;
      for (auto& [level, count] : sum.items()) count = count.get<int>() + row[level].get<int>();
    }
    return Rates(sum);
  }
  std::string Summary() const {
    return absl::StrFormat(
        "False alarms in the clean corpus (%.2f GiB in %d files): %s per GiB at high, medium and "
        "low.\n\n",
        Gib(), counts_["files"].get<int>(), Rates(counts_["false_alarms"]));
  }

 private:
  double Gib() const { return counts_["bytes"].get<double>() / (1 << 30); }
  std::string Rates(const json& row) const {
    const auto rate = [&](const char* level) {
      const double per_gib = row[level].get<double>() / Gib();
      return per_gib == 0 ? std::string("0") : absl::StrFormat("%.1f", per_gib);
    };
    return absl::StrCat(rate("high"), " / ", rate("medium"), " / ", rate("low"));
  }

  json counts_;
};

class Tables {
 public:
  Tables(size_t cases, const Precision& precision) : cases_(cases), precision_(precision) {}

  void AddPlain() {
    absl::StrAppend(
        &text_,
        "| plain | recall | bare number | named `cardNumber` |\n| --- | --- | --- | --- "
        "|\n");
    for (const RecallForm& form : skimwatch::testing::PlainForms()) AddRow(form);
    absl::StrAppend(&text_, "\n");
  }
  void AddBrands() {
    absl::StrAppend(
        &text_,
        "| brand | digits | recall, one run | bare | named | recall, in groups | bare | "
        "named |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    const std::vector<RecallForm> forms = skimwatch::testing::BrandForms();
    for (size_t i = 0; i + 1 < forms.size(); i += 2) {
      absl::StrAppend(&text_, "| ", forms[i].brand, " | ", forms[i].length, " |");
      for (const RecallForm& form : {forms[i], forms[i + 1]}) {
        const Recall recall = Measure(form);
        absl::StrAppend(&text_, " ", Percent(recall), " | ", Confidence(recall, Body::kBare), " | ",
                        Confidence(recall, Body::kNamed), " |");
      }
      absl::StrAppend(&text_, "\n");
    }
    absl::StrAppend(&text_, "\n");
  }
  void AddEncoded() {
    absl::StrAppend(&text_,
                    "| form | recall | bare number | named `cardNumber` | false alarms per GiB "
                    "|\n| --- | --- | --- | --- | --- |\n");
    AddRows(skimwatch::testing::EncodedForms());
    AddTogether("two, one in another", skimwatch::testing::NestedPairs());
    AddTogether("three", skimwatch::testing::NestedTriples());
    AddRows(skimwatch::testing::StructuredForms());
    absl::StrAppend(&text_, "\n");
  }

  const std::string& text() const { return text_; }
  bool all_reached() const { return all_reached_; }

 private:
  void AddRows(const std::vector<RecallForm>& forms) {
    std::string counted;
    for (const RecallForm& form : forms) {
      // Ways to write one form share its false alarms.
      const std::string& counted_by = form.evidence.empty() ? form.chain : form.evidence;
      AddRow(form, counted == counted_by ? "as above" : precision_.Of(form));
      counted = counted_by;
    }
  }
  Recall Measure(const RecallForm& form) {
    const Recall recall = MeasureRecall(form, cases_, kSeed);
    if (recall.rate() < form.recall_min) {
      all_reached_ = false;
      std::cerr << "recall_table: " << form.name << ": " << Percent(recall) << '\n';
    }
    return recall;
  }
  void AddRow(const RecallForm& form, const std::optional<std::string>& alarms = std::nullopt) {
    AppendRow(form.name, Measure(form), "", alarms);
  }
  // One row of many forms, with the least recall of any.
  void AddTogether(std::string_view name, const std::vector<RecallForm>& forms) {
    Recall sum;
    double least = 1;
    for (const RecallForm& form : forms) {
      const Recall recall = Measure(form);
      least = std::min(least, recall.rate());
      sum.Add(recall);
    }
    const std::string lowest =
        least < 1 ? absl::StrFormat(" (least of any: %.1f %%)", 100 * least) : "";
    AppendRow(absl::StrCat(std::string(name), ": all ", forms.size(), " orders"), sum, lowest,
              precision_.OfNested());
  }
  void AppendRow(std::string_view name, const Recall& recall, std::string_view lowest,
                 const std::optional<std::string>& alarms) {
    absl::StrAppend(&text_, "| ", std::string(name), " | ", Percent(recall), std::string(lowest),
                    " | ", Confidence(recall, Body::kBare), " | ", Confidence(recall, Body::kNamed),
                    " |");
    if (alarms.has_value()) absl::StrAppend(&text_, " ", *alarms, " |");
    absl::StrAppend(&text_, "\n");
  }

  const size_t cases_;
  const Precision& precision_;
  std::string text_;
  bool all_reached_ = true;
};

// Puts `tables` between the marks in the file at `path`.
bool ReplaceIn(const std::string& path, const std::string& tables) {
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t begin = text.find(kBegin);
  const size_t end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return false;
  const size_t from = begin + kBegin.size();
  text.replace(from, end - from, tables);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  return static_cast<bool>(out.flush());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the recall of the card number scanner in every form and prints tables");
  size_t cases = 1000;
  std::string precision_path;
  std::string into;
  app.add_option("--cases", cases, "Numbers planted in each form")
      ->capture_default_str()
      ->check(CLI::Range(size_t{2}, size_t{1'000'000}));
  app.add_option("--precision", precision_path,
                 "What tests/data/precision.py --json wrote; adds the false alarms of each form")
      ->check(CLI::ExistingFile);
  app.add_option("--into", into, "Put the tables between the marks in this file, too")
      ->check(CLI::ExistingFile);
  app.footer("Exits 0 when every form reaches its recall, 1 when not.");
  CLI11_PARSE(app, argc, argv);

  const Precision precision(precision_path);
  if (!precision_path.empty() && !precision.is_there()) {
    std::cerr << "recall_table: " << precision_path << ": not what precision.py writes\n";
    return 2;
  }
  Tables tables(cases, precision);
  tables.AddPlain();
  tables.AddEncoded();
  tables.AddBrands();
  const std::string text =
      absl::StrCat("\n", precision.is_there() ? precision.Summary() : "", tables.text());
  std::cout << text;
  if (!into.empty() && !ReplaceIn(into, text)) {
    std::cerr << "recall_table: " << into << ": no lines '" << kBegin.substr(0, kBegin.size() - 1)
              << "' and '" << kEnd.substr(0, kEnd.size() - 1) << "'\n";
    return 2;
  }
  return tables.all_reached() ? 0 : 1;
}
