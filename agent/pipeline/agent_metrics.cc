#include "agent/pipeline/agent_metrics.h"

#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "agent/card/card_match.h"
#include "proto/admin/family_builder.h"

namespace skimwatch::pipeline {
namespace {

using admin::FamilyBuilder;
using admin::Labels;
using prometheus::MetricType;
using Families = std::vector<prometheus::MetricFamily>;

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

// One series or one a label set.
struct Series {
  Labels labels;
  double value = 0;
};

// What becomes of several values of one label set: of entries of the configuration that read the
// same thing, what they read adds up, and what the thing is does not.
enum class Fold : uint8_t { kSum, kLeast, kGreatest };

void Add(Families& families, const char* name, const char* help, MetricType type,
         const std::vector<Series>& series, Fold fold = Fold::kSum) {
  FamilyBuilder family(name, help, type);
  for (const Series& one : series) {
    switch (fold) {
      case Fold::kSum:
        family.Add(one.labels, one.value);
        break;
      case Fold::kLeast:
        family.Min(one.labels, one.value);
        break;
      case Fold::kGreatest:
        family.Max(one.labels, one.value);
        break;
    }
  }
  families.push_back(std::move(family).Build());
}

void AddCounter(Families& families, const char* name, const char* help, double value) {
  Add(families, name, help, MetricType::Counter, {{{}, value}});
}

void AddGauge(Families& families, const char* name, const char* help, double value) {
  Add(families, name, help, MetricType::Gauge, {{{}, value}});
}

// One series an interface, taken out of it by `value`.
template <typename Value>
void AddPerCapture(const AgentSnapshot& snapshot, Families& families, const char* name,
                   const char* help, MetricType type, Value value, Fold fold = Fold::kSum) {
  std::vector<Series> series;
  for (const AgentSnapshot::Capture& capture : snapshot.captures) {
    series.push_back({{{"interface", capture.interface}}, static_cast<double>(value(capture))});
  }
  Add(families, name, help, type, series, fold);
}

void AddCaptures(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.captures.empty()) return;
  using Capture = AgentSnapshot::Capture;
  const auto per_capture = [&](const char* name, const char* help, MetricType type, auto value) {
    AddPerCapture(snapshot, families, name, help, type, value);
  };
  AddPerCapture(
      snapshot, families, "skimwatch_capture_up",
      "1 while packets of the interface are captured. At 0 see the agent's log: the "
      "interface is away, or CAP_NET_RAW is missing.",
      MetricType::Gauge, [](const Capture& c) { return c.up && c.capture.interface_up ? 1 : 0; },
      Fold::kLeast);
  per_capture("skimwatch_capture_packets_total", "Packets taken from the interface.",
              MetricType::Counter, [](const Capture& c) { return c.capture.packets; });
  per_capture("skimwatch_capture_kernel_drops_total",
              "Packets that the kernel dropped because the ring was full: nobody looked at them. "
              "Raise ring_mib or threads, narrow the filter, or set budget.cpu_percent.",
              MetricType::Counter, [](const Capture& c) { return c.capture.kernel_drops; });
  per_capture("skimwatch_capture_ring_freezes_total", "Times that a ring was found full.",
              MetricType::Counter, [](const Capture& c) { return c.capture.ring_freezes; });

  per_capture("skimwatch_traffic_flows_total", "TCP flows met.", MetricType::Counter,
              [](const Capture& c) { return c.decoder.flows; });
  per_capture("skimwatch_traffic_flows_active", "TCP flows followed now.", MetricType::Gauge,
              [](const Capture& c) { return c.decoder.flows_active; });
  per_capture("skimwatch_traffic_flows_sampled_out_total",
              "TCP flows that sampling left out as a whole.", MetricType::Counter,
              [](const Capture& c) { return c.decoder.flows_sampled_out; });
  per_capture("skimwatch_traffic_flows_evicted_total",
              "TCP flows given up because limits.flows_max was reached.", MetricType::Counter,
              [](const Capture& c) { return c.decoder.flows_evicted; });
  per_capture("skimwatch_traffic_gaps_total",
              "Places in TCP streams where bytes never came: lost by the capture, or asymmetric "
              "routing.",
              MetricType::Counter, [](const Capture& c) { return c.decoder.gaps; });
  per_capture("skimwatch_traffic_gap_bytes_total", "Bytes that never came.", MetricType::Counter,
              [](const Capture& c) { return c.decoder.gap_bytes; });
  per_capture("skimwatch_traffic_reassembly_bytes", "Out-of-order data held now.",
              MetricType::Gauge, [](const Capture& c) { return c.decoder.reassembly_bytes; });
  per_capture("skimwatch_traffic_http_errors_total",
              "Streams that began as HTTP and broke its rules; they are scanned as bytes.",
              MetricType::Counter, [](const Capture& c) { return c.decoder.http_errors; });
  per_capture("skimwatch_traffic_bodies_cut_as_bomb_total",
              "Compressed bodies that grew beyond limits.decompression_ratio_max.",
              MetricType::Counter, [](const Capture& c) { return c.decoder.bodies_cut_as_bomb; });
  per_capture("skimwatch_traffic_packets_undecodable_total",
              "Packets that are no TCP or UDP over IP: fragments, other protocols, malformed.",
              MetricType::Counter, [](const Capture& c) { return c.decoder.packets_undecodable; });

  per_capture("skimwatch_traffic_datagrams_total", "UDP datagrams met.", MetricType::Counter,
              [](const Capture& c) { return c.decoder.datagrams; });

  std::vector<Series> messages;
  std::vector<Series> streams;
  std::vector<Series> protocol_messages;
  std::vector<Series> protocol_errors;
  for (const Capture& c : snapshot.captures) {
    for (size_t i = 0; i < c.decoder.protocols.size(); ++i) {
      const auto protocol = static_cast<traffic::Protocol>(i);
      if (protocol == traffic::Protocol::kUnknown) continue;
      const traffic::TrafficDecoder::Stats::PerProtocol& one = c.decoder.protocols[i];
      const Labels labels = {{"interface", c.interface},
                             {"protocol", std::string(traffic::ProtocolName(protocol))}};
      // TLS is counted below, with flows that were joined in the middle.
      if (protocol != traffic::Protocol::kTls) {
        streams.push_back({labels, static_cast<double>(one.streams)});
      }
      protocol_messages.push_back({labels, static_cast<double>(one.messages)});
      protocol_errors.push_back({labels, static_cast<double>(one.errors)});
    }
    messages.push_back({{{"interface", c.interface}, {"type", "request"}},
                        static_cast<double>(c.decoder.requests)});
    messages.push_back({{{"interface", c.interface}, {"type", "response"}},
                        static_cast<double>(c.decoder.responses)});
    streams.push_back({{{"interface", c.interface}, {"protocol", "tls"}},
                       static_cast<double>(c.decoder.tls_streams)});
    streams.push_back({{{"interface", c.interface}, {"protocol", "unknown"}},
                       static_cast<double>(c.decoder.raw_streams)});
  }
  Add(families, "skimwatch_traffic_http_messages_total", "HTTP messages with a complete head.",
      MetricType::Counter, messages);
  Add(families, "skimwatch_traffic_streams_total",
      "Directions of flows by what their content was found to be: `tls` and `quic` can't be read, "
      "`unknown` is scanned as bytes.",
      MetricType::Counter, streams);
  Add(families, "skimwatch_traffic_messages_total",
      "Messages by protocol: requests and responses, WebSocket and syslog messages, DNS messages, "
      "mail and FTP commands, ClientHellos.",
      MetricType::Counter, protocol_messages);
  Add(families, "skimwatch_traffic_protocol_errors_total",
      "Places where data broke the rules of the protocol that it began as; what follows is scanned "
      "as bytes. Many of them mean a client or a parser at odds with the standard.",
      MetricType::Counter, protocol_errors);
}

void AddMirrors(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.mirrors.empty()) return;
  using Mirror = AgentSnapshot::Mirror;
  const auto per_mirror = [&](const char* name, const char* help, MetricType type, auto value) {
    std::vector<Series> series;
    for (const Mirror& mirror : snapshot.mirrors) {
      series.push_back({{{"listen", mirror.listen}, {"source", mirror.source}},
                        static_cast<double>(value(mirror))});
    }
    Add(families, name, help, type, series);
  };
  per_mirror("skimwatch_mirror_connections_total", "Connections taken for request copies.",
             MetricType::Counter, [](const Mirror& m) { return m.server.connections; });
  per_mirror("skimwatch_mirror_connections_open", "Connections open now.", MetricType::Gauge,
             [](const Mirror& m) { return m.server.connections_open; });
  per_mirror("skimwatch_mirror_connections_refused_total",
             "Connections not taken, since connections_max were open.", MetricType::Counter,
             [](const Mirror& m) { return m.server.connections_refused; });
  per_mirror("skimwatch_mirror_requests_total", "Copies answered.", MetricType::Counter,
             [](const Mirror& m) { return m.server.requests; });
  per_mirror(
      "skimwatch_mirror_requests_cut_total",
      "Copies with the beginning of a body alone, since the proxy's buffer held no more. Raise "
      "HAProxy's tune.bufsize.",
      MetricType::Counter, [](const Mirror& m) { return m.server.requests_cut; });
  per_mirror("skimwatch_mirror_errors_total",
             "Connections ended since what came was no HTTP, SPOE or ICAP. See the agent's log.",
             MetricType::Counter, [](const Mirror& m) { return m.server.errors; });
  per_mirror("skimwatch_mirror_http_errors_total",
             "Copies that began as HTTP and broke its rules; they are scanned as bytes.",
             MetricType::Counter, [](const Mirror& m) { return m.decoder.http_errors; });
  per_mirror("skimwatch_mirror_bodies_cut_as_bomb_total",
             "Compressed bodies that grew beyond limits.decompression_ratio_max.",
             MetricType::Counter, [](const Mirror& m) { return m.decoder.bodies_cut_as_bomb; });
}

void AddTlsProbes(const AgentSnapshot& snapshot, Families& families) {
  if (!snapshot.tls_probes.has_value()) return;
  const traffic::TlsProbes::Stats& probes = snapshot.tls_probes->probes;
  const traffic::ByteFlowDecoder::Stats& decoder = snapshot.tls_probes->decoder;
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    AddGauge(families, name, help, static_cast<double>(value));
  };
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    AddCounter(families, name, help, static_cast<double>(value));
  };
  gauge(
      "skimwatch_tls_probe_up",
      "1 while TLS functions have probes. At 0 see the agent's log or /readyz for the right or the "
      "part of the kernel that is missing.",
      snapshot.tls_probes->up ? 1 : 0);
  gauge("skimwatch_tls_probe_files", "Libraries and programs with probes now.", probes.files);
  gauge("skimwatch_tls_probe_connections", "TLS connections followed now.", probes.connections);
  counter("skimwatch_tls_probe_connections_total", "TLS connections met.",
          probes.connections_opened);
  counter("skimwatch_tls_probe_connections_without_address_total",
          "TLS connections whose remote address could not be seen.",
          probes.connections_without_address);
  counter("skimwatch_tls_probe_pieces_total", "Pieces of plain text taken from the kernel.",
          probes.pieces);
  counter(
      "skimwatch_tls_probe_dropped_pieces_total",
      "Pieces that the ring had no room for: nobody looked at them. Raise tls_probes.ring_mib or "
      "name fewer processes.",
      probes.dropped_pieces);
  counter("skimwatch_tls_probe_dropped_bytes_total", "Bytes of those pieces.",
          probes.dropped_bytes);
  counter("skimwatch_tls_probe_unmatched_returns_total",
          "Calls under way when their probe was set; what they passed was not seen.",
          probes.unmatched_returns);
  counter("skimwatch_tls_probe_files_examined_total",
          "Files looked at for TLS functions, each once.", probes.files_examined);
  counter("skimwatch_tls_probe_files_written_total",
          "Files that lost their probes because somebody wrote to them in place.",
          probes.files_written);
  counter("skimwatch_tls_probe_files_gone_total",
          "Mapped files that could not be opened any more when they were looked at.",
          probes.files_gone);
  counter(
      "skimwatch_tls_probe_files_hidden_total",
      "Files of watched processes that hold a TLS library without the functions that probes are "
      "set at: what they send is not seen. The agent's log names file and process.",
      probes.files_hidden);
  counter("skimwatch_tls_probe_processes_gone_total",
          "Processes that ended before they could be looked up; only their command name is known.",
          probes.processes_gone);
  counter("skimwatch_tls_probe_errors_total",
          "Files that could not be read or probed. See the agent's log for the file.",
          probes.errors);
  counter("skimwatch_tls_probe_lost_notices_total",
          "Notices of new programs that the kernel dropped; all processes are looked at then.",
          probes.lost_notices);
  counter("skimwatch_tls_probe_rescans_total", "Looks at all processes.", probes.rescans);
  counter("skimwatch_tls_probe_wipes_total",
          "Times that zeros were written over the ring between kernel and agent.", probes.wipes);
  counter("skimwatch_tls_probe_gaps_total", "Places in connections where bytes were dropped.",
          decoder.gaps);
  counter("skimwatch_tls_probe_connections_sampled_out_total",
          "TLS connections that sampling left out as a whole.", decoder.flows_sampled_out);
  counter("skimwatch_tls_probe_bodies_cut_as_bomb_total",
          "Compressed bodies that grew beyond limits.decompression_ratio_max.",
          decoder.bodies_cut_as_bomb);
  counter("skimwatch_tls_probe_http_errors_total",
          "Streams that began as HTTP and broke its rules; they are scanned as bytes.",
          decoder.http_errors);
  Add(families, "skimwatch_tls_probe_http_messages_total", "HTTP messages with a complete head.",
      MetricType::Counter,
      {{{{"type", "request"}}, static_cast<double>(decoder.requests)},
       {{{"type", "response"}}, static_cast<double>(decoder.responses)}});
  Add(families, "skimwatch_tls_probe_streams_total",
      "Directions of connections that are no HTTP: `tls` is TLS inside TLS, whose inner plain text "
      "is "
      "seen where it is encrypted; `unknown` is scanned as bytes.",
      MetricType::Counter,
      {{{{"protocol", "tls"}}, static_cast<double>(decoder.tls_streams)},
       {{{"protocol", "unknown"}}, static_cast<double>(decoder.raw_streams)}});
}

void AddLogs(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.logs.empty()) return;
  double files = 0, lines = 0, bytes = 0, errors = 0, compressed = 0;
  std::vector<Series> restarts = {{{{"reason", "rotated"}}, 0}, {{{"reason", "truncated"}}, 0}};
  for (const AgentSnapshot::Logs& logs : snapshot.logs) {
    files += static_cast<double>(logs.tail.files);
    lines += static_cast<double>(logs.tail.lines);
    bytes += static_cast<double>(logs.tail.bytes);
    errors += static_cast<double>(logs.tail.errors);
    compressed += static_cast<double>(logs.tail.compressed_files);
    restarts[0].value += static_cast<double>(logs.tail.rotations);
    restarts[1].value += static_cast<double>(logs.tail.truncations);
  }
  AddGauge(families, "skimwatch_log_files", "Log files followed now.", files);
  AddCounter(families, "skimwatch_log_lines_total", "Lines read of log files.", lines);
  AddCounter(families, "skimwatch_log_bytes_total", "Bytes read of log files.", bytes);
  AddCounter(families, "skimwatch_log_errors_total",
             "Log files that could not be opened or read, or were too many to follow. See the "
             "agent's log for the file.",
             errors);
  AddCounter(families, "skimwatch_log_compressed_files_total",
             "Log files left out because they are compressed; exclude them from the globs.",
             compressed);
  Add(families, "skimwatch_log_restarts_total", "Times that a log file was begun anew.",
      MetricType::Counter, restarts);
}

void AddJournals(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.journals.empty()) return;
  using Stats = traffic::JournalSource::Stats;
  const auto per_journal = [&](const char* name, const char* help, MetricType type, auto value,
                               Fold fold = Fold::kSum) {
    std::vector<Series> series;
    for (const AgentSnapshot::Journal& journal : snapshot.journals) {
      series.push_back(
          {{{"directory", journal.directory}}, static_cast<double>(value(journal.source))});
    }
    Add(families, name, help, type, series, fold);
  };
  per_journal(
      "skimwatch_journal_up",
      "1 while the journal is followed. At 0 see the agent's log or /readyz: there is none, "
      "or the group systemd-journal is missing.",
      MetricType::Gauge, [](const Stats& s) { return s.up ? 1 : 0; }, Fold::kLeast);
  per_journal("skimwatch_journal_entries_total", "Entries read.", MetricType::Counter,
              [](const Stats& s) { return s.entries; });
  per_journal("skimwatch_journal_bytes_total",
              "Bytes of the fields that programs wrote into them, names included.",
              MetricType::Counter, [](const Stats& s) { return s.bytes; });
  per_journal("skimwatch_journal_fields_cut_total",
              "Fields of which field_bytes_max cut something off.", MetricType::Counter,
              [](const Stats& s) { return s.fields_cut; });
  per_journal(
      "skimwatch_journal_files", "Files of the journal.", MetricType::Gauge,
      [](const Stats& s) { return s.files; }, Fold::kGreatest);
  per_journal(
      "skimwatch_journal_files_not_permitted",
      "Files that the agent's user may not read. Put it into the group systemd-journal.",
      MetricType::Gauge, [](const Stats& s) { return s.files_not_permitted; }, Fold::kGreatest);
  per_journal("skimwatch_journal_files_damaged_total",
              "Files that could not be read to their end: `journalctl --verify`.",
              MetricType::Counter, [](const Stats& s) { return s.files_damaged; });
  per_journal("skimwatch_journal_errors_total", "Troubles with the journal. See the agent's log.",
              MetricType::Counter, [](const Stats& s) { return s.errors; });
  std::vector<Series> lost;
  for (const AgentSnapshot::Journal& journal : snapshot.journals) {
    const auto add = [&](const char* reason, uint64_t entries) {
      lost.push_back(
          {{{"directory", journal.directory}, {"reason", reason}}, static_cast<double>(entries)});
    };
    add("deleted", journal.source.entries_deleted);
    add("not_permitted", journal.source.entries_not_permitted);
    add("unreadable", journal.source.entries_unreadable);
    add("partly_unreadable", journal.source.entries_damaged);
  }
  Add(families, "skimwatch_journal_entries_lost_total",
      "Entries that nobody looked at, at most: deleted before they were read, in files that may "
      "not "
      "be read, or damaged. Their numbers tell, so only partly_unreadable counts where units, "
      "identifiers or matches are named.",
      MetricType::Counter, lost);
}

void AddSamples(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.samples.empty()) return;
  using Samples = AgentSnapshot::Samples;
  const auto labels_of = [](const Samples& s) {
    return Labels{{"path", s.path}, {"source", s.source}};
  };
  const auto per_source = [&](const char* name, const char* help, MetricType type, auto value) {
    std::vector<Series> series;
    for (const Samples& s : snapshot.samples) {
      series.push_back({labels_of(s), static_cast<double>(value(s))});
    }
    Add(families, name, help, type, series);
  };
  per_source("skimwatch_samples_total", "Samples taken from other tools.", MetricType::Counter,
             [](const Samples& s) { return s.scan.samples; });
  per_source("skimwatch_sample_bytes_total", "Bytes of their data.", MetricType::Counter,
             [](const Samples& s) { return s.scan.bytes; });
  per_source("skimwatch_sample_flows_open", "Flows of samples that are open now.",
             MetricType::Gauge, [](const Samples& s) { return s.scan.flows_open; });
  per_source("skimwatch_sample_http_errors_total",
             "Streams that began as HTTP and broke its rules; they are scanned as bytes.",
             MetricType::Counter, [](const Samples& s) { return s.http_errors; });
  std::vector<Series> refused, connections, open, ended, files, waiting, errors;
  for (const Samples& s : snapshot.samples) {
    const auto add = [&](std::vector<Series>& series, const char* reason, uint64_t value) {
      Labels labels = labels_of(s);
      if (*reason != 0) labels.push_back({"reason", reason});
      series.push_back({std::move(labels), static_cast<double>(value)});
    };
    add(refused, "invalid", s.scan.invalid);
    add(refused, "too_long", s.scan.too_long);
    if (s.socket.has_value()) {
      add(connections, "", s.socket->connections);
      add(open, "", s.socket->connections_open);
      add(ended, "user_not_allowed", s.socket->refused_user);
      add(ended, "no_room", s.socket->refused_full);
      add(ended, "broken", s.socket->ended_broken);
      add(ended, "within_sample", s.socket->ended_within);
      add(ended, "stalled", s.socket->ended_stalled);
      add(ended, "displaced", s.socket->ended_displaced);
    }
    if (s.folder.has_value()) {
      add(files, "read", s.folder->files);
      add(files, "failed", s.folder->files_failed);
      add(waiting, "", s.folder->files_waiting);
      add(errors, "", s.folder->errors);
    }
  }
  for (Series& series : files) series.labels.back().first = "result";
  Add(families, "skimwatch_samples_refused_total",
      "Samples left out: no Sample or one that makes no sense, or longer than sample_kib_max.",
      MetricType::Counter, refused);
  if (!connections.empty()) {
    Add(families, "skimwatch_sample_connections_total", "Connections taken for samples.",
        MetricType::Counter, connections);
    Add(families, "skimwatch_sample_connections_open", "Connections open now.", MetricType::Gauge,
        open);
    Add(families, "skimwatch_sample_connections_ended_total",
        "Connections that were turned away or ended by the agent, and writers that went away in "
        "the middle of a sample. See the agent's log.",
        MetricType::Counter, ended);
  }
  if (!files.empty()) {
    Add(families, "skimwatch_sample_files_total",
        "Files of samples by result; `failed` ones are kept in the folder `failed` beside them.",
        MetricType::Counter, files);
    Add(families, "skimwatch_sample_files_waiting", "Files of samples that wait to be read.",
        MetricType::Gauge, waiting);
    Add(families, "skimwatch_sample_file_errors_total",
        "Files that can't be opened, moved or removed. See the agent's log.", MetricType::Counter,
        errors);
  }
}

void AddDestinations(const AgentSnapshot& snapshot, Families& families) {
  if (!snapshot.destinations.has_value()) return;
  const traffic::DestinationMonitor::Stats& stats = *snapshot.destinations;
  AddGauge(families, "skimwatch_destinations_known",
           "Destinations that processes send data to, by site and process.",
           static_cast<double>(stats.destinations));
  AddGauge(families, "skimwatch_destinations_new",
           "Of these, used since the start, not learned and not approved: `skimwatchctl "
           "destinations list`.",
           static_cast<double>(stats.destinations_new));
  AddGauge(families, "skimwatch_destinations_pending",
           "Destinations that wait to be reported, at most 512 of them a second.",
           static_cast<double>(stats.pending));
  AddCounter(families, "skimwatch_destinations_forgotten_total",
             "Destinations that made room for others; one that comes back is new. Raise "
             "destinations.entries_max.",
             static_cast<double>(stats.forgotten));
  AddCounter(families, "skimwatch_destinations_forgotten_unreported_total",
             "Of these, forgotten before they were reported.",
             static_cast<double>(stats.forgotten_untold));
  AddCounter(families, "skimwatch_destination_save_errors_total",
             "Times that the inventory of destinations could not be written; what was reported "
             "since may be reported again after a restart.",
             static_cast<double>(stats.save_errors));
}

void AddScripts(const AgentSnapshot& snapshot, Families& families) {
  if (!snapshot.web_roots.has_value()) return;
  const script::ScriptMonitor::Stats& stats = *snapshot.web_roots;
  AddGauge(families, "skimwatch_web_root_files", "Script and page files watched now.",
           static_cast<double>(stats.files));
  AddGauge(families, "skimwatch_web_root_scripts",
           "Scripts watched now, inline scripts of pages included.",
           static_cast<double>(stats.scripts));
  AddGauge(families, "skimwatch_web_root_unapproved_scripts",
           "Scripts whose current bytes nobody approved: `skimwatchctl scripts list`.",
           static_cast<double>(stats.unapproved_scripts));
  AddCounter(families, "skimwatch_web_root_read_bytes_total", "Bytes read of scripts and pages.",
             static_cast<double>(stats.bytes_read));
  AddCounter(families, "skimwatch_web_root_rescans_total", "Full looks at a web root.",
             static_cast<double>(stats.rescans));
  AddCounter(families, "skimwatch_web_root_overflows_total",
             "Times that the kernel's queue of notifications overflowed; a full look follows.",
             static_cast<double>(stats.overflows));
  AddGauge(families, "skimwatch_web_root_files_too_large",
           "Files over file_bytes_max: hashed, not analysed.",
           static_cast<double>(stats.files_too_large));
  AddGauge(families, "skimwatch_web_root_links_outside",
           "Links to files outside of their root: hashed, not analysed.",
           static_cast<double>(stats.links_outside));
  AddGauge(families, "skimwatch_web_root_folder_links",
           "Links to folders, which are not entered. Make what they lead to a web root of its own.",
           static_cast<double>(stats.folder_links));
  AddGauge(families, "skimwatch_web_root_folders_unwatched",
           "Folders without notifications, looked at every rescan_interval_seconds only. Raise "
           "fs.inotify.max_user_watches.",
           static_cast<double>(stats.folders_unwatched));
  AddGauge(families, "skimwatch_web_root_errors",
           "Files and folders that can't be read or watched now. See the agent's log.",
           static_cast<double>(stats.errors));
  if (stats.last_full_look > absl::InfinitePast()) {
    AddGauge(families, "skimwatch_web_root_last_full_look_timestamp_seconds",
             "End of the last full look at the root that was looked at longest ago.",
             UnixSeconds(stats.last_full_look));
  }
  if (stats.last_full_read > absl::InfinitePast()) {
    AddGauge(families, "skimwatch_web_root_last_full_read_timestamp_seconds",
             "The same of looks that read every file, whatever its size and times said "
             "(read_interval_seconds).",
             UnixSeconds(stats.last_full_read));
  }
  AddCounter(families, "skimwatch_web_root_watcher_restarts_total",
             "Times that the source of notifications broke and was made anew.",
             static_cast<double>(stats.watcher_restarts));
  AddCounter(families, "skimwatch_web_root_versions_evicted_total",
             "Kept contents of scripts that made room for newer ones; they cost a difference.",
             static_cast<double>(stats.versions_evicted));
  AddCounter(families, "skimwatch_web_root_states_set_aside_total",
             "States found damaged and set aside; the root was proposed anew.",
             static_cast<double>(stats.states_set_aside + stats.versions_damaged));
  AddCounter(families, "skimwatch_web_root_write_errors_total",
             "States and contents of scripts that could not be written.",
             static_cast<double>(stats.write_errors));
  AddCounter(families, "skimwatch_web_root_changes_total", "Changes of scripts reported.",
             static_cast<double>(stats.changes));
  Add(families, "skimwatch_web_root_not_judged_total",
      "Looks at a script's text that the judge left out, by reason (too_large, too_slow: not "
      "parsed, "
      "so its behaviour is not known; rules_too_slow: YARA rules did not get through it).",
      MetricType::Counter,
      {{{{"reason", "too_large"}}, static_cast<double>(stats.too_large_to_parse)},
       {{{"reason", "too_slow"}}, static_cast<double>(stats.too_slow_to_parse)},
       {{{"reason", "rules_too_slow"}}, static_cast<double>(stats.rules_too_slow)}});
  AddGauge(
      families, "skimwatch_web_root_rule_errors",
      "Files of YARA rules that do not compile now; the others are in use. See the agent's log.",
      static_cast<double>(stats.rule_errors));
}

void AddBrowserReports(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.browser_reports.empty()) return;
  using Endpoint = AgentSnapshot::BrowserReports;
  const auto per_endpoint = [&](const char* name, const char* help, MetricType type, auto value) {
    std::vector<Series> series;
    for (const Endpoint& one : snapshot.browser_reports) {
      series.push_back({{{"listen", one.listen}}, static_cast<double>(value(one.endpoint))});
    }
    Add(families, name, help, type, series);
  };
  std::vector<Series> requests, reports, last;
  for (const Endpoint& one : snapshot.browser_reports) {
    for (size_t i = 0; i < one.endpoint.requests.size(); ++i) {
      const std::string_view name =
          script::RequestOutcomeName(static_cast<script::RequestOutcome>(i));
      requests.push_back({{{"listen", one.listen}, {"outcome", std::string(name)}},
                          static_cast<double>(one.endpoint.requests[i])});
    }
    for (size_t i = 0; i < one.endpoint.reports.size(); ++i) {
      const std::string_view name =
          script::ReportOutcomeName(static_cast<script::ReportOutcome>(i));
      reports.push_back({{{"listen", one.listen}, {"outcome", std::string(name)}},
                         static_cast<double>(one.endpoint.reports[i])});
    }
    if (one.endpoint.last_report > absl::InfinitePast()) {
      last.push_back({{{"listen", one.listen}}, UnixSeconds(one.endpoint.last_report)});
    }
  }
  Add(families, "skimwatch_browser_report_requests_total",
      "Requests to the report endpoint. client_limit: one client sends more than "
      "client_requests_per_minute, or more than a quarter of what may wait is its; total_limit and "
      "queue_full: all together send more than is "
      "taken.",
      MetricType::Counter, requests);
  Add(families, "skimwatch_browser_reports_total",
      "Reports of shoppers' browsers by what became of them. unknown_site: the page's host is in "
      "no "
      "site's hosts; noise_*: extensions and the like; no_hash: give the script a crossorigin "
      "attribute.",
      MetricType::Counter, reports);
  if (!last.empty()) {
    Add(families, "skimwatch_browser_report_last_timestamp_seconds",
        "When the last report came. One that is long ago means that browsers are no longer asked "
        "for reports, or that they do not arrive.",
        MetricType::Gauge, last);
  }
  using Stats = script::ReportEndpoint::Stats;
  per_endpoint("skimwatch_browser_report_connections_refused_total",
               "Connections not taken, since connections_max were open.", MetricType::Counter,
               [](const Stats& s) { return s.server.connections_refused; });
  per_endpoint("skimwatch_browser_scripts",
               "Scripts by page that enough browsers agree to have loaded.", MetricType::Gauge,
               [](const Stats& s) { return s.scripts; });
  per_endpoint("skimwatch_browser_unapproved_scripts",
               "Of these, scripts whose bytes nobody approved: `skimwatchctl scripts list`.",
               MetricType::Gauge, [](const Stats& s) { return s.unapproved_scripts; });
  per_endpoint("skimwatch_browser_pending_scripts",
               "Scripts that too few browsers reported to be told of.", MetricType::Gauge,
               [](const Stats& s) { return s.pending_scripts; });
  per_endpoint("skimwatch_browser_learning",
               "1 in the first learn_hours, while scripts are proposed rather than called new.",
               MetricType::Gauge, [](const Stats& s) { return s.learning ? 1 : 0; });
  per_endpoint("skimwatch_browser_script_changes_total",
               "Scripts proposed, added, changed, removed and restored.", MetricType::Counter,
               [](const Stats& s) { return s.changes; });
  per_endpoint("skimwatch_browser_report_write_errors_total",
               "Times that what is known of scripts could not be saved. See the agent's log.",
               MetricType::Counter, [](const Stats& s) { return s.write_errors; });
  per_endpoint("skimwatch_browser_report_states_set_aside_total",
               "States found damaged and set aside; scripts were learned anew.",
               MetricType::Counter, [](const Stats& s) { return s.states_set_aside; });
}

void AddScan(const AgentSnapshot& snapshot, Families& families) {
  std::vector<Series> coverage;
  for (size_t i = 0; i < snapshot.coverage.size(); ++i) {
    const auto reason = static_cast<traffic::Reason>(i);
    coverage.push_back({{{"outcome", std::string(traffic::OutcomeName(reason))},
                         {"reason", std::string(traffic::ReasonName(reason))}},
                        static_cast<double>(snapshot.coverage[i])});
  }
  coverage.push_back({{{"outcome", "shed"}, {"reason", "shed.kernel_drops"}},
                      static_cast<double>(snapshot.dropped_bytes_estimate)});
  Add(families, "skimwatch_source_bytes_total",
      "What became of the bytes that traffic and log sources saw; the sum is all of them. Exact, "
      "but "
      "for shed.kernel_drops: packets that nobody saw count at the mean length of the others.",
      MetricType::Counter, coverage);
  const AgentSnapshot::Budget& budget = snapshot.budget;
  AddGauge(families, "skimwatch_sample_ratio",
           "Share of flows of normal priority that are scanned now; lowered to hold the budget.",
           budget.shares[static_cast<size_t>(traffic::Priority::kNormal)]);
  Add(families, "skimwatch_priority_sample_ratio",
      "Share of flows that are scanned now, by priority; see docs/budget.md.", MetricType::Gauge,
      {{{{"priority", "low"}}, budget.shares[static_cast<size_t>(traffic::Priority::kLow)]},
       {{{"priority", "normal"}}, budget.shares[static_cast<size_t>(traffic::Priority::kNormal)]},
       {{{"priority", "high"}}, budget.shares[static_cast<size_t>(traffic::Priority::kHigh)]}});
  std::vector<Series> used;
  const auto add_used = [&](const char* resource, const std::optional<double>& ratio) {
    if (ratio.has_value()) used.push_back({{{"resource", resource}}, *ratio});
  };
  add_used("cpu", budget.cpu_used_ratio);
  add_used("memory", budget.memory_used_ratio);
  add_used("disk", budget.disk_used_ratio);
  if (!used.empty()) {
    Add(families, "skimwatch_budget_used_ratio",
        "Use of each budget, as a share of it. Above 1 for long, raise it or scan less.",
        MetricType::Gauge, used);
  }

  std::vector<Series> bytes, seconds, ended, not_decoded;
  for (const AgentSnapshot::Scan& scan : snapshot.scans) {
    const Labels labels = {{"source", scan.source}};
    bytes.push_back({labels, static_cast<double>(scan.scanner.bytes)});
    seconds.push_back({labels, absl::ToDoubleSeconds(scan.scanner.scan_time)});
    ended.push_back({labels, static_cast<double>(scan.scanner.streams_ended_early)});
    not_decoded.push_back({labels, static_cast<double>(scan.scanner.bytes_not_decoded)});
  }
  if (snapshot.web_roots.has_value()) {
    bytes.push_back({{{"source", "web_root"}}, static_cast<double>(snapshot.scripts.bytes)});
    not_decoded.push_back(
        {{{"source", "web_root"}}, static_cast<double>(snapshot.scripts.bytes_not_decoded)});
  }
  Add(families, "skimwatch_scan_bytes_total",
      "Bytes given to the card scanner, after transfer and content coding are undone.",
      MetricType::Counter, bytes);
  Add(families, "skimwatch_scan_seconds_total", "Time spent in the card scanner.",
      MetricType::Counter, seconds);
  Add(families, "skimwatch_scan_streams_ended_early_total",
      "Scans of silent streams that were ended to make room for others; a number that straddles "
      "this moment is missed.",
      MetricType::Counter, ended);

  Add(families, "skimwatch_scan_not_decoded_bytes_total",
      "Bytes scanned as they stand whose encodings were not undone, because the text around them "
      "asks for more decoding than is done for any. Growth means that somebody tries to hide.",
      MetricType::Counter, not_decoded);

  std::vector<Series> sightings;
  for (const card::Confidence confidence :
       {card::Confidence::kLow, card::Confidence::kMedium, card::Confidence::kHigh}) {
    for (size_t i = 0; i < static_cast<size_t>(FindingWriter::Outcome::kCount); ++i) {
      sightings.push_back(
          {{{"confidence", std::string(card::ConfidenceName(confidence))},
            {"outcome",
             std::string(FindingWriter::OutcomeName(static_cast<FindingWriter::Outcome>(i)))}},
           static_cast<double>(snapshot.writer.sightings[static_cast<size_t>(confidence)][i])});
    }
  }
  Add(families, "skimwatch_card_sightings_total",
      "Card numbers met, before repeats are folded, by what became of them.", MetricType::Counter,
      sightings);
}

void AddPages(const AgentSnapshot& snapshot, Families& families) {
  if (!snapshot.pages.has_value()) return;
  using Check = script::PageMonitor::CheckStats;
  const auto per_check = [&](const char* name, const char* help, MetricType type, auto value) {
    std::vector<Series> series;
    for (const Check& check : snapshot.pages->checks) {
      series.push_back({{{"page", check.name}}, static_cast<double>(value(check))});
    }
    Add(families, name, help, type, series);
  };
  std::vector<Series> runs, last, last_success, omitted;
  for (const Check& check : snapshot.pages->checks) {
    for (size_t i = 0; i < check.runs.size(); ++i) {
      const std::string_view outcome = script::PageOutcomeName(static_cast<script::PageOutcome>(i));
      runs.push_back({{{"page", check.name}, {"outcome", std::string(outcome)}},
                      static_cast<double>(check.runs[i])});
    }
    if (check.last_run > absl::InfinitePast()) {
      last.push_back({{{"page", check.name}}, UnixSeconds(check.last_run)});
    }
    // One that never worked is as bad as one that stopped working long ago.
    last_success.push_back(
        {{{"page", check.name}},
         check.last_success > absl::InfinitePast() ? UnixSeconds(check.last_success) : 0});
    const script::PageOmissions& left_out = check.omissions;
    const std::pair<const char*, uint64_t> reasons[] = {
        {"scripts_max", left_out.scripts},   {"script_texts", left_out.script_texts},
        {"requests_max", left_out.requests}, {"body_bytes", left_out.body_bytes},
        {"departures", left_out.departures}, {"inventory", check.scripts_left_out},
        {"targets", left_out.targets},       {"messages", left_out.messages},
    };
    for (const auto& [reason, count] : reasons) {
      omitted.push_back({{{"page", check.name}, {"reason", reason}}, static_cast<double>(count)});
    }
  }
  Add(families, "skimwatch_page_checks_total",
      "Looks at a payment page by how they ended. Anything but ok: see the agent's log for why.",
      MetricType::Counter, runs);
  Add(families, "skimwatch_page_last_success_timestamp_seconds",
      "When a look at the page last went to its end; 0 for never. PCI DSS 11.6.1 wants one a week.",
      MetricType::Gauge, last_success);
  if (!last.empty()) {
    Add(families, "skimwatch_page_last_check_timestamp_seconds",
        "When a look at the page last ended, however it did.", MetricType::Gauge, last);
  }
  Add(families, "skimwatch_page_left_out_total",
      "What looks did not record, by the limit that was reached: scripts, texts, requests (which "
      "were stopped) and departures by number, bodies by bytes; inventory: scripts beyond what is "
      "kept of a page; targets: frames and workers, which were kept from starting; messages: of "
      "the "
      "browser, that could not be read.",
      MetricType::Counter, omitted);
  per_check("skimwatch_page_check_seconds_total",
            "Time of all looks, the browser's start included.", MetricType::Counter,
            [](const Check& c) { return absl::ToDoubleSeconds(c.duration); });
  per_check("skimwatch_page_last_check_seconds", "Time of the last look.", MetricType::Gauge,
            [](const Check& c) { return absl::ToDoubleSeconds(c.last_duration); });
  per_check("skimwatch_page_last_load_seconds",
            "Of the last look, from the page's first request to its load event.", MetricType::Gauge,
            [](const Check& c) { return absl::ToDoubleSeconds(c.last_load_time); });
  per_check("skimwatch_page_browser_memory_bytes_max",
            "The most memory that a browser of the page took.", MetricType::Gauge,
            [](const Check& c) { return c.memory_bytes_max; });
  per_check("skimwatch_page_without_browser",
            "1 when the last look had no browser: what scripts do was not seen.", MetricType::Gauge,
            [](const Check& c) { return c.is_static ? 1 : 0; });
  per_check("skimwatch_page_scripts", "Scripts and headers of the page that are there now.",
            MetricType::Gauge, [](const Check& c) { return c.scripts; });
  per_check("skimwatch_page_unapproved_scripts",
            "Of these, what nobody approved: `skimwatchctl scripts list`.", MetricType::Gauge,
            [](const Check& c) { return c.unapproved_scripts; });
  per_check("skimwatch_page_script_changes_total",
            "Scripts and headers proposed, added, changed, removed and restored.",
            MetricType::Counter, [](const Check& c) { return c.changes; });
  per_check("skimwatch_page_requests_total", "Requests that the page made.", MetricType::Counter,
            [](const Check& c) { return c.requests; });
  per_check(
      "skimwatch_page_requests_stopped_total",
      "Of these, such that were stopped in the browser: they carried the canary, or were above "
      "requests_max.",
      MetricType::Counter, [](const Check& c) { return c.stopped_requests; });
  per_check("skimwatch_page_canary_departures_total",
            "Times that the canary was on its way to where it may not go.", MetricType::Counter,
            [](const Check& c) { return c.canary_departures; });
  per_check(
      "skimwatch_page_undecoded_departures_total",
      "Times that something else went to an unapproved destination after the canary was typed.",
      MetricType::Counter, [](const Check& c) { return c.undecoded_departures; });
  AddGauge(families, "skimwatch_page_versions_bytes",
           "Versions of pages' scripts that are kept to compare with.",
           static_cast<double>(snapshot.pages->versions_bytes));
  AddCounter(families, "skimwatch_page_write_errors_total",
             "States and versions that could not be written.",
             static_cast<double>(snapshot.pages->write_errors));
}

void AddWriter(const AgentSnapshot& snapshot, Families& families) {
  const FindingWriter::Stats& stats = snapshot.writer;
  AddCounter(families, "skimwatch_findings_folded_total",
             "Findings that were counted in another one because they repeat it.",
             static_cast<double>(stats.folded));
  AddCounter(families, "skimwatch_findings_without_fingerprint_total",
             "Findings made while no fingerprint key was known; their cards can't be looked up. "
             "Let the agent reach its collector once.",
             static_cast<double>(stats.without_fingerprint));
  AddCounter(families, "skimwatch_findings_blocked_seconds_total",
             "Time that sources waited for the spool's disk.",
             absl::ToDoubleSeconds(stats.blocked));
  AddGauge(families, "skimwatch_findings_queued", "Findings on their way to the spool.",
           static_cast<double>(stats.queued));
}

void AddUplink(const AgentSnapshot& snapshot, Families& families) {
  const uplink::Uplink::State& state = snapshot.uplink;
  AddGauge(families, "skimwatch_uplink_connected",
           "1 while the collector takes findings. At 0 see the agent's log for the reason.",
           state.connected ? 1 : 0);
  AddCounter(families, "skimwatch_uplink_connections_total", "Streams that the collector welcomed.",
             static_cast<double>(state.connections));
  AddCounter(families, "skimwatch_uplink_connection_failures_total",
             "Attempts that the collector did not welcome.",
             static_cast<double>(state.connection_failures));
  AddCounter(families, "skimwatch_uplink_sent_findings_total",
             "Findings put on a stream, those sent again included.",
             static_cast<double>(state.sent_findings));
  AddCounter(families, "skimwatch_uplink_acknowledged_findings_total",
             "Findings that the collector has stored.",
             static_cast<double>(state.acknowledged_findings));
  AddGauge(families, "skimwatch_policy_version", "Version of the policy in force.",
           static_cast<double>(state.policy_version));

  AddGauge(families, "skimwatch_spool_bytes", "Bytes of the spool's segments on disk.",
           static_cast<double>(state.spool.bytes()));
  AddGauge(families, "skimwatch_spool_bytes_max", "The spool's limit, spool.size_mib.",
           static_cast<double>(state.spool.bytes_max()));
  AddGauge(families, "skimwatch_spool_pending_findings", "Findings that wait for the collector.",
           static_cast<double>(state.pending_findings));
  AddCounter(families, "skimwatch_spool_appended_findings_total", "Findings made durable.",
             static_cast<double>(state.appended_findings));
  std::vector<Series> dropped;
  for (const auto& [severity, count] : state.spool.dropped_findings()) {
    std::string name = v1::Severity_Name(static_cast<v1::Severity>(severity));
    constexpr std::string_view kPrefix = "SEVERITY_";
    if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
    dropped.push_back({{{"severity", absl::AsciiStrToLower(name)}}, static_cast<double>(count)});
  }
  Add(families, "skimwatch_spool_dropped_total",
      "Findings lost for want of room or to damage; `unspecified` where damage hides the severity.",
      MetricType::Counter, dropped);
  AddCounter(families, "skimwatch_spool_quarantined_segments_total",
             "Damaged segments set aside in the spool's folder `quarantine`.",
             static_cast<double>(state.spool.quarantined_segments()));
  AddCounter(families, "skimwatch_spool_write_errors_total",
             "Writes that the spool's disk refused. Free space or replace the disk.",
             static_cast<double>(state.spool_write_errors));
  AddCounter(families, "skimwatch_findings_mended_total",
             "Findings that had to be shortened or masked further before they could be kept.",
             static_cast<double>(state.mended_findings));
  AddCounter(families, "skimwatch_findings_invalid_total",
             "Findings that could not be kept: a defect of the agent, please report it.",
             static_cast<double>(state.invalid_findings));
}

void AddProcess(const AgentSnapshot& snapshot, Families& families) {
  if (snapshot.process.has_value()) {
    AddGauge(families, "process_resident_memory_bytes", "Resident memory size in bytes.",
             static_cast<double>(snapshot.process->resident_bytes));
    AddCounter(families, "process_cpu_seconds_total", "User and system CPU time in seconds.",
               snapshot.process->cpu_seconds);
    AddGauge(families, "process_open_fds", "Open file descriptors.",
             static_cast<double>(snapshot.process->open_files));
    AddGauge(families, "process_start_time_seconds",
             "Start of the process since the Unix epoch in seconds.", snapshot.process->started_at);
  }
  if (snapshot.certificate_expiry.has_value()) {
    Add(families, "skimwatch_certificate_expiry_timestamp_seconds",
        "When a certificate stops being valid. Replace the file before; it is read again.",
        MetricType::Gauge,
        {{{{"certificate", "agent"}}, UnixSeconds(*snapshot.certificate_expiry)}});
  }
  Add(families, "skimwatch_build_info", "Version of the agent; always 1.", MetricType::Gauge,
      {{{{"version", snapshot.version}, {"revision", snapshot.revision}}, 1}});
}

}  // namespace

void AgentSnapshot::AddScan(const std::string& source, const MessageScanner::Stats& stats) {
  for (Scan& scan : scans) {
    if (scan.source != source) continue;
    scan.scanner += stats;
    return;
  }
  scans.push_back({.source = source, .scanner = stats});
}

std::vector<prometheus::MetricFamily> AgentFamilies(const AgentSnapshot& snapshot) {
  Families families;
  AddScan(snapshot, families);
  AddCaptures(snapshot, families);
  AddTlsProbes(snapshot, families);
  AddLogs(snapshot, families);
  AddJournals(snapshot, families);
  AddMirrors(snapshot, families);
  AddSamples(snapshot, families);
  AddScripts(snapshot, families);
  AddDestinations(snapshot, families);
  AddBrowserReports(snapshot, families);
  AddPages(snapshot, families);
  AddWriter(snapshot, families);
  AddUplink(snapshot, families);
  AddProcess(snapshot, families);
  return families;
}

}  // namespace skimwatch::pipeline
