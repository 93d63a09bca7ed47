#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/uplink/spool.h"
#include "spdlog/spdlog.h"

namespace skimwatch::uplink {
namespace {

constexpr uint64_t kSegmentsPerSpool = 16;
constexpr uint64_t kSegmentBytesMin = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(Options options) {
  options.segment_bytes =
      std::clamp(options.segment_bytes, kSegmentBytesMin,
                 std::max(kSegmentBytesMin, options.bytes_max / kSegmentsPerSpool));
  if (absl::Status status = options.files->CreateDirectory(options.directory); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::unique_ptr<FileLock>> lock =
      options.files->Lock(absl::StrCat(options.directory, "/lock"));
  if (!lock.ok()) return lock.status();
  // The constructor is private.
  std::unique_ptr<Spool> spool(new Spool(std::move(options)));
  spool->lock_ = *std::move(lock);
  absl::MutexLock mutex_lock(&spool->mutex_);
  if (absl::Status status = spool->Recover(); !status.ok()) return status;
  return spool;
}

absl::StatusOr<std::optional<Cursor>> Spool::ReadCursor() {
  const std::string path = PathOf("cursor");
  absl::StatusOr<std::unique_ptr<File>> file =
      options_.files->Open(path, FileSystem::OpenMode::kReadWrite);
  if (absl::IsNotFound(file.status())) {
    file = options_.files->Open(path, FileSystem::OpenMode::kCreateNew);
    if (!file.ok()) return file.status();
    // Both slots now, while there is room.
    absl::Status status = (*file)->WriteAt(0, std::string(2 * kCursorSlotBytes, '\0'));
    if (status.ok()) status = (*file)->Sync();
    if (status.ok()) status = options_.files->SyncDirectory(options_.directory);
    if (!status.ok()) {
      options_.files->Remove(path).IgnoreError();
      return status;
    }
    cursor_file_ = *std::move(file);
    return std::nullopt;
  }
  if (!file.ok()) return file.status();
  cursor_file_ = *std::move(file);
  std::optional<Cursor> newest;
  std::string why;
  bool is_blank = true;
  for (uint64_t slot = 0; slot < 2; ++slot) {
    std::string bytes(kCursorSlotBytes, '\0');
    absl::StatusOr<size_t> got =
        cursor_file_->ReadAt(slot * kCursorSlotBytes, absl::MakeSpan(bytes.data(), bytes.size()));
    if (got.ok()) {
      is_blank = is_blank && std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
      absl::StatusOr<Cursor> cursor = DecodeCursor(bytes);
      if (cursor.ok() && (!newest.has_value() || cursor->generation > newest->generation)) {
        newest = *std::move(cursor);
      }
      if (!cursor.ok()) why = cursor.status().ToString();
    } else {
      is_blank = false;
      why = got.status().ToString();
    }
  }
  if (newest.has_value()) {
    cursor_generation_ = newest->generation;
  } else if (!is_blank) {
    spdlog::error("spool: {} is damaged ({}); what is in the segments is sent again", path, why);
  }
  return newest;
}

absl::Status Spool::RecoverSegment(const SegmentId& name, bool may_be_torn, uint64_t acknowledged,
                                   std::vector<SegmentPtr>& recovered) {
  const std::string file_name = SegmentName(name);
  const std::string path = PathOf(file_name);
  // A segment that can't be read is set aside, not an error: the next one may be whole.
  const auto set_aside = [&](const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    QuarantineFile(file_name, why);
    if (absl::Status removed = options_.files->Remove(path); !removed.ok()) {
      spdlog::error("spool: {}", removed.ToString());
    }
    return absl::OkStatus();
  };
  absl::StatusOr<std::unique_ptr<File>> file =
      options_.files->Open(path, FileSystem::OpenMode::kReadWrite);
  if (!file.ok()) return set_aside(file.status().ToString());
  absl::StatusOr<uint64_t> size = (*file)->Size();
  std::string header(kSegmentHeaderBytes, '\0');
  absl::StatusOr<size_t> got = (*file)->ReadAt(0, absl::MakeSpan(header.data(), header.size()));
  if (!size.ok() || !got.ok())
    return set_aside((size.ok() ? got.status() : size.status()).ToString());
  if (*got < kSegmentHeaderBytes && may_be_torn) {
    ++stats_.torn_tails;
    spdlog::warn("spool: {} was being made when the agent ended; it held nothing", path);
    return options_.files->Remove(path);
  }
  header.resize(*got);
  auto segment = std::make_shared<Segment>();
  segment->path = path;
  segment->id = name;
  std::string damage;
  if (absl::StatusOr<SegmentId> id = DecodeSegmentHeader(header); !id.ok()) {
    if (absl::IsUnimplemented(id.status())) return set_aside(id.status().ToString());
    damage = id.status().ToString();
  } else if (*id != name) {
    return set_aside("its name is another segment's");
  }

  File& for_cutting = **file;
  absl::StatusOr<std::unique_ptr<File>> for_reading =
      options_.files->Open(path, FileSystem::OpenMode::kRead);
  if (!for_reading.ok()) return set_aside(for_reading.status().ToString());
  SegmentReader reader(*std::move(for_reading), name);
  uint64_t last = 0;
  while (true) {
    absl::StatusOr<std::optional<SegmentReader::Record>> record = reader.Next(*size);
    if (!record.ok()) {
      damage = record.status().ToString();
      break;
    }
    if (!record->has_value()) break;
    last = (*record)->sequence;
    if (last > acknowledged) segment->sequences.Add(last);
  }
  segment->limit = *size;
  if (reader.skipped_bytes() > 0) {
    damage = absl::StrCat(reader.skipped_bytes(), " of its ", *size, " bytes");
  }
  if (reader.offset() < *size) {
    const uint64_t tail = *size - reader.offset();
    if (may_be_torn) {
      ++stats_.torn_tails;
      spdlog::warn("spool: the last {} bytes of {} were being written when the agent ended; cut",
                   tail, path);
      absl::Status cut = for_cutting.Truncate(reader.offset());
      if (cut.ok()) cut = for_cutting.Sync();
      if (!cut.ok()) spdlog::error("spool: {}", cut.ToString());
      segment->limit = reader.offset();
    } else {
      damage = absl::StrCat("the last ", tail, " of its ", *size, " bytes");
    }
  }
  bytes_ += segment->limit;
  if (!damage.empty()) Quarantine(*segment, damage);
  stats_.pending += segment->sequences.count();
  recovered.push_back(std::move(segment));
  return absl::OkStatus();
}

absl::Status Spool::Recover() {
  absl::StatusOr<std::optional<Cursor>> cursor = ReadCursor();
  if (!cursor.ok()) return cursor.status();
  const bool clean = cursor->has_value() && (*cursor)->clean;
  next_segment_ = cursor->has_value() ? (*cursor)->next_segment : options_.first_segment;

  absl::StatusOr<std::vector<std::string>> names =
      options_.files->ListDirectory(options_.directory);
  if (!names.ok()) return names.status();
  std::vector<SegmentId> found;
  for (const std::string& name : *names) {
    if (std::optional<SegmentId> id = ParseSegmentName(name); id.has_value()) found.push_back(*id);
  }
  std::sort(found.begin(), found.end(),
            [](const SegmentId& a, const SegmentId& b) { return a.number < b.number; });

  // Epochs that the cursor does not know are older than those it knows.
  const auto add_epoch = [this](uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (FindEpoch(id) == nullptr) epochs_.emplace_back().id = id;
  };
  std::set<uint64_t> in_cursor;
  if (cursor->has_value()) {
    for (const Cursor::Epoch& epoch : (*cursor)->epochs) in_cursor.insert(epoch.epoch);
    losses_ = (*cursor)->losses;
  }
  std::set<uint64_t> without_cursor;
  for (const SegmentId& id : found) {
    if (in_cursor.count(id.epoch) > 0) continue;
    without_cursor.insert(id.epoch);
    add_epoch(id.epoch);
  }
  if (cursor->has_value()) {
    for (const Cursor::Epoch& known : (*cursor)->epochs) {
      add_epoch(known.epoch);
      Epoch& epoch = *FindEpoch(known.epoch);
      epoch.acknowledged = known.acknowledged;
      epoch.issued = known.issued;
    }
  }

  // Only where the agent was appending when it ended may a tail be unfinished; any other is damage.
  std::set<uint64_t> may_be_torn;
  if (!clean && !epochs_.empty()) {
    std::map<uint32_t, uint64_t> last_in_lane;
    for (const SegmentId& id : found) {
      if (id.epoch == epochs_.back().id) last_in_lane[id.severity] = id.number;
    }
    for (const auto& [severity, number] : last_in_lane) may_be_torn.insert(number);
  }
  for (const SegmentId& id : found) {
    next_segment_ = std::max(next_segment_, id.number + 1);
    Epoch& epoch = *FindEpoch(id.epoch);
    std::vector<SegmentPtr> recovered;
    absl::Status status =
        RecoverSegment(id, may_be_torn.count(id.number) > 0, epoch.acknowledged, recovered);
    if (!status.ok()) spdlog::error("spool: {}", status.ToString());
    for (SegmentPtr& segment : recovered) {
      epoch.issued = std::max(epoch.issued, segment->sequences.last());
      epoch.lanes[id.severity].push_back(std::move(segment));
    }
  }
  // Where the cursor is gone, what comes before the first record was acknowledged, or is lost
  // without a trace; the collector knows which.
  for (Epoch& epoch : epochs_) {
    if (without_cursor.count(epoch.id) == 0) continue;
    uint64_t first = kSequenceMax;
    for (const Lane& lane : epoch.lanes) {
      for (const SegmentPtr& segment : lane) {
        if (!segment->sequences.empty()) first = std::min(first, segment->sequences.first());
      }
    }
    epoch.acknowledged = first == kSequenceMax ? epoch.issued : first - 1;
  }
  const bool goes_on = clean && !epochs_.empty() && epochs_.back().issued < kSequenceMax;
  if (goes_on) {
    // The cursor is written below and says that this run has not ended.
  } else {
    BeginEpoch();
  }
  while (epochs_.size() > 1) {
    const auto is_done = [](const Epoch& epoch) { return epoch.acknowledged >= epoch.issued; };
    if (!is_done(epochs_.front())) break;
    for (Lane& lane : epochs_.front().lanes) {
      for (const SegmentPtr& segment : lane) RemoveFile(*segment);
    }
    epochs_.pop_front();
  }
  if (absl::Status status = SaveCursor(/*clean=*/false); !status.ok()) return status;
  Retire(/*active=*/true);
  // A limit that was lowered holds from now on.
  while (bytes_ > options_.bytes_max && EvictOne(kSeverities)) {
  }
  if (stats_.pending > 0) {
    spdlog::info("spool: {} findings wait in {}", stats_.pending, options_.directory);
  }
  return absl::OkStatus();
}

void Spool::BeginEpoch() {
  if (!epochs_.empty()) {
    for (Lane& lane : current().lanes) {
      if (!lane.empty()) Seal(*lane.back());
    }
  }
  const bool is_first = epochs_.empty();
  uint64_t id = 0;
  while (id == 0 || FindEpoch(id) != nullptr) id = options_.random();
  Epoch& epoch = epochs_.emplace_back();
  epoch.id = id;
  if (is_first) epoch.issued = epoch.acknowledged = options_.first_sequence - 1;
}

}  // namespace skimwatch::uplink
