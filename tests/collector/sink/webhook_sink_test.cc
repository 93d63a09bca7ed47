#include "collector/sink/webhook/webhook_sink.h"

#include <signal.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/collector/support/test_authority.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::sink {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

std::vector<Event> Events(size_t count) {
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    events.push_back({.id = absl::StrCat("f-", i), .body = absl::StrCat("{\"n\":", i, "}")});
  }
  return events;
}

// A real server of HTTPS, and a sink that is to feed it.
class WebhookSinkTest : public ::testing::Test {
 protected:
  void StartServer(bool wants_certificate = false) {
    files_ = authority_.Issue("webhook");
    server_ = std::make_unique<testing::ChildProcess>(testing::ChildProcess::Options{
        .command = {"/usr/bin/python3",
                    std::string(SKIMWATCH_SOURCE_DIR) + "/tests/collector/sink/webhook_server.py",
                    folder_.path(), files_.certificate_file(), files_.key_file(),
                    wants_certificate ? files_.ca_file() : ""}});
    std::string port;
    ASSERT_TRUE(server_->ReadUntil([&](const std::string& out) {
      port = out;
      return out.ends_with('\n');
    }));
    config_.set_url(absl::StrCat("https://127.0.0.1:", port.substr(0, port.size() - 1), "/hook"));
    config_.mutable_tls()->set_ca_file(files_.ca_file());
    config_.set_events_max(1);
    config_.set_timeout_ms(10'000);
    config_.set_tries_max(5);
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    server_->Signal(SIGKILL);
    server_->Wait();
  }

  WebhookSink Make() {
    return WebhookSink({.config = config_, .version = "test", .now = [] {
                          return absl::FromUnixSeconds(1'700'000'000);
                        }});
  }
  void SetAnswers(const std::string& answers) const {
    std::ofstream(folder_.File("answers")) << answers;
  }
  std::vector<Json> Requests() const {
    std::vector<Json> requests;
    for (const auto line :
         absl::StrSplit(testing::ReadFile(folder_.File("requests")), '\n', absl::SkipEmpty())) {
      requests.push_back(Json::parse(std::string(line)));
    }
    return requests;
  }

  const testing::TempFolder folder_;
  const testing::TestAuthority authority_{folder_.path()};
  config::v1::Tls files_;
  config::v1::WebhookSink config_;
  std::unique_ptr<testing::ChildProcess> server_;
};

TEST(WebhookSignature, IsTheHmacOfTimeAndBody) {
  // openssl dgst -sha256 -hmac 0123456789abcdef, of `1700000000.{"n":0}`.
  EXPECT_EQ(Sign("0123456789abcdef", absl::FromUnixSeconds(1'700'000'000), "{\"n\":0}"),
            "t=1700000000,v1=be2a7479874334f7834b68e7df4ea4f3442df295eededc5801eacf89fb0c558e");
}

TEST_F(WebhookSinkTest, PostsEachEventSignedWithItsId) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  std::ofstream(folder_.File("secret")) << "0123456789abcdef\n";
  std::ofstream(folder_.File("token")) << "Bearer abc\n";
  config_.set_secret_file(folder_.File("secret"));
  config_.set_authorization_file(folder_.File("token"));
  WebhookSink sink = Make();
  const Outcome outcome = sink.Send(Events(3));
  EXPECT_EQ(outcome.taken, 3u) << (outcome.failure ? outcome.failure->text : "");
  const auto requests = Requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0]["body"], "{\"n\":0}");
  EXPECT_EQ(requests[2]["headers"]["Skimwatch-Id"], "f-2");
  EXPECT_EQ(requests[0]["headers"]["Content-Type"], "application/json");
  EXPECT_EQ(requests[0]["headers"]["Authorization"], "Bearer abc");
  EXPECT_EQ(requests[0]["headers"]["User-Agent"], "skimwatch-collector/test");
  EXPECT_EQ(requests[0]["headers"]["Skimwatch-Signature"],
            Sign("0123456789abcdef", absl::FromUnixSeconds(1'700'000'000), "{\"n\":0}"));
}

TEST_F(WebhookSinkTest, SaysWhatAnAnswerMeans) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  WebhookSink sink = Make();
  const std::pair<int, Reason> cases[] = {
      {400, Reason::kRefused}, {413, Reason::kRefused}, {422, Reason::kRefused},
      {401, Reason::kDenied},  {403, Reason::kDenied},  {404, Reason::kDenied},
      {302, Reason::kDenied},  {408, Reason::kServer},  {429, Reason::kServer},
      {500, Reason::kServer},  {503, Reason::kServer}};
  for (const auto& [status, reason] : cases) {
    SetAnswers(absl::StrCat(200, "\n", status));
    const Outcome outcome = sink.Send(Events(3));
    EXPECT_EQ(outcome.taken, 1u) << status;
    ASSERT_TRUE(outcome.failure.has_value()) << status;
    EXPECT_EQ(outcome.failure->reason, reason) << status;
    EXPECT_THAT(outcome.failure->text, HasSubstr(absl::StrCat(status)));
    EXPECT_EQ(outcome.failure->retry_after.has_value(), status == 429);
  }
}

TEST_F(WebhookSinkTest, FindsTheOneEventOfAnArrayThatIsRefused) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  config_.set_events_max(100);
  WebhookSink sink = Make();
  std::vector<Event> events = Events(20);
  events[13].body = "\"poison\"";
  const Outcome outcome = sink.Send(events);
  EXPECT_EQ(outcome.taken, 13u);
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kRefused);
  EXPECT_EQ(sink.Send(absl::MakeConstSpan(events).subspan(14)).taken, 6u);
  size_t taken = 0;
  for (const Json& request : Requests()) {
    const Json body = Json::parse(request["body"].get<std::string>());
    ASSERT_TRUE(body.is_array());
    if (request["status"] == 200) taken += body.size();
  }
  EXPECT_EQ(taken, 19u);
}

TEST_F(WebhookSinkTest, TrustsOnlyWhoItIsToldTo) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const testing::TestAuthority stranger(folder_.path(), "stranger");
  config_.mutable_tls()->set_ca_file(stranger.ca_file());
  WebhookSink sink = Make();
  const Outcome outcome = sink.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kTls) << outcome.failure->text;
  EXPECT_TRUE(Requests().empty());
  // A secret may be in the path.
  EXPECT_EQ(outcome.failure->text.find("/hook"), std::string::npos);
}

TEST_F(WebhookSinkTest, ShowsItsCertificateToAServerThatAsksForIt) {
  ASSERT_NO_FATAL_FAILURE(StartServer(/*wants_certificate=*/true));
  WebhookSink without = Make();
  EXPECT_TRUE(without.Send(Events(1)).failure.has_value());
  const config::v1::Tls own = authority_.Issue("collector");
  config_.mutable_tls()->set_certificate_file(own.certificate_file());
  config_.mutable_tls()->set_key_file(own.key_file());
  WebhookSink with = Make();
  const Outcome outcome = with.Send(Events(1));
  EXPECT_EQ(outcome.taken, 1u) << (outcome.failure ? outcome.failure->text : "");
}

TEST_F(WebhookSinkTest, GivesUpInTimeAndWhenItIsInterrupted) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  config_.set_timeout_ms(300);
  WebhookSink sink = Make();
  SetAnswers("0");
  const Outcome outcome = sink.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kTimeout) << outcome.failure->text;
  sink.Interrupt();
  EXPECT_EQ(sink.Send(Events(1)).taken, 0u);
}

TEST_F(WebhookSinkTest, SaysWhichFileItCanNotRead) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  config_.set_secret_file(folder_.File("nothing"));
  WebhookSink sink = Make();
  Outcome outcome = sink.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kConfiguration);
  EXPECT_THAT(outcome.failure->text, HasSubstr("nothing"));
  std::ofstream(folder_.File("nothing")) << "too-short";
  outcome = sink.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->text.find("too-short"), std::string::npos);
  EXPECT_TRUE(Requests().empty());
}

}  // namespace
}  // namespace skimwatch::sink
