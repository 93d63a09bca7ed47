#include "agent/pipeline/page_reporter.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/card/brand_table.h"
#include "agent/card/scanner.h"
#include "agent/pipeline/canary_list.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/finding.h"
#include "tests/agent/pipeline/sightings.h"

namespace skimwatch::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class PageReporterTest : public ::testing::Test {
 protected:
  PageReporterTest() : canaries_(*CanaryList::Open("")), writer_(WriterOptions()) {
    writer_.SetPolicy({});
  }

  FindingWriter::Options WriterOptions() {
    FindingWriter::Options options;
    options.key_wait = absl::ZeroDuration();
    options.fold_window = absl::ZeroDuration();
    options.min_confidence = card::Confidence::kHigh;
    options.find_canary = [this](absl::Span<const uint8_t> digits) {
      return canaries_->Find(digits);
    };
    options.append = [this](std::vector<v1::Finding> findings) {
      absl::MutexLock lock(&mutex_);
      for (v1::Finding& finding : findings) findings_.push_back(std::move(finding));
      return absl::OkStatus();
    };
    return options;
  }
  std::vector<v1::Finding> Findings() {
    writer_.Flush();
    absl::MutexLock lock(&mutex_);
    for (const v1::Finding& finding : findings_) {
      EXPECT_EQ(validation::ValidateFinding(finding), absl::OkStatus());
    }
    return findings_;
  }
  // A number that is nobody's. For input only.
  static std::string Digits(uint64_t n) {
    std::string text;
    const card::SecretDigits number = testing::NumberOf(n);
    for (const uint8_t digit : number.Reveal()) text += static_cast<char>('0' + digit);
    return text;
  }

  absl::Mutex mutex_;
  std::vector<v1::Finding> findings_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<CanaryList> canaries_;
  FindingWriter writer_;
  PageReporter reporter_{{}, card::BrandTable::Default(), writer_, *canaries_};
  const script::PageDeparture departure_{
      .site = "shop",
      .page = "https://shop.example/pay",
      .run_id = "abcdef",
      .host = "evil.example",
      .destination = "evil.example:8443",
      .path = "/c/4111111111111111",
      .method = "POST",
      .part = "request_body",
      .has_canary = true,
      .encodings = {"base64", "xor"},
      .script = "https://shop.example/pay#src=https://vendor.example/chat.js"};
};

TEST_F(PageReporterTest, SaysWhereACanaryWentAndWhoSentIt) {
  reporter_.OnDeparture(departure_);
  ASSERT_THAT(Findings(), SizeIs(1));
  const v1::Finding finding = Findings()[0];
  EXPECT_EQ(finding.rule(), "canary.departed");
  EXPECT_EQ(finding.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(finding.destination(), "evil.example:8443");
  EXPECT_EQ(finding.provenance().source(), v1::SOURCE_KIND_PAGE);
  EXPECT_EQ(finding.provenance().direction(), v1::DIRECTION_OUTBOUND_REQUEST);
  EXPECT_EQ(finding.provenance().path_template(), "/c/{n}");
  EXPECT_EQ(finding.canary().page(), departure_.page);
  EXPECT_EQ(finding.canary().run_id(), "abcdef");
  EXPECT_EQ(finding.canary().script(), departure_.script);
  EXPECT_THAT(finding.canary().encodings(), ElementsAre("base64", "xor"));
  EXPECT_FALSE(finding.canary().undecoded());
}

TEST_F(PageReporterTest, CallsWhatCouldNotBeDecodedByWhatItCouldCarry) {
  script::PageDeparture undecoded = departure_;
  undecoded.has_canary = false;
  undecoded.encodings.clear();
  reporter_.OnDeparture(undecoded);
  undecoded.part.clear();
  reporter_.OnDeparture(undecoded);
  ASSERT_THAT(Findings(), SizeIs(2));
  EXPECT_EQ(Findings()[0].rule(), "canary.unapproved_destination");
  EXPECT_EQ(Findings()[0].severity(), v1::SEVERITY_HIGH);
  EXPECT_TRUE(Findings()[0].canary().undecoded());
  EXPECT_EQ(Findings()[1].severity(), v1::SEVERITY_MEDIUM);
}

// Whatever its confidence: it is known what it is.
TEST_F(PageReporterTest, KnowsACanaryThatIsSeenElsewhere) {
  const std::string number = Digits(5);
  reporter_.OnCanaryTyped("shop", "https://shop.example/pay", "abcdef", number);
  const auto sight = [&](v1::Direction direction) {
    auto origin = std::make_shared<SightingOrigin>();
    origin->site = "shop";
    origin->destination = "/var/log/app.log";
    origin->provenance.set_direction(direction);
    CardSighting sighting;
    sighting.origin = std::move(origin);
    sighting.brand = "visa";
    sighting.digits = testing::NumberOf(5);
    sighting.confidence = card::Confidence::kLow;
    sighting.encodings = {card::Encoding::kHex};
    sighting.seen_at = absl::Now();
    writer_.Add(std::move(sighting));
  };
  // A shopper's own form: below the confidence that is wanted, like any other number.
  sight(v1::DIRECTION_INBOUND_REQUEST);
  EXPECT_THAT(Findings(), SizeIs(0));
  sight(v1::DIRECTION_AT_REST);
  ASSERT_THAT(Findings(), SizeIs(1));
  const v1::Finding finding = Findings()[0];
  EXPECT_EQ(finding.rule(), "canary.seen");
  EXPECT_EQ(finding.severity(), v1::SEVERITY_CRITICAL);
  EXPECT_EQ(finding.canary().page(), "https://shop.example/pay");
  EXPECT_EQ(finding.canary().run_id(), "abcdef");
  EXPECT_THAT(finding.canary().encodings(), ElementsAre("hex"));
}

TEST_F(PageReporterTest, SaysOfAScriptThatAPageHasIt) {
  v1::ScriptChange change;
  change.set_change(v1::ScriptChange::CHANGE_ADDED);
  change.set_script("https://shop.example/pay#eval-1");
  change.set_page("https://shop.example/pay");
  change.mutable_current()->set_sha256(std::string(32, 'x'));
  reporter_.OnChange("shop", change, v1::SEVERITY_HIGH);
  ASSERT_THAT(Findings(), SizeIs(1));
  EXPECT_EQ(Findings()[0].provenance().source(), v1::SOURCE_KIND_PAGE);
  EXPECT_EQ(Findings()[0].rule(), "script.added");
}

}  // namespace
}  // namespace skimwatch::pipeline
