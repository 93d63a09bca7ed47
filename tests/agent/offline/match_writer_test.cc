#include "agent/offline/match_writer.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "agent/offline/scan_options.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace skimwatch::offline {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// 4111 1111 1111 1111.
const std::array<uint8_t, 16> kDigits = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

card::CardMatch Match() {
  card::CardMatch match;
  match.offset = 7;
  match.length = 24;
  match.kind = card::MatchKind::kPan;
  match.brand = "visa";
  match.digits = card::SecretDigits(kDigits);
  match.confidence = card::Confidence::kHigh;
  match.score = 90;
  match.evidence = {"field_name:card"};
  return match;
}

// What a writer makes of matches.
std::string Written(Format format, card::MaskStyle mask, size_t columns, const Place& place,
                    const std::vector<const card::CardMatch*>& matches) {
  const TableWriter table(mask, columns);
  const JsonWriter json(mask);
  const FindingWriter& writer = format == Format::kTable ? static_cast<const FindingWriter&>(table)
                                                         : static_cast<const FindingWriter&>(json);
  std::string text = writer.Header();
  for (const card::CardMatch* const match : matches) {
    text += writer.Item({.place = place, .offset = match->offset, .match = *match});
  }
  return text;
}

TEST(MatchWriter, WritesOneJsonObjectALine) {
  const card::CardMatch match = Match();
  EXPECT_EQ(Written(Format::kJson, card::MaskStyle::kFirst6Last4, 0, {.path = "a.txt"}, {&match}),
            R"({"path":"a.txt","offset":7,"length":24,"kind":"pan","brand":"visa",)"
            R"("masked":"411111******1111","confidence":"high","score":90,"encoding":[],)"
            R"("test_card":false,"evidence":["field_name:card"],"container":[]})"
            "\n");
}

TEST(MatchWriter, NamesEveryKind) {
  const std::pair<card::MatchKind, std::string_view> kKinds[] = {
      {card::MatchKind::kPan, "pan"},
      {card::MatchKind::kTrack1, "track1"},
      {card::MatchKind::kTrack2, "track2"},
      {card::MatchKind::kPanWithCvv, "pan_with_cvv"}};
  for (const auto& [kind, name] : kKinds) {
    card::CardMatch match = Match();
    match.kind = kind;
    const auto json = nlohmann::json::parse(
        Written(Format::kJson, card::MaskStyle::kFirst6Last4, 0, {.path = "a"}, {&match}));
    EXPECT_EQ(json["kind"], name);
  }
}

TEST(MatchWriter, ListsEncodingsAndContainersOutermostFirst) {
  card::CardMatch match = Match();
  match.encodings = {card::Encoding::kPercent, card::Encoding::kBase64};
  const Place place{.path = "a", .container = {"zstd", "gzip"}};
  const auto json = nlohmann::json::parse(
      Written(Format::kJson, card::MaskStyle::kFirst6Last4, 0, place, {&match}));
  EXPECT_EQ(json["encoding"], nlohmann::json({"percent", "base64"}));
  EXPECT_EQ(json["container"], nlohmann::json({"zstd", "gzip"}));
  EXPECT_THAT(Written(Format::kTable, card::MaskStyle::kFirst6Last4, 0, place, {&match}),
              HasSubstr(" zstd>gzip>percent>base64 "));
}

TEST(MatchWriter, AddsLineAndFingerprintWhereThereAreSome) {
  const card::CardMatch match = Match();
  const Place place{.path = "a"};
  const auto json = nlohmann::json::parse(JsonWriter(card::MaskStyle::kFirst6Last4)
                                              .Item({.place = place,
                                                     .offset = 7,
                                                     .match = match,
                                                     .begin = TextPosition{.line = 3, .column = 9},
                                                     .end = TextPosition{.line = 3, .column = 25},
                                                     .fingerprint = "abcd",
                                                     .key_id = "k1"}));
  EXPECT_EQ(json["line"], 3);
  EXPECT_EQ(json["column"], 9);
  EXPECT_EQ(json["fingerprint"], "abcd");
  EXPECT_EQ(json["key_id"], "k1");
}

TEST(MatchWriter, AddsTheFlowOfACapture) {
  const card::CardMatch match = Match();
  Place place{.path = "a.pcap"};
  place.flow = {.src = "192.0.2.1:5000",
                .dst = "[2001:db8::1]:80",
                .host = "shop.example",
                .method = "POST",
                .path = "/pay/{n}",
                .part = "request_body",
                .direction = "unknown",
                .time = "2026-01-01T00:00:00.000000Z"};
  const auto json = nlohmann::json::parse(
      Written(Format::kJson, card::MaskStyle::kFirst6Last4, 0, place, {&match}));
  EXPECT_EQ(json["flow"], nlohmann::json({{"src", "192.0.2.1:5000"},
                                          {"dst", "[2001:db8::1]:80"},
                                          {"host", "shop.example"},
                                          {"method", "POST"},
                                          {"path", "/pay/{n}"},
                                          {"part", "request_body"},
                                          {"direction", "unknown"},
                                          {"time", "2026-01-01T00:00:00.000000Z"}}));
  EXPECT_THAT(Written(Format::kTable, card::MaskStyle::kFirst6Last4, 0, place, {&match}),
              HasSubstr("a.pcap: POST shop.example/pay/{n} request_body "
                        "192.0.2.1:5000->[2001:db8::1]:80"));
}

TEST(MatchWriter, MasksAsAsked) {
  const card::CardMatch match = Match();
  const std::pair<card::MaskStyle, std::string_view> kStyles[] = {
      {card::MaskStyle::kFirst6Last4, "411111******1111"},
      {card::MaskStyle::kLast4, "************1111"},
      {card::MaskStyle::kNone, "****************"}};
  for (const auto& [style, masked] : kStyles) {
    const auto json =
        nlohmann::json::parse(Written(Format::kJson, style, 0, {.path = "a"}, {&match}));
    EXPECT_EQ(json["masked"], masked);
  }
}

TEST(MatchWriter, WritesHeadersOnceAndRowsThatFit) {
  card::CardMatch match = Match();
  match.test_card = true;
  const std::string path(300, 'p');
  const std::string text =
      Written(Format::kTable, card::MaskStyle::kFirst6Last4, 120, {.path = path}, {&match, &match});
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], HasSubstr("CONFIDENCE"));
  EXPECT_EQ(lines[1], lines[2]);
  EXPECT_THAT(lines[1], HasSubstr("…"));
  EXPECT_THAT(lines[1], HasSubstr("test_card"));
  EXPECT_THAT(lines[1], Not(HasSubstr(path)));
  // The path is cut by an ellipsis of three bytes.
  EXPECT_LE(lines[1].size(), 120U + 2 * 2);
}

TEST(MatchWriter, StaysJsonWhateverEvidenceHolds) {
  card::CardMatch match = Match();
  match.evidence = {"field_name:\xff\"\n"};
  const std::string text =
      Written(Format::kJson, card::MaskStyle::kFirst6Last4, 0, {.path = "a"}, {&match});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_TRUE(nlohmann::json::accept(text)) << text;
}

}  // namespace
}  // namespace skimwatch::offline
