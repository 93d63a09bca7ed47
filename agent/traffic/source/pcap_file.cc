#include "agent/traffic/source/pcap_file.h"

#include <pcap/pcap.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/traffic/source/capture_stream.h"

namespace skimwatch::traffic {
namespace {

// As libpcap's sf-pcap.c has them: microseconds, nanoseconds, and three of patched tcpdumps. Read
// in the byte order of the file, so each stands for two.
constexpr std::array<uint32_t, 5> kPcapMagics = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0xa1b234cd,
                                                 0xa12b3c4d};
constexpr std::string_view kPcapngMagic = "\x0a\x0d\x0d\x0a";

constexpr std::string_view kUnderstood =
    "Ethernet, raw IP, Linux cooked (SLL and SLL2), BSD loopback (NULL and LOOP)";

std::optional<LinkType> LinkTypeOf(int dlt) {
  switch (dlt) {
    case DLT_EN10MB:
      return LinkType::kEthernet;
    case DLT_RAW:
    // OpenBSD's number for the same.
    case 14:
    case DLT_IPV4:
    case DLT_IPV6:
      return LinkType::kRawIp;
    case DLT_LINUX_SLL:
      return LinkType::kLinuxCooked;
    case DLT_LINUX_SLL2:
      return LinkType::kLinuxCooked2;
    case DLT_NULL:
      return LinkType::kNull;
    case DLT_LOOP:
      return LinkType::kLoop;
    default:
      return std::nullopt;
  }
}

std::string LinkTypeName(int dlt) {
  const char* name = pcap_datalink_val_to_name(dlt);
  return name == nullptr ? absl::StrCat("number ", dlt) : absl::StrCat(name, " (", dlt, ")");
}

pcap_t* Pcap(void* pcap) { return static_cast<pcap_t*>(pcap); }

}  // namespace

bool PcapFile::LooksLikeCapture(std::string_view bytes) {
  if (bytes.size() < 4) return false;
  bytes = bytes.substr(0, 4);
  if (bytes == kPcapngMagic) return true;
  uint32_t little = 0;
  uint32_t big = 0;
  for (size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    big = big << 8 | byte;
    little |= uint32_t{byte} << (8 * i);
  }
  return std::any_of(kPcapMagics.begin(), kPcapMagics.end(),
                     [&](uint32_t magic) { return magic == little || magic == big; });
}

absl::StatusOr<std::unique_ptr<PcapFile>> PcapFile::Open(const std::string& path) {
  FILE* stream = fopen(path.c_str(), "rbe");
  if (stream == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  struct stat info {};
  if (fstat(fileno(stream), &info) == 0 && S_ISDIR(info.st_mode)) {
    fclose(stream);
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a folder, not a capture file"));
  }
  return FromStream(stream, path);
}

absl::StatusOr<std::unique_ptr<PcapFile>> PcapFile::FromStream(FILE* stream,
                                                               const std::string& name) {
  auto bytes = std::make_unique<CaptureStream>(stream);
  FILE* reader = bytes->OpenReader();
  if (reader == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(name, ": cannot read: out of memory"));
  }
  char error[PCAP_ERRBUF_SIZE] = {};
  pcap_t* pcap =
      pcap_fopen_offline_with_tstamp_precision(reader, PCAP_TSTAMP_PRECISION_NANO, error);
  if (pcap == nullptr) {
    const bool damaged = ferror(reader) != 0 || std::strstr(error, "truncated") != nullptr;
    fclose(reader);
    if (!bytes->refusal().empty()) {
      return absl::DataLossError(absl::StrCat(name, ": ", bytes->refusal()));
    }
    if (damaged) {
      return absl::DataLossError(
          absl::StrCat(name, ": is cut within its header or cannot be read (", error, ")"));
    }
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is no capture file that can be read, pcap or pcapng (", error, ")"));
  }
  const int dlt = pcap_datalink(pcap);
  const std::optional<LinkType> link = LinkTypeOf(dlt);
  if (!link.has_value()) {
    pcap_close(pcap);
    return absl::InvalidArgumentError(absl::StrCat(name, ": has link type ", LinkTypeName(dlt),
                                                   ", which is not understood; understood are ",
                                                   std::string(kUnderstood)));
  }
  return std::unique_ptr<PcapFile>(new PcapFile(pcap, std::move(bytes), name, *link));
}

PcapFile::PcapFile(void* pcap, std::unique_ptr<CaptureStream> bytes, std::string name,
                   LinkType link)
    : bytes_(std::move(bytes)), pcap_(pcap), name_(std::move(name)), link_(link) {}

PcapFile::~PcapFile() { pcap_close(Pcap(pcap_)); }

absl::StatusOr<bool> PcapFile::Next(PacketHandler& handler) {
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  const int result = pcap_next_ex(Pcap(pcap_), &header, &data);
  if (result == PCAP_ERROR_BREAK) return false;
  if (result != 1) {
    const std::string_view why = pcap_geterr(Pcap(pcap_));
    const std::string at = absl::StrCat(name_, ": after ", packets_, " packets: ");
    if (!bytes_->refusal().empty()) return absl::DataLossError(at + bytes_->refusal());
    if (why.find("different from the type of the first interface") != std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          at, "has interfaces of different link types, which libpcap can't read from one file (",
          std::string(why), "); write each interface into a file of its own"));
    }
    return absl::DataLossError(absl::StrCat(at, "damaged or cut (", std::string(why), ")"));
  }
  ++packets_;
  PacketView packet;
  packet.link = link_;
  packet.bytes = std::string_view(reinterpret_cast<const char*>(data), header->caplen);
  packet.wire_bytes = std::max(header->len, header->caplen);
  // With the precision asked for above, the field holds nanoseconds.
  packet.time = absl::FromUnixSeconds(header->ts.tv_sec) + absl::Nanoseconds(header->ts.tv_usec);
  handler.OnPacket(packet);
  return true;
}

absl::Status PcapFile::Run(PacketHandler& handler) {
  absl::Status status;
  while (true) {
    absl::StatusOr<bool> more = Next(handler);
    if (more.ok() && *more) continue;
    status = more.status();
    break;
  }
  handler.Flush();
  return status;
}

}  // namespace skimwatch::traffic
