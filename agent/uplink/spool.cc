#include "agent/uplink/spool.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace skimwatch::uplink {
namespace {

// Appends that share a sync hold at most this much in memory.
constexpr size_t kGroupBytesMax = 1 << 20;
// A segment that is still open but has nothing left in it is given back above this size.
constexpr uint64_t kIdleSegmentShare = 8;
constexpr size_t kQuarantineFilesMax = 8;

bool IsFull(const absl::Status& status) { return absl::IsResourceExhausted(status); }

}  // namespace

struct Spool::Writer {
  std::vector<Record> records;
  size_t bytes = 0;
  // How many were lost, and the reason of the last.
  size_t lost = 0;
  absl::Status reason;
  bool done = false;
};

struct Spool::Share {
  uint32_t severity = 0;
  std::vector<std::pair<uint64_t, const Record*>> records;
  std::vector<Writer*> writers;
};

Spool::Spool(Options options) : options_(std::move(options)) {}

Spool::~Spool() = default;

absl::Status Spool::Append(std::vector<Record> records) {
  if (records.empty()) return absl::OkStatus();
  Writer writer;
  for (const Record& record : records) {
    if (record.severity == 0 || record.severity >= kSeverities) {
      return absl::InvalidArgumentError(
          absl::StrCat("severity ", record.severity, " of a record is not known"));
    }
    if (record.payload.empty() || record.payload.size() > kPayloadBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a record has ", record.payload.size(), " bytes; it must have 1 to ", kPayloadBytesMax));
    }
    writer.bytes += record.payload.size() + kRecordHeaderBytes;
  }
  writer.records = std::move(records);

  absl::MutexLock lock(&mutex_);
  writers_.push_back(&writer);
  const auto my_turn = [this, &writer]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return writer.done || writers_.front() == &writer;
  };
  mutex_.Await(absl::Condition(&my_turn));
  if (!writer.done) {
    // This thread writes for all that wait behind it, up to a limit.
    std::vector<Writer*> group;
    size_t bytes = 0;
    for (Writer* waiting : writers_) {
      if (!group.empty() && bytes + waiting->bytes > kGroupBytesMax) break;
      bytes += waiting->bytes;
      group.push_back(waiting);
    }
    if (closed_) {
      for (Writer* waiting : group) {
        waiting->lost = waiting->records.size();
        waiting->reason = absl::FailedPreconditionError("the spool is closed");
        for (const Record& record : waiting->records) ++stats_.dropped[record.severity];
      }
    } else {
      CommitGroup(group);
    }
    for (Writer* waiting : group) {
      waiting->done = true;
      writers_.pop_front();
    }
  }
  if (writer.lost == 0) return absl::OkStatus();
  return absl::Status(writer.reason.code(),
                      absl::StrCat(writer.lost, " of ", writer.records.size(),
                                   " findings lost: ", std::string(writer.reason.message())));
}

void Spool::CommitGroup(std::vector<Writer*>& group) {
  // Room goes to the gravest first, whatever the order they came in.
  std::vector<std::vector<bool>> kept;
  size_t count = 0;
  for (Writer* writer : group) {
    kept.emplace_back(writer->records.size(), false);
    count += writer->records.size();
  }
  uint64_t planned = 0;
  for (uint32_t severity = kSeverities - 1; severity > 0; --severity) {
    bool has_header = false;
    for (size_t w = 0; w < group.size(); ++w) {
      for (size_t i = 0; i < group[w]->records.size(); ++i) {
        const Record& record = group[w]->records[i];
        if (record.severity != severity) continue;
        const uint64_t bytes =
            kRecordHeaderBytes + record.payload.size() + (has_header ? 0 : kSegmentHeaderBytes);
        if (MakeRoom(planned + bytes, severity)) {
          planned += bytes;
          has_header = true;
          kept[w][i] = true;
          continue;
        }
        ++group[w]->lost;
        group[w]->reason = absl::ResourceExhaustedError(
            absl::StrCat(options_.directory, ": the spool is full (", bytes_, " of ",
                         options_.bytes_max, " bytes) and holds nothing less severe"));
        ++stats_.dropped[severity];
      }
    }
  }

  if (current().issued > kSequenceMax - count) {
    BeginEpoch();
    if (absl::Status saved = SaveCursor(/*clean=*/false); !saved.ok()) {
      spdlog::error("spool: {}", saved.ToString());
    }
  }
  uint64_t sequence = current().issued;
  std::array<Share, kSeverities> shares;
  for (size_t w = 0; w < group.size(); ++w) {
    for (size_t i = 0; i < group[w]->records.size(); ++i) {
      if (!kept[w][i]) continue;
      const Record& record = group[w]->records[i];
      Share& share = shares[record.severity];
      share.severity = record.severity;
      share.records.emplace_back(++sequence, &record);
      share.writers.push_back(group[w]);
    }
  }

  writing_ = true;
  for (uint32_t severity = kSeverities - 1; severity > 0; --severity) {
    Share& share = shares[severity];
    if (share.records.empty()) continue;
    absl::Status status = WriteShare(share);
    if (status.ok()) {
      stats_.appended += share.records.size();
      continue;
    }
    spdlog::error("spool: {} findings of severity {} lost: {}", share.records.size(),
                  share.severity, status.ToString());
    stats_.dropped[share.severity] += share.records.size();
    for (Writer* writer : share.writers) {
      ++writer->lost;
      writer->reason = status;
    }
    AddLoss({.epoch = current().id,
             .first = share.records.front().first,
             .last = share.records.back().first,
             .reason = IsFull(status) ? LossReason::kSpoolFull : LossReason::kWriteFailed,
             .severity = share.severity});
  }
  writing_ = false;
  current().issued = sequence;
}

absl::Status Spool::WriteShare(Share& share) {
  bool tried_again = false;
  while (true) {
    size_t bytes = 0;
    for (const auto& [sequence, record] : share.records) {
      bytes += kRecordHeaderBytes + record->payload.size();
    }
    absl::Status status;
    bool may_write_again = true;
    absl::StatusOr<SegmentPtr> active =
        ActiveSegment(share.severity, bytes, share.records.front().first);
    if (active.ok()) {
      Segment& segment = **active;
      const uint64_t begin = segment.limit;
      {
        // Nobody else writes to, seals or removes a segment while `writing_` is set.
        File& file = *segment.file;
        const uint32_t seed = RecordSeed(segment.id);
        mutex_.Unlock();
        const auto relock = absl::MakeCleanup([this] { mutex_.Lock(); });
        std::string buffer;
        buffer.reserve(bytes);
        for (const auto& [sequence, record] : share.records) {
          AppendRecord(seed, sequence, share.severity, record->payload, buffer);
        }
        status = file.WriteAt(begin, buffer);
        if (status.ok()) status = file.Sync();
        if (!status.ok()) {
          // Only once no byte of it can come back may the same sequences be written elsewhere.
          may_write_again = file.Truncate(begin).ok() && file.Sync().ok();
        }
      }
      if (status.ok()) {
        segment.limit = begin + bytes;
        bytes_ += bytes;
        for (const auto& [sequence, record] : share.records) segment.sequences.Add(sequence);
        stats_.pending += share.records.size();
        return absl::OkStatus();
      }
      // After a failed sync nothing about the file's pages is known: it is not written again.
      Seal(segment);
    } else {
      status = active.status();
    }
    ++stats_.write_errors;
    stats_.last_error = status.ToString();
    if (!may_write_again) return status;
    if (IsFull(status)) {
      if (!EvictOne(share.severity)) return status;
      continue;
    }
    if (std::exchange(tried_again, true)) return status;
    spdlog::warn("spool: writing again in a new segment: {}", status.ToString());
  }
}

absl::StatusOr<Spool::SegmentPtr> Spool::ActiveSegment(uint32_t severity, size_t bytes,
                                                       uint64_t first_sequence) {
  Lane& lane = current().lanes[severity];
  if (!lane.empty() && !lane.back()->sealed) {
    Segment& segment = *lane.back();
    if (segment.limit + bytes <= options_.segment_bytes || segment.sequences.empty()) {
      return lane.back();
    }
    Seal(segment);
  }
  auto segment = std::make_shared<Segment>();
  segment->id = {.number = next_segment_++, .epoch = current().id, .severity = severity};
  segment->path = PathOf(SegmentName(segment->id));
  segment->sealed = false;
  absl::StatusOr<std::unique_ptr<File>> file =
      options_.files->Open(segment->path, FileSystem::OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  segment->file = *std::move(file);
  absl::Status status = segment->file->WriteAt(0, EncodeSegmentHeader(segment->id, first_sequence));
  if (status.ok()) status = segment->file->Sync();
  if (status.ok()) status = options_.files->SyncDirectory(options_.directory);
  if (!status.ok()) {
    if (absl::Status removed = options_.files->Remove(segment->path); !removed.ok()) {
      spdlog::warn("spool: {}", removed.ToString());
    }
    return status;
  }
  bytes_ += kSegmentHeaderBytes;
  lane.push_back(segment);
  return segment;
}

void Spool::Seal(Segment& segment) {
  segment.sealed = true;
  segment.file = nullptr;
}

bool Spool::MakeRoom(uint64_t bytes, uint32_t severity) {
  if (bytes_ + bytes <= options_.bytes_max) return true;
  Retire(/*active=*/true);
  while (bytes_ + bytes > options_.bytes_max) {
    if (!EvictOne(severity)) return false;
  }
  return true;
}

bool Spool::EvictOne(uint32_t below_severity) {
  for (uint32_t severity = 1; severity < below_severity; ++severity) {
    for (Epoch& epoch : epochs_) {
      Lane& lane = epoch.lanes[severity];
      if (lane.empty()) continue;
      const SegmentPtr segment = lane.front();
      lane.pop_front();
      Seal(*segment);
      const uint64_t count = segment->sequences.count();
      if (count > 0) {
        stats_.dropped[severity] += count;
        stats_.pending -= count;
        AddLoss({.epoch = epoch.id,
                 .first = segment->sequences.first(),
                 .last = segment->sequences.last(),
                 .reason = LossReason::kSpoolFull,
                 .severity = severity});
      }
      ++stats_.evicted_segments;
      spdlog::warn("spool: no room; {} findings of severity {} given up with {}", count, severity,
                   segment->path);
      // So that the loss is told even if this process ends before it is. Not a reason to keep the
      // segment: what needs its room is graver.
      if (absl::Status saved = SaveCursor(/*clean=*/false); !saved.ok()) {
        spdlog::error("spool: {}", saved.ToString());
      }
      RemoveFile(*segment);
      return true;
    }
  }
  return false;
}

void Spool::Retire(bool active) {
  std::vector<SegmentPtr> empty;
  for (Epoch& epoch : epochs_) {
    for (Lane& lane : epoch.lanes) {
      while (!lane.empty() && lane.front()->sequences.empty()) {
        Segment& segment = *lane.front();
        if (!segment.sealed) {
          if (writing_) break;
          const bool idle = segment.limit > options_.segment_bytes / kIdleSegmentShare;
          if (!active && !idle) break;
          Seal(segment);
        }
        empty.push_back(lane.front());
        lane.pop_front();
      }
    }
  }
  if (empty.empty()) return;
  // First the cursor: a segment that is gone while the cursor does not know why would look lost.
  if (absl::Status saved = SaveCursor(/*clean=*/false); !saved.ok()) {
    spdlog::error("spool: {}", saved.ToString());
  }
  for (const SegmentPtr& segment : empty) RemoveFile(*segment);
}

void Spool::RemoveFile(const Segment& segment) {
  bytes_ -= std::min(bytes_, segment.limit);
  if (absl::Status removed = options_.files->Remove(segment.path); !removed.ok()) {
    stats_.last_error = removed.ToString();
    spdlog::error("spool: {}", removed.ToString());
  }
}

void Spool::Acknowledge(uint64_t epoch_id, uint64_t committed) {
  absl::MutexLock lock(&mutex_);
  Epoch* epoch = FindEpoch(epoch_id);
  if (epoch == nullptr || committed <= epoch->acknowledged) return;
  bool unheard_of = committed > epoch->issued;
  if (unheard_of) {
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !writing_; };
    mutex_.Await(absl::Condition(&idle));
    unheard_of = committed > epoch->issued;
  }
  epoch->acknowledged = committed;
  for (Lane& lane : epoch->lanes) {
    for (const SegmentPtr& segment : lane) {
      const uint64_t count = segment->sequences.Forget(committed);
      stats_.pending -= count;
      if (unheard_of) stats_.dropped[segment->id.severity] += count;
      if (!segment->sequences.empty()) break;
    }
  }
  if (unheard_of) {
    spdlog::error(
        "spool: the collector has sequence {} of epoch {:016x}, of which only {} were given away; "
        "was {} copied or restored from a backup? Going on in a new epoch",
        committed, epoch_id, epoch->issued, options_.directory);
    epoch->issued = committed;
    if (epoch == &current()) BeginEpoch();
  }
  Retire(/*active=*/false);
  while (epochs_.size() > 1 && epochs_.front().acknowledged >= epochs_.front().issued) {
    // Whatever is left there was acknowledged.
    for (Lane& lane : epochs_.front().lanes) {
      for (const SegmentPtr& segment : lane) {
        Seal(*segment);
        RemoveFile(*segment);
      }
    }
    epochs_.pop_front();
  }
}

bool Spool::IsOver(uint64_t epoch_id) const {
  absl::MutexLock lock(&mutex_);
  for (const Epoch& epoch : epochs_) {
    if (epoch.id == epoch_id) return false;
  }
  return true;
}

Spool::Position Spool::Start() {
  absl::MutexLock lock(&mutex_);
  const Epoch& epoch = epochs_.front();
  return {.epoch = epoch.id, .first_sequence = epoch.acknowledged + 1};
}

Spool::Stats Spool::GetStats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.bytes = bytes_;
  stats.bytes_max = options_.bytes_max;
  return stats;
}

absl::Status Spool::Close() {
  absl::MutexLock lock(&mutex_);
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return writers_.empty(); };
  mutex_.Await(absl::Condition(&idle));
  if (std::exchange(closed_, true)) return absl::OkStatus();
  for (Lane& lane : current().lanes) {
    if (!lane.empty()) Seal(*lane.back());
  }
  Retire(/*active=*/true);
  return SaveCursor(/*clean=*/true);
}

std::string Spool::PathOf(const std::string& name) const {
  return absl::StrCat(options_.directory, "/", name);
}

Spool::Epoch* Spool::FindEpoch(uint64_t id) {
  for (Epoch& epoch : epochs_) {
    if (epoch.id == id) return &epoch;
  }
  return nullptr;
}

absl::Status Spool::SaveCursor(bool clean) {
  Cursor cursor;
  cursor.generation = cursor_generation_ + 1;
  cursor.clean = clean;
  cursor.next_segment = next_segment_;
  std::vector<Cursor::Loss> losses;
  for (const Epoch& epoch : epochs_) {
    cursor.epochs.push_back(
        {.epoch = epoch.id, .acknowledged = epoch.acknowledged, .issued = epoch.issued});
    for (const Cursor::Loss& loss : losses_) {
      if (loss.epoch == epoch.id && loss.last > epoch.acknowledged) losses.push_back(loss);
    }
  }
  losses_ = std::move(losses);
  cursor.losses = losses_;
  const uint64_t offset = (cursor.generation % 2) * kCursorSlotBytes;
  absl::Status status = cursor_file_->WriteAt(offset, EncodeCursor(cursor));
  if (status.ok()) status = cursor_file_->Sync();
  if (!status.ok()) {
    ++stats_.write_errors;
    stats_.last_error = status.ToString();
    return status;
  }
  cursor_generation_ = cursor.generation;
  return absl::OkStatus();
}

void Spool::AddLoss(const Cursor::Loss& loss) {
  // Losses of one kind that touch or overlap are told as one; they only say why a gap is there.
  for (Cursor::Loss& known : losses_) {
    if (known.epoch != loss.epoch || known.reason != loss.reason ||
        known.severity != loss.severity || loss.first > known.last + 1 ||
        known.first > loss.last + 1) {
      continue;
    }
    known.first = std::min(known.first, loss.first);
    known.last = std::max(known.last, loss.last);
    return;
  }
  if (losses_.size() >= kCursorLossesMax) losses_.erase(losses_.begin());
  losses_.push_back(loss);
}

void Spool::Quarantine(Segment& segment, const std::string& why) {
  if (std::exchange(segment.damaged, true)) return;
  if (!segment.sequences.empty()) {
    AddLoss({.epoch = segment.id.epoch,
             .first = segment.sequences.first(),
             .last = segment.sequences.last(),
             .reason = LossReason::kCorruptSegment,
             .severity = segment.id.severity});
  }
  QuarantineFile(SegmentName(segment.id), why);
}

void Spool::QuarantineFile(const std::string& name, const std::string& why) {
  ++stats_.quarantined_segments;
  const std::string directory = PathOf("quarantine");
  absl::Status status = options_.files->CreateDirectory(directory);
  if (status.ok()) {
    status = options_.files->Link(PathOf(name), absl::StrCat(directory, "/", name));
  }
  if (absl::IsAlreadyExists(status)) status = absl::OkStatus();
  spdlog::error("spool: {} is damaged ({}); it is kept as {}/{}, and what is whole in it is sent{}",
                PathOf(name), why, directory, name,
                status.ok() ? "" : absl::StrCat(" (", status.ToString(), ")"));
  absl::StatusOr<std::vector<std::string>> names = options_.files->ListDirectory(directory);
  if (!names.ok() || names->size() <= kQuarantineFilesMax) return;
  std::sort(names->begin(), names->end());
  for (size_t i = 0; i + kQuarantineFilesMax < names->size(); ++i) {
    const std::string path = absl::StrCat(directory, "/", (*names)[i]);
    spdlog::warn("spool: {} deleted: at most {} damaged segments are kept", path,
                 kQuarantineFilesMax);
    options_.files->Remove(path).IgnoreError();
  }
}

}  // namespace skimwatch::uplink
