#include "agent/traffic/source/sample_socket.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/memory/wipe.h"
#include "agent/serving/stale_socket.h"
#include "agent/traffic/source/sample_reader.h"
#include "spdlog/spdlog.h"

namespace skimwatch::traffic {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 64u << 10;
constexpr int kAcceptsARound = 16;
// How long it waits while parts of messages may be open, so that what is silent is settled.
constexpr int kOpenWaitMs = 100;
constexpr int kQuietWaitMs = 1000;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kStopReading{1};
constexpr std::chrono::seconds kLogEvery{1};

absl::StatusOr<gid_t> GroupOf(const std::string& name) {
  gid_t id = 0;
  if (absl::SimpleAtoi(name, &id)) return id;
  std::vector<char> buffer(64 << 10);
  group entry = {};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("group: this host has no group ", name));
  }
  return found->gr_gid;
}

absl::StatusOr<uid_t> UserOf(const std::string& name) {
  uid_t id = 0;
  if (absl::SimpleAtoi(name, &id)) return id;
  std::vector<char> buffer(64 << 10);
  passwd entry = {};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("allowed_users: this host has no user ", name));
  }
  return found->pw_uid;
}

class Socket final : public SampleSocket {
 public:
  Socket(Options options, Coverage& coverage, SampleTarget& target)
      : options_(std::move(options)), scan_(options_.scan, coverage, target) {
    buffer_.resize(kReadBytes);
  }
  ~Socket() override;

  absl::Status Bind();
  void Start() override;
  void Stop() override;
  Stats GetStats() const override {
    absl::MutexLock lock(&mutex_);
    return published_;
  }

 private:
  // One that writes.
  class Connection final : public SampleReader::Sink {
   public:
    Connection(Socket& owner, int fd, uint64_t id, const ucred& peer)
        : owner_(owner),
          fd_(fd),
          id_(id),
          peer_(peer),
          reader_(owner.options_.sample_bytes_max, *this) {}
    ~Connection() override { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    int fd() const { return fd_; }
    uint64_t id() const { return id_; }
    uid_t user() const { return peer_.uid; }
    std::string Name() const { return absl::StrCat("process ", peer_.pid, " of user ", peer_.uid); }
    SampleReader& reader() { return reader_; }
    Clock::time_point last_active() const { return last_active_; }
    void Touch() { last_active_ = Clock::now(); }

    void OnSample(std::string_view encoded, uint64_t offset) override {
      const absl::Status status = owner_.scan_.Take(id_, encoded, absl::Now());
      if (!status.ok()) owner_.NoteError(*this, offset, status);
    }
    void OnTooLong(uint64_t length, uint64_t offset) override {
      owner_.scan_.CountTooLong();
      owner_.NoteError(*this, offset,
                       absl::ResourceExhaustedError(absl::StrCat(
                           "has ", length, " bytes, more than sample_kib_max; left out")));
    }
    void OnSkipped(uint64_t bytes) override { owner_.scan_.Skipped(bytes); }

   private:
    Socket& owner_;
    const int fd_;
    const uint64_t id_;
    const ucred peer_;
    SampleReader reader_;
    Clock::time_point last_active_ = Clock::now();
  };
  using Connections = std::map<int, std::unique_ptr<Connection>>;

  void Run();
  void Accept();
  // Room for a connection of `user`; false when there is none to be had.
  bool MakeRoom(uid_t user);
  // One turn. False when the connection is over.
  bool Read(Connection& connection);
  // `left`: the writer went away by itself.
  Connections::iterator End(Connections::iterator it, bool left = false);
  void EndStalled();
  void NoteError(const Connection& connection, uint64_t offset, const absl::Status& status);
  void LogErrors();
  void Publish();

  const Options options_;
  SampleScan scan_;
  sockaddr_un address_ = {};
  bool bound_ = false;
  int listener_ = -1;
  int stop_fd_ = -1;
  std::vector<char> buffer_;
  Connections connections_;
  uint64_t next_connection_ = 1;
  Clock::time_point accept_after_ = Clock::time_point::min();
  // On the thread; published for others.
  Stats stats_;
  uint64_t errors_ = 0;
  uint64_t errors_logged_ = 0;
  Clock::time_point logged_at_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  Stats published_ ABSL_GUARDED_BY(mutex_);
};

Socket::~Socket() {
  Stop();
  for (const int fd : {listener_, stop_fd_}) {
    if (fd >= 0) close(fd);
  }
  explicit_bzero(buffer_.data(), buffer_.size());
}

absl::Status Socket::Bind() {
  if (options_.path.empty() || options_.path[0] != '/' ||
      options_.path.size() >= sizeof(address_.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.path, ": not an absolute path of at most 107 bytes"));
  }
  address_.sun_family = AF_UNIX;
  memcpy(address_.sun_path, options_.path.data(), options_.path.size());
  serving::RemoveStaleSocket(options_.path);
  const auto fail = [&](const char* doing) {
    return absl::UnavailableError(
        absl::StrCat("can't ", doing, " ", options_.path, ": ", strerror(errno)));
  };
  stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener_ < 0 || stop_fd_ < 0) return fail("make a socket for");
  // The file is made with this mode, so that nobody gets in before it has its group.
  if (fchmod(listener_, S_IRUSR | S_IWUSR) != 0) return fail("close to others");
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0) {
    return fail("listen on");
  }
  bound_ = true;
  if (options_.group.has_value() &&
      chown(options_.path.c_str(), static_cast<uid_t>(-1), *options_.group) != 0) {
    return absl::PermissionDeniedError(absl::StrCat("can't give ", options_.path, " to the group ",
                                                    *options_.group, ": ", strerror(errno),
                                                    "; make this user a member of it"));
  }
  if (chmod(options_.path.c_str(), options_.mode) != 0) return fail("set the mode of");
  if (listen(listener_, SOMAXCONN) != 0) return fail("listen on");
  return absl::OkStatus();
}

void Socket::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Socket::Stop() {
  if (thread_.joinable()) {
    stopping_ = true;
    const uint64_t one = 1;
    (void)!write(stop_fd_, &one, sizeof(one));
    thread_.join();
  }
  if (std::exchange(bound_, false)) unlink(options_.path.c_str());
}

void Socket::Run() {
  pthread_setname_np(pthread_self(), "samples");
  std::vector<pollfd> fds;
  Clock::time_point stop_at = Clock::time_point::max();
  while (true) {
    const bool stopping = stopping_.load();
    if (stopping && stop_at == Clock::time_point::max()) {
      stop_at = Clock::now() + kStopReading;
      // What waits to be accepted was written by now, too.
      Accept();
      close(std::exchange(listener_, -1));
    }
    fds.clear();
    fds.push_back({stopping ? -1 : stop_fd_, POLLIN, 0});
    const bool accepts = Clock::now() >= accept_after_;
    fds.push_back({accepts ? listener_ : -1, POLLIN, 0});
    for (const auto& [fd, connection] : connections_) fds.push_back({fd, POLLIN, 0});
    const bool soon = !accepts || scan_.stats().flows_open > 0;
    const int wait_ms = stopping ? 0 : soon ? kOpenWaitMs : kQuietWaitMs;
    const int ready = poll(fds.data(), fds.size(), wait_ms);
    if (stopping && (ready <= 0 || Clock::now() >= stop_at)) break;
    for (size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      const auto it = connections_.find(fds[i].fd);
      if (it != connections_.end() && !Read(*it->second)) End(it, /*left=*/true);
    }
    if (fds[1].revents != 0) Accept();
    EndStalled();
    scan_.OnIdle(absl::Now());
    LogErrors();
    Publish();
    if (ready == 0) memory::WipeDeadStack();
  }
  while (!connections_.empty()) End(connections_.begin());
  scan_.Flush(absl::Now());
  LogErrors();
  Publish();
}

void Socket::Accept() {
  for (int i = 0; i < kAcceptsARound; ++i) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      // Out of descriptors: peers wait until some are free, and this does not ask all the time.
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        accept_after_ = Clock::now() + kAcceptPause;
      }
      return;
    }
    ucred peer = {};
    socklen_t size = sizeof(peer);
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    const std::vector<uid_t>& allowed = options_.allowed_users;
    if (!known || (!allowed.empty() &&
                   std::find(allowed.begin(), allowed.end(), peer.uid) == allowed.end())) {
      ++stats_.refused_user;
      ++errors_;
      stats_.last_error = absl::StrCat("user ", peer.uid, " is not one of allowed_users");
      close(fd);
      continue;
    }
    if (connections_.size() >= options_.connections_max && !MakeRoom(peer.uid)) {
      ++stats_.refused_full;
      ++errors_;
      stats_.last_error = absl::StrCat("a connection of user ", peer.uid,
                                       " was refused, since connections_max are open");
      close(fd);
      continue;
    }
    ++stats_.connections;
    connections_[fd] = std::make_unique<Connection>(*this, fd, next_connection_++, peer);
  }
}

bool Socket::MakeRoom(uid_t user) {
  std::map<uid_t, size_t> connections_of;
  for (const auto& [fd, connection] : connections_) ++connections_of[connection->user()];
  const auto most =
      std::max_element(connections_of.begin(), connections_of.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == connections_of.end() || most->second <= connections_of[user] + 1) return false;
  auto silent = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (it->second->user() != most->first) continue;
    if (silent == connections_.end() || it->second->last_active() < silent->second->last_active()) {
      silent = it;
    }
  }
  ++stats_.ended_displaced;
  ++errors_;
  stats_.last_error = absl::StrCat(silent->second->Name(), " made room for user ", user);
  End(silent);
  return true;
}

bool Socket::Read(Connection& connection) {
  const ssize_t got = read(connection.fd(), buffer_.data(), buffer_.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  connection.Touch();
  const std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
  const absl::Status status = connection.reader().Take(bytes);
  explicit_bzero(buffer_.data(), bytes.size());
  if (status.ok()) return true;
  ++stats_.ended_broken;
  ++errors_;
  stats_.last_error = absl::StrCat("from ", connection.Name(), ": ", std::string(status.message()),
                                   "; the connection was ended");
  scan_.Broken(connection.reader().taken() - connection.reader().offset());
  return false;
}

Socket::Connections::iterator Socket::End(Connections::iterator it, bool left) {
  Connection& connection = *it->second;
  SampleReader& reader = connection.reader();
  // A broken one was counted.
  if (const absl::Status status = reader.Finish(); !status.ok() && reader.is_whole()) {
    scan_.Broken(reader.taken() - reader.offset());
    if (left) {
      ++stats_.ended_within;
      ++errors_;
      stats_.last_error =
          absl::StrCat("what ", connection.Name(), " sent ", std::string(status.message()));
    }
  }
  scan_.EndWriter(connection.id(), absl::Now());
  return connections_.erase(it);
}

void Socket::EndStalled() {
  const Clock::time_point oldest = Clock::now() - absl::ToChronoMilliseconds(options_.stall_max);
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& connection = *it->second;
    if (connection.reader().in_sample() && connection.last_active() < oldest) {
      ++stats_.ended_stalled;
      ++errors_;
      stats_.last_error =
          absl::StrCat(connection.Name(), " was silent in the middle of a sample for too long");
      it = End(it);
    } else {
      ++it;
    }
  }
}

void Socket::NoteError(const Connection& connection, uint64_t offset, const absl::Status& status) {
  ++errors_;
  stats_.last_error = absl::StrCat("from ", connection.Name(), ": the sample at offset ", offset,
                                   " ", std::string(status.message()));
}

void Socket::LogErrors() {
  const Clock::time_point now = Clock::now();
  if (errors_ == errors_logged_ || now - logged_at_ < kLogEvery) return;
  // One line, however much it was.
  spdlog::warn("samples at {}: {} errors; the last one: {}", options_.path,
               errors_ - errors_logged_, stats_.last_error);
  errors_logged_ = errors_;
  logged_at_ = now;
}

void Socket::Publish() {
  stats_.connections_open = connections_.size();
  stats_.scan = scan_.stats();
  absl::MutexLock lock(&mutex_);
  published_ = stats_;
}

}  // namespace

absl::StatusOr<SampleSocket::Options> SampleSocket::Options::FromConfig(
    const config::v1::SampleSocket& config) {
  Options options;
  options.path = config.path();
  if (!config.mode().empty()) {
    options.mode = static_cast<mode_t>(strtoul(config.mode().c_str(), nullptr, 8) & 0777);
  }
  if (!config.group().empty()) {
    absl::StatusOr<gid_t> group = GroupOf(config.group());
    if (!group.ok()) return group.status();
    options.group = *group;
  }
  for (const std::string& name : config.allowed_users()) {
    absl::StatusOr<uid_t> user = UserOf(name);
    if (!user.ok()) return user.status();
    options.allowed_users.push_back(*user);
  }
  if (config.connections_max() != 0) options.connections_max = config.connections_max();
  if (config.sample_kib_max() != 0) {
    options.sample_bytes_max = size_t{config.sample_kib_max()} << 10;
  }
  if (config.stall_seconds() != 0) options.stall_max = absl::Seconds(config.stall_seconds());
  options.scan.name = absl::StrCat("samples:", config.path());
  options.scan.site = config.site();
  options.scan.scan_inbound = config.scan_inbound();
  return options;
}

absl::StatusOr<std::unique_ptr<SampleSocket>> SampleSocket::Listen(Options options,
                                                                   Coverage& coverage,
                                                                   SampleTarget& target) {
  auto socket = std::make_unique<Socket>(std::move(options), coverage, target);
  if (absl::Status status = socket->Bind(); !status.ok()) return status;
  return std::unique_ptr<SampleSocket>(std::move(socket));
}

}  // namespace skimwatch::traffic
