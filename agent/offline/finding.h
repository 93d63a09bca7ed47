#ifndef SKIMWATCH_AGENT_OFFLINE_FINDING_H_
#define SKIMWATCH_AGENT_OFFLINE_FINDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/card/card_match.h"

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

// Where a match was. All texts are fit to be shown.
struct Place {
  // The file, and behind a `!` each the members of archives that lead to the match:
  // `backup.zip!shop/orders.csv`.
  std::string path;
  // How much of `path` is the file on disk.
  size_t file_bytes = std::string::npos;
  // Compressions and archives undone to read it, outermost first. Offsets count in what comes out
  // last.
  std::vector<std::string_view> container;
  std::optional<FlowPlace> flow;

  std::string_view file() const { return std::string_view(path).substr(0, file_bytes); }
};

// A place in a text, from 1. Columns count UTF-16 code units, as editors and code hosts do.
struct TextPosition {
  uint64_t line = 1;
  uint64_t column = 1;
};

// A match that is reported. Valid during the call that hands it over.
struct Finding {
  const Place& place;
  // Of the match in what the place holds.
  uint64_t offset;
  const card::CardMatch& match;
  // Of its first byte and of the one behind its last; none in captures.
  std::optional<TextPosition> begin;
  std::optional<TextPosition> end;
  // HMAC of the number in hexadecimal digits, and its key's id; empty without a key.
  std::string_view fingerprint;
  std::string_view key_id;
  // What stays when the file changes elsewhere: one-way, and of no more than is shown where there
  // is no key.
  std::string_view identity;
  // How many of the same identity came before.
  uint64_t occurrence = 0;
};

}  // namespace skimwatch::offline

#endif  // SKIMWATCH_AGENT_OFFLINE_FINDING_H_
