#include "collector/store/sql/sink_rows.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collector/store/sql/queries.h"
#include "collector/store/sql/sql_transaction.h"
#include "collector/store/sql/stream_names.h"
#include "collector/store/timestamp.h"
#include "openssl/rand.h"
#include "openssl/sha.h"

namespace skimwatch::store::sql {
namespace {

constexpr std::string_view kStoreId = "store_id";
constexpr size_t kIdBytes = 8;
// Commits that one read goes through, so that it does not hold its snapshot long.
constexpr int kCommitsPerRead = 1000;
// About as many; each is read with its body.
constexpr size_t kExposuresPerRead = 1000;
// What is never due.
constexpr int64_t kNever = INT64_MAX;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string Hex(std::string_view bytes) { return absl::BytesToHexString(View(bytes)); }

std::string RevisionOf(std::string_view body) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data());
  return Hex(std::string_view(reinterpret_cast<const char*>(digest.data()), kIdBytes));
}

// Ids in a column, 8 bytes each, the most significant first.
std::string PackIds(const std::set<uint64_t>& ids) {
  std::string packed;
  for (const uint64_t id : ids) {
    for (int shift = 56; shift >= 0; shift -= 8) packed.push_back(static_cast<char>(id >> shift));
  }
  return packed;
}

void UnpackIds(std::string_view packed, std::set<uint64_t>& ids) {
  for (; packed.size() >= sizeof(uint64_t); packed.remove_prefix(sizeof(uint64_t))) {
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof(uint64_t); ++i) {
      id = (id << 8) | static_cast<unsigned char>(packed[i]);
    }
    ids.insert(id);
  }
}

struct CommitEnd {
  std::string collector;
  uint64_t number = 0;
  uint64_t findings = 0;
};

absl::StatusOr<std::vector<CommitEnd>> ReadCommitEnds(Database& db) {
  std::vector<CommitEnd> ends;
  Statement select =
      db.Prepare("SELECT collector, number, findings FROM commit_ends ORDER BY collector");
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return ends;
    ends.push_back({.collector = std::string(select.GetBytes(0)),
                    .number = select.GetUnsigned(1),
                    .findings = select.GetUnsigned(2)});
  }
}

struct Commit {
  uint64_t number = 0;
  absl::Time stored_at;
  // Of the collector before this one, and of this one.
  uint64_t findings_before = 0;
  uint64_t findings = 0;
  std::string exposures;
};

absl::StatusOr<std::optional<Commit>> NextCommit(Database& db, std::string_view collector,
                                                 uint64_t after) {
  Statement select = db.Prepare(
      "SELECT number, stored_at, findings_before, findings, exposures FROM commits"
      " WHERE collector = ? AND number > ? ORDER BY number LIMIT 1");
  absl::StatusOr<bool> row = select.Text(collector).Unsigned(after).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return Commit{.number = select.GetUnsigned(0),
                .stored_at = select.GetTime(1),
                .findings_before = select.GetUnsigned(2),
                .findings = select.GetUnsigned(3),
                .exposures = std::string(select.GetBytes(4))};
}

// The commit that a position is in the middle of.
bool IsWithin(const CommitPosition& position, const Commit& commit) {
  return position.stream != 0 && commit.number == position.number + 1;
}

// Reads what was committed after some positions; see Changes.
class ChangeReader {
 public:
  ChangeReader(Database& db, size_t findings_max) : db_(db), findings_max_(findings_max) {}

  absl::StatusOr<Changes> Read(const std::vector<CommitPosition>& after) {
    absl::StatusOr<std::vector<CommitEnd>> ends = ReadCommitEnds(db_);
    if (!ends.ok()) return ends.status();
    for (CommitEnd& end : *ends) {
      Collector collector;
      collector.position.collector = end.collector;
      for (const CommitPosition& position : after) {
        if (position.collector == end.collector) collector.position = position;
      }
      collector.end = std::move(end);
      if (absl::Status s = Advance(collector); !s.ok()) return s;
      collectors_.push_back(std::move(collector));
    }
    for (int commits = 0;; ++commits) {
      Collector* const oldest = Oldest();
      if (oldest == nullptr) break;
      if (commits == kCommitsPerRead || IsFull() || exposures_.size() >= kExposuresPerRead) {
        changes_.more = true;
        break;
      }
      absl::Status s = ReadCommit(*oldest);
      if (!s.ok()) return s;
    }
    changes_.exposures.assign(exposures_.begin(), exposures_.end());
    for (Collector& collector : collectors_) {
      changes_.positions.push_back(std::move(collector.position));
    }
    return std::move(changes_);
  }

 private:
  struct Collector {
    CommitEnd end;
    CommitPosition position;
    std::optional<Commit> next;
  };

  bool IsFull() const {
    return changes_.findings.size() >= findings_max_ || bytes_ >= kPageBytesMax;
  }

  // The collector with the oldest commit to read, by the collectors' clocks, which need not agree.
  Collector* Oldest() {
    Collector* oldest = nullptr;
    for (Collector& collector : collectors_) {
      if (!collector.next.has_value()) continue;
      if (oldest == nullptr || collector.next->stored_at < oldest->next->stored_at) {
        oldest = &collector;
      }
    }
    return oldest;
  }

  // Finds the next commit, and goes over those that are gone.
  absl::Status Advance(Collector& collector) {
    collector.next.reset();
    CommitPosition& position = collector.position;
    if (position.number > collector.end.number) {
      // A standby that lacks the latest commits was promoted: their numbers are given again.
      position = {.collector = position.collector,
                  .number = collector.end.number,
                  .findings = collector.end.findings};
      changes_.gap = true;
    }
    if (position.number == collector.end.number) return absl::OkStatus();
    absl::StatusOr<std::optional<Commit>> next =
        NextCommit(db_, position.collector, position.number);
    if (!next.ok()) return next.status();
    if (!next->has_value()) {
      GoTo(position, collector.end.findings);
      position.number = collector.end.number;
      changes_.gap = true;
      return absl::OkStatus();
    }
    if ((*next)->number != position.number + 1) {
      changes_.gap = true;
      GoTo(position, (*next)->findings_before);
      position.number = (*next)->number - 1;
    }
    collector.next = *std::move(next);
    return absl::OkStatus();
  }

  // Counts what lies between as missed.
  void GoTo(CommitPosition& position, uint64_t findings) {
    if (findings > position.findings) changes_.missed += findings - position.findings;
    position.findings = findings;
    position.stream = 0;
    position.sequence = 0;
  }

  absl::Status ReadCommit(Collector& collector) {
    CommitPosition& position = collector.position;
    const Commit& commit = *collector.next;
    UnpackIds(commit.exposures, exposures_);
    const uint64_t end = commit.findings_before + commit.findings;
    if (commit.findings > 0) {
      absl::StatusOr<bool> whole = ReadFindings(position, commit.stored_at, end);
      if (!whole.ok()) return whole.status();
      if (!*whole) return absl::OkStatus();
    }
    GoTo(position, end);
    position.number = commit.number;
    return Advance(collector);
  }

  // False when there is no room for more.
  absl::StatusOr<bool> ReadFindings(CommitPosition& position, absl::Time stored_at, uint64_t end) {
    Statement select = db_.Scan(
        "SELECT stream_id, sequence, exposure_id, body FROM findings"
        " WHERE stored_at = ? AND (stream_id, sequence) > (?, ?) ORDER BY stream_id, sequence");
    select.Time(stored_at).Int(position.stream).Unsigned(position.sequence);
    while (true) {
      absl::StatusOr<bool> row = select.Step();
      if (!row.ok()) return row.status();
      if (!*row) return true;
      if (IsFull()) return false;
      position.stream = select.GetInt(0);
      position.sequence = select.GetUnsigned(1);
      // Another collector may have stored some at the same time.
      position.findings = std::min(position.findings + 1, end);
      absl::StatusOr<const StreamNames::Name*> name = names_.Find(position.stream);
      if (!name.ok()) return name.status();
      v1::StoredFinding& stored = changes_.findings.emplace_back();
      bytes_ += select.GetBytes(3).size();
      absl::Status s = ParseBody(select.GetBytes(3), "finding", *stored.mutable_finding());
      if (!s.ok()) return s;
      stored.set_agent((*name)->agent);
      stored.set_epoch((*name)->epoch);
      *stored.mutable_stored_at() = ToTimestamp(stored_at);
      stored.set_exposure_id(select.GetUnsigned(2));
    }
  }

  Database& db_;
  const size_t findings_max_;
  StreamNames names_{db_};
  std::vector<Collector> collectors_;
  std::set<uint64_t> exposures_;
  size_t bytes_ = 0;
  Changes changes_;
};

absl::Status ReadPositions(Database& db, std::string_view sink, SinkState& state) {
  Statement select = db.Prepare(
      "SELECT collector, number, stream_id, sequence, findings FROM sink_positions WHERE sink = ?");
  select.Text(sink);
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    state.positions.push_back({.collector = std::string(select.GetBytes(0)),
                               .number = select.GetUnsigned(1),
                               .stream = select.GetInt(2),
                               .sequence = select.GetUnsigned(3),
                               .findings = select.GetUnsigned(4)});
  }
}

// What lies between the positions and the ends.
absl::Status MeasureBacklog(Database& db, SinkState& state) {
  absl::StatusOr<std::vector<CommitEnd>> ends = ReadCommitEnds(db);
  if (!ends.ok()) return ends.status();
  for (const CommitEnd& end : *ends) {
    CommitPosition position;
    for (const CommitPosition& known : state.positions) {
      if (known.collector == end.collector) position = known;
    }
    if (position.number >= end.number) continue;
    absl::StatusOr<std::optional<Commit>> next = NextCommit(db, end.collector, position.number);
    if (!next.ok()) return next.status();
    uint64_t there = position.findings;
    if (!next->has_value()) {
      there = end.findings;
    } else {
      if (!IsWithin(position, **next)) there = std::max(there, (*next)->findings_before);
      state.oldest_unsent =
          std::min(state.oldest_unsent.value_or(absl::InfiniteFuture()), (*next)->stored_at);
    }
    state.missed += there - std::min(there, position.findings);
    state.behind += end.findings - std::min(end.findings, there);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> StoreId(Database& db) {
  Statement select = db.Prepare("SELECT value FROM settings WHERE name = ?");
  absl::StatusOr<bool> row = select.Text(kStoreId).Step();
  if (!row.ok()) return row.status();
  return *row ? std::string(select.GetBytes(0)) : std::string();
}

// Collectors that come at once agree on one.
absl::Status MakeStoreId(Database& db) {
  std::array<unsigned char, kIdBytes> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return absl::InternalError("no random numbers");
  }
  Statement insert =
      db.Prepare("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING");
  const std::string id =
      Hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  return insert.Text(kStoreId).Blob(id).Run();
}

absl::Status DueAllExposures(Database& db, std::string_view sink) {
  Statement insert = db.Prepare(
      "INSERT INTO sink_exposures"
      " (sink, exposure_id, revision, state, severity, confidence, sent_at, due_at)"
      " SELECT CAST(? AS TEXT), id, '', 0, 0, 0, 0, 0 FROM exposures WHERE id > 0"
      " ON CONFLICT (sink, exposure_id) DO UPDATE SET due_at = 0");
  return insert.Text(sink).Run();
}

// Those that are open, or were when they were last sent.
absl::Status DueOpenExposures(Database& db, std::string_view sink) {
  Statement insert = db.Prepare(
      "INSERT INTO sink_exposures"
      " (sink, exposure_id, revision, state, severity, confidence, sent_at, due_at)"
      " SELECT CAST(? AS TEXT), id, '', 0, 0, 0, 0, 0 FROM exposures WHERE state = 1"
      " ON CONFLICT (sink, exposure_id) DO UPDATE SET due_at = 0");
  if (absl::Status s = insert.Text(sink).Run(); !s.ok()) return s;
  return db.Prepare("UPDATE sink_exposures SET due_at = 0 WHERE sink = ? AND state = 1")
      .Text(sink)
      .Run();
}

absl::Status SaveExposure(Database& db, std::string_view sink, const SentExposure& sent) {
  Statement save = db.Prepare(
      "INSERT INTO sink_exposures"
      " (sink, exposure_id, revision, state, severity, confidence, sent_at, due_at)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sink, exposure_id) DO UPDATE SET"
      " revision = excluded.revision, state = excluded.state, severity = excluded.severity,"
      " confidence = excluded.confidence, sent_at = excluded.sent_at, due_at = excluded.due_at");
  save.Text(sink).Unsigned(sent.id).Text(sent.revision);
  save.Int(sent.state).Int(sent.severity).Int(sent.confidence).Time(sent.sent_at);
  return save.Int(sent.due_at == absl::InfiniteFuture() ? kNever : absl::ToUnixMicros(sent.due_at))
      .Run();
}

}  // namespace

absl::Status CreateSinkTables(Database& db, const SinkColumns& columns) {
  const std::string sql = absl::StrCat(
      "CREATE TABLE commits (collector ", columns.text, " NOT NULL, number ", columns.integer,
      " NOT NULL, stored_at ", columns.integer, " NOT NULL, findings_before ", columns.integer,
      " NOT NULL, findings ", columns.integer, " NOT NULL, exposures ", columns.blob,
      " NOT NULL, PRIMARY KEY (collector, number))", columns.suffix,
      ";"
      "CREATE TABLE commit_ends (collector ",
      columns.text, " PRIMARY KEY, number ", columns.integer, " NOT NULL, findings ",
      columns.integer,
      " NOT NULL);"
      "CREATE TABLE sinks (name ",
      columns.text, " PRIMARY KEY, holder ", columns.text, " NOT NULL, term ", columns.integer,
      " NOT NULL, beat ", columns.integer, " NOT NULL, missed ", columns.integer,
      " NOT NULL, set_aside ", columns.integer,
      " NOT NULL);"
      "CREATE TABLE sink_positions (sink ",
      columns.text, " NOT NULL, collector ", columns.text, " NOT NULL, number ", columns.integer,
      " NOT NULL, stream_id ", columns.integer, " NOT NULL, sequence ", columns.integer,
      " NOT NULL, findings ", columns.integer, " NOT NULL, PRIMARY KEY (sink, collector))",
      columns.suffix,
      ";"
      "CREATE TABLE sink_exposures (sink ",
      columns.text, " NOT NULL, exposure_id ", columns.integer, " NOT NULL, revision ",
      columns.text, " NOT NULL, state ", columns.integer, " NOT NULL, severity ", columns.integer,
      " NOT NULL, confidence ", columns.integer, " NOT NULL, sent_at ", columns.integer,
      " NOT NULL, due_at ", columns.integer, " NOT NULL, PRIMARY KEY (sink, exposure_id))",
      columns.suffix,
      ";"
      "CREATE INDEX sink_exposures_by_due ON sink_exposures (sink, due_at);");
  return db.Execute(sql.c_str());
}

absl::Status AppendCommits(Database& db, std::string_view collector,
                           const std::map<absl::Time, uint64_t>& findings,
                           const std::set<uint64_t>& exposures, absl::Time changed_at) {
  if (findings.empty() && exposures.empty()) return absl::OkStatus();
  std::map<absl::Time, uint64_t> commits = findings;
  if (commits.empty()) commits.emplace(changed_at, 0);
  uint64_t stored = 0;
  for (const auto& [stored_at, count] : commits) stored += count;
  uint64_t number = 0;
  uint64_t before = 0;
  {
    Statement take = db.Prepare(
        "INSERT INTO commit_ends (collector, number, findings) VALUES (?, ?, ?)"
        " ON CONFLICT (collector) DO UPDATE SET number = commit_ends.number + excluded.number,"
        " findings = commit_ends.findings + excluded.findings RETURNING number, findings");
    absl::StatusOr<bool> row =
        take.Text(collector).Unsigned(commits.size()).Unsigned(stored).Step();
    if (!row.ok()) return row.status();
    number = take.GetUnsigned(0) - commits.size();
    before = take.GetUnsigned(1) - stored;
  }
  for (const auto& [stored_at, count] : commits) {
    ++number;
    const bool first = stored_at == commits.begin()->first;
    Statement insert = db.Prepare(
        "INSERT INTO commits (collector, number, stored_at, findings_before, findings, exposures)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    insert.Text(collector).Unsigned(number).Time(stored_at).Unsigned(before).Unsigned(count);
    if (absl::Status s = insert.Blob(first ? PackIds(exposures) : "").Run(); !s.ok()) return s;
    before += count;
  }
  return absl::OkStatus();
}

absl::Status DeleteCommitsBefore(Database& db, absl::Time cutoff, uint64_t commits_max) {
  absl::StatusOr<std::vector<CommitEnd>> ends = ReadCommitEnds(db);
  if (!ends.ok()) return ends.status();
  for (const CommitEnd& end : *ends) {
    // Numbers grow with time, but for clocks that were set back, which only keeps some longer.
    uint64_t last = 0;
    {
      Statement select = db.Prepare(
          "SELECT number, stored_at FROM commits WHERE collector = ? ORDER BY number LIMIT ?");
      select.Text(end.collector).Unsigned(commits_max);
      while (true) {
        absl::StatusOr<bool> row = select.Step();
        if (!row.ok()) return row.status();
        if (!*row || select.GetTime(1) >= cutoff) break;
        last = select.GetUnsigned(0);
      }
    }
    if (last == 0) continue;
    absl::Status s = db.Prepare("DELETE FROM commits WHERE collector = ? AND number <= ?")
                         .Text(end.collector)
                         .Unsigned(last)
                         .Run();
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<Changes> ReadChanges(Database& db, const std::vector<CommitPosition>& after,
                                    size_t findings_max) {
  return ChangeReader(db, findings_max).Read(after);
}

absl::StatusOr<std::vector<ExposureRevision>> ReadExposureRevisions(
    Database& db, std::string_view sink, const std::vector<uint64_t>& ids) {
  std::vector<ExposureRevision> revisions;
  for (const uint64_t id : ids) {
    Statement select = db.Prepare(
        "SELECT e.body, s.revision, s.state, s.severity, s.confidence, s.sent_at, s.due_at"
        " FROM exposures e LEFT JOIN sink_exposures s ON s.exposure_id = e.id AND s.sink = ?"
        " WHERE e.id = ?");
    absl::StatusOr<bool> row = select.Text(sink).Unsigned(id).Step();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    ExposureRevision& revision = revisions.emplace_back();
    absl::Status s = ParseBody(select.GetBytes(0), "exposure", revision.exposure);
    if (!s.ok()) return s;
    revision.revision = RevisionOf(select.GetBytes(0));
    revision.sent = {.id = id,
                     .revision = std::string(select.GetBytes(1)),
                     .state = static_cast<v1::Exposure::State>(select.GetInt(2)),
                     .severity = static_cast<v1::Severity>(select.GetInt(3)),
                     .confidence = static_cast<v1::Confidence>(select.GetInt(4)),
                     .sent_at = select.GetTime(5),
                     .due_at = select.GetTime(6)};
  }
  return revisions;
}

absl::StatusOr<std::vector<uint64_t>> ListDueExposures(Database& db, std::string_view sink,
                                                       absl::Time now, size_t exposures_max) {
  std::vector<uint64_t> ids;
  Statement select = db.Prepare(
      "SELECT exposure_id FROM sink_exposures WHERE sink = ? AND due_at <= ?"
      " ORDER BY due_at, exposure_id LIMIT ?");
  select.Text(sink).Time(now).Unsigned(exposures_max);
  while (true) {
    absl::StatusOr<bool> row = select.Step();
    if (!row.ok()) return row.status();
    if (!*row) return ids;
    ids.push_back(select.GetUnsigned(0));
  }
}

absl::StatusOr<SinkState> ReadSink(Database& db, std::string_view name) {
  SinkState state;
  {
    Statement select =
        db.Prepare("SELECT holder, term, beat, missed, set_aside FROM sinks WHERE name = ?");
    absl::StatusOr<bool> row = select.Text(name).Step();
    if (!row.ok()) return row.status();
    if (!*row) return state;
    state.holder = select.GetBytes(0);
    state.term = select.GetUnsigned(1);
    state.beat = select.GetUnsigned(2);
    state.missed = select.GetUnsigned(3);
    state.set_aside = select.GetUnsigned(4);
  }
  absl::StatusOr<std::string> store_id = StoreId(db);
  if (!store_id.ok()) return store_id.status();
  state.store_id = *std::move(store_id);
  if (absl::Status s = ReadPositions(db, name, state); !s.ok()) return s;
  if (absl::Status s = MeasureBacklog(db, state); !s.ok()) return s;
  return state;
}

absl::StatusOr<bool> TakeSink(Database& db, std::string_view name, std::string_view holder,
                              const SinkState& seen, bool from_beginning) {
  if (seen.term != 0) {
    Statement take = db.Prepare(
        "UPDATE sinks SET holder = ?, term = term + 1, beat = 0"
        " WHERE name = ? AND term = ? AND beat = ?");
    take.Text(holder).Text(name).Unsigned(seen.term).Unsigned(seen.beat);
    if (absl::Status s = take.Run(); !s.ok()) return s;
    return db.Changes() == 1;
  }
  {
    Statement insert = db.Prepare(
        "INSERT INTO sinks (name, holder, term, beat, missed, set_aside) VALUES (?, ?, 1, 0, 0, 0)"
        " ON CONFLICT (name) DO NOTHING");
    if (absl::Status s = insert.Text(name).Text(holder).Run(); !s.ok()) return s;
    if (db.Changes() != 1) return false;
  }
  if (absl::Status s = MakeStoreId(db); !s.ok()) return s;
  if (from_beginning) {
    absl::Status s = DueAllExposures(db, name);
    if (!s.ok()) return s;
    return true;
  }
  Statement insert = db.Prepare(
      "INSERT INTO sink_positions (sink, collector, number, stream_id, sequence, findings)"
      " SELECT CAST(? AS TEXT), collector, number, 0, 0, findings FROM commit_ends");
  if (absl::Status s = insert.Text(name).Run(); !s.ok()) return s;
  return true;
}

absl::Status SaveSink(Database& db, const SinkProgress& progress) {
  {
    Statement update = db.Prepare(
        "UPDATE sinks SET beat = beat + 1, missed = missed + ?, set_aside = set_aside + ?,"
        " holder = CASE WHEN ? = 1 THEN '' ELSE holder END"
        " WHERE name = ? AND holder = ? AND term = ?");
    update.Unsigned(progress.missed).Unsigned(progress.set_aside).Int(progress.release ? 1 : 0);
    update.Text(progress.name).Text(progress.holder).Unsigned(progress.term);
    if (absl::Status s = update.Run(); !s.ok()) return s;
    if (db.Changes() != 1) {
      return absl::FailedPreconditionError(
          absl::StrCat("another collector feeds the sink '", progress.name, "'"));
    }
  }
  for (const CommitPosition& position : progress.positions) {
    Statement save = db.Prepare(
        "INSERT INTO sink_positions (sink, collector, number, stream_id, sequence, findings)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sink, collector) DO UPDATE SET"
        " number = excluded.number, stream_id = excluded.stream_id,"
        " sequence = excluded.sequence, findings = excluded.findings");
    save.Text(progress.name).Text(position.collector).Unsigned(position.number);
    save.Int(position.stream).Unsigned(position.sequence).Unsigned(position.findings);
    if (absl::Status s = save.Run(); !s.ok()) return s;
  }
  if (progress.all_exposures_due) {
    if (absl::Status s = DueOpenExposures(db, progress.name); !s.ok()) return s;
  }
  for (const SentExposure& sent : progress.exposures) {
    if (absl::Status s = SaveExposure(db, progress.name, sent); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace skimwatch::store::sql
