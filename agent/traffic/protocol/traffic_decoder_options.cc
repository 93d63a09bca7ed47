#include <algorithm>

#include "agent/traffic/protocol/traffic_decoder.h"

namespace skimwatch::traffic {

TrafficDecoderOptions TrafficDecoderOptions::FromConfig(const config::v1::PacketCapture& capture,
                                                        const config::v1::Limits& limits,
                                                        uint32_t decoders) {
  TrafficDecoderOptions options = FromConfig(limits, decoders);
  options.default_site = capture.site();
  options.scan_inbound = capture.scan_inbound();
  return options;
}

TrafficDecoderOptions TrafficDecoderOptions::FromConfig(const config::v1::Limits& limits,
                                                        uint32_t decoders) {
  TrafficDecoderOptions options;
  if (limits.reassembly_mib() > 0) {
    options.reassembly_bytes_max = uint64_t{limits.reassembly_mib()} << 20;
  }
  if (limits.flow_reassembly_kib() > 0) {
    options.flow_reassembly_bytes_max = uint64_t{limits.flow_reassembly_kib()} << 10;
  }
  if (limits.flows_max() > 0) options.flows_max = limits.flows_max();
  options.body_bytes_max = limits.body_bytes_max();
  if (limits.decompression_ratio_max() > 0) {
    options.decompression_ratio_max = limits.decompression_ratio_max();
  }
  if (limits.flow_idle_seconds() > 0) {
    options.flow_idle = absl::Seconds(limits.flow_idle_seconds());
  }
  decoders = std::max<uint32_t>(decoders, 1);
  options.reassembly_bytes_max /= decoders;
  options.flow_reassembly_bytes_max =
      std::min(options.flow_reassembly_bytes_max, options.reassembly_bytes_max);
  options.flows_max = std::max<uint32_t>(options.flows_max / decoders, 1);
  return options;
}

}  // namespace skimwatch::traffic
