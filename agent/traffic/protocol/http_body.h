#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_BODY_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_BODY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/protocol/content_decoder.h"
#include "agent/traffic/protocol/flow_context.h"

namespace skimwatch::traffic {

// One HTTP body on its way to the scanner, with its content coding undone, and its limits.
//
// A body without a label that begins as gzip, zstd or zlib data does (DetectCoding) is decoded as
// that: scripts compress what they send themselves, such as by CompressionStream, and set no
// header.
//
// What can't be decoded - a coding that is not known, data that breaks its coding's rules, what
// follows the end of the coded data - is passed on as it stands, for a wrong label must not hide
// plain text, and counted as undecodable, for what is inside was not seen. After a gap in coded
// data nothing more is passed on.
//
// Every byte given to Data is counted once, as it stood on the wire, by End at the latest. A limit
// that is reached within coded bytes counts the piece of the body (at most a packet) in which that
// happened as cut off.
class HttpBody {
 public:
  HttpBody(FlowContext& flow, Sender sender) : flow_(flow), sender_(sender) {}
  ~HttpBody() { End(); }
  HttpBody(const HttpBody&) = delete;
  HttpBody& operator=(const HttpBody&) = delete;

  bool open() const { return open_; }
  // It has no coding, and what comes next may go to another consumer.
  bool may_continue() const {
    return open_ && !undecided_ && decoders_.empty() &&
           (state_ == State::kDeliver || state_ == State::kNotScanned);
  }
  // What comes next goes to `consumer`, which is null where it is not to be scanned; the one before
  // is ended. Limits go on.
  void Continue(PartConsumer* consumer);
  // Begins a body with `codings` in the order in which they were applied: the values of
  // Content-Encoding, then of Transfer-Encoding, where `identity` and `chunked` mean nothing.
  // `consumer` is null where the body is not to be scanned.
  void Begin(PartConsumer* consumer, std::string_view content_encoding,
             std::string_view transfer_encoding);
  // Begins a body whose coding `decoder` undoes.
  void Begin(PartConsumer* consumer, std::unique_ptr<ContentDecoder> decoder);
  // The limit of a body's bytes counts from here: another message begins in it. For consumers,
  // while they are given data.
  void RestartLimit() { limited_bytes_ = 0; }
  void Data(std::string_view bytes);
  // Bytes are missing.
  void Gap();
  void End();

 private:
  enum class State : uint8_t { kDeliver, kPassAsIs, kNotScanned, kGivenUp, kBodyLimit, kBomb };

  void AddCodings(std::string_view list);
  // Tells the coding of a body without label by its first bytes, and takes those.
  void TakeUnlabelled(std::string_view bytes);
  // Takes the first bytes that were held as they stand.
  void ReleaseHeld();
  void Take(std::string_view bytes);
  // Takes the state and counts it, once.
  void Become(State state);
  // Decodes by the decoders from `stage` on, and delivers.
  ContentDecoder::Result Decode(size_t stage, std::string_view& input);
  // Returns how many bytes were within the limit.
  size_t Deliver(std::string_view bytes);
  void Open(PartConsumer* consumer);
  void DecodeFirst(std::string_view bytes);
  void CloseConsumer();

  FlowContext& flow_;
  const Sender sender_;
  bool open_ = false;
  State state_ = State::kDeliver;
  // Why Decode stopped.
  State cut_ = State::kDeliver;
  PartConsumer* consumer_ = nullptr;
  uint64_t wire_bytes_ = 0;
  bool delivered_ = false;
  // Delivered, of what the limit holds for.
  uint64_t limited_bytes_ = 0;
  // The body has no label, and its first bytes, which are held, do not tell its coding yet.
  bool undecided_ = false;
  std::string held_;
  // The last coding first, which is the first to undo, and what each has yielded.
  std::vector<std::unique_ptr<ContentDecoder>> decoders_;
  std::array<uint64_t, ContentDecoding::kCodingsMax> decoded_bytes_{};
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_HTTP_BODY_H_
