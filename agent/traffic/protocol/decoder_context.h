#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_CONTEXT_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_CONTEXT_H_

#include "agent/traffic/coverage.h"
#include "agent/traffic/destination.h"
#include "agent/traffic/flow_sampler.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/content_decoder.h"
#include "agent/traffic/protocol/decoder_counters.h"
#include "agent/traffic/protocol/dns_names.h"
#include "agent/traffic/protocol/http_config.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/site_map.h"

namespace skimwatch::traffic {

// The sampler of the options, or one that takes all.
inline const FlowSampler& SamplerOf(const TrafficDecoderOptions& options) {
  static const FlowSampler kAll(SipKey{});
  return options.sampler == nullptr ? kAll : *options.sampler;
}

// What all flows of a decoder share. Thread-compatible.
struct DecoderContext {
  const TrafficDecoderOptions& options;
  const FlowSampler& sampler;
  const SiteMap& sites;
  Coverage& coverage;
  MessageSink& sink;
  DecoderCounters& counters;
  // May be null.
  DestinationSink* destinations = nullptr;
  ContentDecoding content_decoding;
  HttpConfig http;
  // For what parsers keep beyond a message: HPACK tables, HTTP/2 streams, names asked for.
  static constexpr uint64_t kParserBytesMax = uint64_t{64} << 20;
  DecoderMemory parser_memory{kParserBytesMax};
  DnsNames dns_names;
  // Of the packet that is looked at.
  absl::Time now;
  // Memory for a head, for the flow that has one next.
  std::string spare_head;
  // Of a part that is about to begin, filled anew for each; kept for its strings' memory.
  Provenance part_provenance;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DECODER_CONTEXT_H_
