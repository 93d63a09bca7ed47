#include "agent/traffic/source/packet_capture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/support/recording.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

bool Shell(const std::string& command) { return std::system(command.c_str()) == 0; }

// What of a TCP packet, over Ethernet, tests look at.
struct Segment {
  uint16_t from = 0;
  uint16_t to = 0;
  uint32_t sequence = 0;
  std::string payload;
};

std::optional<Segment> ParseTcp(const std::string& frame) {
  const auto at = [&](size_t i) {
    return i < frame.size() ? static_cast<unsigned char>(frame[i]) : 0u;
  };
  const auto u16 = [&](size_t i) { return static_cast<uint16_t>(at(i) << 8 | at(i + 1)); };
  size_t ip = 14;
  if (u16(12) == 0x8100) ip += 4;
  size_t tcp = 0;
  size_t end = 0;
  if (u16(ip - 2) == 0x0800 && at(ip + 9) == IPPROTO_TCP) {
    tcp = ip + (at(ip) & 15) * 4;
    end = ip + u16(ip + 2);
  } else if (u16(ip - 2) == 0x86dd && at(ip + 6) == IPPROTO_TCP) {
    tcp = ip + 40;
    end = tcp + u16(ip + 4);
  } else {
    return std::nullopt;
  }
  Segment segment;
  segment.from = u16(tcp);
  segment.to = u16(tcp + 2);
  segment.sequence = uint32_t{u16(tcp + 4)} << 16 | u16(tcp + 6);
  const size_t data = tcp + (at(tcp + 12) >> 4) * 4;
  if (data < frame.size()) segment.payload = frame.substr(data, end - data);
  return segment;
}

// A TCP connection within this host, both ends.
class Connection {
 public:
  explicit Connection(int family = AF_INET) {
    const int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    socklen_t size = sizeof(sockaddr_in6);
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      reinterpret_cast<sockaddr_in*>(&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof(sockaddr_in);
    } else {
      reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr = in6addr_loopback;
    }
    EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0) << strerror(errno);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    // The same place in both families.
    server_port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
    client_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client_, reinterpret_cast<sockaddr*>(&address), size), 0) << strerror(errno);
    EXPECT_EQ(getsockname(client_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    client_port = ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
    server_ = accept(listener, nullptr, nullptr);
    close(listener);
  }
  ~Connection() {
    close(client_);
    close(server_);
  }

  void Request(std::string_view bytes) { Pass(client_, server_, bytes); }
  void Response(std::string_view bytes) { Pass(server_, client_, bytes); }

  uint16_t client_port = 0;
  uint16_t server_port = 0;

 private:
  static void Pass(int from, int to, std::string_view bytes) {
    std::thread reader([to, size = bytes.size()] {
      std::string buffer(1 << 20, '\0');
      for (size_t got = 0; got < size;) {
        const ssize_t n = read(to, buffer.data(), buffer.size());
        ASSERT_GT(n, 0);
        got += static_cast<size_t>(n);
      }
    });
    while (!bytes.empty()) {
      const ssize_t n = write(from, bytes.data(), bytes.size());
      ASSERT_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    reader.join();
  }

  int client_ = -1;
  int server_ = -1;
};

// An Ethernet frame with a TCP packet of IPv4, from and to made-up hosts.
std::string Frame(const std::string& payload, std::optional<uint16_t> vlan = std::nullopt) {
  std::string frame = std::string("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01", 12);
  if (vlan.has_value()) {
    frame += std::string("\x81\x00", 2);
    frame.push_back(static_cast<char>(*vlan >> 8));
    frame.push_back(static_cast<char>(*vlan));
  }
  const size_t size = 40 + payload.size();
  frame += std::string("\x08\x00\x45\x00", 4);
  frame.push_back(static_cast<char>(size >> 8));
  frame.push_back(static_cast<char>(size));
  frame += std::string("\x00\x01\x00\x00\x40\x06\x00\x00\xc6\x33\x64\x01\xc6\x33\x64\x02", 16);
  frame += std::string(
      "\x10\x00\x00\x50\x00\x00\x00\x01\x00\x00\x00\x00\x50\x18\xff\xff\x00\x00\x00\x00", 20);
  return frame + payload;
}

// Puts frames on a wire. For many frames: closing a packet socket takes the kernel a while.
class FrameSender {
 public:
  explicit FrameSender(const std::string& interface)
      : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    address_.sll_family = AF_PACKET;
    address_.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
    EXPECT_NE(address_.sll_ifindex, 0) << interface;
  }
  ~FrameSender() { close(fd_); }

  void Send(const std::string& frame) {
    EXPECT_EQ(sendto(fd_, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&address_),
                     sizeof(address_)),
              static_cast<ssize_t>(frame.size()))
        << strerror(errno);
  }

 private:
  const int fd_;
  sockaddr_ll address_{};
};

void SendFrame(const std::string& interface, const std::string& frame) {
  FrameSender(interface).Send(frame);
}

// Each test has a network of its own, in which nothing else happens.
class PacketCaptureTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (unshare(CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "needs CAP_SYS_ADMIN and CAP_NET_RAW, as root has: " << strerror(errno);
    }
    ASSERT_TRUE(Shell("ip link set lo up"));
  }

  static void AddVeth() {
    ASSERT_TRUE(
        Shell("ip link add cap0 type veth peer name cap1 && "
              "ip link set cap0 up && ip link set cap1 up"));
  }

  std::unique_ptr<PacketCapture> Open(const PacketCapture::Options& options) {
    auto capture = PacketCapture::Open(
        options, [this](uint32_t thread) { return recorder_.MakeHandler(thread); });
    EXPECT_TRUE(capture.ok()) << capture.status();
    return capture.ok() ? *std::move(capture) : nullptr;
  }

  absl::Status OpenError(const PacketCapture::Options& options) {
    return PacketCapture::Open(options,
                               [this](uint32_t thread) { return recorder_.MakeHandler(thread); })
        .status();
  }

  bool AwaitPayload(const std::string& payload) {
    return recorder_.Await(
        [&](const PacketRecorder::Packet& packet) { return packet.bytes.ends_with(payload); });
  }

  static bool AwaitUp(const PacketCapture& capture, bool up) {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (capture.GetStats().interface_up != up) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  void CheckWhole(int family);

  PacketRecorder recorder_;
};

// Every byte, in whole frames of the size that loopback makes them.
void PacketCaptureTest::CheckWhole(int family) {
  auto capture = Open({.interface = "lo", .ring_mib = 64});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  Connection connection(family);
  std::string sent;
  for (uint32_t i = 0; sent.size() < 8 << 20; ++i) absl::StrAppend(&sent, "line ", i, "\n");
  connection.Request(sent);
  capture->Stop();

  // The SYN counts as one.
  std::optional<uint32_t> first;
  // TCP may send bytes again, in other pieces.
  std::string received(sent.size(), '\0');
  std::vector<bool> seen(sent.size());
  size_t largest = 0;
  for (const auto& packet : recorder_.packets()) {
    EXPECT_EQ(packet.link, LinkType::kEthernet);
    EXPECT_EQ(packet.wire_bytes, packet.bytes.size());
    largest = std::max(largest, packet.bytes.size());
    const auto segment = ParseTcp(packet.bytes);
    ASSERT_TRUE(segment.has_value());
    if (segment->to != connection.server_port) continue;
    if (!first.has_value()) first = segment->sequence + 1;
    const size_t offset = segment->sequence - *first;
    if (segment->payload.empty()) continue;
    ASSERT_LE(offset + segment->payload.size(), sent.size());
    received.replace(offset, segment->payload.size(), segment->payload);
    std::fill_n(seen.begin() + static_cast<ptrdiff_t>(offset), segment->payload.size(), true);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
  EXPECT_TRUE(received == sent);
  EXPECT_GT(largest, 60000u);
  const PacketCapture::Stats stats = capture->GetStats();
  EXPECT_EQ(stats.packets, recorder_.packets().size());
  EXPECT_EQ(stats.kernel_drops, 0u);
  EXPECT_TRUE(stats.interface_up);
}

TEST_F(PacketCaptureTest, TakesEveryByteOfLoopback) { CheckWhole(AF_INET); }

TEST_F(PacketCaptureTest, TakesEveryByteOfLoopbackOverIpv6) { CheckWhole(AF_INET6); }

// Sends numbered datagrams through loopback.
void SendDatagrams(int count) {
  const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < count; ++i) {
    const std::string payload = absl::StrCat("datagram ", i, ".");
    EXPECT_EQ(sendto(udp, payload.data(), payload.size(), 0, reinterpret_cast<sockaddr*>(&address),
                     sizeof(address)),
              static_cast<ssize_t>(payload.size()));
  }
  close(udp);
}

TEST_F(PacketCaptureTest, TakesEachPacketOfLoopbackOnce) {
  for (const uint32_t threads : {1u, 2u}) {
    SCOPED_TRACE(threads);
    PacketRecorder recorder;
    auto capture =
        PacketCapture::Open({.interface = "lo", .filter = "udp", .threads = threads},
                            [&](uint32_t thread) { return recorder.MakeHandler(thread); });
    ASSERT_TRUE(capture.ok()) << capture.status();
    (*capture)->Start();
    SendDatagrams(500);
    (*capture)->Stop();
    std::multiset<std::string> payloads;
    for (const auto& packet : recorder.packets()) payloads.insert(packet.bytes.substr(42));
    EXPECT_EQ(payloads.size(), 500u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(payloads.count(absl::StrCat("datagram ", i, ".")), 1u);
  }
}

TEST_F(PacketCaptureTest, TakesOnlyWhatTheFilterMatches) {
  Connection wanted;
  Connection other;
  auto capture = Open({.interface = "lo", .filter = absl::StrCat("tcp port ", wanted.server_port)});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  other.Request("not this");
  SendDatagrams(1);
  wanted.Request("but this");
  EXPECT_TRUE(AwaitPayload("but this"));
  capture->Stop();
  for (const auto& packet : recorder_.packets()) {
    const auto segment = ParseTcp(packet.bytes);
    ASSERT_TRUE(segment.has_value());
    EXPECT_TRUE(segment->from == wanted.server_port || segment->to == wanted.server_port);
  }
}

TEST_F(PacketCaptureTest, PassesAPacketLongBeforeASecondIsOver) {
  auto capture = Open({.interface = "lo"});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  Connection connection;
  const absl::Time begin = absl::Now();
  connection.Request("quick");
  ASSERT_TRUE(AwaitPayload("quick"));
  EXPECT_LT(absl::Now() - begin, absl::Milliseconds(500));
  const auto packets = recorder_.packets();
  EXPECT_LT(absl::AbsDuration(packets.back().time - begin), absl::Milliseconds(500));
}

TEST_F(PacketCaptureTest, DeliversWhatCameBeforeStart) {
  auto capture = Open({.interface = "lo"});
  ASSERT_NE(capture, nullptr);
  Connection connection;
  connection.Request("early");
  EXPECT_TRUE(recorder_.packets().empty());
  capture->Start();
  EXPECT_TRUE(AwaitPayload("early"));
}

TEST_F(PacketCaptureTest, StopDeliversWhatIsInTheRingAndEndsTheHandlers) {
  for (const uint32_t threads : {1u, 3u}) {
    SCOPED_TRACE(threads);
    auto capture = Open({.interface = "lo", .threads = threads});
    ASSERT_NE(capture, nullptr);
    const int before = recorder_.flushes();
    EXPECT_EQ(recorder_.handlers(), static_cast<int>(threads));
    capture->Start();
    Connection connection;
    const std::string last = absl::StrCat("the last of ", threads);
    connection.Request(last);
    capture->Stop();
    EXPECT_TRUE(AwaitPayload(last));
    EXPECT_EQ(recorder_.flushes() - before, static_cast<int>(threads));
    EXPECT_EQ(recorder_.handlers(), 0);
    const size_t packets = recorder_.packets().size();
    connection.Request("not taken any more");
    capture->Stop();
    EXPECT_EQ(recorder_.packets().size(), packets);
    EXPECT_FALSE(recorder_.misused());
  }
}

TEST_F(PacketCaptureTest, StopWithoutStartDeliversToo) {
  auto capture = Open({.interface = "lo"});
  ASSERT_NE(capture, nullptr);
  Connection connection;
  connection.Request("early");
  capture->Stop();
  EXPECT_TRUE(AwaitPayload("early"));
  EXPECT_EQ(recorder_.flushes(), 1);
  EXPECT_EQ(recorder_.handlers(), 0);
}

TEST_F(PacketCaptureTest, TellsHandlersThatNothingComes) {
  auto capture = Open({.interface = "lo"});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  EXPECT_TRUE(recorder_.AwaitIdle());
  EXPECT_TRUE(recorder_.AwaitIdle());
}

TEST_F(PacketCaptureTest, KeepsBothDirectionsOfAFlowOnOneThread) {
  auto capture = Open({.interface = "lo", .threads = 3});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  constexpr int kConnections = 60;
  for (int i = 0; i < kConnections; ++i) {
    Connection connection(i % 2 == 0 ? AF_INET : AF_INET6);
    connection.Request(absl::StrCat("request ", i, " "));
    connection.Response(absl::StrCat("response ", i, " "));
  }
  capture->Stop();

  std::map<std::pair<uint16_t, uint16_t>, std::set<uint32_t>> threads_of_flow;
  std::set<uint32_t> threads;
  std::multiset<std::string> payloads;
  for (const auto& packet : recorder_.packets()) {
    const auto segment = ParseTcp(packet.bytes);
    ASSERT_TRUE(segment.has_value());
    threads_of_flow[std::minmax(segment->from, segment->to)].insert(packet.handler);
    threads.insert(packet.handler);
    if (!segment->payload.empty()) payloads.insert(segment->payload);
  }
  EXPECT_EQ(threads_of_flow.size(), size_t{kConnections});
  for (const auto& [ports, of_flow] : threads_of_flow) EXPECT_EQ(of_flow.size(), 1u);
  EXPECT_EQ(threads.size(), 3u);
  for (int i = 0; i < kConnections; ++i) {
    EXPECT_EQ(payloads.count(absl::StrCat("request ", i, " ")), 1u);
    EXPECT_EQ(payloads.count(absl::StrCat("response ", i, " ")), 1u);
  }
  EXPECT_FALSE(recorder_.misused());
}

TEST_F(PacketCaptureTest, CutsPacketsAtTheSnapshotAndKeepsTheirLength) {
  AddVeth();
  auto capture = Open({.interface = "cap0", .snapshot_bytes = 96});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  const std::string frame = Frame(std::string(1000, 'p'));
  SendFrame("cap1", frame);
  ASSERT_TRUE(recorder_.Await([](const auto&) { return true; }));
  const auto packets = recorder_.packets();
  EXPECT_GE(packets[0].bytes.size(), 96u + 14);
  EXPECT_LE(packets[0].bytes.size(), 96u + 18);
  EXPECT_EQ(packets[0].wire_bytes, frame.size());
  EXPECT_TRUE(frame.starts_with(packets[0].bytes));
}

TEST_F(PacketCaptureTest, SeesTaggedFramesAsOnTheWire) {
  AddVeth();
  auto capture = Open({.interface = "cap0", .filter = "tcp port 80"});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  // Priority 3, VLAN 10.
  const std::string tagged = Frame("tagged", uint16_t{3 << 13 | 10});
  const std::string plain = Frame("plain");
  SendFrame("cap1", tagged);
  SendFrame("cap1", plain);
  ASSERT_TRUE(AwaitPayload("plain"));
  const auto packets = recorder_.packets();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].bytes, tagged);
  EXPECT_EQ(packets[0].wire_bytes, tagged.size());
  EXPECT_EQ(packets[1].bytes, plain);
}

TEST_F(PacketCaptureTest, SeesBothDirectionsOfAnInterface) {
  AddVeth();
  auto capture = Open({.interface = "cap0"});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  SendFrame("cap0", Frame("out"));
  SendFrame("cap1", Frame("in"));
  EXPECT_TRUE(AwaitPayload("out"));
  EXPECT_TRUE(AwaitPayload("in"));
}

TEST_F(PacketCaptureTest, UnderstandsInterfacesWithoutLinkHeader) {
  const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (tun < 0) GTEST_SKIP() << "needs /dev/net/tun: " << strerror(errno);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strcpy(request.ifr_name, "cap0");
  ASSERT_EQ(ioctl(tun, TUNSETIFF, &request), 0) << strerror(errno);
  ASSERT_TRUE(Shell("ip link set cap0 up"));
  auto capture = Open({.interface = "cap0"});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  const std::string ip = Frame("through a tunnel").substr(14);
  ASSERT_EQ(write(tun, ip.data(), ip.size()), static_cast<ssize_t>(ip.size()));
  ASSERT_TRUE(AwaitPayload("through a tunnel"));
  const auto packets = recorder_.packets();
  EXPECT_EQ(packets[0].link, LinkType::kRawIp);
  EXPECT_EQ(packets[0].bytes, ip);
  capture->Stop();
  close(tun);
}

TEST_F(PacketCaptureTest, SurvivesAnInterfaceThatGoesDown) {
  AddVeth();
  for (const uint32_t threads : {1u, 2u}) {
    SCOPED_TRACE(threads);
    auto capture = Open({.interface = "cap0", .threads = threads});
    ASSERT_NE(capture, nullptr);
    capture->Start();
    ASSERT_TRUE(Shell("ip link set cap0 down"));
    EXPECT_TRUE(AwaitUp(*capture, false));
    ASSERT_TRUE(Shell("ip link set cap0 up"));
    EXPECT_TRUE(AwaitUp(*capture, true));
    const std::string payload = absl::StrCat("after, with ", threads);
    SendFrame("cap1", Frame(payload));
    EXPECT_TRUE(AwaitPayload(payload));
  }
}

TEST_F(PacketCaptureTest, SurvivesAnInterfaceThatIsMadeAnew) {
  for (const uint32_t threads : {1u, 2u}) {
    SCOPED_TRACE(threads);
    AddVeth();
    auto capture = Open({.interface = "cap0", .threads = threads});
    ASSERT_NE(capture, nullptr);
    capture->Start();
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(Shell("ip link delete cap0"));
      EXPECT_TRUE(AwaitUp(*capture, false));
      AddVeth();
      EXPECT_TRUE(AwaitUp(*capture, true));
      const std::string payload = absl::StrCat("round ", round, " with ", threads);
      SendFrame("cap1", Frame(payload));
      EXPECT_TRUE(AwaitPayload(payload));
    }
    capture->Stop();
    EXPECT_FALSE(recorder_.misused());
    ASSERT_TRUE(Shell("ip link delete cap0"));
  }
}

TEST_F(PacketCaptureTest, AwaitsAnInterfaceThatIsDown) {
  for (const uint32_t threads : {1u, 2u}) {
    SCOPED_TRACE(threads);
    AddVeth();
    ASSERT_TRUE(Shell("ip link set cap0 down"));
    auto capture = Open({.interface = "cap0", .threads = threads});
    ASSERT_NE(capture, nullptr);
    EXPECT_FALSE(capture->GetStats().interface_up);
    capture->Start();
    ASSERT_TRUE(Shell("ip link set cap0 up"));
    EXPECT_TRUE(AwaitUp(*capture, true));
    const std::string payload = absl::StrCat("after, with ", threads);
    SendFrame("cap1", Frame(payload));
    EXPECT_TRUE(AwaitPayload(payload));
    capture->Stop();
    size_t seen = 0;
    for (const auto& packet : recorder_.packets()) seen += packet.bytes.ends_with(payload);
    EXPECT_EQ(seen, 1u);
    ASSERT_TRUE(Shell("ip link delete cap0"));
  }
}

// Runs `work` in a process of its own, and returns what it returned.
int InChild(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(PacketCaptureTest, NeedsNoRightsAfterOpen) {
  for (const uint32_t threads : {1u, 2u}) {
    SCOPED_TRACE(threads);
    AddVeth();
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto run = [&] {
        auto capture = Open({.interface = "cap0", .threads = threads});
        if (capture == nullptr || setresuid(65534, 65534, 65534) != 0) return 1;
        if (socket(AF_PACKET, SOCK_RAW, 0) >= 0) return 2;
        capture->Start();
        if (!AwaitUp(*capture, true) || write(ready[1], "1", 1) != 1) return 3;
        if (!AwaitUp(*capture, false) || write(ready[1], "2", 1) != 1) return 4;
        if (!AwaitUp(*capture, true) || write(ready[1], "3", 1) != 1) return 5;
        return AwaitPayload("without rights") ? 0 : 6;
      };
      _exit(run());
    }
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    EXPECT_TRUE(Shell("ip link delete cap0"));
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    AddVeth();
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    SendFrame("cap1", Frame("without rights"));
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    close(ready[0]);
    ASSERT_TRUE(Shell("ip link delete cap0"));
  }
}

TEST_F(PacketCaptureTest, TellsThatRightsAreMissing) {
  EXPECT_EQ(InChild([this] {
              if (setresuid(65534, 65534, 65534) != 0) return 1;
              const absl::Status status = OpenError({.interface = "lo"});
              if (status.code() != absl::StatusCode::kPermissionDenied) return 2;
              const std::string text(status.message());
              const bool names = text.find("interface lo") != std::string::npos &&
                                 text.find("CAP_NET_RAW") != std::string::npos;
              return names ? 0 : 3;
            }),
            0);
}

TEST_F(PacketCaptureTest, RefusesWhatCannotBe) {
  AddVeth();
  const struct {
    PacketCapture::Options options;
    absl::StatusCode code;
    std::string text;
  } kCases[] = {
      {{.interface = "nosuch0"}, absl::StatusCode::kNotFound, "nosuch0"},
      {{.interface = ""}, absl::StatusCode::kNotFound, "interface"},
      {{.interface = "a-name-that-is-longer-than-any"}, absl::StatusCode::kNotFound, "a-name"},
      {{.interface = "cap0", .filter = "tcp prot 80"},
       absl::StatusCode::kInvalidArgument,
       "interface cap0: filter `tcp prot 80`"},
      {{.interface = "cap0", .threads = 0}, absl::StatusCode::kInvalidArgument, "threads is 0"},
      {{.interface = "cap0", .threads = 65}, absl::StatusCode::kInvalidArgument, "1 to 64"},
      {{.interface = "cap0", .ring_mib = 0}, absl::StatusCode::kInvalidArgument, "ring_mib is 0"},
      {{.interface = "cap0", .ring_mib = 1025}, absl::StatusCode::kInvalidArgument, "1 to 1024"},
      {{.interface = "cap0", .snapshot_bytes = 95}, absl::StatusCode::kInvalidArgument, "96 to"},
      {{.interface = "cap0", .snapshot_bytes = 262145},
       absl::StatusCode::kInvalidArgument,
       "snapshot_bytes is 262145"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = OpenError(c.options);
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.text));
  }
}

TEST_F(PacketCaptureTest, RefusesAnInterfaceOfAnotherKind) {
  if (!Shell("ip link add cap0 type ipip local 127.0.0.1 2> /dev/null")) {
    GTEST_SKIP() << "the kernel has no IP-in-IP tunnels";
  }
  const absl::Status status = OpenError({.interface = "cap0"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("cap0"), HasSubstr("768")));
}

TEST_F(PacketCaptureTest, WorksWithTheSmallestRingAndTheLargestSnapshot) {
  auto capture = Open({.interface = "lo", .ring_mib = 1, .snapshot_bytes = 262144});
  ASSERT_NE(capture, nullptr);
  capture->Start();
  Connection connection;
  connection.Request("fits");
  EXPECT_TRUE(AwaitPayload("fits"));
}

// Holds the thread of a capture until it is told to go on.
class Blocker : public PacketHandler {
 public:
  Blocker(std::atomic<bool>& open, std::atomic<uint64_t>& packets)
      : open_(open), packets_(packets) {}
  void OnPacket(const PacketView& /*packet*/) override {
    open_.wait(false);
    ++packets_;
  }
  void OnIdle(absl::Time /*now*/) override {}
  void Flush() override {}

 private:
  std::atomic<bool>& open_;
  std::atomic<uint64_t>& packets_;
};

TEST_F(PacketCaptureTest, CountsWhatASlowReaderLoses) {
  AddVeth();
  std::atomic<bool> open = false;
  std::atomic<uint64_t> packets = 0;
  auto capture = PacketCapture::Open({.interface = "cap0", .ring_mib = 1}, [&](uint32_t) {
    return std::make_unique<Blocker>(open, packets);
  });
  ASSERT_TRUE(capture.ok()) << capture.status();
  (*capture)->Start();
  constexpr uint64_t kFrames = 4000;
  const std::string frame = Frame(std::string(1000, 'p'));
  FrameSender sender("cap1");
  for (uint64_t i = 0; i < kFrames; ++i) sender.Send(frame);
  EXPECT_GT((*capture)->GetStats().kernel_drops, 0u);
  EXPECT_GT((*capture)->GetStats().ring_freezes, 0u);
  open = true;
  open.notify_all();
  (*capture)->Stop();
  const PacketCapture::Stats stats = (*capture)->GetStats();
  EXPECT_EQ(stats.packets, packets);
  // Sent is delivered and dropped, to the packet.
  EXPECT_EQ(stats.packets + stats.kernel_drops, kFrames);
}

TEST_F(PacketCaptureTest, GoesOnAfterTheRingWasFull) {
  AddVeth();
  std::atomic<bool> open = false;
  std::atomic<uint64_t> packets = 0;
  auto capture = PacketCapture::Open({.interface = "cap0", .ring_mib = 1}, [&](uint32_t) {
    return std::make_unique<Blocker>(open, packets);
  });
  ASSERT_TRUE(capture.ok()) << capture.status();
  (*capture)->Start();
  const std::string frame = Frame(std::string(1000, 'p'));
  FrameSender sender("cap1");
  while ((*capture)->GetStats().kernel_drops == 0) sender.Send(frame);
  open = true;
  open.notify_all();
  // A frame that comes through only when the ring takes packets again.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  const uint64_t before = packets;
  while (packets < before + 3000 && absl::Now() < deadline) sender.Send(frame);
  EXPECT_GE(packets, before + 3000);
}

TEST_F(PacketCaptureTest, KeepsPacketsOutOfCoreDumps) {
  auto capture = Open({.interface = "lo", .threads = 2});
  ASSERT_NE(capture, nullptr);
  std::ifstream maps("/proc/self/smaps");
  bool in_ring = false;
  int rings = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("socket:[") != std::string::npos) in_ring = true;
    if (in_ring && line.starts_with("VmFlags:")) {
      EXPECT_THAT(line, HasSubstr(" dd"));
      in_ring = false;
      ++rings;
    }
  }
  EXPECT_EQ(rings, 2);
}

TEST(PacketCaptureOptions, UnsetFieldsTakeTheDefaults) {
  config::v1::PacketCapture config;
  config.set_interface("eth0");
  const auto defaults = PacketCapture::Options::FromConfig(config);
  EXPECT_EQ(defaults.interface, "eth0");
  EXPECT_EQ(defaults.filter, "tcp or udp");
  EXPECT_EQ(defaults.threads, 1u);
  EXPECT_EQ(defaults.ring_mib, 16u);
  EXPECT_EQ(defaults.snapshot_bytes, 65535u);
  config.set_filter("port 80");
  config.set_threads(4);
  config.set_ring_mib(32);
  config.set_snapshot_bytes(2000);
  const auto set = PacketCapture::Options::FromConfig(config);
  EXPECT_EQ(set.filter, "port 80");
  EXPECT_EQ(set.threads, 4u);
  EXPECT_EQ(set.ring_mib, 32u);
  EXPECT_EQ(set.snapshot_bytes, 2000u);
}

}  // namespace
}  // namespace skimwatch::traffic
