#ifndef SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_
#define SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "agent/card/card_match.h"
#include "agent/offline/console.h"
#include "agent/offline/scan_options.h"

namespace skimwatch::offline {

// The flow of a capture file that a match was in. All texts are fit to be shown.
struct FlowPlace {
  // `192.0.2.1:443`, `[2001:db8::1]:443`: who sent the bytes, and to whom.
  std::string src;
  std::string dst;
  std::string host;
  std::string method;
  // The path's template, without query.
  std::string path;
  // `request_body`, ...
  std::string_view part;
  // `outbound_request`, ...; `unknown` where no configuration says which side is the host.
  std::string_view direction;
  // RFC 3339, of the first packet of the part.
  std::string time;
};

// Where a match was.
struct Place {
  // The file, fit to be shown.
  std::string path;
  // Compressions undone to read it, outermost first. Offsets count in what comes out last.
  std::vector<std::string_view> container;
  std::optional<FlowPlace> flow;
};

// Writes matches as rows of a table or lines of JSON, masked. Each is passed to the console in one
// piece. Thread-safe.
class MatchWriter {
 public:
  // `columns` of the terminal, 0 for no limit. `console` must outlive it.
  MatchWriter(Format format, card::MaskStyle mask, size_t columns, Console& console)
      : format_(format), mask_(mask), columns_(columns), console_(console) {}

  // `offset` instead of the match's own, which may count from a piece of the place.
  void Write(const Place& place, uint64_t offset, const card::CardMatch& match);

 private:
  std::string Json(const Place& place, uint64_t offset, const card::CardMatch& match) const;
  std::string Row(const Place& place, uint64_t offset, const card::CardMatch& match,
                  bool headers) const;

  const Format format_;
  const card::MaskStyle mask_;
  const size_t columns_;
  Console& console_;
  absl::Mutex mutex_;
  bool headers_written_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_MATCH_WRITER_H_
