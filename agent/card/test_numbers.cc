#include "agent/card/test_numbers.h"

#include <string.h>

#include <algorithm>
#include <tuple>

namespace skimwatch::card {
namespace {

struct TestNumber {
  uint64_t value = 0;
  uint8_t digits = 0;

  friend constexpr bool operator<(const TestNumber& a, const TestNumber& b) {
    return std::tie(a.digits, a.value) < std::tie(b.digits, b.value);
  }
};

// In order of length and value; the comment names who published the number: payment companies in
// the documentation of their test systems, and the test data of the tools ccsrch and Presidio.
constexpr TestNumber kTestNumbers[] = {
    {30569309025904, 14},       // ccsrch
    {36227206271667, 14},       // Stripe
    {36259600000004, 14},       // Braintree
    {38520000023237, 14},       // ccsrch
    {50339619890917, 14},       // CyberSource
    {122000000000003, 15},      // Presidio
    {135412345678911, 15},      // CyberSource
    {343434343434343, 15},      // ccsrch
    {371449635398431, 15},      // Stripe, Braintree
    {371881127160004, 15},      // Mastercard Gateway
    {371881245560002, 15},      // Mastercard Gateway
    {371881634498004, 15},      // Mastercard Gateway
    {371881911767006, 15},      // Mastercard Gateway
    {378282246310005, 15},      // Stripe, Braintree, CyberSource
    {378734493671000, 15},      // ccsrch
    {621003257857442, 15},      // CyberSource
    {2222420000001113, 16},     // CyberSource
    {2222630000001125, 16},     // CyberSource
    {2223000000000007, 16},     // Mastercard Gateway
    {2223000000000023, 16},     // Mastercard Gateway
    {2223000048400011, 16},     // Braintree
    {2223003122003222, 16},     // Stripe
    {3056930009020004, 16},     // Stripe
    {3528000700000000, 16},     // Presidio
    {3530111333300000, 16},     // Braintree
    {3566002020360505, 16},     // Stripe
    {3566111111111113, 16},     // CyberSource
    {4000056655665556, 16},     // Stripe
    {4005519200000004, 16},     // Braintree
    {4009348888881881, 16},     // Braintree
    {4012000033330026, 16},     // Braintree, Mastercard Gateway
    {4012000077777777, 16},     // Braintree
    {4012888888881881, 16},     // Braintree
    {4111111111111111, 16},     // Braintree, CyberSource
    {4217651111111119, 16},     // Braintree
    {4242424242424242, 16},     // Stripe
    {4427802641004797, 16},     // CyberSource
    {4484070000000000, 16},     // Presidio
    {4500600000000061, 16},     // Braintree
    {4508750015741019, 16},     // Mastercard Gateway
    {4917300800000000, 16},     // Presidio
    {5019717010103742, 16},     // Presidio
    {5105105105105100, 16},     // Stripe
    {5111111111111118, 16},     // Mastercard Gateway
    {5123450000000008, 16},     // Mastercard Gateway
    {5200828282828210, 16},     // Stripe
    {5454545454545454, 16},     // ccsrch
    {5520012345678903, 16},     // CyberSource
    {5555555555554444, 16},     // Stripe, Braintree
    {5641821111166669, 16},     // CyberSource
    {6011000400000000, 16},     // Presidio
    {6011000990139424, 16},     // Stripe
    {6011000991300009, 16},     // Braintree
    {6011111111111117, 16},     // Stripe
    {6011981111111113, 16},     // Stripe
    {6200000000000005, 16},     // Stripe
    {6200000000000047, 16},     // Stripe
    {6210038235327130, 16},     // CyberSource
    {6221261111117766, 16},     // Braintree
    {6222040000030012, 16},     // CyberSource
    {6223164991230014, 16},     // Braintree
    {6243030000000001, 16},     // Braintree
    {6250940500000006, 16},     // CyberSource
    {6250947000000014, 16},     // CyberSource
    {6304000000000000, 16},     // Braintree
    {6555900000604105, 16},     // Stripe
    {6759411100000008, 16},     // CyberSource
    {6759649826438453, 16},     // Presidio
    {8100010000000142, 16},     // CyberSource
    {8100010000000688, 16},     // CyberSource
    {586824160825533338, 18},   // CyberSource
    {6205500000000000004, 19},  // Stripe
    {6759560045005727054, 19},  // CyberSource
    {8171999900000000021, 19},  // Adyen
};
static_assert(std::is_sorted(std::begin(kTestNumbers), std::end(kTestNumbers)));

}  // namespace

bool IsTestNumber(absl::Span<const uint8_t> digits) {
  TestNumber number = {.digits = static_cast<uint8_t>(digits.size())};
  for (const uint8_t digit : digits) number.value = number.value * 10 + digit;
  const bool found = std::binary_search(std::begin(kTestNumbers), std::end(kTestNumbers), number);
  explicit_bzero(&number, sizeof(number));
  return found;
}

}  // namespace skimwatch::card
