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

class CaptureStream;

// Packets of a capture file, pcap or pcapng, read as a stream in constant memory. Reads
// what libpcap reads: not a pcapng file with interfaces of different link types or sections of
// different byte orders.
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

  // Errors name the file and what is wrong with it: INVALID_ARGUMENT for what is no capture file or
  // has a link type that is not understood, DATA_LOSS for one that is cut within its header.
  static absl::StatusOr<std::unique_ptr<PcapFile>> Open(const std::string& path);
  // Takes over `stream` (also on error), such as standard input; `name` stands for it in errors.
  static absl::StatusOr<std::unique_ptr<PcapFile>> FromStream(FILE* stream,
                                                              const std::string& name);
  ~PcapFile();
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  // Passes the next packet to `handler`. False at the end of the file. Errors give the number of
  // packets read before: DATA_LOSS where the file is damaged or cut, INVALID_ARGUMENT where an
  // interface of another link type than the first begins.
  absl::StatusOr<bool> Next(PacketHandler& handler);

  // Passes all packets, then flushes the handler, also after an error.
  absl::Status Run(PacketHandler& handler);

  uint64_t packets() const { return packets_; }

 private:
  PcapFile(void* pcap, std::unique_ptr<CaptureStream> bytes, std::string name, LinkType link);

  std::unique_ptr<CaptureStream> bytes_;
  // pcap_t; libpcap's header stays out of this one.
  void* pcap_;
  std::string name_;
  LinkType link_;
  uint64_t packets_ = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_PCAP_FILE_H_
