#ifndef SKIMWATCH_AGENT_OFFLINE_CAPTURE_SCANNER_H_
#define SKIMWATCH_AGENT_OFFLINE_CAPTURE_SCANNER_H_

#include <list>
#include <memory>
#include <vector>

#include "agent/card/scanner.h"
#include "agent/offline/byte_stream.h"
#include "agent/offline/file_place.h"
#include "agent/offline/scan_services.h"
#include "agent/traffic/message.h"

namespace skimwatch::offline {

// Scans the messages of capture files, pcap or pcapng, in both directions: nobody says which side
// is the host.
//
// Memory is bounded by the limits of the decoder and of kStreamsMax. Where more parts of messages
// than that, of more than some kilobytes, are open at once, the one that was silent for longest is
// scanned as if it ended, and goes on as a new piece when more of it comes.
//
// Thread-compatible; one may scan many files, one after the other.
class CaptureScanner final : public traffic::MessageSink {
 public:
  // Of about 160 KiB each.
  static constexpr size_t kStreamsMax = 256;

  // `services` must outlive it.
  explicit CaptureScanner(const ScanServices& services);
  ~CaptureScanner() override;

  // Scans `stream`, which begins with the mark of a capture file; `file` is its place without flow,
  // and matches go to `findings`.
  // Errors are those of the stream, and DATA_LOSS for a damaged file, whose messages before that
  // were scanned.
  absl::Status Scan(ByteStream& stream, const FilePlace& file, Findings::OfFile& findings);
  // Scans what of each message has come so far, while nothing more comes.
  void Settle();

  traffic::PartConsumer* BeginPart(const traffic::Provenance& provenance,
                                   traffic::Part part) override;

 private:
  class PartScan;

  // A stream and the part that it scans; none where it is free.
  struct Slot {
    Slot(const card::ScanOptions& options, const card::BrandTable& brands)
        : stream(options, brands) {}
    card::ScanStream stream;
    PartScan* part = nullptr;
  };
  using Slots = std::list<Slot>;

  // A slot for `part`, and the last to be taken away again.
  Slots::iterator Take(PartScan* part);
  void MarkUsed(Slots::iterator slot) { slots_.splice(slots_.end(), slots_, slot); }
  void GiveBack(Slots::iterator slot);

  const ScanServices& services_;
  // Free ones first, then by last use.
  Slots slots_;
  // All that were ever needed at once, and those that are free.
  std::vector<std::unique_ptr<PartScan>> parts_;
  std::vector<PartScan*> free_parts_;
  // Memory of what parts hold that have no slot.
  size_t held_bytes_ = 0;
  const FilePlace* file_ = nullptr;
  Findings::OfFile* findings_ = nullptr;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_CAPTURE_SCANNER_H_
