#include "agent/traffic/source/pcap_file.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/support/recording.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Fields of a capture file in the byte order of the host that wrote it.
class Bytes {
 public:
  explicit Bytes(bool big_endian = false) : big_endian_(big_endian) {}

  Bytes& U16(uint16_t v) { return Number(v, 2); }
  Bytes& U32(uint32_t v) { return Number(v, 4); }
  Bytes& Raw(std::string_view raw) {
    bytes_ += raw;
    return *this;
  }
  Bytes& Pad4() {
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
    return *this;
  }
  const std::string& str() const { return bytes_; }
  bool big_endian() const { return big_endian_; }

 private:
  Bytes& Number(uint64_t v, int size) {
    for (int i = 0; i < size; ++i) {
      const int shift = 8 * (big_endian_ ? size - 1 - i : i);
      bytes_.push_back(static_cast<char>(v >> shift));
    }
    return *this;
  }

  bool big_endian_;
  std::string bytes_;
};

struct PcapShape {
  bool big_endian = false;
  bool nanoseconds = false;
  uint32_t link = 1;
  uint32_t snapshot = 65535;
};

std::string PcapHeader(const PcapShape& shape) {
  return Bytes(shape.big_endian)
      .U32(shape.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4)
      .U16(2)
      .U16(4)
      .U32(0)
      .U32(0)
      .U32(shape.snapshot)
      .U32(shape.link)
      .str();
}

std::string PcapRecord(const PcapShape& shape, uint32_t seconds, uint32_t fraction,
                       std::string_view bytes, uint32_t wire_bytes) {
  return Bytes(shape.big_endian)
      .U32(seconds)
      .U32(fraction)
      .U32(static_cast<uint32_t>(bytes.size()))
      .U32(wire_bytes)
      .Raw(bytes)
      .str();
}

// A pcapng block around `body`, whose byte order it takes.
std::string Block(uint32_t type, Bytes body) {
  body.Pad4();
  const auto size = static_cast<uint32_t>(12 + body.str().size());
  return Bytes(body.big_endian()).U32(type).U32(size).Raw(body.str()).U32(size).str();
}

std::string SectionHeader(bool big_endian) {
  return Block(0x0a0d0d0a,
               Bytes(big_endian).U32(0x1a2b3c4d).U16(1).U16(0).U32(0xffffffff).U32(0xffffffff));
}

// `resolution` as in if_tsresol: a power of ten.
std::string Interface(bool big_endian, uint16_t link, uint8_t resolution = 6) {
  Bytes body(big_endian);
  body.U16(link).U16(0).U32(65535);
  body.U16(9).U16(1).Raw(std::string(1, static_cast<char>(resolution))).Pad4();
  body.U16(0).U16(0);
  return Block(1, body);
}

std::string EnhancedPacket(bool big_endian, uint32_t interface, uint64_t time,
                           std::string_view bytes, uint32_t wire_bytes) {
  return Block(6, Bytes(big_endian)
                      .U32(interface)
                      .U32(static_cast<uint32_t>(time >> 32))
                      .U32(static_cast<uint32_t>(time))
                      .U32(static_cast<uint32_t>(bytes.size()))
                      .U32(wire_bytes)
                      .Raw(bytes));
}

FILE* StreamOf(const std::string& bytes) {
  FILE* stream = tmpfile();
  fwrite(bytes.data(), 1, bytes.size(), stream);
  rewind(stream);
  return stream;
}

absl::StatusOr<std::vector<PacketRecorder::Packet>> ReadAll(const std::string& bytes,
                                                            absl::Status* end = nullptr) {
  auto file = PcapFile::FromStream(StreamOf(bytes), "test.pcap");
  if (!file.ok()) return file.status();
  PacketRecorder recorder;
  const absl::Status status = (*file)->Run(*recorder.MakeHandler());
  EXPECT_EQ(recorder.flushes(), 1);
  EXPECT_EQ((*file)->packets(), recorder.packets().size());
  if (end != nullptr) {
    *end = status;
  } else if (!status.ok()) {
    return status;
  }
  return recorder.packets();
}

absl::Status StatusOf(const std::string& bytes) { return ReadAll(bytes).status(); }

constexpr uint32_t kSeconds = 1700000000;

TEST(PcapFile, ReadsBothByteOrdersAndBothResolutionsOfPcap) {
  for (const bool big_endian : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      SCOPED_TRACE(absl::StrCat("big endian ", big_endian, ", nanoseconds ", nanoseconds));
      const PcapShape shape{.big_endian = big_endian, .nanoseconds = nanoseconds};
      const auto packets =
          ReadAll(PcapHeader(shape) + PcapRecord(shape, kSeconds, 123456, "first packet", 12) +
                  PcapRecord(shape, kSeconds + 1, 0, "cut", 1500));
      ASSERT_TRUE(packets.ok()) << packets.status();
      ASSERT_EQ(packets->size(), 2u);
      EXPECT_EQ((*packets)[0].link, LinkType::kEthernet);
      EXPECT_EQ((*packets)[0].bytes, "first packet");
      EXPECT_EQ((*packets)[0].wire_bytes, 12u);
      EXPECT_EQ((*packets)[0].time,
                absl::FromUnixSeconds(kSeconds) +
                    (nanoseconds ? absl::Nanoseconds(123456) : absl::Microseconds(123456)));
      EXPECT_EQ((*packets)[1].bytes, "cut");
      EXPECT_EQ((*packets)[1].wire_bytes, 1500u);
    }
  }
}

TEST(PcapFile, ReadsBothByteOrdersAndResolutionsOfPcapng) {
  for (const bool big_endian : {false, true}) {
    SCOPED_TRACE(absl::StrCat("big endian ", big_endian));
    const uint64_t microseconds = uint64_t{kSeconds} * 1000000 + 123456;
    const uint64_t nanoseconds = uint64_t{kSeconds} * 1000000000 + 123456789;
    const auto packets =
        ReadAll(SectionHeader(big_endian) + Interface(big_endian, 1) + Interface(big_endian, 1, 9) +
                EnhancedPacket(big_endian, 0, microseconds, "one", 3) +
                EnhancedPacket(big_endian, 1, nanoseconds, "three", 9000));
    ASSERT_TRUE(packets.ok()) << packets.status();
    ASSERT_EQ(packets->size(), 2u);
    EXPECT_EQ((*packets)[0].link, LinkType::kEthernet);
    EXPECT_EQ((*packets)[0].bytes, "one");
    EXPECT_EQ((*packets)[0].time, absl::FromUnixSeconds(kSeconds) + absl::Microseconds(123456));
    EXPECT_EQ((*packets)[1].bytes, "three");
    EXPECT_EQ((*packets)[1].wire_bytes, 9000u);
    EXPECT_EQ((*packets)[1].time, absl::FromUnixSeconds(kSeconds) + absl::Nanoseconds(123456789));
  }
}

TEST(PcapFile, KnowsEveryLinkTypeOfPacketView) {
  const struct {
    uint32_t number;
    LinkType link;
  } kCases[] = {
      {1, LinkType::kEthernet},      {101, LinkType::kRawIp},        {12, LinkType::kRawIp},
      {14, LinkType::kRawIp},        {228, LinkType::kRawIp},        {229, LinkType::kRawIp},
      {113, LinkType::kLinuxCooked}, {276, LinkType::kLinuxCooked2}, {0, LinkType::kNull},
      {108, LinkType::kLoop},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.number);
    const PcapShape shape{.link = c.number};
    const auto packets = ReadAll(PcapHeader(shape) + PcapRecord(shape, 1, 0, "packet", 6));
    ASSERT_TRUE(packets.ok()) << packets.status();
    ASSERT_EQ(packets->size(), 1u);
    EXPECT_EQ((*packets)[0].link, c.link);
  }
}

TEST(PcapFile, NamesALinkTypeThatIsNotUnderstoodAndThoseThatAre) {
  const absl::Status wifi = StatusOf(PcapHeader({.link = 105}));
  EXPECT_EQ(wifi.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wifi.message()),
              AllOf(HasSubstr("test.pcap"), HasSubstr("IEEE802_11 (105)"), HasSubstr("Ethernet"),
                    HasSubstr("raw IP"), HasSubstr("SLL2")));
  const absl::Status unknown = StatusOf(PcapHeader({.link = 60000}));
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("60000"));
}

TEST(PcapFile, TellsThatInterfacesDiffer) {
  absl::Status end;
  const auto packets =
      ReadAll(SectionHeader(false) + Interface(false, 1) + EnhancedPacket(false, 0, 1, "one", 3) +
                  Interface(false, 113) + EnhancedPacket(false, 1, 2, "two", 3),
              &end);
  ASSERT_TRUE(packets.ok()) << packets.status();
  EXPECT_EQ(packets->size(), 1u);
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(end.message()),
              AllOf(HasSubstr("test.pcap"), HasSubstr("link types"), HasSubstr("after 1 packets")));
}

TEST(PcapFile, EveryCutIsDataLossWithThePacketsBeforeIt) {
  const PcapShape shape;
  const std::string header = PcapHeader(shape);
  const std::string record = PcapRecord(shape, kSeconds, 1, "some packet", 11);
  const std::string whole = header + record + record;
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    absl::Status end;
    const auto packets = ReadAll(whole.substr(0, size), &end);
    if (size < header.size()) {
      EXPECT_EQ(packets.status().code(), absl::StatusCode::kDataLoss) << packets.status();
      EXPECT_THAT(std::string(packets.status().message()), HasSubstr("test.pcap"));
      continue;
    }
    ASSERT_TRUE(packets.ok()) << packets.status();
    const size_t complete = (size - header.size()) / record.size();
    EXPECT_EQ(packets->size(), complete);
    if ((size - header.size()) % record.size() == 0) {
      EXPECT_TRUE(end.ok()) << end;
      continue;
    }
    EXPECT_EQ(end.code(), absl::StatusCode::kDataLoss) << end;
    EXPECT_THAT(
        std::string(end.message()),
        AllOf(HasSubstr("test.pcap"), HasSubstr(absl::StrCat("after ", complete, " packet"))));
  }
}

TEST(PcapFile, EveryCutOfPcapngIsToldToo) {
  const std::string begin = SectionHeader(false) + Interface(false, 1);
  const std::string packet = EnhancedPacket(false, 0, 1, "some packet", 11);
  for (size_t size = begin.size() + 1; size < begin.size() + packet.size(); ++size) {
    SCOPED_TRACE(size);
    absl::Status end;
    const auto packets = ReadAll((begin + packet).substr(0, size), &end);
    ASSERT_TRUE(packets.ok()) << packets.status();
    EXPECT_TRUE(packets->empty());
    EXPECT_EQ(end.code(), absl::StatusCode::kDataLoss) << end;
  }
}

TEST(PcapFile, RefusesWhatIsNoCapture) {
  for (const std::string text : {"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
                                 "\x1f\x8b\x08\x01 compressed and long enough for a header"}) {
    const absl::Status status = StatusOf(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("test.pcap"));
  }
}

TEST(PcapFile, TellsCapturesByTheirFirstBytes) {
  for (const bool big_endian : {false, true}) {
    EXPECT_TRUE(PcapFile::LooksLikeCapture(PcapHeader({.big_endian = big_endian})));
    EXPECT_TRUE(PcapFile::LooksLikeCapture(
        PcapHeader({.big_endian = big_endian, .nanoseconds = true}).substr(0, 4)));
    EXPECT_TRUE(PcapFile::LooksLikeCapture(SectionHeader(big_endian)));
  }
  EXPECT_FALSE(PcapFile::LooksLikeCapture(""));
  EXPECT_FALSE(PcapFile::LooksLikeCapture("\xd4\xc3\xb2"));
  EXPECT_FALSE(PcapFile::LooksLikeCapture("\n\n\r\n"));
  EXPECT_FALSE(PcapFile::LooksLikeCapture("<!doctype html>"));
}

TEST(PcapFile, NamesTheFileThatCannotBeOpened) {
  const absl::Status missing = PcapFile::Open("/nonexistent/capture.pcap").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nonexistent/capture.pcap"));
  const absl::Status folder = PcapFile::Open("/tmp").status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(folder.message()), HasSubstr("folder"));
}

TEST(PcapFile, TakesAPacketAsSoonAsAPipeHasIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const PcapShape shape;
  const std::string begin = PcapHeader(shape) + PcapRecord(shape, 1, 0, "first", 5);
  ASSERT_EQ(write(ends[1], begin.data(), begin.size()), static_cast<ssize_t>(begin.size()));

  // With nothing more in the pipe, a reader that wants more than this packet would hang here.
  auto file = PcapFile::FromStream(fdopen(ends[0], "rb"), "standard input");
  ASSERT_TRUE(file.ok()) << file.status();
  PacketRecorder recorder;
  const auto handler = recorder.MakeHandler();
  absl::StatusOr<bool> more = (*file)->Next(*handler);
  ASSERT_TRUE(more.ok() && *more) << more.status();
  EXPECT_EQ(recorder.packets().back().bytes, "first");

  const std::string rest = PcapRecord(shape, 2, 0, "second", 6);
  ASSERT_EQ(write(ends[1], rest.data(), rest.size()), static_cast<ssize_t>(rest.size()));
  close(ends[1]);
  more = (*file)->Next(*handler);
  ASSERT_TRUE(more.ok() && *more) << more.status();
  EXPECT_EQ(recorder.packets().back().bytes, "second");
  more = (*file)->Next(*handler);
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_FALSE(*more);
}

TEST(PcapFile, GoesOnWhereTheStreamIsNotAtItsStart) {
  // As when someone looked at the first bytes of standard input and put them back.
  const PcapShape shape;
  FILE* stream =
      StreamOf(absl::StrCat("x", PcapHeader(shape)) + PcapRecord(shape, 1, 0, "first", 5));
  fgetc(stream);
  auto file = PcapFile::FromStream(stream, "test.pcap");
  ASSERT_TRUE(file.ok()) << file.status();
  PacketRecorder recorder;
  EXPECT_TRUE((*file)->Run(*recorder.MakeHandler()).ok());
  EXPECT_EQ(recorder.packets().size(), 1u);
}

TEST(PcapFile, TimesOutOfRangeAreNoHarm) {
  const PcapShape shape{.nanoseconds = true};
  const auto pcap =
      ReadAll(PcapHeader(shape) + PcapRecord(shape, 0xffffffff, 0xffffffff, "packet", 6));
  ASSERT_TRUE(pcap.ok()) << pcap.status();
  EXPECT_EQ(pcap->size(), 1u);
  const auto pcapng = ReadAll(SectionHeader(false) + Interface(false, 1, 0) +
                              EnhancedPacket(false, 0, ~uint64_t{0}, "packet", 6));
  ASSERT_TRUE(pcapng.ok()) << pcapng.status();
  EXPECT_EQ(pcapng->size(), 1u);
}

TEST(PcapFile, WireLengthIsNeverLessThanWhatWasTaken) {
  const PcapShape shape;
  const auto packets = ReadAll(PcapHeader(shape) + PcapRecord(shape, 1, 0, "packet", 2));
  ASSERT_TRUE(packets.ok()) << packets.status();
  EXPECT_EQ((*packets)[0].wire_bytes, 6u);
}

long PeakResidentKib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(PcapFile, LengthsThatLieTakeNoMemory) {
  const long before = PeakResidentKib();
  const PcapShape shape{.snapshot = 0xffffffff};
  const std::string lie =
      PcapHeader(shape) + Bytes().U32(1).U32(0).U32(0xfffffff0).U32(0xfffffff0).str();
  EXPECT_EQ(StatusOf(lie).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(
      StatusOf(SectionHeader(false) + Interface(false, 1) + Bytes().U32(6).U32(0xfffffff0).str())
          .code(),
      absl::StatusCode::kDataLoss);
  EXPECT_LT(PeakResidentKib() - before, 64 << 10);
}

TEST(PcapFile, InterfacesWithoutEndAreRefused) {
  std::string many;
  const std::string interface = Block(1, Bytes().U16(1).U16(0).U32(65535));
  for (int i = 0; i < 65536; ++i) many += interface;
  const std::string packet = EnhancedPacket(false, 65535, 1, "packet", 6);

  const auto most = ReadAll(SectionHeader(false) + many + packet);
  ASSERT_TRUE(most.ok()) << most.status();
  EXPECT_EQ(most->size(), 1u);
  const absl::Status more = StatusOf(SectionHeader(false) + many + interface + packet);
  EXPECT_EQ(more.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(more.message()), HasSubstr("65536 interfaces"));
  // Each section describes its own.
  const auto sections =
      ReadAll(SectionHeader(false) + many + packet + SectionHeader(false) + many + packet);
  ASSERT_TRUE(sections.ok()) << sections.status();
  EXPECT_EQ(sections->size(), 2u);
}

TEST(PcapFile, AFileLargerThanMemoryIsReadInConstantMemory) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const PcapShape shape;
  constexpr int kPackets = 20000;
  std::thread writer([&] {
    std::string bytes = PcapHeader(shape);
    const std::string record = PcapRecord(shape, 1, 0, std::string(16 << 10, 'p'), 16 << 10);
    for (int i = 0; i < kPackets; ++i) {
      bytes += record;
      for (std::string_view left = bytes; !left.empty();) {
        const ssize_t put = write(ends[1], left.data(), left.size());
        if (put <= 0) break;
        left.remove_prefix(static_cast<size_t>(put));
      }
      bytes.clear();
    }
    close(ends[1]);
  });

  class Counter : public PacketHandler {
   public:
    void OnPacket(const PacketView& packet) override { bytes += packet.bytes.size(); }
    void OnIdle(absl::Time /*now*/) override {}
    void Flush() override {}
    uint64_t bytes = 0;
  } counter;
  const long before = PeakResidentKib();
  auto file = PcapFile::FromStream(fdopen(ends[0], "rb"), "standard input");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Run(counter).ok());
  writer.join();
  EXPECT_EQ(counter.bytes, uint64_t{kPackets} * (16 << 10));
  EXPECT_LT(PeakResidentKib() - before, 32 << 10);
}

TEST(PcapFile, ReadsWhatTcpdumpWrites) {
  if (std::system("command -v tcpdump > /dev/null") != 0) GTEST_SKIP() << "tcpdump is missing";
  // tcpdump reads our pcapng and writes pcap in its own hand, in both resolutions.
  const std::string folder = testing::TempDir() + "pcap_file_test." + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  const std::string ng = folder + "/in.pcapng";
  // IPv4 and UDP, so that a filter can choose.
  const std::string udp(
      "\x45\x00\x00\x20\x00\x01\x00\x00\x40\x11\x00\x00\x7f\x00\x00\x01\x7f\x00\x00\x01"
      "\x00\x35\x00\x35\x00\x0c\x00\x00"
      "data",
      32);
  std::ofstream(ng, std::ios::binary)
      << SectionHeader(false) << Interface(false, 101, 9)
      << EnhancedPacket(false, 0, uint64_t{kSeconds} * 1000000000 + 987654321, udp, 1200)
      << EnhancedPacket(false, 0, uint64_t{kSeconds} * 1000000000, "no ip", 5);
  for (const std::string precision : {"micro", "nano"}) {
    SCOPED_TRACE(precision);
    const std::string out = absl::StrCat(folder, "/", precision, ".pcap");
    ASSERT_EQ(std::system(absl::StrCat("tcpdump --time-stamp-precision=", precision, " -r ", ng,
                                       " -w ", out, " udp port 53 2> /dev/null")
                              .c_str()),
              0);
    auto file = PcapFile::Open(out);
    ASSERT_TRUE(file.ok()) << file.status();
    PacketRecorder recorder;
    ASSERT_TRUE((*file)->Run(*recorder.MakeHandler()).ok());
    const auto packets = recorder.packets();
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(packets[0].link, LinkType::kRawIp);
    EXPECT_EQ(packets[0].bytes, udp);
    EXPECT_EQ(packets[0].wire_bytes, 1200u);
    EXPECT_EQ(packets[0].time,
              absl::FromUnixSeconds(kSeconds) + (precision == "nano" ? absl::Nanoseconds(987654321)
                                                                     : absl::Microseconds(987654)));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace skimwatch::traffic
