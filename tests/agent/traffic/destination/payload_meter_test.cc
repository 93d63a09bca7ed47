#include "agent/traffic/destination/payload_meter.h"

#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using Form = PayloadMeter::Form;

// The kernel's: as even as ciphertext is.
std::string Random(size_t bytes) {
  std::string random(bytes, '\0');
  std::ifstream("/dev/urandom", std::ios::binary)
      .read(random.data(), static_cast<std::streamsize>(bytes));
  return random;
}

// JSON as a shop's API takes it.
std::string Text(size_t bytes) {
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) {
    absl::StrAppend(&text, "{\"order\":", i * 7919 % 100'003, ",\"name\":\"customer ", i,
                    "\",\"items\":[\"shoe\",\"hat\",\"coat\"],\"total\":", i % 977, ".99}\n");
  }
  text.resize(bytes);
  return text;
}

std::string Deflate(const std::string& text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Gzip(const std::string& text) { return Deflate(text, 15 + 16); }

// A picture of noise: its pixels look as random as ciphertext does.
std::string Png(size_t bytes) {
  return absl::StrCat("\x89PNG\r\n\x1a\n", std::string("\0\0\0\rIHDR", 8), Random(bytes));
}

PayloadMeter::Result Measure(std::string_view payload, std::string_view content_type = "",
                             size_t piece_bytes = 1460) {
  PayloadMeter meter;
  meter.Begin(content_type);
  for (; !payload.empty(); payload.remove_prefix(std::min(piece_bytes, payload.size()))) {
    meter.Data(payload.substr(0, piece_bytes));
  }
  return meter.result();
}

TEST(PayloadMeter, RandomBytesAreRandom) {
  const PayloadMeter::Result result = Measure(Random(1 << 18));
  EXPECT_EQ(result.form, Form::kBinary);
  // All windows but for one in a million.
  EXPECT_GE(result.bytes, (1U << 18) - PayloadMeter::kWindowBytes);
  EXPECT_GT(result.entropy_bits, 7.9);
  EXPECT_LE(result.entropy_bits, 8.0);
  EXPECT_NEAR(result.chi_square_ratio, 1.0, 0.1);
}

TEST(PayloadMeter, HowItIsCutMakesNoDifference) {
  const std::string payload = Random(20'000);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, payload.size()}) {
    EXPECT_EQ(Measure(payload, "", piece).bytes, Measure(payload).bytes) << piece;
  }
}

TEST(PayloadMeter, LessThanAWindowIsTooLittle) {
  EXPECT_EQ(Measure(Random(PayloadMeter::kWindowBytes - 1)).form, Form::kNone);
}

TEST(PayloadMeter, TextIsNotRandomNorIsItInBase64OrHex) {
  const std::string text = Text(1 << 18);
  EXPECT_EQ(Measure(text).form, Form::kNone);
  EXPECT_EQ(Measure(absl::Base64Escape(text)).form, Form::kNone);
  EXPECT_EQ(Measure(absl::BytesToHexString(text)).form, Form::kNone);
}

TEST(PayloadMeter, RandomBytesInBase64AndHexAreTold) {
  const PayloadMeter::Result base64 = Measure(absl::Base64Escape(Random(1 << 17)));
  EXPECT_EQ(base64.form, Form::kBase64);
  EXPECT_GT(base64.bytes, 100'000U);
  EXPECT_NEAR(base64.entropy_bits, 6.0, 0.05);
  EXPECT_EQ(Measure(absl::WebSafeBase64Escape(Random(1 << 17))).form, Form::kBase64);

  const PayloadMeter::Result hex = Measure(absl::BytesToHexString(Random(1 << 17)));
  EXPECT_EQ(hex.form, Form::kHex);
  EXPECT_NEAR(hex.entropy_bits, 4.0, 0.05);
}

TEST(PayloadMeter, LooksThroughWhatAPayloadIsWrappedIn) {
  const std::string random = absl::Base64Escape(Random(1 << 16));
  EXPECT_EQ(Measure(absl::StrCat("{\"session\":\"42\",\"data\":\"", random, "\"}")).form,
            Form::kBase64);
  std::string form = "data=";
  for (const char c : random) {
    if (c == '+') {
      form += "%2B";
    } else if (c == '/') {
      form += "%2F";
    } else {
      form += c;
    }
  }
  EXPECT_EQ(Measure(form, "application/x-www-form-urlencoded").form, Form::kBase64);
}

TEST(PayloadMeter, KnownFilesSayWhatTheyAre) {
  EXPECT_EQ(Measure(Gzip(Random(1 << 17))).form, Form::kNone);
  EXPECT_EQ(Measure(Gzip(Text(1 << 20))).form, Form::kNone);
  EXPECT_EQ(Measure(Png(1 << 17)).form, Form::kNone);
  EXPECT_EQ(Measure(Deflate(Random(1 << 17), 15)).form, Form::kNone);
  EXPECT_EQ(Measure(absl::Base64Escape(Png(1 << 17))).form, Form::kNone);
  EXPECT_EQ(Measure(absl::StrCat("{\"picture\":\"", absl::Base64Escape(Png(1 << 17)), "\"}")).form,
            Form::kNone);
}

TEST(PayloadMeter, AFileInAMultipartBodyIsKnownAndWhatIsBehindItIsMeasured) {
  const auto part = [](std::string_view name, const std::string& content) {
    return absl::StrCat("--limit\r\nContent-Disposition: form-data; name=\"", std::string(name),
                        "\"\r\n\r\n", content, "\r\n");
  };
  const std::string type = "multipart/form-data";
  const std::string picture = absl::StrCat(part("picture", Png(1 << 16)), "--limit--\r\n");
  EXPECT_EQ(Measure(picture, type).form, Form::kNone);
  const std::string both =
      absl::StrCat(part("picture", Png(1 << 16)), part("blob", Random(1 << 16)), "--limit--\r\n");
  const PayloadMeter::Result result = Measure(both, type);
  EXPECT_EQ(result.form, Form::kBinary);
  EXPECT_GE(result.bytes, (1U << 16) - 3 * PayloadMeter::kWindowBytes);
  EXPECT_LE(result.bytes, 1U << 16);
}

TEST(PayloadMeter, EvenlyCountedBytesAreNotRandom) {
  std::string counter;
  for (int i = 0; i < 1 << 17; ++i) counter.push_back(static_cast<char>(i));
  EXPECT_EQ(Measure(counter).form, Form::kNone);
}

TEST(PayloadMeter, RandomDigitsAreNotHex) {
  std::string digits;
  for (const char c : Random(1 << 17)) digits.push_back(static_cast<char>('0' + (c & 0xff) % 10));
  EXPECT_EQ(Measure(digits).form, Form::kNone);
}

TEST(PayloadMeter, BeginsAnewForEachPayload) {
  PayloadMeter meter;
  meter.Begin("");
  meter.Data(Png(20'000));
  meter.Begin("");
  meter.Data(Random(20'000));
  EXPECT_EQ(meter.result().form, Form::kBinary);
  meter.Begin("");
  EXPECT_EQ(meter.result().bytes, 0U);
}

}  // namespace
}  // namespace skimwatch::traffic
