// A small run of what recall_table measures: every row reaches its part of the planted numbers.

#include "tests/agent/card/support/recall_forms.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace skimwatch::testing {
namespace {

using card::Confidence;

void ExpectRecall(const std::vector<RecallForm>& forms, size_t cases) {
  ASSERT_FALSE(forms.empty());
  for (const RecallForm& form : forms) {
    const Recall recall = MeasureRecall(form, cases, /*seed=*/1);
    EXPECT_GE(recall.rate(), form.recall_min)
        << form.name << ": " << recall.found << " of " << recall.cases;
  }
}

TEST(RecallForms, FindsEveryPlainAndGroupedNumber) { ExpectRecall(PlainForms(), 200); }
TEST(RecallForms, FindsEveryNumberOfEveryBrand) { ExpectRecall(BrandForms(), 200); }
TEST(RecallForms, FindsNumbersInEveryEncoding) { ExpectRecall(EncodedForms(), 200); }
TEST(RecallForms, FindsNumbersInSeveralFieldsAndInChipData) {
  ExpectRecall(StructuredForms(), 200);
}
TEST(RecallForms, FindsNumbersInTwoEncodings) { ExpectRecall(NestedPairs(), 40); }
TEST(RecallForms, FindsNumbersInThreeEncodings) { ExpectRecall(NestedTriples(), 8); }

TEST(RecallForms, NumbersOfTheUsualBrandsAreMediumBareAndHighWithGroupsOrAName) {
  for (const std::string_view brand : {"mastercard", "amex"}) {
    for (const RecallForm& form : BrandForms()) {
      if (form.brand != brand) continue;
      const Recall recall = MeasureRecall(form, 200, /*seed=*/2);
      const bool grouped = form.name.ends_with("groups");
      EXPECT_EQ(recall.Of(Body::kBare, grouped ? Confidence::kHigh : Confidence::kMedium), 100u)
          << form.name;
      EXPECT_EQ(recall.Of(Body::kNamed, Confidence::kHigh), 100u) << form.name;
    }
  }
}

}  // namespace
}  // namespace skimwatch::testing
