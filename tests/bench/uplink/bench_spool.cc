// How many findings a second the agent's spool takes durably and gives back, beside what the disk
// itself does in the same run: the same bytes written to a plain file and synced with fdatasync,
// once appended (each sync has a new file size to keep) and once over blocks that are there already
// (the least that a durable write can cost).
//
//   bench_spool [--benchmark_filter=...]     the spool is in $TMPDIR; a RAM disk measures nothing
//
// Rows: findings in one append. A finding has 300 bytes, the usual size of one card number.

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/uplink/file_system.h"
#include "agent/uplink/spool.h"
#include "benchmark/benchmark.h"
#include "spdlog/spdlog.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::uplink {
namespace {

constexpr size_t kFindingBytes = 300;
constexpr uint64_t kSpoolBytes = uint64_t{4} << 30;
constexpr uint32_t kSeverity = 4;

// Bytes that do not compress, so that no layer below saves work.
std::string RandomPayload() {
  static std::mt19937_64 random(1);
  std::string payload(kFindingBytes, '\0');
  for (char& byte : payload) byte = static_cast<char>(random());
  return payload;
}

std::unique_ptr<Spool> OpenSpool(const std::string& folder, FileSystem& files,
                                 benchmark::State& state) {
  std::random_device device;
  absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(
      {.directory = folder, .bytes_max = kSpoolBytes, .files = &files, .random = [&device] {
         return (uint64_t{device()} << 32) | device();
       }});
  if (!spool.ok()) {
    state.SkipWithError(spool.status().ToString().c_str());
    return nullptr;
  }
  return *std::move(spool);
}

std::vector<Spool::Record> RecordsOf(size_t count) {
  std::vector<Spool::Record> records(count);
  for (Spool::Record& record : records) {
    record.severity = kSeverity;
    record.payload = RandomPayload();
  }
  return records;
}

void SpoolAppend(benchmark::State& state) {
  const testing::TempFolder folder;
  const std::unique_ptr<FileSystem> files = MakePosixFileSystem();
  const std::unique_ptr<Spool> spool = OpenSpool(folder.path() + "/spool", *files, state);
  if (spool == nullptr) return;
  const std::vector<Spool::Record> records = RecordsOf(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    if (absl::Status s = spool->Append(records); !s.ok()) state.SkipWithError(s.ToString().c_str());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.items_processed() * static_cast<int64_t>(kFindingBytes));
}

void WritePlainFile(benchmark::State& state, bool overwrite) {
  constexpr off_t kFileBytes = off_t{64} << 20;
  const testing::TempFolder folder;
  const std::string path = folder.path() + "/plain";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (overwrite) {
    const std::string zeros(1 << 20, '\0');
    for (off_t at = 0; at < kFileBytes; at += static_cast<off_t>(zeros.size())) {
      if (pwrite(fd, zeros.data(), zeros.size(), at) < 0) state.SkipWithError("write failed");
    }
    fsync(fd);
  }
  std::string bytes;
  for (int64_t i = 0; i < state.range(0); ++i) bytes += RandomPayload();
  off_t at = 0;
  for (auto _ : state) {
    if (overwrite && at + static_cast<off_t>(bytes.size()) > kFileBytes) at = 0;
    if (pwrite(fd, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size()) ||
        fdatasync(fd) != 0) {
      state.SkipWithError("write or fdatasync failed");
    }
    at += static_cast<off_t>(bytes.size());
  }
  close(fd);
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.items_processed() * static_cast<int64_t>(kFindingBytes));
}

void PlainFileAppend(benchmark::State& state) { WritePlainFile(state, /*overwrite=*/false); }
void PlainFileOverwrite(benchmark::State& state) { WritePlainFile(state, /*overwrite=*/true); }

void SpoolReplay(benchmark::State& state) {
  constexpr size_t kFindings = 200'000;
  constexpr size_t kAppend = 1000;
  constexpr size_t kReadBytes = 1 << 20;
  const testing::TempFolder folder;
  const std::unique_ptr<FileSystem> files = MakePosixFileSystem();
  {
    const std::unique_ptr<Spool> spool = OpenSpool(folder.path() + "/spool", *files, state);
    if (spool == nullptr) return;
    const std::vector<Spool::Record> records = RecordsOf(kAppend);
    for (size_t i = 0; i < kFindings; i += kAppend) {
      if (!spool->Append(records).ok()) return state.SkipWithError("append failed");
    }
    if (!spool->Close().ok()) return state.SkipWithError("close failed");
  }
  for (auto _ : state) {
    // As after a restart: recovery reads every record, then each is read for the collector.
    const std::unique_ptr<Spool> spool = OpenSpool(folder.path() + "/spool", *files, state);
    if (spool == nullptr) return;
    const Spool::Position start = spool->Start();
    spool->Resume(start.epoch, start.first_sequence - 1);
    size_t read = 0;
    while (true) {
      const Spool::Batch batch = spool->Read(1000, kReadBytes);
      if (batch.empty()) break;
      read += batch.items.size();
    }
    if (read != kFindings) state.SkipWithError("not everything came back");
    if (!spool->Close().ok()) state.SkipWithError("close failed");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kFindings));
  state.SetBytesProcessed(state.items_processed() * static_cast<int64_t>(kFindingBytes));
}

BENCHMARK(SpoolAppend)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime()->MinTime(1);
BENCHMARK(PlainFileAppend)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime()->MinTime(1);
BENCHMARK(PlainFileOverwrite)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime()->MinTime(1);
BENCHMARK(SpoolReplay)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(2);

}  // namespace
}  // namespace skimwatch::uplink

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::err);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
