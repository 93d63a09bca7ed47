#include "agent/pipeline/message_scanner.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Published by Visa and Mastercard for tests.
constexpr std::string_view kVisa = "4111111111111111";
constexpr std::string_view kMastercard = "5555555555554444";

class MessageScannerTest : public ::testing::Test {
 protected:
  MessageScannerTest() : writer_(WriterOptions()) { writer_.SetPolicy({}); }

  FindingWriter::Options WriterOptions() {
    FindingWriter::Options options;
    options.key_wait = absl::ZeroDuration();
    options.fold_window = absl::ZeroDuration();
    options.append = [this](std::vector<v1::Finding> findings) {
      absl::MutexLock lock(&mutex_);
      for (v1::Finding& finding : findings) findings_.push_back(std::move(finding));
      return absl::OkStatus();
    };
    return options;
  }

  static traffic::Provenance RequestOf(const std::string& host) {
    traffic::Provenance provenance;
    provenance.direction = traffic::Direction::kOutboundRequest;
    provenance.server = {.ip = "198.51.100.7", .port = 8080};
    provenance.host = host;
    provenance.method = "POST";
    provenance.path = "/collect";
    provenance.site = "shop";
    provenance.seen_at = absl::FromUnixSeconds(1'700'000'000);
    return provenance;
  }

  std::vector<v1::Finding> Findings() {
    writer_.Flush();
    absl::MutexLock lock(&mutex_);
    return findings_;
  }
  std::vector<std::string> Destinations() {
    std::vector<std::string> destinations;
    for (const v1::Finding& finding : Findings()) destinations.push_back(finding.destination());
    return destinations;
  }
  std::vector<uint64_t> Offsets() {
    std::vector<uint64_t> offsets;
    for (const v1::Finding& finding : Findings()) offsets.push_back(finding.provenance().offset());
    return offsets;
  }

  absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
  FindingWriter writer_;
};

TEST_F(MessageScannerTest, TellsWhereAPartsNumberWent) {
  MessageScanner scanner({}, card::BrandTable::Default(), writer_);
  traffic::PartConsumer* part =
      scanner.BeginPart(RequestOf("chat.example"), traffic::Part::kRequestBody);
  part->Data("number=41111111");
  part->Data("11111111&name=x");
  part->End();
  const std::vector<v1::Finding> findings = Findings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].destination(), "chat.example:8080");
  EXPECT_EQ(findings[0].provenance().part(), "request_body");
  EXPECT_EQ(findings[0].provenance().offset(), 7u);
  EXPECT_EQ(findings[0].first_seen().seconds(), 1'700'000'000);
  EXPECT_EQ(scanner.stats().bytes, 30u);
  EXPECT_EQ(scanner.stats().parts_open, 0u);
}

// The address of an image or a script carries data to its host; only what comes back is one.
TEST_F(MessageScannerTest, DoesNotTakeARequestForWhatItAsksFor) {
  MessageScanner scanner({}, card::BrandTable::Default(), writer_);
  for (const std::string path : {"/pixel.gif", "/app.js", "/collect"}) {
    for (const traffic::Part part : {traffic::Part::kRequestTarget, traffic::Part::kResponseBody}) {
      traffic::Provenance provenance = RequestOf("a.example");
      provenance.path = path;
      traffic::PartConsumer* consumer = scanner.BeginPart(provenance, part);
      consumer->Data("/x?d=4111111111111111&e=1");
      consumer->End();
    }
  }
  std::vector<v1::Confidence> confidences;
  for (const v1::Finding& finding : Findings()) confidences.push_back(finding.confidence());
  EXPECT_THAT(confidences,
              ElementsAre(v1::CONFIDENCE_MEDIUM, v1::CONFIDENCE_LOW, v1::CONFIDENCE_MEDIUM,
                          v1::CONFIDENCE_LOW, v1::CONFIDENCE_MEDIUM, v1::CONFIDENCE_MEDIUM));
}

TEST_F(MessageScannerTest, KeepsPartsThatAreOpenAtOnceApart) {
  MessageScanner scanner({}, card::BrandTable::Default(), writer_);
  traffic::PartConsumer* a = scanner.BeginPart(RequestOf("a.example"), traffic::Part::kStream);
  traffic::PartConsumer* b = scanner.BeginPart(RequestOf("b.example"), traffic::Part::kStream);
  a->Data("card 41111111");
  b->Data("card 55555555");
  a->Data("11111111 end");
  b->Data("55554444 end");
  a->End();
  b->End();
  EXPECT_THAT(Destinations(), ElementsAre("a.example:8080", "b.example:8080"));
}

TEST_F(MessageScannerTest, JoinsNothingOverAGap) {
  MessageScanner scanner({}, card::BrandTable::Default(), writer_);
  traffic::PartConsumer* part =
      scanner.BeginPart(RequestOf("a.example"), traffic::Part::kRequestBody);
  part->Data("card 41111111");
  part->Gap();
  part->Data("11111111 end, card ");
  part->Data(kMastercard);
  part->End();
  EXPECT_THAT(Offsets(), ElementsAre(13u + 19u));
}

TEST_F(MessageScannerTest, ReportsFromAStreamThatStaysOpen) {
  MessageScanner::Options options;
  options.settle_after = std::chrono::milliseconds(0);
  MessageScanner scanner(options, card::BrandTable::Default(), writer_);
  traffic::PartConsumer* part = scanner.BeginPart(RequestOf("a.example"), traffic::Part::kStream);
  part->Data(kVisa);
  EXPECT_THAT(Offsets(), IsEmpty());
  // Looks are made at intervals.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (Offsets().empty() && std::chrono::steady_clock::now() < give_up) {
    scanner.Advance(absl::FromUnixSeconds(1'700'000'001));
    std::this_thread::yield();
  }
  EXPECT_THAT(Offsets(), ElementsAre(0u));
  part->Data(" and ");
  part->Data(kMastercard);
  part->End();
  EXPECT_THAT(Offsets(), ElementsAre(0u, 21u));
}

TEST_F(MessageScannerTest, ScansEveryPartWithFewStreams) {
  MessageScanner::Options options;
  options.streams_max = 4;
  MessageScanner scanner(options, card::BrandTable::Default(), writer_);
  constexpr int kParts = 32;
  std::vector<traffic::PartConsumer*> parts;
  for (int i = 0; i < kParts; ++i) {
    parts.push_back(scanner.BeginPart(RequestOf("a.example"), traffic::Part::kStream));
    parts.back()->Data("card ");
    parts.back()->Data(kVisa);
    parts.back()->Data(" end ");
  }
  EXPECT_EQ(scanner.stats().streams_ended_early, kParts - options.streams_max);
  // Those that were ended go on.
  for (traffic::PartConsumer* part : parts) {
    part->Data(kMastercard);
    part->End();
  }
  std::vector<uint64_t> offsets = Offsets();
  ASSERT_EQ(offsets.size(), 2u * kParts);
  EXPECT_EQ(std::count(offsets.begin(), offsets.end(), 5u), kParts);
  EXPECT_EQ(std::count(offsets.begin(), offsets.end(), 26u), kParts);
  EXPECT_EQ(scanner.stats().parts_open, 0u);
}

TEST_F(MessageScannerTest, UsesPartsAgain) {
  MessageScanner scanner({}, card::BrandTable::Default(), writer_);
  for (const char* host : {"a.example", "b.example", "c.example"}) {
    traffic::PartConsumer* part = scanner.BeginPart(RequestOf(host), traffic::Part::kRequestBody);
    part->Data(kVisa);
    part->End();
  }
  EXPECT_THAT(Destinations(), ElementsAre("a.example:8080", "b.example:8080", "c.example:8080"));
  EXPECT_THAT(Offsets(), ElementsAre(0u, 0u, 0u));
}

}  // namespace
}  // namespace skimwatch::pipeline
