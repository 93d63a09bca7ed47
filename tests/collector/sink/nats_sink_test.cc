#include "collector/sink/nats/nats_sink.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/sink/names.h"
#include "gtest/gtest.h"
#include "tests/collector/sink/nats_server.h"
#include "tests/collector/support/test_authority.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::sink {
namespace {

using testing::NatsServer;

std::vector<Event> Events(size_t count, size_t bytes = 200) {
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    events.push_back({.id = absl::StrCat("f-", i),
                      .kind = v1::FINDING_KIND_CARD_NUMBER,
                      .body = absl::StrCat("{\"metadata\":{},\"evidences\":\"",
                                           std::string(bytes, 'x'), "\"}")});
  }
  return events;
}

config::v1::NatsSink Config(const NatsServer& server) {
  config::v1::NatsSink config;
  config.add_servers(server.address());
  config.set_subject("skimwatch");
  config.mutable_tls()->set_plaintext(true);
  return config;
}

TEST(NatsSink, PublishesToTheSubjectOfTheKindWithTheIdOfTheEvent) {
  NatsServer server;
  ASSERT_NO_FATAL_FAILURE(server.Start());
  ASSERT_NO_FATAL_FAILURE(server.MakeStream("SKIM", "skimwatch.>"));
  NatsSink sink({.config = Config(server)});
  std::vector<Event> events = Events(3);
  events[1].content = Content::kExposure;
  const Outcome outcome = sink.Send(events);
  EXPECT_EQ(outcome.taken, 3u);
  EXPECT_FALSE(outcome.failure.has_value());
  const auto messages = server.Messages("SKIM");
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].subject, "skimwatch.finding.card_number");
  EXPECT_EQ(messages[1].subject, "skimwatch.exposure.card_number");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(messages[i].id, events[i].id);
    EXPECT_EQ(messages[i].body, events[i].body);
  }
}

TEST(NatsSink, LosesAndDoublesNothingWhenItsServerIsKilledAgainAndAgain) {
  constexpr size_t kEvents = 3000;
  constexpr size_t kBatch = 200;
  NatsServer server;
  ASSERT_NO_FATAL_FAILURE(server.Start());
  ASSERT_NO_FATAL_FAILURE(server.MakeStream("SKIM", "skimwatch.>"));
  NatsSink sink({.config = Config(server)});
  const std::vector<Event> events = Events(kEvents);
  size_t done = 0;
  int failures = 0;
  int batches = 0;
  while (done < kEvents) {
    if (batches++ % 5 == 2) {
      server.Kill();
      EXPECT_TRUE(sink.Send(absl::MakeConstSpan(events).subspan(done, kBatch)).failure.has_value());
      ASSERT_NO_FATAL_FAILURE(server.Start());
    }
    const size_t count = std::min(kBatch, kEvents - done);
    const Outcome outcome = sink.Send(absl::MakeConstSpan(events).subspan(done, count));
    // Sent again from the middle, as after a crash of the sender.
    done +=
        outcome.taken > 50 && done % 1000 < kBatch && done > 0 ? outcome.taken - 50 : outcome.taken;
    failures += outcome.failure.has_value() ? 1 : 0;
    ASSERT_LT(failures, 50);
  }
  const auto messages = server.Messages("SKIM");
  ASSERT_EQ(messages.size(), kEvents);
  for (size_t i = 0; i < kEvents; ++i) EXPECT_EQ(messages[i].id, events[i].id);
}

TEST(NatsSink, SaysThatNoStreamTakesItsSubject) {
  NatsServer server;
  ASSERT_NO_FATAL_FAILURE(server.Start());
  NatsSink sink({.config = Config(server)});
  const Outcome outcome = sink.Send(Events(1));
  EXPECT_EQ(outcome.taken, 0u);
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kDenied);
  EXPECT_NE(outcome.failure->text.find("no JetStream"), std::string::npos);
}

TEST(NatsSink, ShortensWhatIsTooLargeForTheServerAndIsRefusedWhatIsTooLargeForTheStream) {
  NatsServer server({.configuration = "max_payload: 4096\n"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  ASSERT_NO_FATAL_FAILURE(server.MakeStream("SKIM", "skimwatch.>", 1500));
  NatsSink sink({.config = Config(server)});
  EXPECT_EQ(sink.Send(Events(1, 10'000)).taken, 1u);
  EXPECT_NE(server.Messages("SKIM").at(0).body.find("is_truncated"), std::string::npos);
  std::vector<Event> events = Events(3);
  events[0].id = "a";
  events[1].body = absl::StrCat("{\"x\":\"", std::string(2000, 'x'), "\"}");
  const Outcome outcome = sink.Send(events);
  EXPECT_EQ(outcome.taken, 1u);
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kRefused) << outcome.failure->text;
}

TEST(NatsSink, SpeaksTlsBothWaysAndOnlyToAServerThatItTrusts) {
  testing::TempFolder folder;
  const testing::TestAuthority authority(folder.path());
  const config::v1::Tls files = authority.Issue("nats");
  NatsServer server({.configuration = absl::StrCat("tls { cert_file: \"", files.certificate_file(),
                                                   "\", key_file: \"", files.key_file(), "\" }\n"),
                     .ca_file = files.ca_file()});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  ASSERT_NO_FATAL_FAILURE(server.MakeStream("SKIM", "skimwatch.>"));
  config::v1::NatsSink config = Config(server);
  config.mutable_tls()->set_plaintext(false);
  config.mutable_tls()->set_ca_file(files.ca_file());
  NatsSink sink({.config = config});
  const Outcome sent = sink.Send(Events(2));
  EXPECT_EQ(sent.taken, 2u) << (sent.failure.has_value() ? sent.failure->text : "");

  const testing::TestAuthority stranger(folder.path(), "stranger");
  config.mutable_tls()->set_ca_file(stranger.ca_file());
  NatsSink wary({.config = config});
  Outcome outcome = wary.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kTls) << outcome.failure->text;

  config.mutable_tls()->set_ca_file(files.ca_file());
  config.mutable_tls()->set_server_name("other.example");
  NatsSink misled({.config = config});
  outcome = misled.Send(Events(1));
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->reason, Reason::kTls) << outcome.failure->text;
}

}  // namespace
}  // namespace skimwatch::sink
