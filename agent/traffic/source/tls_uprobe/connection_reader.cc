#include "agent/traffic/source/tls_uprobe/connection_reader.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {
namespace {

// How often the processes of open connections are looked at.
constexpr absl::Duration kProcessLookInterval = absl::Seconds(5);

std::string ServerNameOf(const skimwatch_connection& connection) {
  const size_t size =
      std::min<size_t>(connection.server_name_bytes, sizeof(connection.server_name) - 1);
  const std::string_view given(connection.server_name, size);
  // One that fills its place was cut by the probe.
  std::string name(size + 1 < sizeof(connection.server_name) ? given : CutName(given, size - 1));
  absl::AsciiStrToLower(&name);
  // Whatever a program may have given; what is no name in DNS or an address is none to be shown.
  const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
  if (!is_name) name.clear();
  while (name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace

ConnectionReader::ConnectionReader(const Options& options, Host host, Coverage& coverage,
                                   std::vector<ByteFlowHandler*> handlers)
    : options_(options),
      host_(std::move(host)),
      coverage_(coverage),
      handlers_(std::move(handlers)) {}

ConnectionReader::~ConnectionReader() {
  for (Connection& connection : connections_) {
    for (HeldPiece& held : connection.pieces) {
      explicit_bzero(held.data.data(), held.data.size());
    }
  }
}

void ConnectionReader::Take(const skimwatch_record& record, std::string_view data,
                            absl::Time time) {
  const auto known = by_id_.find(record.id);
  if (record.kind == SKIMWATCH_RECORD_CLOSE) {
    if (known == by_id_.end()) return;
    TryOpen(*known->second, true);
    return Remove(known->second, time);
  }
  if (record.kind != SKIMWATCH_RECORD_WRITE && record.kind != SKIMWATCH_RECORD_READ) return;
  Connection& connection = known == by_id_.end() ? *Begin(record, time) : *known->second;
  if (!connection.handler.has_value()) return;
  connection.last_seen = time;
  connections_.splice(connections_.end(), connections_, by_id_.at(record.id));
  const Piece piece{.sent = record.kind == SKIMWATCH_RECORD_WRITE,
                    .position = record.position,
                    .bytes = std::max<uint64_t>(record.bytes, data.size()),
                    .data = data,
                    .time = time};
  if (!connection.open) TryOpen(connection, false);
  if (connection.open) return Pass(connection, piece);
  Hold(connection, piece);
  if (held_bytes_ > options_.held_bytes_max) TryOpen(connection, true);
}

ConnectionReader::Connections::iterator ConnectionReader::Begin(const skimwatch_record& record,
                                                                absl::Time time) {
  if (connections_.size() >= options_.connections_max && !connections_.empty()) {
    TryOpen(connections_.front(), true);
    Remove(connections_.begin(), time);
  }
  const auto pid = static_cast<pid_t>(record.key.tgid);
  const std::string_view command(record.command, strnlen(record.command, sizeof(record.command)));
  Connection connection{.key = record.key,
                        .id = record.id,
                        .process_start_ns = record.process_start_ns,
                        .process = host_.process(pid, record.process_start_ns, command),
                        .first_seen = time,
                        .last_seen = time};
  connection.handler = host_.select(*connection.process);
  if (!connection.handler.has_value()) host_.ignore(pid, record.process_start_ns);
  connections_.push_back(std::move(connection));
  by_id_[record.id] = std::prev(connections_.end());
  return std::prev(connections_.end());
}

void ConnectionReader::TryOpen(Connection& connection, bool must) {
  if (connection.open || !connection.handler.has_value()) return;
  if (const std::optional<skimwatch_connection> found = host_.find(connection.key, connection.id);
      found.has_value()) {
    connection.known = std::make_unique<const skimwatch_connection>(*found);
    if (!must && found->has_address == 0) return;
  }
  // One that the kernel forgot, since it was closed, won't be known better later.
  const std::unique_ptr<const skimwatch_connection> known = std::move(connection.known);
  Address local;
  Address remote;
  ByteFlow flow{.client_is_known = false, .process = connection.process};
  if (known != nullptr) {
    if (known->has_address != 0) {
      local = {IpAddress::V6(known->local_ip).ToString(), known->local_port};
      remote = {IpAddress::V6(known->remote_ip).ToString(), known->remote_port};
    }
    flow.client_is_known = known->role != SKIMWATCH_ROLE_UNKNOWN;
    flow.is_outbound = known->role != SKIMWATCH_ROLE_SERVER;
    flow.server_name = ServerNameOf(*known);
  }
  connection.is_client = flow.is_outbound;
  flow.client = connection.is_client ? local : remote;
  flow.server = connection.is_client ? remote : local;
  ++opened_;
  if (remote.ip.empty()) ++without_address_;
  connection.open = true;
  handlers_[*connection.handler]->OnOpen(connection.id, flow, connection.first_seen);
  for (HeldPiece& held : connection.pieces) {
    held.piece.data = held.data;
    Pass(connection, held.piece);
    held_bytes_ -= held.data.size();
    explicit_bzero(held.data.data(), held.data.size());
  }
  connection.pieces.clear();
  connection.pieces.shrink_to_fit();
  std::erase(held_, connection.id);
}

void ConnectionReader::Pass(Connection& connection, const Piece& piece) {
  ByteFlowHandler& handler = *handlers_[*connection.handler];
  const bool from_client = piece.sent == connection.is_client;
  uint64_t& position = connection.position[piece.sent ? 0 : 1];
  // The ring had no room for what is between; the kernel counted it.
  if (piece.position > position) {
    handler.OnShed(connection.id, from_client, piece.position - position, piece.time);
  }
  position = piece.position + piece.bytes;
  if (!piece.data.empty()) handler.OnData(connection.id, from_client, piece.data, piece.time);
  if (const uint64_t missing = piece.bytes - piece.data.size(); missing > 0) {
    coverage_.Add(Reason::kTruncatedCall, missing);
    handler.OnShed(connection.id, from_client, missing, piece.time);
  }
}

void ConnectionReader::Hold(Connection& connection, const Piece& piece) {
  if (connection.pieces.empty()) held_.push_back(connection.id);
  connection.pieces.push_back({.piece = piece, .data = std::string(piece.data)});
  held_bytes_ += piece.data.size();
}

void ConnectionReader::Remove(Connections::iterator connection, absl::Time now) {
  if (connection->open) handlers_[*connection->handler]->OnEnd(connection->id, now);
  by_id_.erase(connection->id);
  connections_.erase(connection);
}

void ConnectionReader::OnTime(absl::Time now) {
  for (const uint64_t id : std::vector<uint64_t>(held_)) {
    const auto known = by_id_.find(id);
    if (known == by_id_.end()) continue;
    const absl::Duration waited = absl::AbsDuration(now - known->second->first_seen);
    TryOpen(*known->second, waited >= options_.address_wait);
  }
  while (!connections_.empty() &&
         absl::AbsDuration(now - connections_.front().last_seen) > options_.connection_idle) {
    TryOpen(connections_.front(), true);
    Remove(connections_.begin(), now);
  }
  if (absl::AbsDuration(now - processes_looked_at_) >= kProcessLookInterval) {
    processes_looked_at_ = now;
    EndOfGoneProcesses(now);
  }
  for (ByteFlowHandler* handler : handlers_) handler->OnIdle(now);
}

void ConnectionReader::EndOfGoneProcesses(absl::Time now) {
  absl::flat_hash_map<std::pair<uint32_t, uint64_t>, bool> runs;
  for (auto connection = connections_.begin(); connection != connections_.end();) {
    const auto at = connection++;
    const auto [known, is_new] = runs.try_emplace({at->key.tgid, at->process_start_ns}, true);
    if (is_new) known->second = host_.runs(static_cast<pid_t>(at->key.tgid), at->process_start_ns);
    if (known->second) continue;
    TryOpen(*at, true);
    Remove(at, now);
  }
}

void ConnectionReader::Flush(absl::Time now) {
  while (!connections_.empty()) {
    TryOpen(connections_.front(), true);
    Remove(connections_.begin(), now);
  }
  for (ByteFlowHandler* handler : handlers_) handler->Flush();
}

}  // namespace skimwatch::traffic
