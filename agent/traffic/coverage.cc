#include "agent/traffic/coverage.h"

namespace skimwatch::traffic {

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kScanned:
      return "scanned";
    case Reason::kSampledOutFlow:
      return "sampled_out.flow_hash";
    case Reason::kSampledOutLow:
      return "sampled_out.low_priority";
    case Reason::kSampledOutNormal:
      return "sampled_out.normal_priority";
    case Reason::kSampledOutHigh:
      return "sampled_out.high_priority";
    case Reason::kTruncatedBodyLimit:
      return "truncated.body_limit";
    case Reason::kTruncatedDecompressionLimit:
      return "truncated.decompression_limit";
    case Reason::kTruncatedSnapshot:
      return "truncated.snapshot";
    case Reason::kTruncatedCall:
      return "truncated.call";
    case Reason::kTruncatedEntryLimit:
      return "truncated.entry_limit";
    case Reason::kTruncatedSampleLimit:
      return "truncated.sample_limit";
    case Reason::kShedProbeRing:
      return "shed.probe_ring";
    case Reason::kShedFlowTableFull:
      return "shed.flow_table_full";
    case Reason::kShedReassemblyMemory:
      return "shed.reassembly_memory";
    case Reason::kShedQueueFull:
      return "shed.queue_full";
    case Reason::kUndecodableEncrypted:
      return "undecodable.encrypted";
    case Reason::kUndecodableContentCoding:
      return "undecodable.content_coding";
    case Reason::kUndecodableHeaderCompression:
      return "undecodable.header_compression";
    case Reason::kUndecodablePacket:
      return "undecodable.packet";
    case Reason::kUndecodableSample:
      return "undecodable.sample";
    case Reason::kInbound:
      return "inbound.not_asked";
    case Reason::kCount:
      break;
  }
  return "unknown";
}

std::string_view OutcomeName(Reason reason) {
  std::string_view name = ReasonName(reason);
  return name.substr(0, name.find('.'));
}

uint64_t Coverage::seen_bytes() const {
  uint64_t sum = 0;
  for (const auto& bytes : bytes_) sum += bytes.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace skimwatch::traffic
