#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/source/mirror/copy_queue.h"
#include "agent/traffic/source/mirror/http_session.h"
#include "agent/traffic/source/mirror/icap_session.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/traffic/source/mirror/flow_recorder.h"

namespace skimwatch::traffic {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kRoom = 1 << 20;

class Session : public ::testing::Test {
 protected:
  // Feeds `bytes` in pieces and returns the answers.
  static std::string Feed(serving::Session& session, std::string_view bytes, size_t piece) {
    std::string answer;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      const absl::Status status = session.Receive(bytes.substr(0, piece), answer);
      EXPECT_TRUE(status.ok()) << status;
    }
    return answer;
  }
  std::vector<FlowRecorder::Flow> Flows(serving::Session& session) {
    session.Close();
    queue_.Stop();
    return recorder_.flows();
  }

  FlowRecorder recorder_;
  Coverage coverage_;
  CopyQueue queue_{kRoom, coverage_, recorder_};
};

class HttpSession : public Session {};

TEST_F(HttpSession, AnswersEachRequestOfAPipelineHoweverItIsCut) {
  constexpr std::string_view kRequests =
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (size_t piece = 1; piece <= kRequests.size(); piece += 7) {
    const std::unique_ptr<serving::Session> session = CreateHttpSession(queue_, ByteFlow());
    EXPECT_EQ(Feed(*session, kRequests, piece),
              "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
              "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(session->requests(), 3u);
    EXPECT_TRUE(session->done());
    session->Close();
  }
  queue_.Stop();
  for (const FlowRecorder::Flow& flow : recorder_.flows()) {
    EXPECT_EQ(flow.from_client, kRequests);
    EXPECT_TRUE(flow.ended);
  }
}

TEST_F(HttpSession, KeepsNoEndlessLineOfAChunkedBody) {
  const std::string head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& begin : {head + "5;a=", head + "0\r\nA: "}) {
    const std::unique_ptr<serving::Session> session = CreateHttpSession(queue_, ByteFlow());
    Feed(*session, begin + std::string(250 << 10, 'a'), 16 << 10);
    std::string answer;
    EXPECT_FALSE(session->Receive(std::string(8 << 10, 'a'), answer).ok());
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
    session->Close();
  }
}

TEST_F(HttpSession, GoesOnWhereTheClientWaitsToSendTheBody) {
  const std::unique_ptr<serving::Session> session = CreateHttpSession(queue_, ByteFlow());
  EXPECT_EQ(
      Feed(*session,
           "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 1000),
      "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(Feed(*session, "ab", 1), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST_F(HttpSession, PassesOnWhatItCannotReadAndSaysSo) {
  const std::unique_ptr<serving::Session> session = CreateHttpSession(queue_, ByteFlow());
  std::string answer;
  const absl::Status status = session->Receive("card=1234 is no HTTP\r\n\r\n", answer);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("1234")));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(Flows(*session).at(0).from_client, "card=1234 is no HTTP\r\n\r\n");
}

class IcapSession : public Session {
 protected:
  static constexpr std::string_view kRequest =
      "POST http://collect.example/a HTTP/1.1\r\nHost: collect.example\r\n"
      "Content-Length: 11\r\n\r\n";
  static constexpr std::string_view kResponse =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";

  static std::string Reqmod(std::string_view headers, std::string_view body) {
    return absl::StrCat("REQMOD icap://127.0.0.1/reqmod ICAP/1.0\r\nHost: 127.0.0.1\r\n",
                        absl::string_view(headers.data(), headers.size()),
                        "Encapsulated: req-hdr=0, ", body.empty() ? "null" : "req",
                        "-body=", kRequest.size(), "\r\n\r\n",
                        absl::string_view(kRequest.data(), kRequest.size()),
                        absl::string_view(body.data(), body.size()));
  }
};

TEST_F(IcapSession, SaysWhatEachServiceOffers) {
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  EXPECT_THAT(Feed(*session, "OPTIONS icap://h/reqmod ICAP/1.0\r\nHost: h\r\n\r\n", 5),
              AllOf(StartsWith("ICAP/1.0 200 OK\r\n"), HasSubstr("Methods: REQMOD\r\n"),
                    HasSubstr("Allow: 204\r\n"), HasSubstr("Preview: ")));
  EXPECT_THAT(Feed(*session, "OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n", 5),
              HasSubstr("Methods: RESPMOD\r\n"));
  EXPECT_THAT(Flows(*session), IsEmpty());
}

TEST_F(IcapSession, PassesOnARequestWithItsBodyHoweverItIsCut) {
  const std::string text =
      Reqmod("Allow: 204\r\nX-Client-IP: 192.0.2.9\r\n", "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n");
  for (size_t piece = 1; piece <= text.size(); piece += 11) {
    const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
    EXPECT_THAT(Feed(*session, text + text, piece),
                AllOf(StartsWith("ICAP/1.0 204 "), Not(HasSubstr("hello"))));
    EXPECT_EQ(session->requests(), 2u);
    session->Close();
  }
  queue_.Stop();
  for (const FlowRecorder::Flow& flow : recorder_.flows()) {
    EXPECT_EQ(flow.info.client.ip, "192.0.2.9");
    EXPECT_THAT(flow.from_client,
                AllOf(StartsWith("POST http://collect.example/a HTTP/1.1\r\n"),
                      HasSubstr("\r\nTransfer-Encoding: chunked\r\n\r\n"),
                      Not(HasSubstr("Content-Length")), EndsWith("\r\n0\r\n\r\n")));
    EXPECT_TRUE(flow.ended);
  }
}

TEST_F(IcapSession, AsksForWhatFollowsAPreview) {
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  EXPECT_EQ(
      Feed(*session, Reqmod("Allow: 204\r\nPreview: 6\r\n", "6\r\nhello \r\n0\r\n\r\n"), 1000),
      "ICAP/1.0 100 Continue\r\n\r\n");
  EXPECT_THAT(Feed(*session, "5\r\nworld\r\n0\r\n\r\n", 3), StartsWith("ICAP/1.0 204 "));
  EXPECT_THAT(Flows(*session).at(0).from_client,
              EndsWith("6\r\nhello \r\n3\r\nwor\r\n2\r\nld\r\n0\r\n\r\n"));
}

TEST_F(IcapSession, TakesAPreviewThatIsAllOfTheBody) {
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  // 204 is allowed within a preview, whatever `Allow` says.
  EXPECT_THAT(Feed(*session, Reqmod("Preview: 1024\r\n", "3\r\nabc\r\n0; ieof\r\n\r\n"), 1000),
              AllOf(StartsWith("ICAP/1.0 204 "), Not(HasSubstr("100 Continue"))));
}

TEST_F(IcapSession, GivesTheMessageBackToAClientThatTakesNo204) {
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  std::string answer = Feed(*session, Reqmod("Preview: 6\r\n", "6\r\nhello \r\n0\r\n\r\n"), 1000);
  answer += Feed(*session, "5\r\nworld\r\n0\r\n\r\n", 1000);
  EXPECT_THAT(answer, StartsWith("ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr(absl::StrCat("Encapsulated: req-hdr=0, req-body=", kRequest.size(),
                                             "\r\n\r\n")));
  // As it came, its own lengths included.
  EXPECT_THAT(answer, EndsWith(std::string(kRequest) + "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"));
}

TEST_F(IcapSession, PassesOnAResponseBehindItsRequest) {
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  const std::string text = absl::StrCat(
      "RESPMOD icap://127.0.0.1/respmod ICAP/1.0\r\nAllow: 204\r\nEncapsulated: req-hdr=0, "
      "res-hdr=",
      kRequest.size(), ", res-body=", kRequest.size() + kResponse.size(), "\r\n\r\n",
      std::string(kRequest), std::string(kResponse), "5\r\nhello\r\n0\r\n\r\n");
  EXPECT_THAT(Feed(*session, text, 9), StartsWith("ICAP/1.0 204 "));
  const FlowRecorder::Flow flow = Flows(*session).at(0);
  EXPECT_THAT(flow.from_client, AllOf(StartsWith("POST "), Not(HasSubstr("chunked"))));
  EXPECT_THAT(flow.from_server, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("chunked"),
                                      EndsWith("0\r\n\r\n")));
}

TEST_F(IcapSession, RefusesWhatIsNoIcap) {
  for (const std::string_view text :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "REQMOD icap://h/x ICAP/1.0\r\nAllow: 204\r\nEncapsulated: req-hdr=0, req-body=4\r\n\r\n"
        "ab\r\nnonsense\r\n",
        "REQMOD icap://h/x ICAP/1.0\r\nPreview: 99999999999\r\nEncapsulated: req-hdr=0, "
        "req-body=1\r\n\r\nx"}) {
    const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
    std::string answer;
    EXPECT_FALSE(session->Receive(text, answer).ok()) << text;
    EXPECT_THAT(answer, HasSubstr("ICAP/1.0 400 Bad Request\r\n"));
  }
  const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
  std::string answer;
  EXPECT_FALSE(session->Receive("REQMOD " + std::string(100000, 'a'), answer).ok());
}

// Chunks that announce more than any memory holds, one of a byte after another, and an extension to
// each: what comes is passed on as it comes, and no more than a line is held.
TEST_F(IcapSession, IsNotImpressedByWhatChunksSayOfThemselves) {
  struct Case {
    std::string what;
    std::string body;
    bool is_refused;
  };
  std::string crumbs;
  for (int i = 0; i < 20'000; ++i) crumbs += "1;extension=of-a-chunk\r\nx\r\n";
  for (const Case& test : {
           Case{"2^63 bytes", "7fffffffffffffff\r\nbegin", false},
           Case{"2^64 - 1 bytes", "ffffffffffffffff\r\nbegin", false},
           Case{"more than 64 bits", "10000000000000000\r\nbegin", true},
           Case{"crumbs", crumbs + "0\r\n\r\n", false},
           Case{"a size without an end", std::string(100'000, '0'), true},
           Case{"an extension without an end", "1;" + std::string(100'000, 'x'), true},
           Case{"trailers without an end",
                "0\r\n" + std::string(100'000, 'a') + ": " + std::string(100'000, 'b'), true},
           Case{"less than a chunk's size", "3\r\nabcdef\r\n0\r\n\r\n", true},
       }) {
    const std::unique_ptr<serving::Session> session = CreateIcapSession(queue_, ByteFlow());
    std::string answer;
    absl::Status status;
    const std::string request = Reqmod("Allow: 204\r\n", test.body);
    for (size_t at = 0; at < request.size() && status.ok(); at += 1000) {
      status = session->Receive(std::string_view(request).substr(at, 1000), answer);
    }
    EXPECT_EQ(!status.ok(), test.is_refused) << test.what << ": " << status;
    session->Close();
  }
}

class CopyQueueTest : public ::testing::Test {};

TEST_F(CopyQueueTest, LetsGoAndCountsWhatThereIsNoRoomFor) {
  FlowRecorder recorder;
  recorder.Hold(true);
  Coverage coverage;
  CopyQueue queue(1000, coverage, recorder);
  const uint64_t flow = queue.Open(ByteFlow());
  for (int i = 0; i < 100; ++i) queue.Data(flow, true, std::string(100, 'a'));
  queue.End(flow);
  EXPECT_EQ(coverage.bytes(Reason::kShedQueueFull), 9000u);
  recorder.Hold(false);
  queue.Stop();
  ASSERT_THAT(recorder.flows(), SizeIs(1));
  EXPECT_EQ(recorder.flows()[0].from_client.size(), 1000u);
  EXPECT_EQ(recorder.flows()[0].shed_bytes, 9000u);
  EXPECT_TRUE(recorder.flows()[0].ended);
  EXPECT_TRUE(recorder.is_flushed());
}

TEST_F(CopyQueueTest, LetsGoOfWholeFlowsWhenTooManyWait) {
  FlowRecorder recorder;
  recorder.Hold(true);
  Coverage coverage;
  CopyQueue queue(1 << 20, coverage, recorder);
  const uint64_t held = queue.Open(ByteFlow());
  queue.Data(held, true, "x");
  constexpr uint64_t kFlows = 200'000;
  for (uint64_t i = 0; i < kFlows; ++i) {
    const uint64_t flow = queue.Open(ByteFlow());
    queue.Data(flow, true, "y");
    queue.End(flow);
  }
  recorder.Hold(false);
  queue.Stop();
  uint64_t passed = 0;
  for (const FlowRecorder::Flow& flow : recorder.flows()) passed += flow.from_client.size();
  EXPECT_LT(passed, kFlows);
  EXPECT_EQ(passed + coverage.bytes(Reason::kShedQueueFull), kFlows + 1);
}

}  // namespace
}  // namespace skimwatch::traffic
