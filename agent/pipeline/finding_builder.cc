#include "agent/pipeline/finding_builder.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/traffic/timestamp.h"
#include "proto/fingerprint/fingerprint.h"
#include "spdlog/spdlog.h"

namespace skimwatch::pipeline {
namespace {

v1::SourceKind SourceOf(traffic::SourceKind source) {
  switch (source) {
    case traffic::SourceKind::kPacketCapture:
      return v1::SOURCE_KIND_PACKET_CAPTURE;
    case traffic::SourceKind::kPcapFile:
      return v1::SOURCE_KIND_PCAP_FILE;
    case traffic::SourceKind::kLogFile:
      return v1::SOURCE_KIND_LOG_FILE;
    case traffic::SourceKind::kMirror:
      return v1::SOURCE_KIND_MIRROR;
    case traffic::SourceKind::kTlsProbe:
      return v1::SOURCE_KIND_TLS_UPROBE;
    case traffic::SourceKind::kJournal:
      return v1::SOURCE_KIND_JOURNAL;
    case traffic::SourceKind::kSample:
      return v1::SOURCE_KIND_SAMPLE;
  }
  return v1::SOURCE_KIND_UNSPECIFIED;
}

v1::Direction DirectionOf(traffic::Direction direction) {
  switch (direction) {
    case traffic::Direction::kUnknown:
      return v1::DIRECTION_UNSPECIFIED;
    case traffic::Direction::kOutboundRequest:
      return v1::DIRECTION_OUTBOUND_REQUEST;
    case traffic::Direction::kOutboundResponse:
      return v1::DIRECTION_OUTBOUND_RESPONSE;
    case traffic::Direction::kInboundRequest:
      return v1::DIRECTION_INBOUND_REQUEST;
    case traffic::Direction::kInboundResponse:
      return v1::DIRECTION_INBOUND_RESPONSE;
    case traffic::Direction::kAtRest:
      return v1::DIRECTION_AT_REST;
  }
  return v1::DIRECTION_UNSPECIFIED;
}

v1::Protocol ProtocolOnWire(traffic::Protocol protocol) {
  switch (protocol) {
    case traffic::Protocol::kHttp1:
      return v1::PROTOCOL_HTTP1;
    case traffic::Protocol::kHttp2:
      return v1::PROTOCOL_HTTP2;
    case traffic::Protocol::kWebSocket:
      return v1::PROTOCOL_WEBSOCKET;
    case traffic::Protocol::kDns:
      return v1::PROTOCOL_DNS;
    case traffic::Protocol::kSmtp:
      return v1::PROTOCOL_SMTP;
    case traffic::Protocol::kFtp:
      return v1::PROTOCOL_FTP;
    case traffic::Protocol::kSyslog:
      return v1::PROTOCOL_SYSLOG;
    case traffic::Protocol::kTls:
      return v1::PROTOCOL_TLS;
    case traffic::Protocol::kQuic:
      return v1::PROTOCOL_QUIC;
    case traffic::Protocol::kUnknown:
    case traffic::Protocol::kCount:
      break;
  }
  return v1::PROTOCOL_UNSPECIFIED;
}

bool IsInbound(v1::Direction direction) {
  return direction == v1::DIRECTION_INBOUND_REQUEST || direction == v1::DIRECTION_INBOUND_RESPONSE;
}

v1::Confidence ConfidenceOnWire(card::Confidence confidence) {
  switch (confidence) {
    case card::Confidence::kLow:
      return v1::CONFIDENCE_LOW;
    case card::Confidence::kMedium:
      return v1::CONFIDENCE_MEDIUM;
    case card::Confidence::kHigh:
      return v1::CONFIDENCE_HIGH;
  }
  return v1::CONFIDENCE_UNSPECIFIED;
}

// `host:port`, with an IPv6 address in brackets; the port of plain HTTP goes without saying beside
// a name.
std::string ServerName(const traffic::Provenance& provenance) {
  const traffic::Address& server = provenance.server;
  std::string name = provenance.host.empty() ? server.ip : provenance.host;
  if (name.find(':') != std::string::npos) name = absl::StrCat("[", name, "]");
  if (!provenance.host.empty() && server.port == 80) return name;
  // Neither may be known of a connection that only its process showed.
  if (server.port == 0) return name.empty() ? "unknown" : name;
  return absl::StrCat(name, ":", server.port);
}

std::string DestinationOf(const traffic::Provenance& provenance) {
  switch (provenance.direction) {
    case traffic::Direction::kAtRest:
      return provenance.file;
    // Not one destination a shopper: what matters is what gave the response.
    case traffic::Direction::kOutboundResponse:
      return "clients";
    default:
      return ServerName(provenance);
  }
}

std::string_view RuleOf(v1::Direction direction, v1::SourceKind source) {
  if (source == v1::SOURCE_KIND_WEB_ROOT) return "card.in_web_root";
  if (source == v1::SOURCE_KIND_PAGE && direction == v1::DIRECTION_AT_REST) return "card.in_page";
  if (source == v1::SOURCE_KIND_BROWSER_REPORT) return "card.browser_report";
  switch (direction) {
    case v1::DIRECTION_AT_REST:
      return "card.at_rest";
    case v1::DIRECTION_INBOUND_REQUEST:
    case v1::DIRECTION_INBOUND_RESPONSE:
      return "card.inbound";
    case v1::DIRECTION_OUTBOUND_RESPONSE:
      return "card.outbound_response";
    default:
      return "card.outbound";
  }
}

v1::TrackData::Format FormatOf(card::MatchKind kind) {
  switch (kind) {
    case card::MatchKind::kTrack1:
      return v1::TrackData::FORMAT_TRACK1;
    case card::MatchKind::kTrack2:
      return v1::TrackData::FORMAT_TRACK2;
    case card::MatchKind::kPanWithCvv:
      return v1::TrackData::FORMAT_PAN_WITH_CVV;
    case card::MatchKind::kPan:
      break;
  }
  return v1::TrackData::FORMAT_UNSPECIFIED;
}

// CardNumber and TrackData have these in common.
template <typename Detail>
void FillDetail(const CardSighting& sighting, v1::Card card, Detail& detail) {
  *detail.mutable_card() = std::move(card);
  for (const card::Encoding encoding : sighting.encodings) {
    const std::string_view name = card::EncodingName(encoding);
    detail.add_encodings(name.data(), name.size());
  }
  for (const std::string& evidence : sighting.evidence) detail.add_evidence(evidence);
  detail.set_score(static_cast<uint32_t>(std::clamp(sighting.score, 0, 100)));
}

}  // namespace

card::Confidence ConfidenceOf(const std::string& confidence) {
  if (confidence == "high") return card::Confidence::kHigh;
  if (confidence == "medium") return card::Confidence::kMedium;
  return card::Confidence::kLow;
}

SightingOrigin OriginOf(const traffic::Provenance& provenance, traffic::Part part) {
  SightingOrigin origin;
  origin.site = provenance.site;
  origin.path = provenance.path;
  // Whoever sent or wrote the bytes chose every name here, and may have put a number into it.
  origin.destination = card::RedactCardNumbers(DestinationOf(provenance));
  origin.sampling_probability = provenance.sampling_probability;
  origin.sampling_unit = provenance.sampling_unit;
  v1::Provenance& shown = origin.provenance;
  shown.set_source(SourceOf(provenance.source));
  shown.set_direction(DirectionOf(provenance.direction));
  if (!provenance.client.ip.empty()) {
    shown.mutable_client()->set_address(provenance.client.ip);
    shown.mutable_client()->set_port(provenance.client.port);
  }
  if (!provenance.server.ip.empty()) {
    shown.mutable_server()->set_address(provenance.server.ip);
    shown.mutable_server()->set_port(provenance.server.port);
  }
  shown.set_host(card::RedactCardNumbers(provenance.host));
  shown.set_method(card::RedactCardNumbers(provenance.method));
  if (!provenance.path.empty()) shown.set_path_template(traffic::PathTemplate(provenance.path));
  shown.set_file(card::RedactCardNumbers(provenance.file));
  const std::string_view part_name = traffic::PartName(part);
  shown.set_part(part_name.data(), part_name.size());
  shown.set_referrer(card::RedactCardNumbers(provenance.referrer));
  shown.set_protocol(ProtocolOnWire(provenance.protocol));
  shown.set_server_name(card::RedactCardNumbers(provenance.server_name));
  if (provenance.process != nullptr) {
    v1::Process& process = *shown.mutable_process();
    process.set_pid(provenance.process->pid);
    process.set_executable(card::RedactCardNumbers(provenance.process->executable));
    process.set_command(card::RedactCardNumbers(provenance.process->command));
    // Also where it looks like a digest: any program gives the journal an id of its own.
    process.set_container_id(card::RedactCardNumbers(provenance.process->container_id));
    process.set_cgroup(card::RedactCardNumbers(provenance.process->cgroup));
  }
  return origin;
}

v1::Severity SeverityOf(const CardSighting& sighting, bool expected, bool unapproved) {
  if (expected || IsInbound(sighting.origin->provenance.direction())) return v1::SEVERITY_INFO;
  if (sighting.test_card) return v1::SEVERITY_LOW;
  if (sighting.origin->unconfirmed) {
    return sighting.confidence == card::Confidence::kLow ? v1::SEVERITY_LOW : v1::SEVERITY_MEDIUM;
  }
  // In a shopper's browser a number has no business in what a policy blocked.
  const bool gravest = sighting.kind != card::MatchKind::kPan ||
                       sighting.origin->provenance.source() == v1::SOURCE_KIND_BROWSER_REPORT;
  switch (sighting.confidence) {
    case card::Confidence::kHigh:
      return v1::SEVERITY_CRITICAL;
    case card::Confidence::kMedium:
      return gravest || unapproved ? v1::SEVERITY_CRITICAL : v1::SEVERITY_HIGH;
    case card::Confidence::kLow:
      return gravest ? v1::SEVERITY_MEDIUM : v1::SEVERITY_LOW;
  }
  return v1::SEVERITY_LOW;
}

v1::Finding BuildFinding(const CardSighting& sighting, bool expected, card::MaskStyle mask,
                         const v1::FingerprintKey* key, bool unapproved) {
  const SightingOrigin& origin = *sighting.origin;
  v1::Finding finding;
  finding.set_site(origin.site);
  finding.set_severity(SeverityOf(sighting, expected, unapproved));
  finding.set_confidence(ConfidenceOnWire(sighting.confidence));
  const std::string_view rule = RuleOf(origin.provenance.direction(), origin.provenance.source());
  finding.set_rule(rule.data(), rule.size());
  *finding.mutable_first_seen() = traffic::ToTimestamp(sighting.seen_at);
  *finding.mutable_last_seen() = finding.first_seen();
  finding.set_count(1);
  finding.set_sampling_probability(origin.sampling_probability);
  *finding.mutable_provenance() = origin.provenance;
  finding.mutable_provenance()->set_offset(sighting.offset);
  finding.set_expected(expected);
  finding.set_destination(origin.destination);

  v1::Card card;
  card.set_masked(card::Mask(sighting.digits, mask, sighting.iin_digits));
  card.set_brand(sighting.brand);
  card.set_length(static_cast<uint32_t>(sighting.digits.size()));
  card.set_test_card(sighting.test_card);
  if (key != nullptr) {
    absl::StatusOr<std::string> fingerprint =
        fingerprint::Fingerprint(*key, sighting.digits.Reveal());
    if (fingerprint.ok()) {
      card.set_fingerprint(*std::move(fingerprint));
      card.set_fingerprint_key_id(key->id());
    } else {
      spdlog::error("a card has no fingerprint: {}", fingerprint.status().ToString());
    }
  }
  if (sighting.kind == card::MatchKind::kPan) {
    FillDetail(sighting, std::move(card), *finding.mutable_card_number());
    if (unapproved) finding.mutable_card_number()->add_evidence("unapproved_destination");
  } else {
    v1::TrackData& track = *finding.mutable_track_data();
    track.set_format(FormatOf(sighting.kind));
    FillDetail(sighting, std::move(card), track);
    if (unapproved) track.add_evidence("unapproved_destination");
  }
  return finding;
}

}  // namespace skimwatch::pipeline
