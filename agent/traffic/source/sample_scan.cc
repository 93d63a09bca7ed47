#include "agent/traffic/source/sample_scan.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/ip_address.h"

namespace skimwatch::traffic {
namespace {

bool Parse(std::string_view encoded, v1::Sample& sample) {
  // Protobuf says on standard error what is no UTF-8: a writer could fill the log with it.
  const google::protobuf::LogSilencer silent;
  return sample.ParseFromArray(encoded.data(), static_cast<int>(encoded.size()));
}

bool IsInbound(Direction direction) {
  return direction == Direction::kInboundRequest || direction == Direction::kInboundResponse;
}

// A response and a request of the other side are of a connection that came in, or went out.
bool IsOutboundFlow(Direction direction) {
  return direction == Direction::kOutboundRequest || direction == Direction::kInboundResponse;
}

bool IsFromClient(Direction direction) {
  return direction == Direction::kOutboundRequest || direction == Direction::kInboundRequest;
}

Direction DirectionOf(const v1::Sample& sample) {
  switch (sample.direction()) {
    case v1::DIRECTION_OUTBOUND_REQUEST:
      return Direction::kOutboundRequest;
    case v1::DIRECTION_OUTBOUND_RESPONSE:
      return Direction::kOutboundResponse;
    case v1::DIRECTION_INBOUND_REQUEST:
      return Direction::kInboundRequest;
    case v1::DIRECTION_INBOUND_RESPONSE:
      return Direction::kInboundResponse;
    case v1::DIRECTION_AT_REST:
      return Direction::kAtRest;
    default:
      break;
  }
  return sample.form() == v1::Sample::FORM_LINE || !sample.file().empty()
             ? Direction::kAtRest
             : Direction::kOutboundRequest;
}

// What is wrong with the fields; OK when nothing is.
absl::Status Check(const v1::Sample& sample) {
  const auto refuse = [](const char* what) { return absl::InvalidArgumentError(what); };
  if (!v1::Sample::Form_IsValid(sample.form())) return refuse("`form` is not known here");
  if (!v1::Direction_IsValid(sample.direction())) return refuse("`direction` is not known here");
  const double probability = sample.sampling_probability();
  if (!(probability >= 0 && probability <= 1)) {
    return refuse("`sampling_probability` is not in (0, 1]");
  }
  for (const v1::Endpoint* endpoint : {&sample.client(), &sample.server()}) {
    if (endpoint->port() > 65535) return refuse("a port is above 65535");
    if (!endpoint->address().empty() && !IpAddress::Parse(endpoint->address()).has_value()) {
      return refuse("an address is no IP address");
    }
  }
  return absl::OkStatus();
}

Address AddressOf(const v1::Endpoint& endpoint) {
  const std::optional<IpAddress> ip = IpAddress::Parse(endpoint.address());
  return {.ip = ip.has_value() ? ip->ToString() : "",
          .port = static_cast<uint16_t>(endpoint.port())};
}

std::shared_ptr<const Process> ProcessOf(const v1::Sample& sample) {
  if (!sample.has_process()) return nullptr;
  const v1::Process& process = sample.process();
  return std::make_shared<const Process>(Process{.pid = process.pid(),
                                                 .executable = process.executable(),
                                                 .command = process.command(),
                                                 .container_id = process.container_id(),
                                                 .cgroup = process.cgroup()});
}

// A time that a tool gives is not believed where it is still to come.
absl::Time SeenAt(const v1::Sample& sample, absl::Time now) {
  if (!sample.has_time() || sample.time().seconds() <= 0) return now;
  const int64_t seconds = std::min(sample.time().seconds(), absl::ToUnixSeconds(now) + 1);
  const int32_t nanos = std::clamp(sample.time().nanos(), 0, 999'999'999);
  return std::min(absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanos), now);
}

uint64_t RandomNumber() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

double ProbabilityOf(const v1::Sample& sample) {
  return sample.sampling_probability() == 0 ? 1.0 : sample.sampling_probability();
}

}  // namespace

SampleScan::SampleScan(Options options, Coverage& coverage, SampleTarget& target)
    : options_(std::move(options)),
      coverage_(coverage),
      target_(target),
      next_number_(RandomNumber()) {}

SampleScan::~SampleScan() = default;

bool SampleScan::Scans(Direction direction) const {
  return options_.scan_inbound || !IsInbound(direction);
}

absl::Status SampleScan::Take(uint64_t writer, std::string_view encoded, absl::Time now) {
  absl::Status status;
  if (!Parse(encoded, sample_)) {
    status = absl::InvalidArgumentError("is no Sample");
  } else {
    status = Check(sample_);
  }
  const auto forget = absl::MakeCleanup([this] {
    for (std::string* text : {sample_.mutable_data(), sample_.mutable_path(),
                              sample_.mutable_host(), sample_.mutable_file()}) {
      memory::Wipe(*text);
    }
    // A large buffer is not kept.
    constexpr size_t kKeptBytes = 64 << 10;
    if (sample_.data().capacity() > kKeptBytes) {
      sample_ = v1::Sample();
    } else {
      sample_.Clear();
    }
  });
  if (!status.ok()) {
    ++stats_.invalid;
    coverage_.Add(Reason::kUndecodableSample, encoded.size());
    return status;
  }
  ++stats_.samples;
  stats_.bytes += sample_.data().size();
  const Direction direction = DirectionOf(sample_);
  const absl::Time seen_at = SeenAt(sample_, now);
  const bool is_stream =
      sample_.form() == v1::Sample::FORM_UNSPECIFIED || sample_.form() == v1::Sample::FORM_STREAM;
  if (is_stream) {
    TakeStream(writer, sample_, direction, seen_at, now);
  } else {
    TakeMessage(sample_, direction, seen_at);
  }
  return absl::OkStatus();
}

void SampleScan::TakeStream(uint64_t writer, const v1::Sample& sample, Direction direction,
                            absl::Time seen_at, absl::Time now) {
  if (sample.flow_id() == 0) {
    Flow flow;
    Begin(flow, sample, direction, seen_at);
    Pass(flow, sample, direction, seen_at);
    End(flow, seen_at);
    return;
  }
  const Key key(writer, sample.flow_id());
  auto it = flows_.find(key);
  if (it == flows_.end()) {
    if (flows_.size() >= options_.flows_max) EndOldest(seen_at);
    it = flows_.emplace(key, Flow()).first;
    Begin(it->second, sample, direction, seen_at);
    it->second.place = by_age_.insert(by_age_.end(), key);
  } else {
    by_age_.splice(by_age_.end(), by_age_, it->second.place);
  }
  it->second.last_seen = now;
  Pass(it->second, sample, direction, seen_at);
  if (sample.flow_ends()) {
    End(it->second, seen_at);
    by_age_.erase(it->second.place);
    flows_.erase(it);
  }
  stats_.flows_open = flows_.size();
}

void SampleScan::Begin(Flow& flow, const v1::Sample& sample, Direction direction,
                       absl::Time seen_at) {
  ++stats_.flows;
  flow.number = next_number_++;
  if (direction == Direction::kAtRest) {
    flow.part = target_.messages().BeginPart(ProvenanceOf(sample, direction, flow.number, seen_at),
                                             Part::kStream);
    return;
  }
  ByteFlow info{.client = AddressOf(sample.client()),
                .server = AddressOf(sample.server()),
                .is_outbound = IsOutboundFlow(direction),
                .process = ProcessOf(sample),
                .server_name = absl::AsciiStrToLower(sample.server_name()),
                .sampling_probability = ProbabilityOf(sample)};
  target_.flows().OnOpen(flow.number, info, seen_at);
}

void SampleScan::Pass(Flow& flow, const v1::Sample& sample, Direction direction,
                      absl::Time seen_at) {
  if (flow.part != nullptr) {
    target_.Advance(seen_at);
    if (sample.missing_bytes() > 0) flow.part->Gap();
    coverage_.Add(Reason::kScanned, sample.data().size());
    flow.part->Data(sample.data());
    return;
  }
  const bool from_client = IsFromClient(direction);
  if (sample.missing_bytes() > 0) {
    target_.flows().OnShed(flow.number, from_client, sample.missing_bytes(), seen_at);
  }
  if (!sample.data().empty()) {
    target_.flows().OnData(flow.number, from_client, sample.data(), seen_at);
  }
}

void SampleScan::End(Flow& flow, absl::Time now) {
  if (flow.part != nullptr) {
    flow.part->End();
    flow.part = nullptr;
  } else {
    target_.flows().OnEnd(flow.number, now);
  }
}

void SampleScan::EndOldest(absl::Time now) {
  const auto it = flows_.find(by_age_.front());
  End(it->second, now);
  by_age_.pop_front();
  flows_.erase(it);
  stats_.flows_open = flows_.size();
}

Provenance SampleScan::ProvenanceOf(const v1::Sample& sample, Direction direction, uint64_t number,
                                    absl::Time seen_at) const {
  Provenance provenance;
  provenance.source = SourceKind::kSample;
  provenance.direction = direction;
  provenance.client = AddressOf(sample.client());
  provenance.server = AddressOf(sample.server());
  provenance.server_name = absl::AsciiStrToLower(sample.server_name());
  provenance.host =
      sample.host().empty() ? provenance.server_name : absl::AsciiStrToLower(sample.host());
  provenance.method = sample.method();
  provenance.path = sample.path();
  provenance.content_type = absl::AsciiStrToLower(sample.content_type());
  provenance.file = sample.file();
  if (provenance.file.empty() && direction == Direction::kAtRest) provenance.file = options_.name;
  provenance.process = ProcessOf(sample);
  provenance.seen_at = seen_at;
  provenance.sampling_probability = ProbabilityOf(sample);
  provenance.sampling_unit = number;
  const std::string* site = nullptr;
  if (const std::optional<IpAddress> ip = IpAddress::Parse(provenance.server.ip); ip.has_value()) {
    site = options_.sites->SiteOfService({.ip = *ip, .port = provenance.server.port});
  }
  if (site == nullptr && !provenance.host.empty()) {
    site = options_.sites->SiteOfHost(provenance.host);
  }
  provenance.site = site == nullptr ? options_.site : *site;
  return provenance;
}

void SampleScan::TakeMessage(const v1::Sample& sample, Direction direction, absl::Time seen_at) {
  if (!Scans(direction)) {
    coverage_.Add(Reason::kInbound, sample.data().size());
    return;
  }
  coverage_.Add(Reason::kScanned, sample.data().size());
  const Provenance provenance = ProvenanceOf(sample, direction, next_number_++, seen_at);
  const auto scan = [&](std::string_view bytes, Part part) {
    if (bytes.empty()) return;
    PartConsumer* const consumer = target_.messages().BeginPart(provenance, part);
    consumer->Data(bytes);
    consumer->End();
  };
  // A number may be in what only tells where the message goes.
  scan(sample.path(), Part::kRequestTarget);
  scan(sample.data(), sample.form() == v1::Sample::FORM_LINE ? Part::kLine : Part::kMessage);
}

void SampleScan::EndWriter(uint64_t writer, absl::Time now) {
  std::vector<Key> ended;
  for (const Key& key : by_age_) {
    if (key.first == writer) ended.push_back(key);
  }
  for (const Key& key : ended) {
    const auto it = flows_.find(key);
    End(it->second, now);
    by_age_.erase(it->second.place);
    flows_.erase(it);
  }
  stats_.flows_open = flows_.size();
}

void SampleScan::OnIdle(absl::Time now) {
  while (!by_age_.empty() &&
         absl::AbsDuration(now - flows_.find(by_age_.front())->second.last_seen) >
             options_.flow_idle) {
    EndOldest(now);
  }
  target_.Advance(now);
}

void SampleScan::Flush(absl::Time now) {
  while (!by_age_.empty()) EndOldest(now);
  target_.flows().Flush();
}

}  // namespace skimwatch::traffic
