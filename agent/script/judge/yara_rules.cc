#include "agent/script/judge/yara_rules.h"

#include <sys/stat.h>
#include <yara.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/script/judge/shown_text.h"
#include "spdlog/spdlog.h"

namespace skimwatch::script {
namespace {

// Matches of one text.
constexpr size_t kMatchesMax = 64;
// At one time.
constexpr size_t kErrorsLogged = 10;
constexpr size_t kErrorBytesMax = 400;

// libyara counts its users; one for the whole program, never given back.
void InitializeOnce() {
  static const int result = yr_initialize();
  (void)result;
}

struct CompilerDeleter {
  void operator()(YR_COMPILER* compiler) const { yr_compiler_destroy(compiler); }
};
using Compiler = std::unique_ptr<YR_COMPILER, CompilerDeleter>;

struct Complaint {
  std::string file;
  std::string text;
};

void NoteError(int level, const char* /*file*/, int line, const YR_RULE* /*rule*/,
               const char* message, void* data) {
  if (level != YARA_ERROR_LEVEL_ERROR) return;
  auto& complaint = *static_cast<Complaint*>(data);
  if (!complaint.text.empty()) return;
  complaint.text = absl::StrCat(complaint.file, ":", line, ": ", message);
}

Compiler MakeCompiler(Complaint& complaint) {
  YR_COMPILER* raw = nullptr;
  if (yr_compiler_create(&raw) != ERROR_SUCCESS) return nullptr;
  Compiler compiler(raw);
  yr_compiler_set_callback(raw, NoteError, &complaint);
  yr_compiler_set_include_callback(raw, nullptr, nullptr, nullptr);
  return compiler;
}

bool Add(YR_COMPILER* compiler, const RuleSource& source) {
  return yr_compiler_add_string(compiler, source.text.c_str(), source.name.c_str()) == 0;
}

struct ScanState {
  std::vector<RuleMatch>* matches = nullptr;
};

int OnMessage(YR_SCAN_CONTEXT* context, int message, void* data, void* user) {
  auto& state = *static_cast<ScanState*>(user);
  if (message != CALLBACK_MSG_RULE_MATCHING) return CALLBACK_CONTINUE;
  if (state.matches->size() >= kMatchesMax) return CALLBACK_ABORT;
  auto* rule = static_cast<YR_RULE*>(data);
  RuleMatch& match = state.matches->emplace_back();
  match.rule = rule->identifier;
  YR_META* meta = nullptr;
  yr_rule_metas_foreach(rule, meta) {
    if (meta->type != META_TYPE_STRING) continue;
    const std::string_view name = meta->identifier;
    if (name == "description") match.description = meta->string;
    if (name == "severity") match.is_critical = std::string_view(meta->string) == "critical";
  }
  bool has_offset = false;
  YR_STRING* string = nullptr;
  yr_rule_strings_foreach(rule, string) {
    YR_MATCH* found = nullptr;
    yr_string_matches_foreach(context, string, found) {
      const auto offset = static_cast<uint64_t>(found->base + found->offset);
      if (!has_offset || offset < match.offset) match.offset = offset;
      has_offset = true;
      break;
    }
  }
  return CALLBACK_CONTINUE;
}

}  // namespace

struct YaraRuleSet::Compiled {
  YR_RULES* rules = nullptr;
  ~Compiled() {
    if (rules != nullptr) yr_rules_destroy(rules);
  }
};

YaraRuleSet::YaraRuleSet() : compiled_(std::make_unique<Compiled>()) {}
YaraRuleSet::~YaraRuleSet() = default;

std::shared_ptr<const YaraRuleSet> YaraRuleSet::Compile(const std::vector<RuleSource>& sources,
                                                        std::vector<std::string>& errors) {
  InitializeOnce();
  auto set = std::shared_ptr<YaraRuleSet>(new YaraRuleSet);
  Complaint complaint;
  const Compiler all = MakeCompiler(complaint);
  if (all == nullptr) {
    errors.emplace_back("no memory for rules");
    return set;
  }
  for (const RuleSource& source : sources) {
    // A compiler that met an error is of no more use, so each source has one to itself first.
    Complaint own{.file = source.name};
    const Compiler alone = MakeCompiler(own);
    if (alone == nullptr || !Add(alone.get(), source)) {
      errors.push_back(own.text.empty() ? absl::StrCat(source.name, ": does not compile")
                                        : own.text);
      continue;
    }
    complaint.file = source.name;
    if (!Add(all.get(), source)) errors.push_back(complaint.text);
  }
  YR_RULES* rules = nullptr;
  if (yr_compiler_get_rules(all.get(), &rules) != ERROR_SUCCESS) {
    errors.emplace_back("no memory for rules");
    return set;
  }
  set->compiled_->rules = rules;
  set->rules_ = static_cast<int>(rules->num_rules);
  return set;
}

absl::Status YaraRuleSet::Scan(std::string_view text, absl::Duration timeout,
                               std::vector<RuleMatch>& matches) const {
  if (compiled_->rules == nullptr || rules_ == 0) return absl::OkStatus();
  ScanState state{.matches = &matches};
  const int seconds = std::max(1, static_cast<int>(absl::ToInt64Seconds(timeout)));
  // One match of a string is enough, where its rule does not count them.
  const int result = yr_rules_scan_mem(
      compiled_->rules, reinterpret_cast<const uint8_t*>(text.data()), text.size(),
      SCAN_FLAGS_REPORT_RULES_MATCHING | SCAN_FLAGS_FAST_MODE, OnMessage, &state, seconds);
  switch (result) {
    case ERROR_SUCCESS:
      return absl::OkStatus();
    case ERROR_SCAN_TIMEOUT:
      return absl::DeadlineExceededError(absl::StrCat("rules took longer than ", seconds, " s"));
    default:
      return absl::InternalError(absl::StrCat("libyara's error ", result));
  }
}

YaraRules::YaraRules(Options options) : options_(std::move(options)) {
  absl::MutexLock lock(&mutex_);
  Reload();
}

std::string YaraRules::Fingerprint(std::vector<std::string>& files, std::string& error) const {
  if (options_.folder.empty()) return "none";
  std::error_code code;
  std::filesystem::directory_iterator entry(options_.folder, code);
  if (code) {
    error = absl::StrCat(options_.folder, ": ", code.message());
    return {};
  }
  for (; entry != std::filesystem::directory_iterator(); entry.increment(code)) {
    if (code) break;
    const std::string extension = entry->path().extension().string();
    if (extension == ".yar" || extension == ".yara") files.push_back(entry->path().string());
  }
  std::sort(files.begin(), files.end());
  std::string fingerprint = "folder";
  for (const std::string& file : files) {
    struct stat info {};
    if (stat(file.c_str(), &info) != 0) continue;
    absl::StrAppend(&fingerprint, "\n", file, " ", info.st_size, " ", info.st_ino, " ",
                    info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec);
  }
  return fingerprint;
}

void YaraRules::SetErrors(std::vector<std::string> errors) {
  if (errors == stats_.errors) return;
  const size_t logged = std::min(errors.size(), kErrorsLogged);
  for (size_t i = 0; i < logged; ++i) {
    spdlog::warn("scripts: YARA rules: {}", ShownText(errors[i].substr(0, kErrorBytesMax)));
  }
  if (errors.size() > logged) {
    spdlog::warn("scripts: YARA rules: {} more errors", errors.size() - logged);
  }
  if (errors.empty()) spdlog::info("scripts: YARA rules: all are read");
  stats_.errors = std::move(errors);
}

void YaraRules::Reload() {
  checked_ = absl::Now();
  std::vector<std::string> files;
  std::string unreadable;
  const std::string fingerprint = Fingerprint(files, unreadable);
  std::vector<std::string> errors;
  if (!unreadable.empty()) {
    errors.push_back(unreadable);
    // What was there before goes on; at the start there are the bundled ones.
    if (rules_ != nullptr) {
      SetErrors(std::move(errors));
      fingerprint_.clear();
      return;
    }
  } else if (rules_ != nullptr && fingerprint == fingerprint_) {
    return;
  }
  std::vector<RuleSource> sources = {
      {.name = "bundled rules", .text = std::string(BundledYaraRules())}};
  for (const std::string& file : files) {
    if (static_cast<int>(sources.size()) > options_.files_max) {
      errors.push_back(absl::StrCat(file, ": left out, more than ", options_.files_max, " files"));
      break;
    }
    std::error_code code;
    const uint64_t size = std::filesystem::file_size(file, code);
    if (code || size > options_.file_bytes_max) {
      errors.push_back(absl::StrCat(
          file, ": ",
          code ? code.message() : absl::StrCat("larger than ", options_.file_bytes_max, " bytes")));
      continue;
    }
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
      errors.push_back(absl::StrCat(file, ": can't be read"));
      continue;
    }
    sources.push_back({.name = file,
                       .text = std::string(std::istreambuf_iterator<char>(stream),
                                           std::istreambuf_iterator<char>())});
  }
  rules_ = YaraRuleSet::Compile(sources, errors);
  fingerprint_ = fingerprint;
  stats_.rules = rules_->rules();
  SetErrors(std::move(errors));
  ++stats_.reloads;
}

std::shared_ptr<const YaraRuleSet> YaraRules::Current() {
  absl::MutexLock lock(&mutex_);
  if (absl::Now() - checked_ >= options_.recheck) Reload();
  return rules_;
}

YaraRules::Stats YaraRules::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace skimwatch::script
