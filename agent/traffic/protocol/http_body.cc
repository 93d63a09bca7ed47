#include "agent/traffic/protocol/http_body.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace skimwatch::traffic {
namespace {

// A body that yields less than this is never a bomb, whatever its ratio.
constexpr uint64_t kBombBytesMin = uint64_t{1} << 20;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void HttpBody::Open(PartConsumer* consumer) {
  End();
  open_ = true;
  state_ = consumer == nullptr ? State::kNotScanned : State::kDeliver;
  consumer_ = consumer;
  wire_bytes_ = 0;
  delivered_ = false;
  limited_bytes_ = 0;
  decoded_bytes_.fill(0);
}

void HttpBody::Begin(PartConsumer* consumer, std::unique_ptr<ContentDecoder> decoder) {
  Open(consumer);
  undecided_ = false;
  if (consumer != nullptr) decoders_.push_back(std::move(decoder));
}

void HttpBody::Begin(PartConsumer* consumer, std::string_view content_encoding,
                     std::string_view transfer_encoding) {
  Open(consumer);
  if (consumer == nullptr) return;
  AddCodings(content_encoding);
  AddCodings(transfer_encoding);
  std::reverse(decoders_.begin(), decoders_.end());
  undecided_ = state_ == State::kDeliver && decoders_.empty();
}

void HttpBody::Continue(PartConsumer* consumer) {
  CloseConsumer();
  consumer_ = consumer;
  state_ = consumer == nullptr ? State::kNotScanned : State::kDeliver;
}

void HttpBody::AddCodings(std::string_view list) {
  for (absl::string_view coding : absl::StrSplit(Absl(list), ',')) {
    coding = absl::StripAsciiWhitespace(coding);
    if (coding.empty() || absl::EqualsIgnoreCase(coding, "identity") ||
        absl::EqualsIgnoreCase(coding, "chunked")) {
      continue;
    }
    if (state_ != State::kDeliver) return;
    std::unique_ptr<ContentDecoder> decoder;
    if (decoders_.size() < ContentDecoding::kCodingsMax) {
      decoder = CreateContentDecoder({coding.data(), coding.size()},
                                     flow_.decoder.content_decoding.memory);
    }
    if (decoder == nullptr) return Become(State::kPassAsIs);
    decoders_.push_back(std::move(decoder));
  }
}

void HttpBody::Become(State state) {
  DecoderCounters& counters = flow_.decoder.counters;
  switch (state) {
    case State::kPassAsIs:
    case State::kGivenUp:
      if (state_ == State::kDeliver) counters.bodies_undecodable.Add();
      break;
    case State::kBodyLimit:
      counters.bodies_truncated.Add();
      break;
    case State::kBomb:
      counters.bodies_cut_as_bomb.Add();
      break;
    case State::kDeliver:
    case State::kNotScanned:
      break;
  }
  state_ = state;
  decoders_.clear();
  if (state != State::kPassAsIs) CloseConsumer();
}

void HttpBody::Data(std::string_view bytes) {
  if (bytes.empty()) return;
  wire_bytes_ += bytes.size();
  if (undecided_) return TakeUnlabelled(bytes);
  Take(bytes);
}

void HttpBody::TakeUnlabelled(std::string_view bytes) {
  const size_t head_bytes = std::min(bytes.size(), CodingMark::kBytesMax - held_.size());
  std::string head = held_;
  head += bytes.substr(0, head_bytes);
  const CodingMark mark = DetectCoding(head);
  if (mark.undecided) {
    held_ = std::move(head);
    return;
  }
  undecided_ = false;
  AddCodings(mark.coding);
  ReleaseHeld();
  Take(bytes);
}

void HttpBody::ReleaseHeld() {
  undecided_ = false;
  const std::string held = std::exchange(held_, {});
  if (!held.empty()) Take(held);
}

void HttpBody::Take(std::string_view bytes) {
  switch (state_) {
    case State::kDeliver: {
      if (!decoders_.empty()) return DecodeFirst(bytes);
      const size_t scanned = Deliver(bytes);
      if (scanned < bytes.size()) Become(State::kBodyLimit);
      flow_.Count(Reason::kScanned, scanned);
      flow_.Count(Reason::kTruncatedBodyLimit, bytes.size() - scanned);
      return;
    }
    case State::kPassAsIs:
      flow_.Count(Reason::kUndecodableContentCoding, bytes.size());
      if (consumer_ != nullptr && Deliver(bytes) < bytes.size()) CloseConsumer();
      return;
    case State::kGivenUp:
      return flow_.Count(Reason::kUndecodableContentCoding, bytes.size());
    case State::kBodyLimit:
      return flow_.Count(Reason::kTruncatedBodyLimit, bytes.size());
    case State::kBomb:
      return flow_.Count(Reason::kTruncatedDecompressionLimit, bytes.size());
    case State::kNotScanned:
      return flow_.Count(flow_.ReasonOf(sender_), bytes.size());
  }
}

void HttpBody::DecodeFirst(std::string_view bytes) {
  std::string_view rest = bytes;
  switch (Decode(0, rest)) {
    case ContentDecoder::Result::kMore:
      return flow_.Count(Reason::kScanned, bytes.size());
    case ContentDecoder::Result::kStopped:
      Become(cut_);
      return flow_.Count(
          cut_ == State::kBomb ? Reason::kTruncatedDecompressionLimit : Reason::kTruncatedBodyLimit,
          bytes.size());
    case ContentDecoder::Result::kEnd:
    case ContentDecoder::Result::kBroken:
      break;
  }
  // Nothing ever came out, so the label may be wrong for all of it.
  if (decoded_bytes_[0] == 0) rest = bytes;
  Become(State::kPassAsIs);
  if (delivered_) consumer_->Gap();
  flow_.Count(Reason::kScanned, bytes.size() - rest.size());
  flow_.Count(Reason::kUndecodableContentCoding, rest.size());
  if (Deliver(rest) < rest.size()) CloseConsumer();
}

ContentDecoder::Result HttpBody::Decode(size_t stage, std::string_view& input) {
  using Result = ContentDecoder::Result;
  if (stage == decoders_.size()) {
    if (Deliver(input) == input.size()) return Result::kMore;
    cut_ = State::kBodyLimit;
    return Result::kStopped;
  }
  std::unique_ptr<char[]>& scratch = flow_.decoder.content_decoding.scratch[stage];
  if (scratch == nullptr) scratch.reset(new char[ContentDecoding::kScratchBytes]);
  Result inner = Result::kMore;
  const auto output = [&](std::string_view decoded) {
    decoded_bytes_[stage] += decoded.size();
    if (decoded_bytes_[stage] > kBombBytesMin + wire_bytes_ &&
        decoded_bytes_[stage] / flow_.decoder.options.decompression_ratio_max >= wire_bytes_) {
      cut_ = State::kBomb;
      inner = Result::kStopped;
      return false;
    }
    std::string_view left = decoded;
    inner = Decode(stage + 1, left);
    explicit_bzero(scratch.get(), decoded.size());
    return inner == Result::kMore;
  };
  const Result result =
      decoders_[stage]->Decode(input, {scratch.get(), ContentDecoding::kScratchBytes}, output);
  if (inner == Result::kStopped) return Result::kStopped;
  // What an inner coding does not take is nowhere in the outer one's input.
  return inner == Result::kMore ? result : Result::kBroken;
}

size_t HttpBody::Deliver(std::string_view bytes) {
  const uint64_t bytes_max = flow_.decoder.options.body_bytes_max;
  if (bytes_max != 0) bytes = bytes.substr(0, bytes_max - limited_bytes_);
  if (bytes.empty()) return 0;
  delivered_ = true;
  limited_bytes_ += bytes.size();
  consumer_->Data(bytes);
  return bytes.size();
}

void HttpBody::Gap() {
  ReleaseHeld();
  if (consumer_ == nullptr) return;
  consumer_->Gap();
  if (!decoders_.empty()) Become(State::kGivenUp);
}

void HttpBody::End() {
  ReleaseHeld();
  open_ = false;
  CloseConsumer();
  decoders_.clear();
}

void HttpBody::CloseConsumer() {
  if (consumer_ == nullptr) return;
  consumer_->End();
  consumer_ = nullptr;
}

}  // namespace skimwatch::traffic
