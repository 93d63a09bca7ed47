#include "agent/traffic/source/tls_uprobe/connection_reader.h"

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Recorder final : public ByteFlowHandler {
 public:
  void OnOpen(uint64_t flow, const ByteFlow& info, absl::Time /*now*/) override {
    events.push_back(absl::StrCat("open ", flow, " ", info.server.port, " ", info.server_name));
    last = info;
  }
  void OnData(uint64_t flow, bool from_client, std::string_view bytes,
              absl::Time /*now*/) override {
    events.push_back(
        absl::StrCat(from_client ? "client " : "server ", flow, " ", std::string(bytes)));
  }
  void OnShed(uint64_t flow, bool from_client, uint64_t bytes, absl::Time /*now*/) override {
    events.push_back(absl::StrCat(from_client ? "client " : "server ", flow, " -", bytes));
  }
  void OnEnd(uint64_t flow, absl::Time /*now*/) override {
    events.push_back(absl::StrCat("end ", flow));
  }
  void OnIdle(absl::Time /*now*/) override {}
  void Flush() override { events.emplace_back("flush"); }

  std::vector<std::string> events;
  ByteFlow last;
};

class Reader : public ::testing::Test {
 protected:
  void Write(uint64_t id, std::string_view data, uint64_t position = 0,
             uint32_t kind = SKIMWATCH_RECORD_WRITE, uint32_t more = 0) {
    skimwatch_record record{};
    record.key.object = id * 16;
    record.key.tgid = 100;
    record.id = id;
    record.process_start_ns = 1;
    record.position = position;
    record.data_bytes = static_cast<uint32_t>(data.size());
    record.bytes = record.data_bytes + more;
    record.kind = kind;
    std::strcpy(record.command, "shop");
    reader_.Take(record, data, now_);
  }
  void Close(uint64_t id) { Write(id, "", 0, SKIMWATCH_RECORD_CLOSE); }
  void Know(uint64_t id, uint16_t port, const std::string& name = "") {
    skimwatch_connection connection{};
    connection.id = id;
    connection.has_address = port != 0;
    connection.remote_port = port;
    connection.server_name_bytes = static_cast<uint16_t>(name.size());
    std::memcpy(connection.server_name, name.data(), name.size());
    connection.role = role_;
    known_[id] = connection;
  }
  void Wait(absl::Duration duration) {
    now_ += duration;
    reader_.OnTime(now_);
  }

  std::map<uint64_t, skimwatch_connection> known_;
  uint8_t role_ = SKIMWATCH_ROLE_CLIENT;
  Coverage coverage_;
  bool runs_ = true;
  bool wanted_ = true;
  std::set<pid_t> ignored_;
  Recorder handler_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  ConnectionReader reader_{
      {.address_wait = absl::Milliseconds(25),
       .connections_max = 3,
       .connection_idle = absl::Seconds(60),
       .held_bytes_max = 64},
      {.find =
           [this](const skimwatch_connection_key&, uint64_t id) {
             const auto known = known_.find(id);
             return known == known_.end() ? std::nullopt : std::optional(known->second);
           },
       .process =
           [](pid_t pid, uint64_t, std::string_view command) {
             return std::make_shared<const Process>(
                 Process{.pid = static_cast<uint32_t>(pid), .command = std::string(command)});
           },
       .runs = [this](pid_t, uint64_t) { return runs_; },
       .select =
           [this](const Process&) { return wanted_ ? std::optional<size_t>(0) : std::nullopt; },
       .ignore = [this](pid_t pid, uint64_t) { ignored_.insert(pid); }},
      coverage_,
      {&handler_}};
};

TEST_F(Reader, PassesOnAConnectionWhoseAddressIsKnownAtOnce) {
  Know(1, 443, "API.Example.");
  Write(1, "GET /");
  Write(1, "HTTP/1.1", 0, SKIMWATCH_RECORD_READ);
  Close(1);
  EXPECT_THAT(handler_.events, ElementsAre("open 1 443 api.example", "client 1 GET /",
                                           "server 1 HTTP/1.1", "end 1"));
  EXPECT_EQ(handler_.last.process->command, "shop");
}

TEST_F(Reader, HoldsTheFirstBytesUntilTheAddressWasSeen) {
  Know(1, 0);
  Write(1, "ab");
  EXPECT_TRUE(reader_.holds());
  EXPECT_THAT(handler_.events, IsEmpty());
  Know(1, 443);
  Write(1, "cd", 2);
  EXPECT_FALSE(reader_.holds());
  EXPECT_THAT(handler_.events, ElementsAre("open 1 443 ", "client 1 ab", "client 1 cd"));
}

TEST_F(Reader, GoesOnWithoutAnAddressAfterAWhile) {
  Know(1, 0, "api.example");
  Write(1, "ab");
  Wait(absl::Milliseconds(24));
  EXPECT_THAT(handler_.events, IsEmpty());
  Wait(absl::Milliseconds(1));
  EXPECT_THAT(handler_.events, ElementsAre("open 1 0 api.example", "client 1 ab"));
  EXPECT_EQ(reader_.without_address(), 1u);
}

TEST_F(Reader, HoldsNoMoreThanItsLimit) {
  Know(1, 0);
  Write(1, std::string(60, 'a'));
  EXPECT_THAT(handler_.events, IsEmpty());
  Write(1, std::string(10, 'b'), 60);
  EXPECT_EQ(handler_.events.size(), 3u);
}

TEST_F(Reader, PassesOnWhatIsHeldWhenTheConnectionEnds) {
  Know(1, 0, "api.example");
  Write(1, "ab");
  known_.clear();
  Close(1);
  EXPECT_THAT(handler_.events, ElementsAre("open 1 0 api.example", "client 1 ab", "end 1"));
  EXPECT_TRUE(handler_.last.client_is_known);
}

TEST_F(Reader, DoesNotWaitForWhatTheKernelForgot) {
  Write(1, "ab");
  EXPECT_THAT(handler_.events, ElementsAre("open 1 0 ", "client 1 ab"));
}

TEST_F(Reader, TellsOfBytesThatWereNotCopied) {
  Know(1, 443);
  Write(1, "ab", 7, SKIMWATCH_RECORD_WRITE, 10);
  Write(1, "cd", 22);
  EXPECT_THAT(handler_.events, ElementsAre("open 1 443 ", "client 1 -7", "client 1 ab",
                                           "client 1 -10", "client 1 -3", "client 1 cd"));
  // The kernel counted the others, which its ring had no room for.
  EXPECT_EQ(coverage_.bytes(Reason::kTruncatedCall), 10u);
}

TEST_F(Reader, KnowsWhichEndIsTheClient) {
  role_ = SKIMWATCH_ROLE_SERVER;
  Know(1, 50000);
  Write(1, "HTTP/1.1");
  Write(1, "GET /", 0, SKIMWATCH_RECORD_READ);
  EXPECT_FALSE(handler_.last.is_outbound);
  EXPECT_TRUE(handler_.last.client_is_known);
  EXPECT_EQ(handler_.last.client.port, 50000);
  role_ = SKIMWATCH_ROLE_UNKNOWN;
  Know(2, 443);
  Write(2, "x");
  EXPECT_FALSE(handler_.last.client_is_known);
  EXPECT_TRUE(handler_.last.is_outbound);
  EXPECT_EQ(handler_.last.server.port, 443);
  EXPECT_THAT(handler_.events, ElementsAre("open 1 0 ", "server 1 HTTP/1.1", "client 1 GET /",
                                           "open 2 443 ", "client 2 x"));
}

TEST_F(Reader, LeavesOutProcessesThatNobodyWants) {
  wanted_ = false;
  Know(1, 443);
  Write(1, "ab");
  Write(1, "cd", 2);
  Close(1);
  EXPECT_THAT(handler_.events, IsEmpty());
  EXPECT_THAT(ignored_, ElementsAre(100));
}

TEST_F(Reader, EndsConnectionsOfAProcessThatIsGone) {
  Know(1, 443);
  Write(1, "ab");
  Wait(absl::Seconds(6));
  EXPECT_EQ(reader_.connections(), 1u);
  runs_ = false;
  Wait(absl::Seconds(6));
  EXPECT_EQ(reader_.connections(), 0u);
  EXPECT_EQ(handler_.events.back(), "end 1");
}

TEST_F(Reader, EndsSilentConnectionsAndTheOldestWhereThereAreTooMany) {
  for (uint64_t id = 1; id <= 3; ++id) {
    Know(id, 443);
    Write(id, "a");
  }
  Write(1, "b", 1);
  Know(4, 443);
  Write(4, "a");
  EXPECT_THAT(handler_.events, ::testing::Contains("end 2"));
  EXPECT_EQ(reader_.connections(), 3u);
  Wait(absl::Seconds(61));
  EXPECT_EQ(reader_.connections(), 0u);
}

TEST_F(Reader, ShowsNoServerNameThatIsNone) {
  Know(1, 443, "a\nb");
  Write(1, "x");
  EXPECT_EQ(handler_.last.server_name, "");
}

TEST_F(Reader, FlushesAll) {
  Know(1, 0);
  Write(1, "ab");
  reader_.Flush(now_);
  EXPECT_THAT(handler_.events, ElementsAre("open 1 0 ", "client 1 ab", "end 1", "flush"));
}

}  // namespace
}  // namespace skimwatch::traffic
