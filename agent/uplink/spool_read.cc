#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/uplink/spool.h"
#include "spdlog/spdlog.h"

namespace skimwatch::uplink {
namespace {

// A batch tells at most this many lost ranges; a collector takes 1000.
constexpr size_t kLostRangesMax = 500;

}  // namespace

void Spool::Resume(uint64_t epoch_id, uint64_t committed) {
  Acknowledge(epoch_id, committed);
  absl::MutexLock lock(&mutex_);
  if (read_epoch_ != epoch_id) lost_counted_ = unreadable_counted_ = 0;
  read_epoch_ = epoch_id;
  const Epoch* epoch = FindEpoch(epoch_id);
  read_next_ = epoch == nullptr ? 0 : epoch->acknowledged + 1;
  lane_readers_ = {};
}

void Spool::RefreshLane(LaneReader& lane, std::vector<Snapshot> segments) {
  // A segment that was given up while it was read: what is left of it counts as lost.
  const auto at = std::find_if(segments.begin(), segments.end(), [&](const Snapshot& snapshot) {
    return lane.segment == nullptr || snapshot.segment->id.number >= lane.segment->id.number;
  });
  segments.erase(segments.begin(), at);
  if (segments.empty() || segments.front().segment != lane.segment) lane = {};
  lane.ahead = std::move(segments);
  lane.next_ahead = 0;
}

bool Spool::ReadSegment(LaneReader& lane, const Snapshot& snapshot) {
  std::string damage;
  bool at_end = false;
  if (lane.segment != snapshot.segment) {
    lane.segment = snapshot.segment;
    lane.reader = nullptr;
    absl::StatusOr<std::unique_ptr<File>> file =
        options_.files->Open(snapshot.segment->path, FileSystem::OpenMode::kRead);
    if (file.ok()) {
      lane.reader = std::make_unique<SegmentReader>(*std::move(file), snapshot.segment->id);
    } else {
      damage = file.status().ToString();
    }
  }
  if (lane.reader == nullptr) at_end = true;
  while (!at_end && !lane.head.has_value()) {
    const uint64_t skipped = lane.reader->skipped_bytes();
    absl::StatusOr<std::optional<SegmentReader::Record>> record = lane.reader->Next(snapshot.limit);
    if (!record.ok()) {
      damage = record.status().ToString();
      at_end = true;
    } else if (!record->has_value()) {
      at_end = true;
      if (lane.reader->offset() < snapshot.limit) {
        damage = absl::StrCat(snapshot.limit - lane.reader->offset(), " bytes from byte ",
                              lane.reader->offset(), " on");
      }
    } else {
      if (lane.reader->skipped_bytes() > skipped) {
        damage = absl::StrCat(lane.reader->skipped_bytes() - skipped, " bytes before byte ",
                              lane.reader->offset());
      }
      if ((*record)->sequence >= read_next_) {
        lane.head =
            Item{.sequence = (*record)->sequence, .payload = std::string((*record)->payload)};
      }
    }
  }
  if (!damage.empty()) {
    absl::MutexLock lock(&mutex_);
    Quarantine(*snapshot.segment, damage);
  }
  return at_end;
}

void Spool::FillLane(LaneReader& lane) {
  if (lane.head.has_value() && lane.head->sequence < read_next_) lane.head.reset();
  while (!lane.head.has_value() && lane.next_ahead < lane.ahead.size()) {
    // The last segment may grow; it is looked at again in the next Read.
    if (ReadSegment(lane, lane.ahead[lane.next_ahead])) ++lane.next_ahead;
  }
}

void Spool::AddLost(uint64_t first, uint64_t last, Batch& batch) {
  absl::MutexLock lock(&mutex_);
  LossReason reason = LossReason::kCorruptSegment;
  uint32_t severity = 0;
  for (const Cursor::Loss& loss : losses_) {
    if (loss.epoch != read_epoch_ || loss.last < first || loss.first > last) continue;
    reason = loss.reason;
    severity = loss.severity < kSeverities ? loss.severity : 0;
    // What was given up leaves gaps that damage of another segment may lie across.
    if (reason != LossReason::kCorruptSegment) break;
  }
  // The others were counted when they happened.
  if (reason == LossReason::kCorruptSegment && last > lost_counted_) {
    const uint64_t count = last - std::max(first - 1, lost_counted_);
    stats_.dropped[severity] += count;
    spdlog::error("spool: {} findings lost to damage, sequences {} to {} of epoch {:016x}", count,
                  first, last, read_epoch_);
  }
  lost_counted_ = std::max(lost_counted_, last);
  batch.lost.push_back({.first = first, .last = last, .reason = reason});
}

void Spool::CountUnreadable(uint64_t sequence) {
  if (sequence <= unreadable_counted_) return;
  unreadable_counted_ = sequence;
  absl::MutexLock lock(&mutex_);
  ++stats_.dropped[0];
}

Spool::Batch Spool::Read(size_t items_max, size_t bytes_max) {
  Batch batch;
  batch.epoch = read_epoch_;
  uint64_t issued = 0;
  {
    absl::MutexLock lock(&mutex_);
    const Epoch* epoch = FindEpoch(read_epoch_);
    if (epoch == nullptr) return batch;
    issued = epoch->issued;
    read_next_ = std::max(read_next_, epoch->acknowledged + 1);
    for (uint32_t severity = 1; severity < kSeverities; ++severity) {
      std::vector<Snapshot> segments;
      for (const SegmentPtr& segment : epoch->lanes[severity]) {
        segments.push_back({.segment = segment, .limit = segment->limit});
      }
      RefreshLane(lane_readers_[severity], std::move(segments));
    }
  }
  size_t bytes = 0;
  while (read_next_ <= issued && batch.items.size() < items_max &&
         batch.lost.size() < kLostRangesMax) {
    LaneReader* next = nullptr;
    for (uint32_t severity = 1; severity < kSeverities; ++severity) {
      LaneReader& lane = lane_readers_[severity];
      FillLane(lane);
      // A record beyond `issued` belongs to a group that is not all written yet.
      if (!lane.head.has_value() || lane.head->sequence > issued) continue;
      if (next == nullptr || lane.head->sequence < next->head->sequence) next = &lane;
    }
    if (next == nullptr) {
      AddLost(read_next_, issued, batch);
      batch.last_sequence = issued;
      read_next_ = issued + 1;
      break;
    }
    Item& item = *next->head;
    if (item.sequence > read_next_) {
      AddLost(read_next_, item.sequence - 1, batch);
      batch.last_sequence = item.sequence - 1;
      read_next_ = item.sequence;
      continue;
    }
    if (item.payload.size() > bytes_max) {
      absl::MutexLock lock(&mutex_);
      batch.lost.push_back(
          {.first = item.sequence, .last = item.sequence, .reason = LossReason::kTooLarge});
      if (item.sequence > lost_counted_) {
        ++stats_.dropped[next->segment->id.severity];
        lost_counted_ = item.sequence;
        spdlog::error("spool: finding {} has {} bytes, more than the collector takes ({})",
                      item.sequence, item.payload.size(), bytes_max);
      }
    } else {
      if (bytes + item.payload.size() > bytes_max && !batch.items.empty()) break;
      bytes += item.payload.size();
      batch.items.push_back(std::move(item));
    }
    batch.last_sequence = read_next_;
    ++read_next_;
    next->head.reset();
  }
  return batch;
}

}  // namespace skimwatch::uplink
