#include "agent/traffic/source/capture_ring.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/traffic/source/network_interface.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kVlanTagBytes = 4;
constexpr size_t kMacAddressesBytes = 12;
// Of the kernel, around a packet in its block.
constexpr size_t kOverheadBytes = 1024;
constexpr size_t kBlockBytesMin = 256 << 10;
constexpr size_t kBlockBytesMax = 4 << 20;
// More blocks than this only cost wake-ups; then they grow.
constexpr size_t kBlocksWanted = 64;
// TPACKET_V3 packs packets of any size; this one is only checked for plausibility.
constexpr size_t kFrameBytes = 2048;

template <typename T>
int SetOption(int fd, int option, const T& value) {
  return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value));
}

// Puts back the tag that the kernel took off the frame at `frame`, so that a decoder sees what was
// on the wire. Returns the new beginning; PACKET_RESERVE made room for it.
unsigned char* RestoreVlanTag(const tpacket3_hdr& header, unsigned char* frame) {
  const uint16_t protocol = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0
                                ? header.hv1.tp_vlan_tpid
                                : static_cast<uint16_t>(ETH_P_8021Q);
  const uint16_t tag[2] = {htons(protocol), htons(static_cast<uint16_t>(header.hv1.tp_vlan_tci))};
  unsigned char* begin = frame - kVlanTagBytes;
  std::memmove(begin, frame, kMacAddressesBytes);
  std::memcpy(begin + kMacAddressesBytes, tag, kVlanTagBytes);
  return begin;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CaptureRing>> CaptureRing::Open() {
  // Protocol 0: nothing arrives before Bind.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const int error = errno;
    if (error == EPERM || error == EACCES) {
      return absl::PermissionDeniedError(
          "capturing packets needs the capability CAP_NET_RAW (run as root, or let systemd grant "
          "it by AmbientCapabilities=CAP_NET_RAW)");
    }
    return absl::ErrnoToStatus(error, "can't open a packet socket");
  }
  return std::unique_ptr<CaptureRing>(new CaptureRing(fd));
}

CaptureRing::~CaptureRing() {
  if (ring_ != nullptr) munmap(ring_, block_bytes_ * blocks_);
  close(fd_);
}

absl::Status CaptureRing::Map(size_t ring_bytes, size_t packet_bytes) {
  const int version = TPACKET_V3;
  if (SetOption(fd_, PACKET_VERSION, version) != 0) {
    return absl::ErrnoToStatus(errno, "the kernel has no TPACKET_V3");
  }
  const unsigned int reserve = kVlanTagBytes;
  if (SetOption(fd_, PACKET_RESERVE, reserve) != 0) {
    return absl::ErrnoToStatus(errno, "PACKET_RESERVE");
  }
  size_t block_bytes = std::max(kBlockBytesMin, std::bit_ceil(packet_bytes + kOverheadBytes));
  while (block_bytes < kBlockBytesMax && ring_bytes / block_bytes > kBlocksWanted) block_bytes *= 2;
  const size_t blocks = std::max<size_t>(2, ring_bytes / block_bytes);
  tpacket_req3 request{};
  request.tp_block_size = static_cast<unsigned int>(block_bytes);
  request.tp_block_nr = static_cast<unsigned int>(blocks);
  request.tp_frame_size = kFrameBytes;
  request.tp_frame_nr = static_cast<unsigned int>(block_bytes / kFrameBytes * blocks);
  request.tp_retire_blk_tov = static_cast<unsigned int>(absl::ToInt64Milliseconds(kBlockTimeout));
  if (SetOption(fd_, PACKET_RX_RING, request) != 0) {
    return absl::ErrnoToStatus(errno, "can't get memory for the ring; lower `ring_mib`");
  }
  void* ring =
      mmap(nullptr, block_bytes * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, /*offset=*/0);
  if (ring == MAP_FAILED) return absl::ErrnoToStatus(errno, "can't map the ring");
  ring_ = static_cast<unsigned char*>(ring);
  block_bytes_ = block_bytes;
  blocks_ = blocks;
  // Packets may hold card numbers, which have no business in a core dump.
  if (madvise(ring, block_bytes * blocks, MADV_DONTDUMP) != 0) {
    return absl::ErrnoToStatus(errno, "can't keep the ring out of core dumps");
  }
  return absl::OkStatus();
}

absl::Status CaptureRing::SetFilter(const PacketFilter& filter) {
  sock_fprog program{};
  program.len = static_cast<uint16_t>(filter.size());
  program.filter = const_cast<sock_filter*>(filter.data());
  if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    return absl::ErrnoToStatus(errno, "the kernel refuses the filter");
  }
  return absl::OkStatus();
}

absl::Status CaptureRing::Bind(int interface_index, bool ignore_outgoing) {
  ignore_outgoing_ = ignore_outgoing;
  // Deliver looks again, for kernels before 4.20 that do not know the option.
  const int ignore = ignore_outgoing ? 1 : 0;
  (void)SetOption(fd_, PACKET_IGNORE_OUTGOING, ignore);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = interface_index;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::ErrnoToStatus(errno, "can't bind to the interface");
  }
  return absl::OkStatus();
}

absl::Status CaptureRing::JoinFanout(uint16_t& group, bool ignore_outgoing) {
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
  // linux/if_packet.h of 6.2 and newer.
  constexpr uint32_t PACKET_FANOUT_FLAG_IGNORE_OUTGOING = 0x4000;
#endif
  uint32_t type = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG;
  if (ignore_outgoing) type |= PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
  const uint32_t make_group = group == 0 ? PACKET_FANOUT_FLAG_UNIQUEID : 0;
  // The kernel hashes both directions of a flow alike.
  uint32_t fanout = group | (type | make_group) << 16;
  if (SetOption(fd_, PACKET_FANOUT, fanout) != 0) {
    return absl::ErrnoToStatus(errno, "can't share the interface between threads (PACKET_FANOUT)");
  }
  socklen_t size = sizeof(fanout);
  if (getsockopt(fd_, SOL_PACKET, PACKET_FANOUT, &fanout, &size) != 0) {
    return absl::ErrnoToStatus(errno, "PACKET_FANOUT");
  }
  group = static_cast<uint16_t>(fanout);
  return absl::OkStatus();
}

bool CaptureRing::Deliver(PacketHandler& handler, uint64_t& packets) {
  if (ring_ == nullptr) return false;
  unsigned char* block = ring_ + next_block_ * block_bytes_;
  auto& block_header = reinterpret_cast<tpacket_block_desc*>(block)->hdr.bh1;
  if ((__atomic_load_n(&block_header.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) {
    return false;
  }
  unsigned char* at = block + block_header.offset_to_first_pkt;
  const bool ignore_outgoing = ignore_outgoing_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < block_header.num_pkts; ++i) {
    const auto& header = *reinterpret_cast<const tpacket3_hdr*>(at);
    const auto& address =
        *reinterpret_cast<const sockaddr_ll*>(at + TPACKET_ALIGN(sizeof(tpacket3_hdr)));
    // Of the packet rather than of the interface, which may have been replaced since.
    const std::optional<LinkType> link = LinkTypeOfHardware(address.sll_hatype);
    if (link.has_value() && !(ignore_outgoing && address.sll_pkttype == PACKET_OUTGOING)) {
      unsigned char* bytes = at + header.tp_mac;
      size_t size = header.tp_snaplen;
      uint32_t wire_bytes = header.tp_len;
      if ((header.tp_status & TP_STATUS_VLAN_VALID) != 0 && *link == LinkType::kEthernet &&
          size >= kMacAddressesBytes) {
        bytes = RestoreVlanTag(header, bytes);
        size += kVlanTagBytes;
        wire_bytes += kVlanTagBytes;
      }
      PacketView packet;
      packet.link = *link;
      packet.bytes = std::string_view(reinterpret_cast<const char*>(bytes), size);
      packet.wire_bytes = wire_bytes;
      packet.time = absl::FromUnixSeconds(header.tp_sec) + absl::Nanoseconds(header.tp_nsec);
      ++packets;
      handler.OnPacket(packet);
    }
    at += header.tp_next_offset;
  }
  // The kernel would keep what they hold until it needs the place.
  explicit_bzero(block + block_header.offset_to_first_pkt,
                 std::min<size_t>(block_header.blk_len, block_bytes_) -
                     std::min<size_t>(block_header.offset_to_first_pkt, block_header.blk_len));
  __atomic_store_n(&block_header.block_status, static_cast<uint32_t>(TP_STATUS_KERNEL),
                   __ATOMIC_RELEASE);
  next_block_ = (next_block_ + 1) % blocks_;
  return true;
}

void CaptureRing::ClearError() {
  int error = 0;
  socklen_t size = sizeof(error);
  (void)getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
}

CaptureRing::Statistics CaptureRing::ReadStatistics() {
  absl::MutexLock lock(&mutex_);
  // Reading sets the kernel's counters, of 32 bits, to zero.
  tpacket_stats_v3 since{};
  socklen_t size = sizeof(since);
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &since, &size) == 0) {
    statistics_.kernel_drops += since.tp_drops;
    statistics_.freezes += since.tp_freeze_q_cnt;
  }
  return statistics_;
}

}  // namespace skimwatch::traffic
