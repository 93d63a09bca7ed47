#include "collector/sink/syslog/syslog_sink.h"

#include <signal.h>

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/sink/nats_server.h"
#include "tests/collector/support/test_authority.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::sink {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::WaitUntil;

std::vector<Event> Events(size_t first, size_t last) {
  std::vector<Event> events;
  for (size_t i = first; i <= last; ++i) {
    events.push_back({.id = absl::StrCat("f-", i),
                      .kind = v1::FINDING_KIND_CARD_NUMBER,
                      .severity = v1::SEVERITY_CRITICAL,
                      .site = "shop",
                      .time = absl::FromUnixMillis(1'700'000'000'123),
                      .body = absl::StrCat("{\"n\":", i, "}")});
  }
  return events;
}

TEST(SyslogMessage, IsAsRfc5424Says) {
  const auto message = SyslogMessage(Events(1, 1)[0], 13, "host 1", 65536);
  ASSERT_TRUE(message.ok());
  EXPECT_THAT(*message, StartsWith("<106>1 2023-11-14T22:13:20.123Z host1 skimwatch-collector "));
  EXPECT_THAT(*message, HasSubstr(" finding [skimwatch@32473 id=\"f-1\" kind=\"card_number\" "
                                  "site=\"shop\"] \xEF\xBB\xBF{\"n\":1}"));
}

TEST(SyslogMessage, EscapesParametersAndShortensWhatIsTooLong) {
  Event event = Events(1, 1)[0];
  event.site = "a\"b]c\\d";
  EXPECT_THAT(*SyslogMessage(event, 13, "h", 65536), HasSubstr("site=\"a\\\"b\\]c\\\\d\""));
  event.body = absl::StrCat("{\"evidences\":\"", std::string(3000, 'x'), "\"}");
  EXPECT_THAT(*SyslogMessage(event, 13, "h", 2048), HasSubstr("\"is_truncated\":true"));
  event.body = absl::StrCat("{\"x\":\"", std::string(3000, 'x'), "\"}");
  EXPECT_EQ(SyslogMessage(event, 13, "h", 2048).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// A real rsyslog that takes syslog over TLS and writes the messages to a file.
class SyslogSinkTest : public ::testing::Test {
 protected:
  SyslogSinkTest() {
    // As the collector has it: who writes to a connection that is gone gets an error, not a signal.
    signal(SIGPIPE, SIG_IGN);
    const config::v1::Tls files = authority_.Issue("syslog");
    std::ofstream(folder_.File("rsyslog.conf"))
        << "global(workDirectory=\"" << folder_.path() << "\" maxMessageSize=\"128k\""
        << " defaultNetstreamDriver=\"ossl\""
        << " defaultNetstreamDriverCAFile=\"" << files.ca_file() << "\""
        << " defaultNetstreamDriverCertFile=\"" << files.certificate_file() << "\""
        << " defaultNetstreamDriverKeyFile=\"" << files.key_file() << "\")\n"
        << "module(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\""
        << " streamDriver.authMode=\"anon\")\n"
        << "input(type=\"imtcp\" address=\"127.0.0.1\" port=\"" << port_ << "\")\n"
        << "template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n"
        << "action(type=\"omfile\" file=\"" << folder_.File("messages") << "\" template=\"raw\")\n";
    config_.set_address(absl::StrCat("127.0.0.1:", port_));
    config_.mutable_tls()->set_ca_file(files.ca_file());
    config_.set_facility(13);
    config_.set_message_kib(64);
  }
  ~SyslogSinkTest() override {
    if (server_ != nullptr) Kill(SIGKILL);
  }

  void StartServer() {
    server_ = std::make_unique<testing::ChildProcess>(testing::ChildProcess::Options{
        .command = {"/usr/sbin/rsyslogd", "-n", "-f", folder_.File("rsyslog.conf"), "-i",
                    folder_.File("pid")}});
    // It says nowhere that it listens.
    ASSERT_TRUE(WaitUntil([&] {
      std::atomic<bool> interrupted = false;
      config::v1::SyslogSink config = config_;
      TlsStream stream(
          {.address = config.address(), .tls = config.tls(), .interrupted = &interrupted});
      return !stream.Connect(absl::Now() + absl::Seconds(5)).has_value();
    }));
  }
  void Kill(int signal) {
    server_->Signal(signal);
    server_->Wait();
    server_ = nullptr;
  }
  std::vector<std::string> Messages() const {
    return absl::StrSplit(testing::ReadFile(folder_.File("messages")), '\n', absl::SkipEmpty());
  }
  // Numbers of the events that were written, each once.
  std::set<std::string> Bodies() const {
    std::set<std::string> bodies;
    for (const std::string& message : Messages()) bodies.insert(message.substr(message.rfind('{')));
    return bodies;
  }

  const testing::TempFolder folder_;
  const testing::TestAuthority authority_{folder_.path()};
  const int port_ = testing::FreePort();
  config::v1::SyslogSink config_;
  std::unique_ptr<testing::ChildProcess> server_;
};

TEST_F(SyslogSinkTest, IsReadByARealReceiver) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  SyslogSink sink({.config = config_, .host = "collector-1"});
  const Outcome outcome = sink.Send(Events(1, 500));
  EXPECT_EQ(outcome.taken, 500u) << (outcome.failure ? outcome.failure->text : "");
  std::vector<Event> large = Events(501, 501);
  large[0].body = absl::StrCat("{\"n\":\"", std::string(50'000, 'x'), "\"}");
  EXPECT_EQ(sink.Send(large).taken, 1u);
  ASSERT_TRUE(WaitUntil([&] { return Messages().size() >= 501; }));
  const std::vector<std::string> messages = Messages();
  for (size_t i = 0; i < 500; ++i) {
    EXPECT_THAT(messages[i], StartsWith("<106>1 2023-11-14T22:13:20.123Z collector-1 "));
    EXPECT_THAT(messages[i], HasSubstr(absl::StrCat(" id=\"f-", i + 1, "\"")));
  }
  EXPECT_THAT(messages[500], HasSubstr(large[0].body));
}

TEST_F(SyslogSinkTest, SendsAgainWhatAReceiverThatDiedMayNotHaveRead) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  SyslogSink sink({.config = config_, .host = "collector-1"});
  ASSERT_EQ(sink.Send(Events(1, 100)).taken, 100u);
  // Its kernel has them; whether it read them, nobody knows.
  Kill(SIGKILL);
  EXPECT_EQ(sink.Send(Events(101, 110)).failure->reason, Reason::kUnreachable);
  ASSERT_NO_FATAL_FAILURE(StartServer());
  EXPECT_EQ(sink.Send(Events(101, 200)).taken, 100u);
  EXPECT_TRUE(WaitUntil([&] { return Bodies().size() == 200; })) << Bodies().size();
}

TEST_F(SyslogSinkTest, TrustsOnlyWhoItIsToldTo) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const testing::TestAuthority stranger(folder_.path(), "stranger");
  config_.mutable_tls()->set_ca_file(stranger.ca_file());
  SyslogSink wary({.config = config_, .host = "h"});
  Outcome outcome = wary.Send(Events(1, 1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kTls) << outcome.failure->text;
  config_.mutable_tls()->set_ca_file(authority_.ca_file());
  config_.mutable_tls()->set_server_name("other.example");
  SyslogSink misled({.config = config_, .host = "h"});
  outcome = misled.Send(Events(1, 1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_THAT(outcome.failure->text, HasSubstr("other.example"));
}

TEST_F(SyslogSinkTest, RefusesWhatIsTooLongForOneMessage) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  config_.set_message_kib(2);
  SyslogSink sink({.config = config_, .host = "h"});
  std::vector<Event> events = Events(1, 3);
  events[1].body = absl::StrCat("{\"x\":\"", std::string(5000, 'x'), "\"}");
  const Outcome outcome = sink.Send(events);
  EXPECT_EQ(outcome.taken, 1u);
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kRefused);
}

}  // namespace
}  // namespace skimwatch::sink
