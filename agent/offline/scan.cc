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
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/card/brand_table.h"
#include "agent/offline/bounded_queue.h"
#include "agent/offline/cancellation.h"
#include "agent/offline/console.h"
#include "agent/offline/file_scanner.h"
#include "agent/offline/file_walker.h"
#include "agent/offline/match_writer.h"
#include "agent/offline/progress.h"
#include "agent/offline/scan_report.h"
#include "agent/offline/scan_services.h"
#include "proto/process/process.h"
#include "proto/text/columns.h"

namespace skimwatch::offline {
namespace {

constexpr absl::Duration kProgressAfter = absl::Milliseconds(500);
constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

FileWalker::Options WalkOptions(const ScanOptions& options, bool measure_only) {
  return {.exclude = options.exclude,
          .file_bytes_max = options.file_bytes_max,
          .follow_symlinks = options.follow_symlinks,
          .one_file_system = options.one_file_system,
          .measure_only = measure_only,
          .output_fd = STDOUT_FILENO};
}

// Hands the files of a walk to the threads that scan.
class QueueVisitor final : public WalkVisitor {
 public:
  QueueVisitor(BoundedQueue<FoundFile>& queue, const Cancellation& cancellation)
      : queue_(queue), cancellation_(cancellation) {}

  bool OnFile(FoundFile file) override { return !Stopped() && queue_.Push(std::move(file)); }
  bool Stopped() override { return cancellation_.cancelled(); }

 private:
  BoundedQueue<FoundFile>& queue_;
  const Cancellation& cancellation_;
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

// One run: a thread that walks, threads that scan, and the caller's, which watches.
class Run {
 public:
  explicit Run(const ScanOptions& options)
      : options_(options),
        console_(STDOUT_FILENO, STDERR_FILENO, cancellation_),
        report_(console_),
        writer_(options.format, options.mask, text::TerminalColumns(STDOUT_FILENO), console_),
        services_{.options = options,
                  .brands = card::BrandTable::Default(),
                  .cancellation = cancellation_,
                  .writer = writer_,
                  .report = report_},
        queue_(size_t{2} * options.jobs),
        finished_(eventfd(0, EFD_CLOEXEC)) {}

  int Scan() {
    const absl::Time start = absl::Now();
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
    queue_.Close();
  }

  void ScanFiles() {
    FileScanner scanner(services_);
    while (std::optional<FoundFile> file = queue_.Pop()) {
      if (!cancellation_.cancelled()) scanner.Scan(*file);
    }
    if (running_.fetch_sub(1) == 1) eventfd_write(finished_.get(), 1);
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

  int Conclude(int signal, absl::Duration elapsed) {
    const absl::Status flushed = console_.Flush();
    if (!flushed.ok()) {
      console_.Err(absl::StrCat("skimwatch-agent scan: ", flushed.message()));
    }
    if (options_.stats) {
      console_.Err(report_.Stats(options_.format, elapsed));
    } else if (const std::string note = report_.SkipNote(); !note.empty() && !options_.quiet) {
      console_.Err(absl::StrCat("skimwatch-agent scan: ", note));
    }
    if (signal != 0) return 128 + signal;
    if (!flushed.ok() || report_.has_errors()) return kExitError;
    return report_.findings() > 0 ? kExitFound : kExitNothingFound;
  }

  const ScanOptions& options_;
  Cancellation cancellation_;
  Console console_;
  ScanReport report_;
  MatchWriter writer_;
  const ScanServices services_;
  BoundedQueue<FoundFile> queue_;
  std::atomic<uint32_t> running_{0};
  // Readable when no thread scans any more.
  UniqueFd finished_;
};

}  // namespace

int RunScan(const ScanOptions& options) {
  if (const absl::Status status = process::ForbidCoreDumps(); !status.ok()) {
    std::cerr << "skimwatch-agent scan: " << status.message() << "\n";
    return kExitError;
  }
  process::BlockTerminationSignals();
  process::KeepFreedMemory();
  return Run(options).Scan();
}

}  // namespace skimwatch::offline
