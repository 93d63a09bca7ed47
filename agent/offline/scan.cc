#include "agent/offline/scan.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/card/brand_file.h"
#include "agent/card/brand_table.h"
#include "agent/card/mask.h"
#include "agent/memory/wipe.h"
#include "agent/offline/allow_list.h"
#include "agent/offline/baseline.h"
#include "agent/offline/bounded_queue.h"
#include "agent/offline/cancellation.h"
#include "agent/offline/console.h"
#include "agent/offline/file_scanner.h"
#include "agent/offline/file_walker.h"
#include "agent/offline/finding_output.h"
#include "agent/offline/findings.h"
#include "agent/offline/match_writer.h"
#include "agent/offline/progress.h"
#include "agent/offline/sarif_writer.h"
#include "agent/offline/scan_report.h"
#include "agent/offline/scan_services.h"
#include "agent/offline/shown_text.h"
#include "proto/fingerprint/fingerprint.h"
#include "proto/process/process.h"
#include "proto/text/columns.h"

namespace skimwatch::offline {
namespace {

constexpr absl::Duration kProgressAfter = absl::Milliseconds(500);
constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

FileWalker::Options WalkOptions(const ScanOptions& options, bool measure_only) {
  return {.exclude = options.exclude,
          .skimwatchignore = options.skimwatchignore,
          .gitignore = options.gitignore,
          .file_bytes_max = options.file_bytes_max,
          .follow_symlinks = options.follow_symlinks,
          .one_file_system = options.one_file_system,
          .measure_only = measure_only,
          .output_fd = STDOUT_FILENO};
}

// Files that go to a thread together, so that handing over small ones costs little.
using Batch = std::vector<FoundFile>;

// Hands the files of a walk to the threads that scan, who take them from one queue: whoever is free
// takes what is next. A file is not split; a large one is its thread's alone.
class QueueVisitor final : public WalkVisitor {
 public:
  QueueVisitor(BoundedQueue<Batch>& queue, const Cancellation& cancellation)
      : queue_(queue), cancellation_(cancellation) {}

  bool OnFile(FoundFile file) override {
    if (Stopped()) return false;
    file.number = files_++;
    bytes_ += file.bytes;
    const bool is_last = !file.seekable;
    batch_.push_back(std::move(file));
    return is_last || batch_.size() == kBatchFiles || bytes_ >= kBatchBytes ? Flush() : true;
  }
  bool Stopped() override { return cancellation_.cancelled(); }

  bool Flush() {
    bytes_ = 0;
    return batch_.empty() || queue_.Push(std::exchange(batch_, {}));
  }

 private:
  // Each holds an open file.
  static constexpr size_t kBatchFiles = 8;
  static constexpr uint64_t kBatchBytes = uint64_t{128} << 10;

  BoundedQueue<Batch>& queue_;
  const Cancellation& cancellation_;
  uint64_t files_ = 0;
  Batch batch_;
  uint64_t bytes_ = 0;
};

// Adds up what there is to scan, ahead of the scan.
class Measure final : public WalkVisitor, public SkipSink {
 public:
  Measure(const ScanOptions& options, const Cancellation& cancellation)
      : options_(options), cancellation_(cancellation) {}

  void Run() {
    FileWalker walker(WalkOptions(options_, /*measure_only=*/true), *this, *this);
    for (const std::string& path : options_.paths) {
      if (!walker.Walk(path)) return;
    }
    complete_.store(!unknown_, std::memory_order_release);
  }
  void Stop() { stopped_.store(true, std::memory_order_relaxed); }

  std::optional<uint64_t> total() const {
    if (!complete_.load(std::memory_order_acquire)) return std::nullopt;
    return bytes_;
  }

  bool OnFile(FoundFile file) override {
    unknown_ |= !file.seekable && file.bytes == 0;
    bytes_ += file.bytes;
    return !Stopped();
  }
  bool Stopped() override {
    return cancellation_.cancelled() || stopped_.load(std::memory_order_relaxed);
  }
  void OnSkip(std::string_view /*path*/, SkipReason /*reason*/,
              std::string_view /*detail*/) override {}

 private:
  const ScanOptions& options_;
  const Cancellation& cancellation_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> complete_{false};
  // Read by others only after complete_.
  uint64_t bytes_ = 0;
  bool unknown_ = false;
};

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

bool ShowsProgress(const ScanOptions& options) {
  const char* const terminal = std::getenv("TERM");
  return options.progress && !options.quiet && isatty(STDERR_FILENO) == 1 &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

// The last column stays free: some terminals go to the next line with it.
size_t ProgressColumns() {
  // Serial lines and some containers' terminals tell 0.
  constexpr size_t kColumnsUntold = 80;
  const size_t columns = text::TerminalColumns(STDERR_FILENO);
  return (columns > 0 ? columns : kColumnsUntold) - 1;
}

// What a run is judged by, read before it begins.
struct Policies {
  std::optional<v1::FingerprintKey> key;
  std::unique_ptr<AllowList> allow_list;
  std::unique_ptr<Baseline> known;
  std::unique_ptr<Baseline> written;
};

absl::StatusOr<v1::FingerprintKey> ReadKey(const ScanOptions& options) {
  absl::StatusOr<v1::FingerprintKey> key = fingerprint::ReadKeyFile(options.fingerprint_key);
  if (absl::IsNotFound(key.status()) && !options.write_baseline.empty()) {
    return fingerprint::CreateKeyFile(options.fingerprint_key);
  }
  return key;
}

absl::StatusOr<Policies> ReadPolicies(const ScanOptions& options) {
  Policies policies;
  std::string key_id;
  if (!options.fingerprint_key.empty()) {
    absl::StatusOr<v1::FingerprintKey> key = ReadKey(options);
    if (!key.ok()) return key.status();
    policies.key = *std::move(key);
    key_id = policies.key->id();
  } else if (!options.baseline.empty() || !options.write_baseline.empty()) {
    return absl::InvalidArgumentError(
        "a baseline needs --fingerprint-key FILE: what it says of numbers is made with a key, so "
        "that nobody can try them out; --write-baseline makes one where FILE is not there");
  }
  if (!options.allow_list.empty()) {
    auto list =
        AllowList::Load(options.allow_list, key_id, card::BrandTable::Default(), absl::Now());
    if (!list.ok()) return list.status();
    policies.allow_list = *std::move(list);
  }
  if (!options.baseline.empty()) {
    auto known = Baseline::Load(options.baseline, key_id);
    if (!known.ok()) return known.status();
    policies.known = *std::move(known);
  }
  if (!options.write_baseline.empty()) policies.written = std::make_unique<Baseline>(key_id);
  return policies;
}

// The folder that relative paths are below; empty where it is gone.
std::string CurrentFolder() {
  std::error_code error;
  return std::filesystem::current_path(error).string();
}

std::unique_ptr<FindingWriter> NewWriter(const ScanOptions& options) {
  switch (options.format) {
    case Format::kJson:
      return std::make_unique<JsonWriter>(options.mask);
    case Format::kSarif:
      return std::make_unique<SarifWriter>(options.mask, CurrentFolder());
    case Format::kTable:
      break;
  }
  return std::make_unique<TableWriter>(options.mask, text::TerminalColumns(STDOUT_FILENO));
}

IgnoreRules ExcludeRules(const ScanOptions& options) {
  IgnoreRules rules;
  for (const std::string& glob : options.exclude) {
    if (auto pattern = IgnorePattern::Parse(glob)) rules.Add(*std::move(pattern));
  }
  return rules;
}

// One run: a thread that walks, threads that scan, and the caller's, which watches.
class Run {
 public:
  Run(const ScanOptions& options, const card::BrandTable& brands, const Policies& policies)
      : options_(options),
        policies_(policies),
        console_(STDOUT_FILENO, STDERR_FILENO, cancellation_),
        report_(console_),
        writer_(NewWriter(options)),
        output_(*writer_, console_, options.sort, cancellation_),
        findings_(options,
                  {.key = policies.key.has_value() ? &*policies.key : nullptr,
                   .allow_list = policies.allow_list.get(),
                   .known = policies.known.get(),
                   .written = policies.written.get()},
                  CurrentFolder(), report_, output_),
        exclude_(ExcludeRules(options)),
        services_{.options = options,
                  .brands = brands,
                  .exclude = exclude_,
                  .cancellation = cancellation_,
                  .findings = findings_,
                  .report = report_},
        queue_(size_t{2} * options.jobs),
        finished_(eventfd(0, EFD_CLOEXEC)) {}

  int Scan() {
    const absl::Time start = absl::Now();
    if (policies_.allow_list != nullptr && !options_.quiet) {
      for (const std::string& line : policies_.allow_list->Expired()) {
        console_.Err(absl::StrCat("skimwatch-agent scan: ", line));
      }
    }
    std::vector<std::thread> threads;
    running_ = options_.jobs;
    threads.emplace_back([this] { WalkAll(); });
    for (uint32_t i = 0; i < options_.jobs; ++i) {
      threads.emplace_back([this] { ScanFiles(); });
    }
    const int signal = Watch(start);
    queue_.Close();
    for (std::thread& thread : threads) thread.join();
    return Conclude(signal, absl::Now() - start);
  }

 private:
  void WalkAll() {
    QueueVisitor visitor(queue_, cancellation_);
    FileWalker walker(WalkOptions(options_, /*measure_only=*/false), visitor, report_);
    for (const std::string& path : options_.paths) {
      if (!walker.Walk(path)) break;
    }
    visitor.Flush();
    queue_.Close();
  }

  void ScanFiles() {
    FileScanner scanner(services_);
    while (std::optional<Batch> batch = queue_.Pop()) {
      for (FoundFile& file : *batch) {
        if (cancellation_.cancelled()) break;
        ScanFile(scanner, file);
        memory::WipeDeadStack();
        // Not at the end of the batch: others may wait to open theirs.
        file.fd = UniqueFd();
      }
    }
    if (running_.fetch_sub(1) == 1) eventfd_write(finished_.get(), 1);
  }

  // What libraries throw, such as for want of memory, ends this file and not the run.
  void ScanFile(FileScanner& scanner, const FoundFile& file) {
    try {
      scanner.Scan(file);
    } catch (const std::exception& error) {
      report_.OnSkip(file.path, SkipReason::kUnreadable, error.what());
    }
  }

  // Until all is scanned or stopped. The signal that stopped it, or 0.
  int Watch(absl::Time start) {
    const sigset_t signals = EndSignals();
    const UniqueFd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    const bool shows_progress = ShowsProgress(options_);
    Measure measure(options_, cancellation_);
    std::thread measuring;
    ProgressMeter meter(start);
    absl::Time next_progress = shows_progress ? start + kProgressAfter : absl::InfiniteFuture();
    int signal = 0;
    while (true) {
      std::array<pollfd, 2> ends = {pollfd{.fd = finished_.get(), .events = POLLIN, .revents = 0},
                                    pollfd{.fd = signal_fd.get(), .events = POLLIN, .revents = 0}};
      const absl::Duration wait = next_progress - absl::Now();
      // Rounded up, so that it does not wake too early and turn round at once.
      const int timeout_ms =
          shows_progress
              ? static_cast<int>(std::max<int64_t>(absl::ToInt64Milliseconds(wait) + 1, 0))
              : -1;
      poll(ends.data(), ends.size(), timeout_ms);
      if (ends[0].revents != 0) break;
      if (ends[1].revents != 0) {
        signalfd_siginfo info{};
        if (read(signal_fd.get(), &info, sizeof info) == sizeof info) {
          signal = static_cast<int>(info.ssi_signo);
          cancellation_.Cancel();
          // Should a thread hang in the kernel, the next one ends the process.
          pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
        }
      }
      const absl::Time now = absl::Now();
      if (now >= next_progress) {
        if (!measuring.joinable()) measuring = std::thread([&measure] { measure.Run(); });
        next_progress = now + kProgressEvery;
        const ProgressState state{.bytes_done = report_.bytes_read().load(),
                                  .bytes_total = measure.total(),
                                  .findings = report_.findings()};
        console_.ShowProgress(meter.Line(state, now, ProgressColumns()));
      }
    }
    measure.Stop();
    if (measuring.joinable()) measuring.join();
    return signal;
  }

  // The exit code as far as the scan itself says it.
  int Outcome() const {
    if (report_.has_errors()) return kExitError;
    return report_.findings() > 0 && policies_.written == nullptr ? kExitFound : kExitNothingFound;
  }

  int Conclude(int signal, absl::Duration elapsed) {
    if (policies_.allow_list != nullptr || policies_.known != nullptr) {
      report_.OnLeftOver(policies_.allow_list == nullptr ? 0 : policies_.allow_list->unused(),
                         policies_.known == nullptr ? 0 : policies_.known->untaken());
    }
    if (!options_.quiet) {
      output_.Finish({.complete = signal == 0 && !report_.has_errors(),
                      .exit_code = signal != 0 ? 128 + signal : Outcome()});
    }
    absl::Status written = console_.Flush();
    // A baseline of a part would make the rest news.
    if (written.ok() && policies_.written != nullptr && signal == 0) {
      written = policies_.written->Save(options_.write_baseline);
    }
    if (!written.ok()) {
      console_.Err(absl::StrCat("skimwatch-agent scan: ", written.message()));
    }
    if (options_.stats) {
      console_.Err(report_.Stats(options_.format, elapsed));
    } else if (const std::string note = report_.SkipNote(); !note.empty() && !options_.quiet) {
      console_.Err(absl::StrCat("skimwatch-agent scan: ", note));
    }
    if (signal != 0) return 128 + signal;
    return written.ok() ? Outcome() : kExitError;
  }

  const ScanOptions& options_;
  const Policies& policies_;
  Cancellation cancellation_;
  Console console_;
  ScanReport report_;
  const std::unique_ptr<FindingWriter> writer_;
  FindingOutput output_;
  const Findings findings_;
  const IgnoreRules exclude_;
  const ScanServices services_;
  BoundedQueue<Batch> queue_;
  std::atomic<uint32_t> running_{0};
  // Readable when no thread scans any more.
  UniqueFd finished_;
};

}  // namespace

int RunScan(const ScanOptions& options) {
  if (const absl::Status status = process::ForbidCoreDumps(); !status.ok()) {
    std::cerr << "skimwatch-agent scan: " << ShownText(std::string(status.message())) << "\n";
    return kExitError;
  }
  const absl::StatusOr<std::shared_ptr<const card::BrandTable>> brands =
      card::LoadBrandTable(options.brand_table);
  if (!brands.ok()) {
    std::cerr << "skimwatch-agent scan: --brand-table: "
              << ShownText(std::string(brands.status().message())) << "\n";
    return kExitError;
  }
  // Kept to the end of the process, which reads it until then.
  static const std::shared_ptr<const card::BrandTable>& kept =
      *new std::shared_ptr<const card::BrandTable>(*brands);
  card::SetRedactionBrands(*kept);
  process::BlockTerminationSignals();
  process::KeepFreedMemory();
  const absl::StatusOr<Policies> policies = ReadPolicies(options);
  if (!policies.ok()) {
    // Of a YAML file, a line for each thing that is wrong.
    for (const absl::string_view line : absl::StrSplit(policies.status().message(), '\n')) {
      std::cerr << "skimwatch-agent scan: " << ShownText({line.data(), line.size()}) << "\n";
    }
    return kExitError;
  }
  return Run(options, *kept, *policies).Scan();
}

}  // namespace skimwatch::offline
