#include "agent/script/source/browser_report/report_session.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class FakeIntake final : public ReportIntake {
 public:
  Reporter Identify(std::string_view address, std::string_view user_agent) override {
    address_ = address;
    user_agent_ = user_agent;
    return {.network = 1, .browser = 2};
  }
  RequestOutcome Admit(const Reporter&) override { return admits_; }
  RequestOutcome Submit(const Reporter&, std::string& body) override {
    if (takes_ == RequestOutcome::kAccepted) bodies_.push_back(std::exchange(body, {}));
    return takes_;
  }
  void Count(RequestOutcome outcome) override { ++counts_[outcome]; }

  RequestOutcome admits_ = RequestOutcome::kAccepted;
  RequestOutcome takes_ = RequestOutcome::kAccepted;
  std::string address_;
  std::string user_agent_;
  std::vector<std::string> bodies_;
  std::map<RequestOutcome, int> counts_;
};

class ReportSessionTest : public ::testing::Test {
 protected:
  std::string Ask(const std::string& request, size_t piece = 7) {
    session_ = CreateReportSession(intake_, {.body_bytes_max = 64}, peer_);
    return Send(request, piece);
  }
  std::string Send(std::string_view bytes, size_t piece = 7) {
    std::string answer;
    for (; !bytes.empty() && !session_->done();
         bytes.remove_prefix(std::min(piece, bytes.size()))) {
      status_ = session_->Receive(bytes.substr(0, piece), answer);
      if (!status_.ok()) break;
    }
    return answer;
  }
  static std::string Post(std::string_view body,
                          std::string_view headers = "Content-Type: application/reports+json\r\n") {
    return absl::StrCat("POST /r HTTP/1.1\r\nHost: x\r\n", std::string(headers),
                        "Content-Length: ", body.size(), "\r\n\r\n", std::string(body));
  }

  FakeIntake intake_;
  serving::Peer peer_{.address = "127.0.0.1"};
  std::unique_ptr<serving::Session> session_;
  absl::Status status_;
};

TEST_F(ReportSessionTest, TakesReportsOfAConnectionHoweverTheyAreCut) {
  const std::string requests = absl::StrCat(
      Post("[1]"), Post("{}", "Content-Type: application/csp-report; charset=utf-8\r\n"),
      "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n2\r\n[2\r\n1\r\n]\r\n0\r\n\r\n");
  for (size_t piece = 1; piece <= requests.size(); ++piece) {
    intake_.bodies_.clear();
    const std::string answer = Ask(requests, piece);
    EXPECT_THAT(intake_.bodies_, ElementsAre("[1]", "{}", "[2]")) << piece;
    EXPECT_EQ(session_->requests(), 3);
    EXPECT_FALSE(session_->done());
    const std::string one = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
    EXPECT_EQ(answer, one + one + one) << piece;
  }
}

TEST_F(ReportSessionTest, AnswersAPreflight) {
  EXPECT_THAT(
      Ask("OPTIONS /r HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n"
          "Access-Control-Request-Method: POST\r\n"
          "Access-Control-Request-Headers: content-type\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 204 "), HasSubstr("Access-Control-Allow-Origin: *\r\n"),
            HasSubstr("Access-Control-Allow-Methods: POST\r\n"),
            HasSubstr("Access-Control-Allow-Headers: content-type\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_EQ(intake_.counts_[RequestOutcome::kPreflight], 1);
}

struct Refusal {
  std::string request;
  std::string status;
  RequestOutcome outcome;
};

TEST_F(ReportSessionTest, RefusesWhatIsNoReportAndGoesOn) {
  const std::string fine = "Content-Type: application/reports+json\r\n";
  for (const Refusal& refusal : {
           Refusal{"GET /r HTTP/1.1\r\nHost: x\r\n\r\n", "405", RequestOutcome::kBadMethod},
           Refusal{"PUT /r HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405",
                   RequestOutcome::kBadMethod},
           Refusal{Post("[]", "Content-Type: text/html\r\n"), "415", RequestOutcome::kBadContent},
           Refusal{Post("[]", ""), "415", RequestOutcome::kBadContent},
           Refusal{Post("[]", fine + "Content-Encoding: gzip\r\n"), "415",
                   RequestOutcome::kBadContent},
       }) {
    intake_ = FakeIntake();
    const std::string answer = Ask(refusal.request + Post("[1]"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + refusal.status)) << refusal.request;
    EXPECT_THAT(answer, HasSubstr("Content-Length: 0\r\n"));
    EXPECT_EQ(intake_.counts_[refusal.outcome], 1) << refusal.request;
    EXPECT_THAT(intake_.bodies_, ElementsAre("[1]"));
    EXPECT_EQ(intake_.counts_[RequestOutcome::kAccepted], 1);
  }
}

TEST_F(ReportSessionTest, LetsALargeBodyGo) {
  const std::string body(65, 'x');
  for (const std::string& request :
       {Post(body), absl::StrCat("POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n41\r\n",
                                 body, "\r\n0\r\n\r\n")}) {
    const std::string answer = Ask(request);
    EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close\r\n")));
    EXPECT_TRUE(session_->done());
  }
  EXPECT_THAT(Ask(Post(std::string(64, 'x'))), StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(intake_.bodies_, SizeIs(1));
}

TEST_F(ReportSessionTest, KeepsNoEndlessLineOfAChunkedBody) {
  const std::string head =
      "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view line : {"5;a=", "0\r\nA: "}) {
    session_ = CreateReportSession(intake_, {.body_bytes_max = 64}, peer_);
    Send(absl::StrCat(head, std::string(line)));
    // As long as a head may be.
    Send(std::string(16000, 'a'), 1000);
    EXPECT_TRUE(status_.ok()) << status_;
    EXPECT_THAT(Send(std::string(1000, 'a'), 1000), StartsWith("HTTP/1.1 400 "));
    EXPECT_FALSE(status_.ok());
    EXPECT_TRUE(session_->done());
  }
  EXPECT_EQ(intake_.counts_[RequestOutcome::kBadRequest], 2);
}

TEST_F(ReportSessionTest, SaysWhenThereIsTooMuch) {
  intake_.admits_ = RequestOutcome::kClientLimit;
  EXPECT_THAT(Ask(Post("[1]") + Post("[2]")),
              AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Retry-After: 60\r\n")));
  EXPECT_EQ(intake_.counts_[RequestOutcome::kClientLimit], 2);
  intake_.admits_ = RequestOutcome::kAccepted;
  intake_.takes_ = RequestOutcome::kQueueFull;
  EXPECT_THAT(Ask(Post("[1]")), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(intake_.bodies_, IsEmpty());
}

TEST_F(ReportSessionTest, EndsWhatIsNotHttp) {
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01"), std::string("hello\r\n\r\n"),
        "POST /r HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n",
        std::string("POST /r HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")}) {
    EXPECT_THAT(Ask(garbage), StartsWith("HTTP/1.1 400 "));
    EXPECT_FALSE(status_.ok());
    EXPECT_THAT(status_.message(), Not(HasSubstr("hello")));
  }
}

struct ClientCase {
  std::string headers;
  bool is_private;
  std::string address;
};

TEST_F(ReportSessionTest, BelievesTheWebServerAboutTheClientAndNobodyElse) {
  const std::string type = "Content-Type: application/json\r\nUser-Agent: UA\r\n";
  for (const ClientCase& c : {
           ClientCase{"X-Real-IP: 198.51.100.7\r\n", true, "198.51.100.7"},
           ClientCase{"x-real-ip: 198.51.100.7, 203.0.113.9\r\n", true, "203.0.113.9"},
           ClientCase{"", true, "127.0.0.1"},
           ClientCase{"X-Real-IP: 198.51.100.7\r\n", false, "127.0.0.1"},
           ClientCase{"X-Forwarded-For: 198.51.100.7\r\n", true, "127.0.0.1"},
       }) {
    peer_.is_private = c.is_private;
    Ask(Post("[]", type + c.headers));
    EXPECT_EQ(intake_.address_, c.address) << c.headers;
    EXPECT_EQ(intake_.user_agent_, "UA");
  }
}

TEST_F(ReportSessionTest, ContinuesWhenAsked) {
  EXPECT_THAT(Ask("POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"),
              "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(Send("[]"), StartsWith("HTTP/1.1 204 "));
}

TEST_F(ReportSessionTest, ClosesWhereThePeerWantsIt) {
  EXPECT_THAT(Ask("POST /r HTTP/1.0\r\nContent-Type: application/json\r\n"
                  "Content-Length: 2\r\n\r\n[]"),
              HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(session_->done());
}

}  // namespace
}  // namespace skimwatch::script
