#include "agent/traffic/source/mirror/spoe_session.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/source/mirror/http_session.h"
#include "agent/traffic/source/mirror/spop_frame.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/mirror/flow_recorder.h"

namespace skimwatch::traffic {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string Varint(uint64_t value) {
  std::string out;
  if (value < 240) return {static_cast<char>(value)};
  out.push_back(static_cast<char>(value | 240));
  for (value = (value - 240) >> 4; value >= 128; value = (value - 128) >> 7) {
    out.push_back(static_cast<char>(value | 128));
  }
  out.push_back(static_cast<char>(value));
  return out;
}

std::string Text(std::string_view text) { return Varint(text.size()) + std::string(text); }
std::string Bytes(std::string_view name, std::string_view value) {
  return Text(name) + '\x09' + Text(value);
}
std::string Number(std::string_view name, uint64_t value) {
  return Text(name) + '\x05' + Varint(value);
}

enum Flags : uint8_t { kFragment = 0, kFinal = 1, kAborted = 3 };

std::string Frame(uint8_t type, std::string_view payload, uint8_t flags = kFinal,
                  uint64_t stream = 7, uint64_t frame = 1) {
  std::string body(1, static_cast<char>(type));
  body += std::string(3, '\0') + static_cast<char>(flags);
  body += Varint(stream) + Varint(frame) + std::string(payload);
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(body.size() >> shift));
  }
  return out + body;
}

std::string Hello(std::string_view more = "") {
  return Frame(1,
               Bytes("supported-versions", "2.0") + Number("max-frame-size", 16380) +
                   Bytes("capabilities", "pipelining,async") + std::string(more),
               kFinal, 0, 0);
}

const std::string kFields = "host: shop.example\r\ncontent-length: 5\r\n\r\n";

std::string Message(std::string_view body, uint64_t body_size) {
  return Text("copy") + '\x06' + Bytes("method", "POST") + Bytes("path", "/pay?x=1") +
         Bytes("headers", kFields) + Bytes("body", body) + Number("body_size", body_size) +
         Text("client") + std::string("\x06\xcb\x00\x71\x07", 5);
}

class SpoeSession : public ::testing::Test {
 protected:
  // The answers to what is fed `piece` bytes at a time, by their type; the session's end.
  std::vector<SpopFrameType> Feed(std::string_view bytes, size_t piece = SIZE_MAX) {
    std::string answer;
    while (!bytes.empty() && status_.ok()) {
      status_ = session_->Receive(bytes.substr(0, piece), answer);
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    std::vector<SpopFrameType> types;
    for (std::string_view rest = answer; rest.size() > 4;) {
      size_t size = 0;
      for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(rest[i]);
      const auto frame = ParseSpopFrame(rest.substr(4, size));
      EXPECT_TRUE(frame.ok());
      if (!frame.ok()) break;
      types.push_back(frame->type);
      rest.remove_prefix(4 + size);
    }
    return types;
  }
  std::vector<FlowRecorder::Flow> Flows() {
    session_->Close();
    queue_.Stop();
    return recorder_.flows();
  }

  FlowRecorder recorder_;
  Coverage coverage_;
  CopyQueue queue_{1 << 20, coverage_, recorder_};
  // As it is found on the endpoint for HTTP.
  std::unique_ptr<serving::Session> session_ = CreateHttpSession(queue_, ByteFlow());
  absl::Status status_;
};

TEST_F(SpoeSession, PassesOnARequestHoweverItIsCut) {
  const std::string bytes = Hello() + Frame(3, Message("a=b&c", 5)) + Frame(3, Message("", 0));
  for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{7}}) {
    FlowRecorder recorder;
    CopyQueue queue(1 << 20, coverage_, recorder);
    session_ = CreateHttpSession(queue, ByteFlow());
    EXPECT_THAT(Feed(bytes, piece),
                ::testing::ElementsAre(SpopFrameType::kAgentHello, SpopFrameType::kAck,
                                       SpopFrameType::kAck));
    EXPECT_TRUE(status_.ok()) << status_;
    EXPECT_EQ(session_->requests(), 2u);
    session_->Close();
    queue.Stop();
    ASSERT_THAT(recorder.flows(), SizeIs(2));
    const FlowRecorder::Flow flow = recorder.flows()[0];
    EXPECT_EQ(flow.from_client,
              "POST /pay?x=1 HTTP/1.1\r\nhost: shop.example\r\nContent-Length: 5\r\n\r\na=b&c");
    EXPECT_EQ(flow.info.client.ip, "203.0.113.7");
    EXPECT_TRUE(flow.ended);
    EXPECT_EQ(recorder.flows()[1].from_client,
              "POST /pay?x=1 HTTP/1.1\r\nhost: shop.example\r\n\r\n");
  }
}

TEST_F(SpoeSession, PutsFragmentsTogether) {
  const std::string message = Message("a=b&c", 5);
  EXPECT_THAT(Feed(Hello() + Frame(3, message.substr(0, 9), kFragment) +
                   Frame(0, message.substr(9, 20), kFragment) + Frame(0, message.substr(29))),
              ::testing::ElementsAre(SpopFrameType::kAgentHello, SpopFrameType::kAck));
  ASSERT_THAT(Flows(), SizeIs(1));
  EXPECT_THAT(Flows()[0].from_client, EndsWith("\r\n\r\na=b&c"));
}

TEST_F(SpoeSession, ForgetsFragmentsThatAreGivenUp) {
  const std::string message = Message("a=b&c", 5);
  EXPECT_THAT(Feed(Hello() + Frame(3, message.substr(0, 9), kFragment) + Frame(0, "", kAborted) +
                   Frame(3, message)),
              ::testing::ElementsAre(SpopFrameType::kAgentHello, SpopFrameType::kAck));
  EXPECT_THAT(Flows(), SizeIs(1));
}

TEST_F(SpoeSession, KnowsABodyThatTheBufferDidNotHold) {
  Feed(Hello() + Frame(3, Message("begin", 5'000)));
  EXPECT_EQ(session_->requests_cut(), 1u);
  ASSERT_THAT(Flows(), SizeIs(1));
  EXPECT_THAT(Flows()[0].from_client, HasSubstr("Content-Length: 5000\r\n\r\nbegin"));
  EXPECT_EQ(Flows()[0].shed_bytes, 4'995u);
  EXPECT_EQ(coverage_.seen_bytes(), 0u) << "what a client only says that it sends is not seen";
}

TEST_F(SpoeSession, AnswersHealthChecksAndFarewells) {
  EXPECT_THAT(Feed(Hello(Text("healthcheck") + '\x11')),
              ::testing::ElementsAre(SpopFrameType::kAgentHello));
  EXPECT_TRUE(session_->done());
  session_ = CreateHttpSession(queue_, ByteFlow());
  EXPECT_THAT(Feed(Hello() + Frame(2, Number("status-code", 0))),
              ::testing::ElementsAre(SpopFrameType::kAgentHello, SpopFrameType::kAgentDisconnect));
  EXPECT_TRUE(session_->done());
  EXPECT_TRUE(status_.ok());
}

TEST_F(SpoeSession, RefusesWhatIsNoSpop) {
  const std::string message = Message("a=b&c", 5);
  const std::string no_version = Frame(1, Bytes("supported-versions", "1.0"));
  for (const std::string& bytes : std::vector<std::string>{
           no_version,
           // Without a HELLO, without a beginning, without an end.
           Frame(3, message),
           Hello() + Frame(0, message),
           Hello() + Frame(3, message.substr(0, 9), kFragment) + Frame(0, message, kFinal, 8),
           std::string("\0\xff\xff\xff", 4),
           // Cut within, and types and lengths that are none.
           Hello() + Frame(3, message.substr(0, message.size() - 3)),
           Hello() + Frame(3, Text("copy") + '\x01' + Text("x") + '\x0f'),
           Hello() + Frame(3, Text("copy") + '\x01' + Text("x") + '\x09' + "\xff\xff\xff\xff\x7f"),
           Hello() + Frame(3, Text("copy") + '\x01' + Text("x") + '\x05' + std::string(20, '\xff')),
           // What is needed is missing.
           Hello() + Frame(3, Text("copy") + '\x01' + Bytes("method", "GET")),
           Hello(Number("max-frame-size", 10)),
           std::string("\0\0\0\1\1", 5),
       }) {
    session_ = CreateHttpSession(queue_, ByteFlow());
    status_ = absl::OkStatus();
    const std::vector<SpopFrameType> answers = Feed(bytes, 3);
    EXPECT_FALSE(status_.ok());
    ASSERT_THAT(answers, ::testing::Not(IsEmpty()));
    EXPECT_EQ(answers.back(), SpopFrameType::kAgentDisconnect);
  }
  // Fragments without an end.
  session_ = CreateHttpSession(queue_, ByteFlow());
  status_ = absl::OkStatus();
  const std::string large(1 << 19, 'x');
  std::string bytes = Hello() + Frame(3, large, kFragment);
  for (int i = 0; i < 9; ++i) bytes += Frame(0, large, kFragment);
  Feed(bytes);
  EXPECT_FALSE(status_.ok());
  EXPECT_THAT(Flows(), IsEmpty());
}

TEST(SpopNumbers, AreReadAsTheyAreWritten) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{239}, uint64_t{240}, uint64_t{2287}, uint64_t{2288},
        uint64_t{264'431}, uint64_t{264'432}, uint64_t{1} << 32, UINT64_MAX}) {
    const std::string text = Varint(value);
    EXPECT_EQ(SpopReader(text).Varint(), value);
    EXPECT_EQ(SpopReader(std::string_view(text).substr(0, text.size() - 1)).Varint(), std::nullopt);
  }
  // doc/SPOE.txt, 3.1: 240 takes two bytes, 2288 three.
  EXPECT_EQ(Varint(240), std::string("\xf0\0", 2));
  EXPECT_EQ(Varint(2288), std::string("\xf0\x80\0", 3));
}

}  // namespace
}  // namespace skimwatch::traffic
