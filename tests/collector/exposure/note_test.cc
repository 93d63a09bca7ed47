#include "collector/exposure/note.h"

#include "collector/exposure/exposure_folder.h"
#include "gtest/gtest.h"
#include "proto/audit/seal.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::exposure {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'100);

class Notes : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      ExposureFolder folder({}, &tx, kNow);
      auto opened = folder.Add(testing::CardFinding(1), v1::FINDING_KIND_CARD_NUMBER, "web-1");
      if (!opened.ok()) return opened.status();
      id_ = *opened;
      return folder.Flush();
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::StatusOr<v1::ExposureNote> Add(uint64_t id, const std::string& text) {
    v1::AddExposureNoteRequest request;
    request.set_id(id);
    request.set_text(text);
    return AddNote(*store_, request, "ann", kNow);
  }

  testing::TempStore store_;
  uint64_t id_ = 0;
};

TEST_F(Notes, AreDecisionsOfTheSealedLog) {
  auto first = Add(id_, "the vendor was called");
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = Add(id_, "the script is gone");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->decision_id(), 1u);
  EXPECT_EQ(second->decision_id(), 2u);
  EXPECT_EQ(second->who(), "ann");

  auto log = store_->ListDecisions({});
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_EQ(log->decisions_size(), 2);
  std::string seal = audit::FirstSeal();
  for (const v1::Decision& decision : log->decisions()) {
    seal = audit::Seal(seal, decision);
    EXPECT_EQ(decision.seal(), seal);
    EXPECT_EQ(decision.action(), "exposure.note");
    EXPECT_EQ(decision.subject(), std::to_string(id_));
  }
  EXPECT_EQ(log->decisions(1).reason(), "the script is gone");
}

TEST_F(Notes, HoldNoCardNumber) {
  auto note = Add(id_, "a shopper says it was 4111 1111 1111 1111, or 378282246310005");
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(note->text(), "a shopper says it was **** **** **** ****, or ***************");
  const std::string kept = store_->ListDecisions({})->decisions(0).reason();
  EXPECT_EQ(kept, note->text());
}

TEST_F(Notes, NeedATextAndAnExposure) {
  EXPECT_EQ(Add(id_, "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Add(id_ + 1, "which?").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->ListDecisions({})->decisions_size(), 0);
}

}  // namespace
}  // namespace skimwatch::exposure
