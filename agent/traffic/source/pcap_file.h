#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_PCAP_FILE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_PCAP_FILE_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/traffic/packet.h"

namespace skimwatch::traffic {

// Packets of a capture file, pcap or pcapng, read as a stream in constant memory.
//
// Thread-compatible.
//
//   auto file = PcapFile::Open("capture.pcapng");
//   while (true) {
//     absl::StatusOr<bool> more = (*file)->Next(decoder);
//     if (!more.ok() || !*more) break;
//   }
//   decoder.Flush();
class PcapFile {
 public:
  // Whether a file that begins with `bytes` (4 are enough) is a capture file.
  static bool LooksLikeCapture(std::string_view bytes);

  // Errors name the file and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<PcapFile>> Open(const std::string& path);
  // Takes over `stream` (also on error), such as standard input; `name` stands for it in errors.
  static absl::StatusOr<std::unique_ptr<PcapFile>> FromStream(FILE* stream,
                                                              const std::string& name);
  ~PcapFile();
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  // Passes the next packet to `handler`. False at the end of the file; DATA_LOSS where it is
  // damaged or cut, with the number of packets read before.
  absl::StatusOr<bool> Next(PacketHandler& handler);

  // Passes all packets, then flushes the handler, also after an error.
  absl::Status Run(PacketHandler& handler);

  uint64_t packets() const { return packets_; }

 private:
  PcapFile(void* pcap, std::string name, LinkType link);

  // pcap_t; libpcap's header stays out of this one.
  void* pcap_;
  std::string name_;
  LinkType link_;
  uint64_t packets_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_PCAP_FILE_H_
