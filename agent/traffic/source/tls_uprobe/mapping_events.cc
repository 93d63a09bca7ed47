#include "agent/traffic/source/tls_uprobe/mapping_events.h"

#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace skimwatch::traffic {
namespace {

// A power of two: room for about 500 mappings, which a busy processor makes in some milliseconds.
constexpr size_t kDataBytes = 64 << 10;

size_t PageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// PERF_RECORD_MMAP2 without its header and the name that follows.
struct Mmap2 {
  uint32_t pid;
  uint32_t tid;
  uint64_t address;
  uint64_t length;
  uint64_t page_offset;
  uint32_t device_major;
  uint32_t device_minor;
  uint64_t inode;
  uint64_t inode_generation;
  uint32_t rights;
  uint32_t flags;
};

// PERF_RECORD_LOST without its header.
struct Lost {
  uint64_t id;
  uint64_t lost;
};

}  // namespace

absl::StatusOr<std::unique_ptr<MappingEvents>> MappingEvents::Open() {
  std::unique_ptr<MappingEvents> events(new MappingEvents());
  events->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (events->epoll_ < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  const int processors = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
  for (int processor = 0; processor < processors; ++processor) {
    if (absl::Status s = events->OpenRing(processor); !s.ok()) return s;
  }
  if (events->rings_.empty()) return absl::UnavailableError("no processor is online");
  return events;
}

absl::Status MappingEvents::OpenRing(int processor) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_DUMMY;
  attributes.mmap = 1;
  attributes.mmap2 = 1;
  attributes.watermark = 1;
  attributes.wakeup_watermark = 1;
  const auto fd = static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) {
    // The processor is offline.
    if (errno == ENODEV) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, "perf_event_open for mappings of files");
  }
  void* memory = mmap(nullptr, PageBytes() + kDataBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    const absl::Status status = absl::ErrnoToStatus(errno, "mapping the ring of perf_event_open");
    close(fd);
    return status;
  }
  rings_.push_back({.fd = fd, .memory = memory});
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

MappingEvents::~MappingEvents() {
  for (const Ring& ring : rings_) {
    munmap(ring.memory, PageBytes() + kDataBytes);
    close(ring.fd);
  }
  if (epoll_ >= 0) close(epoll_);
}

void MappingEvents::Read(const std::function<void(const FileMapping&)>& take) {
  for (const Ring& ring : rings_) ReadRing(ring, take);
}

void MappingEvents::ReadRing(const Ring& ring,
                             const std::function<void(const FileMapping&)>& take) {
  auto* page = static_cast<perf_event_mmap_page*>(ring.memory);
  const char* data = static_cast<const char*>(ring.memory) + PageBytes();
  // Written by the kernel; see perf_event_open(2).
  const uint64_t head =
      std::atomic_ref<decltype(page->data_head)>(page->data_head).load(std::memory_order_acquire);
  uint64_t tail = page->data_tail;
  const auto copy = [&](uint64_t from, size_t size, char* into) {
    const size_t at = from % kDataBytes;
    const size_t first = std::min(size, kDataBytes - at);
    std::memcpy(into, data + at, first);
    std::memcpy(into + first, data, size - first);
  };
  while (head - tail >= sizeof(perf_event_header)) {
    perf_event_header header;
    copy(tail, sizeof(header), reinterpret_cast<char*>(&header));
    if (header.size < sizeof(header) || header.size > head - tail) break;
    record_.resize(header.size - sizeof(header));
    copy(tail + sizeof(header), record_.size(), record_.data());
    tail += header.size;
    TakeRecord(header.type, take);
  }
  std::atomic_ref<decltype(page->data_tail)>(page->data_tail)
      .store(head, std::memory_order_release);
}

void MappingEvents::TakeRecord(uint32_t type, const std::function<void(const FileMapping&)>& take) {
  if (type == PERF_RECORD_LOST && record_.size() >= sizeof(Lost)) {
    Lost lost{};
    std::memcpy(&lost, record_.data(), sizeof(lost));
    lost_ += std::max<uint64_t>(lost.lost, 1);
    return;
  }
  if (type != PERF_RECORD_MMAP2 || record_.size() <= sizeof(Mmap2)) return;
  Mmap2 mapped{};
  std::memcpy(&mapped, record_.data(), sizeof(mapped));
  std::string_view path(record_.data() + sizeof(mapped), record_.size() - sizeof(mapped));
  path = path.substr(0, path.find('\0'));
  // `//anon`, `[vdso]` and the like are no files.
  if (!path.starts_with('/') || path.starts_with("//") || mapped.inode == 0) return;
  take({.pid = static_cast<pid_t>(mapped.pid),
        .begin = mapped.address,
        .end = mapped.address + mapped.length,
        .device = uint64_t{mapped.device_major} << 32 | mapped.device_minor,
        .inode = mapped.inode,
        .inode_generation = mapped.inode_generation,
        .path = std::string(path)});
}

}  // namespace skimwatch::traffic
