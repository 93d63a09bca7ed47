// How many findings a second a collector takes from agents: real loopback gRPC streams under mutual
// TLS, every finding folded into an exposure and a card sighting, and acknowledged when the
// transaction that holds it is durable (SQLite, WAL, synchronous=FULL; or a PostgreSQL server of
// its own on this machine, with fsync and synchronous_commit). Agents, collector and server share
// the machine's processors.
//
//   bench_ingest [--benchmark_filter=...]     the store is in $TMPDIR; a RAM disk measures nothing
//
// Rows: agents, findings in a batch, and whether every finding shows a card never seen before (the
// most work for the store) or one of a thousand. Counters: findings a second, and the time from
// sending a batch to its acknowledgement with eight batches in flight. CopyToPostgres is what
// PostgreSQL itself takes of the same rows: one COPY of 10,000 of them a transaction into a table
// like the store's, by one client that has them ready.

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "collector/server.h"
#include "collector/store/postgres/connection.h"
#include "collector/store/postgres/conninfo.h"
#include "collector/store/postgres/encoding.h"
#include "collector/store/store.h"
#include "spdlog/spdlog.h"
#include "tests/collector/support/agent_client.h"
#include "tests/collector/support/collector_process.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/collector/support/temp_store.h"
#include "tests/collector/support/test_ca.h"

namespace skimwatch {
namespace {

constexpr uint64_t kBatchesInFlight = 8;
constexpr uint64_t kKnownCards = 1000;

// One agent's stream that sends a number of findings and waits for the last acknowledgement.
class LoadAgent {
 public:
  LoadAgent(const std::shared_ptr<grpc::Channel>& channel, uint64_t number, uint64_t batch_size,
            bool new_cards)
      : number_(number), new_cards_(new_cards), client_(channel, absl::Hours(1)) {
    for (uint64_t i = 0; i < batch_size; ++i) {
      *request_.mutable_batch()->add_findings() = testing::CardFinding(1);
    }
    client_.SendHello(number + 1);
    ok_ = client_.ReadWelcome().has_value();
  }

  bool ok() const { return ok_; }
  const std::vector<double>& delays_ms() const { return delays_ms_; }

  void Run(uint64_t batches) {
    const uint64_t batch_size = request_.batch().findings_size();
    const uint64_t last = sequence_ + batches * batch_size;
    std::thread reader([&] {
      while (client_.acknowledged() < last && client_.Read().has_value()) {
        absl::MutexLock lock(&mutex_);
        const auto now = std::chrono::steady_clock::now();
        while (!sent_.empty() && sent_.front().first <= client_.acknowledged()) {
          const std::chrono::duration<double, std::milli> delay = now - sent_.front().second;
          delays_ms_.push_back(delay.count());
          sent_.pop_front();
        }
      }
      absl::MutexLock lock(&mutex_);
      ok_ = ok_ && client_.acknowledged() >= last;
      reader_ended_ = true;
    });
    while (sequence_ < last) {
      const auto may_send = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return sent_.size() < kBatchesInFlight || reader_ended_;
      };
      for (v1::Finding& finding : *request_.mutable_batch()->mutable_findings()) {
        finding.set_sequence(++sequence_);
        const uint64_t card = new_cards_ ? (number_ << 40) + sequence_ : sequence_ % kKnownCards;
        finding.mutable_card_number()->mutable_card()->set_fingerprint(
            testing::FingerprintOf(card));
      }
      {
        absl::MutexLock lock(&mutex_, absl::Condition(&may_send));
        if (reader_ended_) break;
        sent_.emplace_back(sequence_, std::chrono::steady_clock::now());
      }
      if (!client_.Send(request_)) break;
    }
    reader.join();
    reader_ended_ = false;
  }

 private:
  const uint64_t number_;
  const bool new_cards_;
  testing::AgentClient client_;
  v1::StreamRequest request_;
  uint64_t sequence_ = 0;
  bool ok_ = false;
  std::vector<double> delays_ms_;
  absl::Mutex mutex_;
  std::deque<std::pair<uint64_t, std::chrono::steady_clock::time_point>> sent_
      ABSL_GUARDED_BY(mutex_);
  bool reader_ended_ = false;
};

void RunAgents(benchmark::State& state, const testing::TempFolder& folder,
               config::v1::CollectorConfig config) {
  const auto agent_count = static_cast<uint64_t>(state.range(0));
  const auto batch_size = static_cast<uint64_t>(state.range(1));
  const bool new_cards = state.range(2) != 0;
  testing::TestCa ca(folder.File("ca"));
  *config.mutable_tls() = ca.Issue("collector");
  config.clear_agents();
  config.mutable_ingest()->set_findings_per_second_per_agent(10'000'000);
  auto server = collector::Server::Start({.config = config});
  if (!server.ok()) {
    state.SkipWithError(server.status().ToString().c_str());
    return;
  }
  std::vector<std::unique_ptr<LoadAgent>> agents;
  for (uint64_t i = 0; i < agent_count; ++i) {
    const auto channel = testing::ConnectTo((*server)->port(), ca.Issue(absl::StrCat("agent-", i)));
    agents.push_back(std::make_unique<LoadAgent>(channel, i, batch_size, new_cards));
  }
  const uint64_t batches = std::max<uint64_t>(20'000 / batch_size / agent_count, kBatchesInFlight);
  for (auto _ : state) {
    std::vector<std::thread> threads;
    for (auto& agent : agents) threads.emplace_back([&] { agent->Run(batches); });
    for (std::thread& thread : threads) thread.join();
  }
  std::vector<double> delays;
  for (const auto& agent : agents) {
    if (!agent->ok()) state.SkipWithError("a stream ended early");
    delays.insert(delays.end(), agent->delays_ms().begin(), agent->delays_ms().end());
  }
  std::sort(delays.begin(), delays.end());
  if (!delays.empty()) {
    state.counters["ack_p50_ms"] = delays[delays.size() / 2];
    state.counters["ack_p99_ms"] = delays[delays.size() * 99 / 100];
  }
  state.SetItemsProcessed(
      static_cast<int64_t>(state.iterations() * batches * batch_size * agent_count));
}

void Ingest(benchmark::State& state) {
  const testing::TempFolder folder;
  RunAgents(state, folder, testing::TestConfig(folder.path()));
}

testing::PostgresServer::Options DurableServer() {
  return {.settings = {"fsync=on", "shared_buffers=256MB", "max_wal_size=2GB"}};
}

void IngestToPostgres(benchmark::State& state) {
  const testing::TempFolder folder;
  testing::PostgresServer server(DurableServer());
  config::v1::CollectorConfig config = testing::TestConfig(folder.path());
  config.mutable_store()->clear_path();
  config.mutable_store()->mutable_postgres()->set_conninfo(server.Conninfo("postgres"));
  RunAgents(state, folder, config);
}

void CopyToPostgres(benchmark::State& state) {
  constexpr uint64_t kRows = 10'000;
  testing::PostgresServer server(DurableServer());
  store::Options options;
  options.config.mutable_postgres()->set_conninfo(server.Conninfo("postgres"));
  // Makes the tables.
  if (const auto store = store::OpenPostgresStore(options); !store.ok()) {
    state.SkipWithError(store.status().ToString().c_str());
    return;
  }
  server.Query("postgres", "CREATE TABLE plain (LIKE findings INCLUDING ALL)");
  const auto conninfo = store::postgres::Conninfo::Parse(server.Conninfo("postgres"));
  auto connection = store::postgres::Connection::Open(*conninfo, absl::Minutes(1));
  int64_t sequence = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::string rows;
    for (uint64_t i = 0; i < kRows; ++i) {
      const v1::Finding finding =
          testing::CardFinding(static_cast<uint64_t>(++sequence), {.card = i % kKnownCards});
      store::postgres::AppendInt16(rows, 8);
      for (const int64_t field : {int64_t{1}, sequence, int64_t{1'700'000'000'000'000} + sequence,
                                  int64_t{1}, int64_t{3}, int64_t{1}}) {
        store::postgres::AppendIntField(rows, field);
      }
      store::postgres::AppendBytesField(rows, finding.site());
      store::postgres::AppendBytesField(rows, finding.SerializeAsString());
    }
    state.ResumeTiming();
    absl::Status status = (*connection)->Execute("BEGIN");
    if (status.ok()) {
      status = (*connection)
                   ->Copy(
                       "COPY plain (stream_id, sequence, stored_at, kind, confidence, exposure_id,"
                       " site, body) FROM STDIN (FORMAT binary)",
                       rows);
    }
    if (status.ok()) status = (*connection)->Commit();
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kRows));
}

void Rows(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"agents", "batch", "new_cards"})
      ->Args({1, 1000, 0})
      ->Args({1, 1000, 1})
      ->Args({4, 1000, 0})
      ->Args({4, 100, 0})
      ->Args({16, 10, 0})
      ->Unit(benchmark::kMillisecond)
      ->MinTime(2)
      ->UseRealTime();
}

BENCHMARK(Ingest)->Apply(Rows);
BENCHMARK(IngestToPostgres)->Apply(Rows);
BENCHMARK(CopyToPostgres)->Unit(benchmark::kMillisecond)->MinTime(2)->UseRealTime();

}  // namespace
}  // namespace skimwatch

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::err);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
