#ifndef SKIMWATCH_AGENT_CARD_SCANNER_H_
#define SKIMWATCH_AGENT_CARD_SCANNER_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "agent/card/card_match.h"

namespace skimwatch::card {

class BrandTable;

struct ScanOptions {
  // Encodings undone one inside another; 0 finds plain numbers only. At most 4.
  int decode_depth = 3;
  Confidence min_confidence = Confidence::kLow;
};

// What is known about a stream before its first byte; used as evidence.
struct ScanContext {
  // A path, file name or page that the bytes belong to, such as a request path.
  std::string_view location;
  // Media type without parameters, lower case; empty when unknown.
  std::string_view content_type;
  // Position inside code, a font or an image speaks against a match.
  bool is_script = false;
  // The bytes go to `location` rather than come from it, so that its ending says nothing about
  // them: a request for an image is no image.
  bool is_request = false;
};

// Takes matches as they are found, in the order of their last byte. Called on the thread that feeds
// the scan.
class MatchSink {
 public:
  virtual ~MatchSink() = default;
  virtual void OnMatch(const CardMatch& match) = 0;
};

// Finds card numbers in one stream of bytes, fed in pieces of any size. What is found does not
// depend on where the pieces were cut.
//
// Fixed state: feeding allocates nothing where nothing is found, and what it holds of the stream is
// wiped at Finish, Begin and destruction. Thread-compatible; make one a stream and reuse it.
//
//   ScanStream stream(options, BrandTable::Default());
//   stream.Begin({.location = "/api/checkout"});
//   stream.Feed(first_half, sink);
//   stream.Feed(second_half, sink);
//   stream.Finish(sink);
class ScanStream {
 public:
  // `brands` must outlive the stream.
  ScanStream(const ScanOptions& options, const BrandTable& brands);
  ~ScanStream();
  ScanStream(const ScanStream&) = delete;
  ScanStream& operator=(const ScanStream&) = delete;

  // Starts a new stream at offset 0, forgetting the one before.
  void Begin(const ScanContext& context);
  void Feed(std::string_view bytes, MatchSink& sink);
  // Decides what waits for more bytes as if the stream ended here, for a stream that stays open and
  // silent. It may go on: what was handed over is not handed over again.
  void Settle(MatchSink& sink);
  // The stream ends here; matches that waited for what follows are decided.
  void Finish(MatchSink& sink);

  // Bytes of all streams so far whose encodings were not undone, because the bytes around asked for
  // more decoding than is done for any: text that is encoded in many ways at once, on purpose.
  uint64_t bytes_not_decoded() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_SCANNER_H_
