#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_CONNECTION_READER_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_CONNECTION_READER_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/traffic/byte_flow.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/tls_uprobe/probe_records.h"

namespace skimwatch::traffic {

// Makes connections of the records that the probes pass: finds out whose they are, holds the first
// bytes back until the address was seen, for a moment, and ends them with the object, the process,
// or when they are silent.
//
// Thread-compatible; the figures may be read from anywhere.
class ConnectionReader {
 public:
  struct Options {
    absl::Duration address_wait = absl::Milliseconds(25);
    uint32_t connections_max = 65536;
    absl::Duration connection_idle = absl::Minutes(5);
    // Bytes that may be held back in all.
    size_t held_bytes_max = 8 << 20;
  };
  // What it asks; all are called on its thread.
  struct Host {
    // What the kernel knows of a connection.
    std::function<std::optional<skimwatch_connection>(const skimwatch_connection_key&, uint64_t id)>
        find;
    std::function<std::shared_ptr<const Process>(pid_t pid, uint64_t start_ns,
                                                 std::string_view command)>
        process;
    std::function<bool(pid_t pid, uint64_t start_ns)> runs;
    // Which handler the process belongs to; nothing for none.
    std::function<std::optional<size_t>(const Process&)> select;
    // Nothing of that process is wanted.
    std::function<void(pid_t pid, uint64_t start_ns)> ignore;
  };

  // `coverage` and the handlers must outlive it.
  ConnectionReader(const Options& options, Host host, Coverage& coverage,
                   std::vector<ByteFlowHandler*> handlers);
  ~ConnectionReader();
  ConnectionReader(const ConnectionReader&) = delete;
  ConnectionReader& operator=(const ConnectionReader&) = delete;

  // A record with the data that follows it, which came at `time`.
  void Take(const skimwatch_record& record, std::string_view data, absl::Time time);
  // What waits on time goes on.
  void OnTime(absl::Time now);
  // Ends everything.
  void Flush(absl::Time now);

  // Whether something is held back, so that OnTime is to be called within milliseconds.
  bool holds() const { return !held_.empty(); }

  size_t connections() const { return connections_.size(); }
  uint64_t opened() const { return opened_; }
  uint64_t without_address() const { return without_address_; }

 private:
  // What a call passed, or a part of it.
  struct Piece {
    bool sent = false;
    uint64_t position = 0;
    // Those beyond data.size() were not copied.
    uint64_t bytes = 0;
    std::string_view data;
    absl::Time time;
  };
  struct HeldPiece {
    Piece piece;
    std::string data;
  };
  struct Connection {
    skimwatch_connection_key key;
    uint64_t id = 0;
    uint64_t process_start_ns = 0;
    std::shared_ptr<const Process> process;
    // Nothing for one that nobody wants.
    std::optional<size_t> handler;
    // What the kernel knew when it was asked last; while it is not open.
    std::unique_ptr<const skimwatch_connection> known;
    bool open = false;
    bool is_client = true;
    // Of what was sent and what was received, where the next piece is to begin.
    std::array<uint64_t, 2> position{};
    absl::Time first_seen;
    absl::Time last_seen;
    std::vector<HeldPiece> pieces;
  };
  // The one with the last record longest ago first.
  using Connections = std::list<Connection>;

  Connections::iterator Begin(const skimwatch_record& record, absl::Time time);
  // Passes the connection on with what was held back, if its address is known or `must`.
  void TryOpen(Connection& connection, bool must);
  void Pass(Connection& connection, const Piece& piece);
  void Hold(Connection& connection, const Piece& piece);
  void Remove(Connections::iterator connection, absl::Time now);
  void EndOfGoneProcesses(absl::Time now);

  const Options options_;
  const Host host_;
  Coverage& coverage_;
  const std::vector<ByteFlowHandler*> handlers_;
  Connections connections_;
  absl::flat_hash_map<uint64_t, Connections::iterator> by_id_;
  // Connections that hold something back.
  std::vector<uint64_t> held_;
  size_t held_bytes_ = 0;
  uint64_t opened_ = 0;
  uint64_t without_address_ = 0;
  absl::Time processes_looked_at_ = absl::InfinitePast();
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_TLS_UPROBE_CONNECTION_READER_H_
