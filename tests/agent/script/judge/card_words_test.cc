#include "agent/script/judge/card_words.h"

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

TEST(CardWords, KnowsNamesOfCardFields) {
  for (const char* name :
       {"#card-number", "cardNumber", "cc_number", "payment[cc_cid]", "cvv", "#cvc", "cardCvc",
        "input[name=cvv2]", "[autocomplete=cc-csc]", "[autocomplete=\"cc-exp-month\"]",
        "form input[name='ccnum']", "authorizenet_cc_number", "securityCode", "cc-name",
        "cardholder-name", "expiration_month", "numero_carte"}) {
    EXPECT_TRUE(NamesCardField(name)) << name;
  }
}

TEST(CardWords, LeavesOutProseIconsAndOtherWords) {
  for (const char* text :
       {"fa-credit-card", "creditCard", "card-header", ".card .card-body", "discard", "cccccc",
        "Please enter your card number below to go on.", "cardinal", "account", "accordion",
        "success", "cancel", "postcard", "vcvvy", "ccnotes", "wildcardNode", "experience", "export",
        "expression"}) {
    EXPECT_FALSE(NamesCardField(text)) << text;
  }
}

TEST(CardWords, TellsPatternsThatTakeCardsByTryingThem) {
  for (const char* pattern :
       {R"(^4[0-9]{12}(?:[0-9]{3})?$)", R"(\d{13,16})", R"((?:\d[ -]*?){13,16})",
        R"(\b(?:\d{4}[ -]?){3}\d{4}\b)", R"(^(?:5[1-5][0-9]{14})$)", R"(3[47][0-9]{13})",
        R"((?<!\d)\d{16}(?!\d))", R"(^\d{15,19}$)"}) {
    EXPECT_TRUE(MatchesCards(pattern)) << pattern;
  }
}

TEST(CardWords, LeavesOutPatternsOfOtherNumbers) {
  for (const char* pattern :
       {R"(\d+)", R"(\d{4}-\d{2}-\d{2})", R"([0-9a-f]{8}-[0-9a-f]{4})", R"(^\d{10}$)", R"([a-z]+)",
        R"(^\d{1,3}(\.\d{1,3}){3}$)", R"(#[0-9a-f]{6})", R"(\d{10,})", R"((unbalanced{3}\d)"}) {
    EXPECT_FALSE(MatchesCards(pattern)) << pattern;
  }
}

TEST(CardWords, KnowsSelectorsThatTakeEveryField) {
  for (const char* selector : {"input", "input, select", "form input", "textarea",
                               "input[type=\"text\"]", ":input", "form > select"}) {
    EXPECT_TRUE(SelectsFields(selector)) << selector;
  }
  for (const char* selector :
       {".input", "#input-1", "input-group", "input[type=checkbox]", "data-input"}) {
    EXPECT_FALSE(SelectsFields(selector)) << selector;
  }
}

}  // namespace
}  // namespace skimwatch::script
