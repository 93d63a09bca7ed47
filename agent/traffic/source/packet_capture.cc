#include "agent/traffic/source/packet_capture.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/capture_ring.h"
#include "agent/traffic/source/network_interface.h"
#include "agent/traffic/source/packet_filter.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

constexpr uint32_t kThreadsMax = 64;
constexpr uint32_t kRingMibMax = 1024;
constexpr uint32_t kSnapshotBytesMin = 96;
constexpr uint32_t kSnapshotBytesMax = 262144;
// An Ethernet header and a VLAN tag, on top of the snapshot.
constexpr uint32_t kLinkBytesMax = 18;

constexpr absl::Duration kIdleAfter = absl::Milliseconds(100);
// After so many times without a packet all that waits on time has had it, and time goes on in
// longer steps.
constexpr int kIdleMany = 30;
constexpr absl::Duration kLongIdle = absl::Milliseconds(500);
// How often the interface is looked at while nothing says that it changed.
constexpr absl::Duration kLookInterval = absl::Milliseconds(250);
// Without a block for this long after the last packet was let in, a ring is empty: the kernel hands
// over the last block within two timeouts.
constexpr absl::Duration kDrained = absl::Milliseconds(100);

int Milliseconds(absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); }

class Capture : public PacketCapture {
 public:
  explicit Capture(Options options) : options_(std::move(options)) {}
  ~Capture() override {
    StopThreads();
    if (stop_fd_ >= 0) close(stop_fd_);
  }

  absl::Status Open(const HandlerFactory& make_handler);
  void Start() override;
  void Stop() override { StopThreads(); }
  Stats GetStats() const override;

 private:
  // What belongs to one thread.
  struct Worker {
    uint32_t number = 0;
    std::unique_ptr<PacketHandler> handler;
    CaptureRing* ring = nullptr;
    std::atomic<uint64_t> packets = 0;
    // Waits in a row in which nothing came.
    int idle_waits = 0;
    std::thread thread;
  };

  void StopThreads();
  void Run(Worker& worker);
  // Waits for packets, a stop or an error; false at a stop.
  bool Wait(Worker& worker);
  void Drain(Worker& worker);
  bool Deliver(Worker& worker);

  // Looks whether the interface is the one that the rings are bound to. On the thread of the first
  // worker.
  void CheckInterface();
  // Lets packets of the interface in.
  absl::Status Attach(const NetworkInterface::State& state);
  absl::Status AttachGroup(const NetworkInterface::State& state);
  absl::Status AttachSpare(const NetworkInterface::State& state);

  size_t ring_bytes() const { return size_t{options_.ring_mib} << 20; }
  uint32_t packet_bytes() const { return options_.snapshot_bytes + kLinkBytesMax; }
  absl::Status Name(const absl::Status& status) const {
    if (status.ok()) return status;
    return absl::Status(status.code(), absl::StrCat("interface ", options_.interface, ": ",
                                                    std::string(status.message())));
  }

  const Options options_;
  std::unique_ptr<NetworkInterface> interface_;
  int stop_fd_ = -1;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
  // One a worker; then, where there are several, the spare one: a ring that joined a fanout group
  // can't be bound to a new interface any more, and a new socket would need rights that are gone.
  std::vector<std::unique_ptr<CaptureRing>> rings_;

  // Used in Open, then on the first worker's thread.
  PacketFilter filter_;
  std::optional<LinkType> link_;
  // Index 0 before there is one.
  NetworkInterface::State attached_;
  bool joined_fanout_ = false;
  bool spare_mapped_ = false;
  absl::Time looked_at_ = absl::InfinitePast();
  std::string last_failure_;

  std::atomic<bool> up_ = true;
};

absl::Status Capture::Open(const HandlerFactory& make_handler) {
  const auto in_range = [&](const char* what, uint32_t value, uint32_t min, uint32_t max) {
    if (value >= min && value <= max) return absl::OkStatus();
    return Name(absl::InvalidArgumentError(
        absl::StrCat(what, " is ", value, ", must be ", min, " to ", max)));
  };
  absl::Status status = in_range("threads", options_.threads, 1, kThreadsMax);
  if (status.ok()) status = in_range("ring_mib", options_.ring_mib, 1, kRingMibMax);
  if (status.ok()) {
    status =
        in_range("snapshot_bytes", options_.snapshot_bytes, kSnapshotBytesMin, kSnapshotBytesMax);
  }
  if (!status.ok()) return status;

  absl::StatusOr<std::unique_ptr<NetworkInterface>> interface =
      NetworkInterface::Open(options_.interface);
  if (!interface.ok()) return interface.status();
  interface_ = *std::move(interface);
  const NetworkInterface::State state = interface_->Look();
  if (state.index == 0) {
    return Name(absl::NotFoundError("there is no such interface; `ip link` lists those there are"));
  }

  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd_ < 0) return Name(absl::ErrnoToStatus(errno, "eventfd"));
  const uint32_t sockets = options_.threads == 1 ? 1 : options_.threads + 1;
  for (uint32_t i = 0; i < sockets; ++i) {
    absl::StatusOr<std::unique_ptr<CaptureRing>> ring = CaptureRing::Open();
    if (!ring.ok()) return Name(ring.status());
    if (i < options_.threads) {
      status = (*ring)->Map(ring_bytes(), packet_bytes());
      if (!status.ok()) return Name(status);
    }
    rings_.push_back(*std::move(ring));
  }
  for (uint32_t i = 0; i < options_.threads; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->number = i;
    worker->ring = rings_[i].get();
    worker->handler = make_handler(i);
    workers_.push_back(std::move(worker));
  }
  if (status = Attach(state); !status.ok()) return Name(status);
  up_ = state.up;
  looked_at_ = absl::Now();
  return absl::OkStatus();
}

absl::Status Capture::Attach(const NetworkInterface::State& state) {
  const std::optional<LinkType> link = LinkTypeOfHardware(state.hardware_type);
  if (!link.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has hardware type ", state.hardware_type,
                     ", which is not understood; understood are Ethernet, loopback and raw IP"));
  }
  if (link_ != link) {
    absl::StatusOr<PacketFilter> filter =
        CompilePacketFilter(options_.filter, *link, packet_bytes());
    if (!filter.ok()) return filter.status();
    filter_ = *std::move(filter);
    link_ = link;
  }
  absl::Status status;
  if (workers_.size() == 1) {
    status = rings_[0]->SetFilter(filter_);
    if (status.ok()) status = rings_[0]->Bind(state.index, state.loopback);
  } else if (!joined_fanout_) {
    // Only an interface that is up can be shared; one that is down is attached when it comes up.
    if (!state.up) return absl::OkStatus();
    status = AttachGroup(state);
  } else {
    status = AttachSpare(state);
  }
  if (status.ok()) attached_ = state;
  return status;
}

absl::Status Capture::AttachGroup(const NetworkInterface::State& state) {
  // Between its binding and its joining a ring would get every packet; so nothing passes before all
  // have joined.
  uint16_t group = 0;
  for (const auto& worker : workers_) {
    absl::Status status = worker->ring->SetFilter(DropAllFilter());
    if (status.ok()) status = worker->ring->Bind(state.index, state.loopback);
    if (status.ok()) status = worker->ring->JoinFanout(group, state.loopback);
    if (!status.ok()) return status;
    // From here on they can't be bound again.
    joined_fanout_ = true;
  }
  for (const auto& worker : workers_) {
    if (absl::Status status = worker->ring->SetFilter(filter_); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Capture::AttachSpare(const NetworkInterface::State& state) {
  CaptureRing& spare = *rings_.back();
  absl::Status status;
  if (!spare_mapped_) {
    if (status = spare.Map(ring_bytes(), packet_bytes()); !status.ok()) return status;
    spare_mapped_ = true;
    spdlog::warn(
        "interface {} is a new one of the same name: captured by one thread instead of {} until "
        "the agent is started again",
        options_.interface, workers_.size());
  }
  Worker& worker = *workers_[0];
  if (worker.ring != &spare) {
    while (Deliver(worker)) {
    }
    worker.ring = &spare;
  }
  status = spare.SetFilter(filter_);
  if (status.ok()) status = spare.Bind(state.index, state.loopback);
  return status;
}

void Capture::CheckInterface() {
  looked_at_ = absl::Now();
  const NetworkInterface::State state = interface_->Look();
  bool up = state.index != 0 && state.up;
  // A new one may have the number of the old one.
  if (state.index == 0) attached_ = NetworkInterface::State();
  if (state.index != 0 && state.index != attached_.index) {
    const absl::Status status = Attach(state);
    up = up && status.ok() && attached_.index == state.index;
    const std::string failure = status.ok() ? std::string() : Name(status).ToString();
    if (!failure.empty() && failure != last_failure_) {
      spdlog::error("packet capture: {}", failure);
    }
    last_failure_ = failure;
  }
  if (up_.exchange(up) != up) {
    if (up) {
      spdlog::info("interface {} is up: capturing goes on", options_.interface);
    } else {
      spdlog::warn("interface {} is {}: nothing is captured until it is back", options_.interface,
                   state.index == 0 ? "gone" : "down");
    }
  }
  // Before the kernel's counters wrap.
  for (const auto& ring : rings_) (void)ring->ReadStatistics();
}

void Capture::Start() {
  for (const auto& worker : workers_) {
    worker->thread = std::thread([this, &worker = *worker] { Run(worker); });
  }
}

void Capture::StopThreads() {
  if (std::exchange(stopped_, true) || workers_.empty()) return;
  const uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof(one));
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) {
      worker->thread.join();
    } else {
      Drain(*worker);
    }
  }
}

void Capture::Run(Worker& worker) {
  pthread_setname_np(pthread_self(), absl::StrCat("capture-", worker.number).c_str());
  do {
    // Bounded, so that a stop is seen and the interface looked at while packets keep coming.
    for (int blocks = 0; blocks < 16 && Deliver(worker); ++blocks) {
    }
    memory::WipeDeadStack();
    if (worker.number == 0 && absl::Now() - looked_at_ >= kLookInterval) CheckInterface();
  } while (Wait(worker));
  Drain(worker);
}

bool Capture::Wait(Worker& worker) {
  pollfd fds[2] = {{worker.ring->fd(), POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  const absl::Duration patience = worker.idle_waits < kIdleMany ? kIdleAfter : kLongIdle;
  const int ready = poll(fds, 2, Milliseconds(patience));
  worker.idle_waits = ready == 0 ? std::min(worker.idle_waits + 1, kIdleMany) : 0;
  if (ready == 0) {
    // A little back, for packets that the kernel has but did not hand over.
    worker.handler->OnIdle(absl::Now() - 2 * CaptureRing::kBlockTimeout);
    memory::WipeDeadStack();
    return true;
  }
  if (ready < 0) return true;
  if ((fds[0].revents & POLLERR) != 0) {
    worker.ring->ClearError();
    if (worker.number == 0) CheckInterface();
  }
  return fds[1].revents == 0;
}

void Capture::Drain(Worker& worker) {
  // Otherwise the ring might fill as fast as it is emptied.
  (void)worker.ring->SetFilter(DropAllFilter());
  absl::Time quiet_since = absl::Now();
  while (absl::Now() - quiet_since < kDrained) {
    if (Deliver(worker)) {
      quiet_since = absl::Now();
      continue;
    }
    pollfd fd = {worker.ring->fd(), POLLIN, 0};
    const absl::Duration left = kDrained - (absl::Now() - quiet_since);
    if (poll(&fd, 1, std::max(1, Milliseconds(left))) > 0 && (fd.revents & POLLERR) != 0) {
      worker.ring->ClearError();
    }
  }
  worker.handler->Flush();
  worker.handler = nullptr;
}

bool Capture::Deliver(Worker& worker) {
  uint64_t packets = 0;
  const bool delivered = worker.ring->Deliver(*worker.handler, packets);
  worker.packets.fetch_add(packets, std::memory_order_relaxed);
  return delivered;
}

PacketCapture::Stats Capture::GetStats() const {
  Stats stats;
  for (const auto& worker : workers_) {
    stats.packets += worker->packets.load(std::memory_order_relaxed);
  }
  for (const auto& ring : rings_) {
    const CaptureRing::Statistics statistics = ring->ReadStatistics();
    stats.kernel_drops += statistics.kernel_drops;
    stats.ring_freezes += statistics.freezes;
  }
  stats.interface_up = up_;
  return stats;
}

}  // namespace

PacketCapture::Options PacketCapture::Options::FromConfig(const config::v1::PacketCapture& config) {
  Options options;
  options.interface = config.interface();
  if (!config.filter().empty()) options.filter = config.filter();
  if (config.threads() != 0) options.threads = config.threads();
  if (config.ring_mib() != 0) options.ring_mib = config.ring_mib();
  if (config.snapshot_bytes() != 0) options.snapshot_bytes = config.snapshot_bytes();
  return options;
}

absl::StatusOr<std::unique_ptr<PacketCapture>> PacketCapture::Open(
    const Options& options, const HandlerFactory& make_handler) {
  auto capture = std::make_unique<Capture>(options);
  if (absl::Status status = capture->Open(make_handler); !status.ok()) return status;
  return std::unique_ptr<PacketCapture>(std::move(capture));
}

}  // namespace skimwatch::traffic
