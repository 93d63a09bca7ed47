#include "agent/offline/capture_scanner.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"
#include "agent/offline/content_type.h"
#include "agent/offline/shown_text.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"
#include "agent/traffic/source/pcap_file.h"

namespace skimwatch::offline {
namespace {

// A part is given a slot when it has more than this, or ends. Most parts are headers, and of the
// others many wait for their next bytes.
constexpr size_t kHeldBytesMax = size_t{4} << 10;
constexpr size_t kHeldBytesInAllMax = size_t{8} << 20;

using traffic::Direction;
using traffic::Part;
using traffic::PcapFile;
using traffic::Provenance;

// Lower case of the names of the wire contract.
std::string_view DirectionName(Direction direction) {
  switch (direction) {
    case Direction::kUnknown:
      return "unknown";
    case Direction::kOutboundRequest:
      return "outbound_request";
    case Direction::kOutboundResponse:
      return "outbound_response";
    case Direction::kInboundRequest:
      return "inbound_request";
    case Direction::kInboundResponse:
      return "inbound_response";
    case Direction::kAtRest:
      return "at_rest";
  }
  return "unknown";
}

std::string Shown(const traffic::Address& address) {
  const bool is_v6 = address.ip.find(':') != std::string::npos;
  return is_v6 ? absl::StrCat("[", address.ip, "]:", address.port)
               : absl::StrCat(address.ip, ":", address.port);
}

FlowPlace FlowOf(const Provenance& provenance, Part part) {
  const bool from_server = provenance.direction == Direction::kOutboundResponse ||
                           provenance.direction == Direction::kInboundResponse ||
                           part == Part::kResponseHeaders || part == Part::kResponseBody;
  const traffic::Address& src = from_server ? provenance.server : provenance.client;
  const traffic::Address& dst = from_server ? provenance.client : provenance.server;
  constexpr absl::string_view kTimeFormat = "%Y-%m-%dT%H:%M:%E6SZ";
  return {.src = Shown(src),
          .dst = Shown(dst),
          .host = ShownText(provenance.host),
          .method = ShownText(provenance.method),
          .path = ShownText(traffic::PathTemplate(provenance.path)),
          .part = traffic::PartName(part),
          .direction = DirectionName(provenance.direction),
          .time = absl::FormatTime(kTimeFormat, provenance.seen_at, absl::UTCTimeZone())};
}

// A ByteStream as the stdio stream that libpcap reads.
class StreamCookie {
 public:
  explicit StreamCookie(ByteStream& stream) : stream_(stream) {}

  // Closing it leaves the ByteStream as it is.
  FILE* Open() {
    return fopencookie(this, "r",
                       {.read = Read, .write = nullptr, .seek = nullptr, .close = nullptr});
  }

  // Why the stream ended, where that was an error.
  const absl::Status& status() const { return status_; }

 private:
  static ssize_t Read(void* cookie, char* out, size_t size) {
    auto& self = *static_cast<StreamCookie*>(cookie);
    if (self.left_.empty()) {
      const absl::StatusOr<std::string_view> next = self.stream_.Next();
      if (!next.ok()) {
        self.status_ = next.status();
        errno = EIO;
        return -1;
      }
      self.left_ = *next;
    }
    const size_t n = std::min(size, self.left_.size());
    std::memcpy(out, self.left_.data(), n);
    self.left_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }

  ByteStream& stream_;
  std::string_view left_;
  absl::Status status_;
};

}  // namespace

// The scan of one part of a message; used again for another after its end.
class CaptureScanner::PartScan final : public traffic::PartConsumer, public card::MatchSink {
 public:
  explicit PartScan(CaptureScanner& owner) : owner_(owner), slot_(owner.slots_.end()) {}

  void Begin(const Provenance& provenance, Part part) {
    provenance_ = provenance;
    part_ = part;
    place_.reset();
    offset_ = 0;
  }

  void Data(std::string_view bytes) override {
    piece_bytes_ += bytes.size();
    is_settled_ = false;
    owner_.services_.report.OnScanned(bytes.size());
    if (slot_ == owner_.slots_.end()) {
      if (Hold(bytes)) return;
      TakeSlot();
    } else {
      owner_.MarkUsed(slot_);
    }
    slot_->stream.Feed(bytes, *this);
  }

  void Gap() override { EndPiece(); }

  void End() override {
    EndPiece();
    owner_.free_parts_.push_back(this);
  }

  // Decides what was fed and gives the stream back.
  void EndPiece() {
    if (piece_bytes_ == 0) return;
    if (slot_ == owner_.slots_.end()) TakeSlot();
    slot_->stream.Finish(*this);
    offset_ += std::exchange(piece_bytes_, 0);
    owner_.GiveBack(std::exchange(slot_, owner_.slots_.end()));
  }

  void Settle() {
    if (piece_bytes_ == 0 || std::exchange(is_settled_, true)) return;
    if (slot_ == owner_.slots_.end()) TakeSlot();
    slot_->stream.Settle(*this);
  }

  void OnMatch(const card::CardMatch& match) override {
    if (place_ == nullptr) {
      place_ = std::make_unique<Place>(owner_.file_->Shown());
      place_->flow = FlowOf(provenance_, part_);
    }
    owner_.findings_->Found(*place_, offset_ + match.offset, match, std::nullopt, std::nullopt);
  }

 private:
  // Keeps bytes until there are enough for a slot; false where there are, or where no more are
  // kept.
  bool Hold(std::string_view bytes) {
    if (held_.size() + bytes.size() > kHeldBytesMax ||
        owner_.held_bytes_ + bytes.size() > kHeldBytesInAllMax) {
      return false;
    }
    const size_t before = held_.capacity();
    held_.append(bytes);
    owner_.held_bytes_ += held_.capacity() - before;
    return true;
  }

  // Takes a slot, and lets it have what was held. The slot may be taken from another part.
  void TakeSlot() {
    slot_ = owner_.Take(this);
    slot_->stream.Begin({.location = provenance_.path,
                         .content_type = provenance_.content_type,
                         .is_script = IsScriptType(provenance_.content_type)});
    slot_->stream.Feed(held_, *this);
    owner_.held_bytes_ -= held_.capacity();
    memory::Wipe(held_);
    held_.shrink_to_fit();
    owner_.held_bytes_ += held_.capacity();
  }

  CaptureScanner& owner_;
  Provenance provenance_;
  Part part_ = Part::kStream;
  // The end of the list while there is nothing to scan, or only what is held.
  Slots::iterator slot_;
  // The first bytes of the piece.
  std::string held_;
  // Made with the first match.
  std::unique_ptr<Place> place_;
  // Bytes of the part before the piece that the stream is fed, and of that.
  uint64_t offset_ = 0;
  uint64_t piece_bytes_ = 0;
  bool is_settled_ = false;
};

CaptureScanner::CaptureScanner(const ScanServices& services) : services_(services) {}

CaptureScanner::~CaptureScanner() = default;

CaptureScanner::Slots::iterator CaptureScanner::Take(PartScan* part) {
  if (slots_.empty() || slots_.front().part != nullptr) {
    if (slots_.size() < kStreamsMax) {
      slots_.emplace_front(services_.CardOptions(), services_.brands);
    } else {
      services_.report.OnPartCut();
      slots_.front().part->EndPiece();
    }
  }
  const auto slot = slots_.begin();
  slot->part = part;
  MarkUsed(slot);
  return slot;
}

void CaptureScanner::GiveBack(Slots::iterator slot) {
  slot->part = nullptr;
  slots_.splice(slots_.begin(), slots_, slot);
}

void CaptureScanner::Settle() {
  for (const std::unique_ptr<PartScan>& part : parts_) part->Settle();
}

traffic::PartConsumer* CaptureScanner::BeginPart(const Provenance& provenance, Part part) {
  if (free_parts_.empty()) {
    parts_.push_back(std::make_unique<PartScan>(*this));
    free_parts_.push_back(parts_.back().get());
  }
  PartScan* const scan = free_parts_.back();
  free_parts_.pop_back();
  scan->Begin(provenance, part);
  return scan;
}

absl::Status CaptureScanner::Scan(ByteStream& stream, const FilePlace& file,
                                  Findings::OfFile& findings) {
  file_ = &file;
  findings_ = &findings;
  const auto sites = traffic::SiteMap::Create({}, /*local=*/nullptr);
  if (!sites.ok()) return sites.status();
  StreamCookie cookie(stream);
  FILE* const input = cookie.Open();
  if (input == nullptr) return absl::ErrnoToStatus(errno, "fopencookie");
  // The name stands in errors, which name the file anyway.
  const auto opened = PcapFile::FromStream(input, "capture");
  if (!opened.ok()) return cookie.status().ok() ? opened.status() : cookie.status();

  traffic::TrafficDecoderOptions options;
  options.source = traffic::SourceKind::kPcapFile;
  options.scan_inbound = true;
  options.body_bytes_max = 0;
  // Some 400 bytes each, most of the time.
  options.flows_max = 1u << 20;
  traffic::Coverage coverage;
  traffic::TrafficDecoder decoder(options, *sites, coverage, *this);
  absl::Status status;
  while (status.ok() && !services_.cancellation.cancelled()) {
    const absl::StatusOr<bool> more = (*opened)->Next(decoder);
    if (!more.ok()) status = cookie.status().ok() ? more.status() : cookie.status();
    if (!more.ok() || !*more) break;
  }
  // Also after an error or a stop: what was read is scanned.
  decoder.Flush();
  services_.report.OnCapture(coverage);
  return status;
}

}  // namespace skimwatch::offline
