// How often the judge is wrong, over the update histories of browser libraries: every published
// version in order, as if a vendor rolled it out, and the same with a skimmer put into the update.
//
//   judge_histories [--json] [--seed N] [--injections N] [--show] FOLDER...
//   judge_histories --compare OLD NEW
//
// A FOLDER (tests/data/gather-histories.sh makes them) has a folder for each library with its
// versions as files that sort in their order. Of each update is said how it was judged; what is
// critical is listed. N skimmers (default 1) of each style go into random updates of each library.
// Exits 1 when more than 1 in 500 updates are critical or fewer than 99 % with a skimmer are, where
// there are enough to tell, else 0.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/judge/script_version.h"
#include "tests/agent/script/judge/support/skimmer_styles.h"

namespace skimwatch::script {
namespace {

constexpr int kKeptFactsPerName = 1000;

struct Version {
  std::string name;
  std::string text;
  std::vector<v1::ScriptFact> facts;
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Version MakeVersion(const ScriptJudge& judge, std::string name, const std::string& text) {
  Version version{.name = std::move(name), .text = RedactCards(text).text};
  version.facts = judge.FirstPass(text, kKeptFactsPerName);
  return version;
}

struct Judged {
  v1::Severity severity = v1::SEVERITY_UNSPECIFIED;
  v1::ScriptChange change;
};

Judged JudgeUpdate(const ScriptJudge& judge, const Version& before, const Version& after) {
  Judged judged;
  judged.change.set_change(v1::ScriptChange::CHANGE_CHANGED);
  *judged.change.mutable_previous() = VersionOf(before.text);
  *judged.change.mutable_current() = VersionOf(after.text);
  judged.severity = judge.Judge({.text = &before.text, .facts = &before.facts},
                                {.text = &after.text, .facts = &after.facts}, judged.change);
  return judged;
}

void Show(const Judged& judged, const std::string& what) {
  std::cout << v1::Severity_Name(judged.severity).substr(9) << "  " << what << "\n";
  for (const std::string& reason : judged.change.reasons()) std::cout << "    " << reason << "\n";
  if (!judged.change.not_judged().empty()) {
    std::cout << "    " << judged.change.not_judged() << "\n";
  }
}

struct Totals {
  std::map<v1::Severity, int> updates;
  int injected = 0;
  int caught = 0;
  std::map<std::string, std::pair<int, int>> by_style;
  double seconds = 0;
  uint64_t bytes = 0;
  int libraries = 0;
};

void RunLibrary(const ScriptJudge& judge, const std::filesystem::path& folder, std::mt19937& random,
                int injections, bool show, Totals& totals) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.size() < 2) return;
  ++totals.libraries;
  const std::string library = folder.filename().string();
  // Which updates get a skimmer, and of which style.
  std::multimap<size_t, std::string> plan;
  for (int i = 0; i < injections; ++i) {
    for (const std::string& style : SkimmerStyles()) {
      plan.emplace(1 + random() % (files.size() - 1), style);
    }
  }
  Version before;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string text = ReadFile(files[i]);
    Version after = MakeVersion(judge, files[i].filename().string(), text);
    if (i > 0 && after.text != before.text) {
      const auto start = std::chrono::steady_clock::now();
      const Judged judged = JudgeUpdate(judge, before, after);
      totals.seconds +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      totals.bytes += after.text.size() + before.text.size();
      ++totals.updates[judged.severity];
      if (judged.severity == v1::SEVERITY_CRITICAL || show) {
        Show(judged, library + ": " + before.name + " -> " + after.name);
      }
    }
    const auto [first, last] = plan.equal_range(i);
    for (auto entry = first; entry != last; ++entry) {
      const std::string skimmer = MakeSkimmer(entry->second, random);
      const Version altered = MakeVersion(judge, after.name, Inject(text, skimmer, random));
      const Judged judged = JudgeUpdate(judge, before, altered);
      auto& [injected, caught] = totals.by_style[entry->second];
      ++injected;
      ++totals.injected;
      if (judged.severity == v1::SEVERITY_CRITICAL) {
        ++caught;
        ++totals.caught;
      } else {
        Show(judged, "MISSED " + entry->second + " in " + library + ": " + after.name);
        std::cout << skimmer << "\n";
      }
    }
    before = std::move(after);
  }
  std::cout << library << ": " << files.size() << " versions, " << totals.seconds << " s so far"
            << std::endl;
}

int Compare(const ScriptJudge& judge, const char* old_path, const char* new_path) {
  const Version before = MakeVersion(judge, old_path, ReadFile(old_path));
  const Version after = MakeVersion(judge, new_path, ReadFile(new_path));
  const auto start = std::chrono::steady_clock::now();
  const Judged judged = JudgeUpdate(judge, before, after);
  std::cout << judged.change.DebugString() << "\n";
  Show(judged, new_path);
  std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()
            << " s\n";
  return 0;
}

int Run(int argc, char** argv) {
  uint32_t seed = 1;
  int injections = 1;
  bool json = false;
  bool show = false;
  std::vector<std::string> folders;
  const ScriptJudge judge({});
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--compare" && i + 2 < argc) return Compare(judge, argv[i + 1], argv[i + 2]);
    if (argument == "--seed" && i + 1 < argc) {
      seed = static_cast<uint32_t>(std::atoi(argv[++i]));
    } else if (argument == "--injections" && i + 1 < argc) {
      injections = std::atoi(argv[++i]);
    } else if (argument == "--json") {
      json = true;
    } else if (argument == "--show") {
      show = true;
    } else if (argument.starts_with("-")) {
      std::cerr << "judge_histories: unknown option " << argument << "\n";
      return 2;
    } else {
      folders.push_back(argument);
    }
  }
  std::vector<std::filesystem::path> libraries;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_directory()) libraries.push_back(entry.path());
    }
  }
  std::sort(libraries.begin(), libraries.end());
  if (libraries.empty()) {
    std::cerr << "judge_histories: no libraries; tests/data/gather-histories.sh makes them\n";
    return 2;
  }
  Totals totals;
  std::mt19937 random(seed);
  for (const auto& library : libraries) {
    RunLibrary(judge, library, random, injections, show, totals);
  }
  int updates = 0;
  for (const auto& [severity, count] : totals.updates) updates += count;
  const int critical = totals.updates[v1::SEVERITY_CRITICAL];
  std::cout << totals.libraries << " libraries, " << updates << " updates:";
  for (const auto& [severity, count] : totals.updates) {
    std::cout << " " << v1::Severity_Name(severity).substr(9) << " " << count;
  }
  std::cout << "\nwith a skimmer: " << totals.injected << ", critical " << totals.caught;
  for (const auto& [style, counts] : totals.by_style) {
    std::cout << "; " << style << " " << counts.second << "/" << counts.first;
  }
  std::cout << "\n" << totals.seconds << " s for " << totals.bytes / 1048576 << " MiB\n";
  if (json) {
    std::cout << "{\"libraries\":" << totals.libraries << ",\"updates\":" << updates
              << ",\"critical\":" << critical << ",\"injected\":" << totals.injected
              << ",\"caught\":" << totals.caught << "}\n";
  }
  const bool alarms = updates >= 500 ? critical * 500 > updates : critical > 1;
  const bool misses = totals.caught * 100 < totals.injected * 99;
  return alarms || misses ? 1 : 0;
}

}  // namespace
}  // namespace skimwatch::script

int main(int argc, char** argv) { return skimwatch::script::Run(argc, argv); }
