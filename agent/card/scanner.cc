#include "agent/card/scanner.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "agent/card/brand_table.h"
#include "agent/card/evidence.h"
#include "agent/card/match_list.h"
#include "agent/card/text_scan.h"

namespace skimwatch::card {
namespace {

// The stream is looked at in windows that lie at fixed offsets, whatever pieces it comes in, so the
// pieces cannot matter. Each window answers for its core; the bytes on both sides are context, and
// are the core's neighbours of the windows before and after. A window that lies in one piece is
// read where it is; the buffer is for what lies over a cut.
constexpr size_t kWindowBytes = size_t{64} << 10;
constexpr size_t kContextBytes = size_t{4} << 10;
constexpr size_t kMatchesKept = 64;

}  // namespace

class ScanStream::Impl {
 public:
  Impl(const ScanOptions& options, const BrandTable& brands)
      : options_(options),
        scan_(options.decode_depth, brands),
        buffer_(std::make_unique_for_overwrite<char[]>(kWindowBytes)) {}
  ~Impl() { Wipe(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Begin(const ScanContext& context) {
    Wipe();
    facts_ = FactsOf(context);
    offset_ = 0;
    settled_.clear();
  }

  void Feed(std::string_view bytes, MatchSink& sink) {
    if (filled_ > 0 && filled_ + bytes.size() >= kWindowBytes) {
      // The window that lies over the cut.
      const size_t count = kWindowBytes - filled_;
      Append(bytes.substr(0, count));
      LookAtWindow({buffer_.get(), kWindowBytes}, sink);
      const size_t kept = filled_;
      if (count < kept) {
        bytes.remove_prefix(count);
        if (filled_ + bytes.size() >= kWindowBytes) return Feed(bytes, sink);
      } else {
        // What stays of it for the next is there to be read in place.
        bytes.remove_prefix(count - kept);
        filled_ = 0;
      }
    }
    while (bytes.size() >= kWindowBytes) {
      LookAtWindow(bytes.substr(0, kWindowBytes), sink);
      bytes.remove_prefix(kWindowBytes - filled_);
      filled_ = 0;
    }
    Append(bytes);
  }

  void Settle(MatchSink& sink) {
    if (core_begin_ == filled_) return;
    is_settling_ = true;
    Look({buffer_.get(), filled_}, filled_, /*is_last=*/true, sink);
    is_settling_ = false;
  }

  void Finish(MatchSink& sink) {
    if (core_begin_ < filled_) Look({buffer_.get(), filled_}, filled_, /*is_last=*/true, sink);
    Wipe();
    offset_ = 0;
    settled_.clear();
  }

  uint64_t bytes_not_decoded() const { return scan_.bytes_not_decoded(); }

 private:
  void Append(std::string_view bytes) {
    memcpy(buffer_.get() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
    used_ = std::max(used_, filled_);
  }

  // Looks at a whole window, and keeps in the buffer, if the window is there, what is context for
  // the next or is answered for by it.
  void LookAtWindow(std::string_view window, MatchSink& sink) {
    constexpr size_t kCoreEnd = kWindowBytes - kContextBytes;
    constexpr size_t kKeptFrom = kCoreEnd - kContextBytes;
    Look(window, kCoreEnd, /*is_last=*/false, sink);
    offset_ += kKeptFrom;
    core_begin_ = kContextBytes;
    filled_ = kWindowBytes - kKeptFrom;
    if (window.data() == buffer_.get()) {
      memmove(buffer_.get(), buffer_.get() + kKeptFrom, filled_);
    }
    std::erase_if(settled_, [&](const Range& range) { return range.end <= offset_; });
  }

  // Finds and hands over what begins in [core_begin_, core_end) of `bytes`.
  void Look(std::string_view bytes, size_t core_end, bool is_last, MatchSink& sink) {
    const TextScan::Window window = {.bytes = bytes,
                                     .begin = core_begin_,
                                     .end = core_end,
                                     .is_first = offset_ == 0,
                                     .is_last = is_last,
                                     .offset = offset_};
    scan_.Scan(window, facts_, matches_);
    if (!matches_.empty()) {
      MergeMatches(matches_);
      for (const CardMatch& match : matches_) {
        const bool in_core =
            match.offset >= offset_ + core_begin_ && match.offset < offset_ + core_end;
        if (!in_core || match.confidence < options_.min_confidence || IsSettled(match)) continue;
        if (is_settling_) settled_.push_back({match.offset, match.offset + match.length});
        sink.OnMatch(match);
      }
      matches_.clear();
      if (matches_.capacity() > kMatchesKept) matches_.shrink_to_fit();
    }
  }

  // More bytes can change what is known about a number, not where it is.
  bool IsSettled(const CardMatch& match) const {
    return std::any_of(settled_.begin(), settled_.end(), [&](const Range& range) {
      return match.offset < range.end && range.begin < match.offset + match.length;
    });
  }

  void Wipe() {
    explicit_bzero(buffer_.get(), used_);
    scan_.Wipe();
    filled_ = 0;
    used_ = 0;
    core_begin_ = 0;
  }

  const ScanOptions options_;
  TextScan scan_;
  StreamFacts facts_;
  // The bytes of the window so far, where they came in several pieces.
  std::unique_ptr<char[]> buffer_;
  size_t filled_ = 0;
  // How much of the buffer was written since the last wipe.
  size_t used_ = 0;
  // Where in the window begins what no window answered for.
  size_t core_begin_ = 0;
  // Offset of the window in the stream.
  uint64_t offset_ = 0;
  std::vector<CardMatch> matches_;

  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  // What Settle handed over of the bytes that are still here.
  std::vector<Range> settled_;
  bool is_settling_ = false;
};

ScanStream::ScanStream(const ScanOptions& options, const BrandTable& brands)
    : impl_(std::make_unique<Impl>(options, brands)) {}
ScanStream::~ScanStream() = default;

void ScanStream::Begin(const ScanContext& context) { impl_->Begin(context); }
void ScanStream::Feed(std::string_view bytes, MatchSink& sink) { impl_->Feed(bytes, sink); }
void ScanStream::Settle(MatchSink& sink) { impl_->Settle(sink); }
void ScanStream::Finish(MatchSink& sink) { impl_->Finish(sink); }
uint64_t ScanStream::bytes_not_decoded() const { return impl_->bytes_not_decoded(); }

}  // namespace skimwatch::card
