#include "proto/validation/finding.h"

#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/validation/text_limits.h"

// A finding may hold a test number here: failures print the field's name only.
namespace skimwatch::validation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPan[] = "4111111111111111";

v1::Finding CardFinding() {
  v1::Finding finding;
  finding.set_site("shop");
  finding.set_severity(v1::SEVERITY_CRITICAL);
  finding.set_confidence(v1::CONFIDENCE_HIGH);
  finding.set_rule("card.outbound");
  finding.mutable_first_seen()->set_seconds(1700000000);
  finding.mutable_last_seen()->set_seconds(1700000001);
  finding.set_count(2);
  finding.set_sampling_probability(1);
  finding.mutable_provenance()->set_host("cdn.example");
  finding.set_destination("cdn.example:443");
  v1::Card* card = finding.mutable_card_number()->mutable_card();
  card->set_masked("411111******1111");
  card->set_brand("visa");
  card->set_length(16);
  card->set_fingerprint(std::string(32, '\xA5'));
  card->set_fingerprint_key_id("2024-05-01-9f3c21aa4111111111111111");
  finding.mutable_card_number()->set_score(100);
  return finding;
}

v1::Finding ScriptFinding() {
  v1::Finding finding = CardFinding();
  v1::ScriptChange* change = finding.mutable_script_change();
  change->set_change(v1::ScriptChange::CHANGE_CHANGED);
  change->set_script("js/chat.js");
  change->mutable_current()->set_sha256(std::string(32, '\1'));
  change->set_diff("--- a\n+++ b\n+x\t1\n");
  return finding;
}

TEST(ValidateFinding, AcceptsGoodFindings) {
  EXPECT_TRUE(ValidateFinding(CardFinding()).ok()) << ValidateFinding(CardFinding());
  EXPECT_TRUE(ValidateFinding(ScriptFinding()).ok()) << ValidateFinding(ScriptFinding());
}

struct Fault {
  // As the error names it.
  const char* field;
  std::function<void(v1::Finding&)> make;
  bool can_be_mended = true;
};

std::vector<Fault> Faults() {
  return {
      {"detail", [](v1::Finding& f) { f.clear_detail(); }, false},
      {"site", [](v1::Finding& f) { f.clear_site(); }, false},
      {"site", [](v1::Finding& f) { f.set_site("Shop 1"); }, false},
      {"site", [](v1::Finding& f) { f.set_site(std::string(64, 'a')); }},
      {"severity", [](v1::Finding& f) { f.clear_severity(); }},
      {"severity", [](v1::Finding& f) { f.set_severity(static_cast<v1::Severity>(6)); }},
      {"confidence", [](v1::Finding& f) { f.set_confidence(static_cast<v1::Confidence>(-1)); }},
      {"rule", [](v1::Finding& f) { f.clear_rule(); }},
      {"first_seen", [](v1::Finding& f) { f.clear_first_seen(); }},
      {"first_seen", [](v1::Finding& f) { f.mutable_first_seen()->set_nanos(-1); }},
      {"last_seen", [](v1::Finding& f) { f.clear_last_seen(); }},
      {"last_seen", [](v1::Finding& f) { f.mutable_last_seen()->set_seconds(1LL << 60); }},
      {"last_seen", [](v1::Finding& f) { f.mutable_last_seen()->set_seconds(1); }},
      {"count", [](v1::Finding& f) { f.set_count(0); }},
      {"sampling_probability", [](v1::Finding& f) { f.set_sampling_probability(0); }},
      {"sampling_probability", [](v1::Finding& f) { f.set_sampling_probability(1.5); }},
      {"sampling_variance", [](v1::Finding& f) { f.set_sampling_variance(-1); }},
      {"sampling_probability",
       [](v1::Finding& f) {
         f.set_sampling_probability(std::numeric_limits<double>::quiet_NaN());
       }},
      {"provenance.server.port",
       [](v1::Finding& f) { f.mutable_provenance()->mutable_server()->set_port(65536); }},
      {"score", [](v1::Finding& f) { f.mutable_card_number()->set_score(101); }},
      {"provenance.host", [](v1::Finding& f) { f.mutable_provenance()->set_host(kPan); }},
      {"provenance.host",
       [](v1::Finding& f) { f.mutable_provenance()->set_host(std::string(256, 'a')); }},
      {"provenance.path_template",
       [](v1::Finding& f) { f.mutable_provenance()->set_path_template("/p/4111-1111-1111-1111"); }},
      {"provenance.process.command",
       [](v1::Finding& f) { f.mutable_provenance()->mutable_process()->set_command("x\x1B[0m"); }},
      {"destination", [](v1::Finding& f) { f.set_destination("a\xFF"); }},
      {"provenance.process.container_id",
       [](v1::Finding& f) { f.mutable_provenance()->mutable_process()->set_container_id(kPan); }},
      {"provenance.process.container_id",
       [](v1::Finding& f) {
         f.mutable_provenance()->mutable_process()->set_container_id(
             absl::StrCat(kPan, std::string(48, 'a')));
       }},
      {"card_number.evidence",
       [](v1::Finding& f) { f.mutable_card_number()->add_evidence(std::string("near:") + kPan); }},
      {"card_number.evidence",
       [](v1::Finding& f) {
         for (int i = 0; i < 40; ++i) f.mutable_card_number()->add_evidence("e");
       }},
      {"card_number.card.length",
       [](v1::Finding& f) { f.mutable_card_number()->mutable_card()->set_length(11); }},
      {"card_number.card.masked",
       [](v1::Finding& f) { f.mutable_card_number()->mutable_card()->set_masked(kPan); }},
      {"card_number.card.masked",
       [](v1::Finding& f) { f.mutable_card_number()->mutable_card()->clear_masked(); }},
      {"card_number.card.fingerprint",
       [](v1::Finding& f) { f.mutable_card_number()->mutable_card()->set_fingerprint(kPan); }},
      {"card_number.card.fingerprint_key_id",
       [](v1::Finding& f) { f.mutable_card_number()->mutable_card()->clear_fingerprint_key_id(); }},
      {"script_change.diff",
       [](v1::Finding& f) {
         f = ScriptFinding();
         f.mutable_script_change()->set_diff(std::string("+var a='") + kPan + "'\n");
       }},
      {"script_change.facts.excerpt",
       [](v1::Finding& f) {
         f = ScriptFinding();
         f.mutable_script_change()->add_facts()->set_excerpt(std::string(121, 'a'));
       }},
      {"script_change.current.sha256",
       [](v1::Finding& f) {
         f = ScriptFinding();
         f.mutable_script_change()->mutable_current()->set_sha256("short");
       }},
  };
}

TEST(ValidateFinding, NamesTheFieldAndNeverItsValue) {
  for (const Fault& fault : Faults()) {
    v1::Finding finding = CardFinding();
    fault.make(finding);
    const absl::Status status = ValidateFinding(finding);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << fault.field;
    const std::string text(status.message());
    EXPECT_TRUE(text.starts_with(std::string(fault.field) + ": ")) << fault.field;
    EXPECT_EQ(text.find("1111"), std::string::npos) << fault.field;
  }
}

TEST(MendFinding, MakesEveryFaultValid) {
  for (const Fault& fault : Faults()) {
    v1::Finding finding = CardFinding();
    fault.make(finding);
    const absl::StatusOr<std::vector<std::string>> mended = MendFinding(finding);
    EXPECT_EQ(mended.ok(), fault.can_be_mended) << fault.field;
    if (!mended.ok()) continue;
    EXPECT_THAT(*mended, ::testing::Not(IsEmpty())) << fault.field;
    EXPECT_TRUE(ValidateFinding(finding).ok()) << ValidateFinding(finding);
  }
}

TEST(MendFinding, LeavesAGoodFindingAlone) {
  v1::Finding finding = CardFinding();
  const absl::StatusOr<std::vector<std::string>> mended = MendFinding(finding);
  ASSERT_TRUE(mended.ok());
  EXPECT_THAT(*mended, IsEmpty());
  EXPECT_TRUE(finding.SerializeAsString() == CardFinding().SerializeAsString());
}

TEST(MendFinding, MasksACardThatWouldBeCutInHalf) {
  v1::Finding finding = CardFinding();
  // The limit of 255 bytes falls into the number.
  finding.mutable_provenance()->set_host(std::string(245, 'a') + kPan);
  ASSERT_TRUE(MendFinding(finding).ok());
  EXPECT_TRUE(finding.provenance().host() == std::string(245, 'a') + "**********");
}

TEST(MendFinding, SaysWhatItChanged) {
  v1::Finding finding = CardFinding();
  finding.mutable_provenance()->set_host(kPan);
  finding.set_count(0);
  const absl::StatusOr<std::vector<std::string>> mended = MendFinding(finding);
  ASSERT_TRUE(mended.ok());
  EXPECT_THAT(*mended, ElementsAre("provenance.host: card number", "count: out of range"));
}

TEST(ValidateFinding, ShowsAtMostTheBinAndTheLastFour) {
  struct Mask {
    const char* text;
    bool allowed;
  };
  const Mask masks[] = {
      {"411111******1111", true},  {"41111111****1111", true},  {"************1111", true},
      {"****************", true},  {"411111111***1111", false}, {"411111*****11111", false},
      {"411111**1***1111", false}, {"411111xxxxxx1111", false}, {"411111******111", false},
      {"37828224****005", false},  {"378282*****0005", true},   {"501800**0009", true},
      {"50180000009*", false},
  };
  for (const Mask& mask : masks) {
    v1::Finding finding = CardFinding();
    v1::Card* card = finding.mutable_card_number()->mutable_card();
    card->set_masked(mask.text);
    card->set_length(static_cast<uint32_t>(card->masked().size()));
    // One digit short of its card.
    if (card->length() == 15 && card->masked()[0] == '4') card->set_length(16);
    EXPECT_EQ(ValidateFinding(finding).ok(), mask.allowed) << mask.text;
  }
}

void Collect(const google::protobuf::Descriptor* message, std::set<std::string>& names) {
  for (int i = 0; i < message->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = message->field(i);
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      names.insert(field->full_name());
    }
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE &&
        field->message_type()->file()->package() == message->file()->package()) {
      Collect(field->message_type(), names);
    }
  }
}

void CollectLimited(const std::vector<TextLimit>& limits, std::set<std::string>& names) {
  for (const TextLimit& limit : limits) {
    if (limit.nested != nullptr) {
      CollectLimited(*limit.nested, names);
    } else {
      names.insert(limit.field->full_name());
      EXPECT_GT(limit.bytes_max, 0u) << limit.field->full_name();
    }
  }
}

TEST(FindingTextLimits, CoverEveryStringOfAFinding) {
  std::set<std::string> all;
  std::set<std::string> limited;
  Collect(v1::Finding::descriptor(), all);
  CollectLimited(FindingTextLimits(), limited);
  EXPECT_EQ(all, limited);
}

}  // namespace
}  // namespace skimwatch::validation
