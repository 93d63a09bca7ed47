#include "agent/uplink/spool_format.h"

#include <string>

#include "absl/strings/escaping.h"
#include "agent/uplink/sequence_list.h"
#include "gtest/gtest.h"

namespace skimwatch::uplink {
namespace {

const SegmentId kId = {.number = 0x0102030405060708, .epoch = 0x1112131415161718, .severity = 5};

// The bytes of docs/spool-format.md: a change of these is a new version.
TEST(SpoolFormat, WritesTheDocumentedSegmentHeader) {
  const std::string header = EncodeSegmentHeader(kId, 0x2122232425262728);
  ASSERT_EQ(header.size(), kSegmentHeaderBytes);
  EXPECT_EQ(absl::BytesToHexString(header.substr(0, 60)),
            "534b5753504f4f4c"  // SKWSPOOL
            "01000000"          // version
            "05000000"          // severity
            "1817161514131211"  // epoch
            "0807060504030201"  // number
            "2827262524232221"  // first sequence
            "0000000000000000000000000000000000000000");
  EXPECT_EQ(*DecodeSegmentHeader(header), kId);
}

TEST(SpoolFormat, WritesTheDocumentedRecord) {
  std::string record;
  AppendRecord(0, 7, 5, "abc", record);
  EXPECT_EQ(absl::BytesToHexString(record.substr(4)),
            "03000000"          // payload bytes
            "0700000000000000"  // sequence
            "05000000"          // severity
            "616263");
  // zlib.crc32(bytes.fromhex('03000000' '0700000000000000' '05000000' '616263'))
  EXPECT_EQ(DecodeRecordHeader(record).crc, 0x7a02f7abu);
  EXPECT_TRUE(RecordIsIntact(0, record));
  EXPECT_FALSE(RecordIsIntact(1, record)) << "a record of another segment";
}

TEST(SpoolFormat, RefusesAHeaderWithAnyBitFlipped) {
  const std::string header = EncodeSegmentHeader(kId, 1);
  for (size_t bit = 0; bit < header.size() * 8; ++bit) {
    std::string flipped = header;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeSegmentHeader(flipped).ok()) << bit;
  }
}

TEST(SpoolFormat, NamesSegments) {
  EXPECT_EQ(SegmentName(kId), "0102030405060708-1112131415161718-5.segment");
  EXPECT_EQ(ParseSegmentName(SegmentName(kId)), kId);
  const SegmentId last = {.number = ~uint64_t{0}, .epoch = ~uint64_t{0}, .severity = 1};
  EXPECT_EQ(ParseSegmentName(SegmentName(last)), last);
  for (const char* name :
       {"", "cursor", "0102030405060708-1112131415161718-6.segment",
        "0102030405060708-1112131415161718-0.segment", "010203040506070-1112131415161718-5.segment",
        "010203040506070x-1112131415161718-5.segment",
        "0102030405060708-1112131415161718-5.segment2"}) {
    EXPECT_FALSE(ParseSegmentName(name).has_value()) << name;
  }
}

TEST(SpoolFormat, KeepsTheCursor) {
  Cursor cursor;
  cursor.generation = 9;
  cursor.clean = true;
  cursor.next_segment = 77;
  cursor.epochs = {{.epoch = 1, .acknowledged = 2, .issued = 3},
                   {.epoch = ~uint64_t{0}, .acknowledged = kSequenceMax, .issued = kSequenceMax}};
  cursor.losses = {
      {.epoch = 1, .first = 4, .last = 5, .reason = LossReason::kWriteFailed, .severity = 3}};
  const std::string slot = EncodeCursor(cursor);
  ASSERT_EQ(slot.size(), kCursorSlotBytes);
  const absl::StatusOr<Cursor> decoded = DecodeCursor(slot);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeCursor(*decoded), slot);
  EXPECT_TRUE(decoded->clean);
  EXPECT_EQ(decoded->epochs[1].issued, kSequenceMax);
  EXPECT_EQ(decoded->losses[0].reason, LossReason::kWriteFailed);
}

TEST(SpoolFormat, LeavesOutTheOldestOfACursorThatIsTooLong) {
  Cursor cursor;
  for (uint64_t i = 0; i < 1000; ++i) {
    cursor.epochs.push_back({.epoch = i});
    cursor.losses.push_back({.epoch = i, .first = 1, .last = 1});
  }
  const absl::StatusOr<Cursor> decoded = DecodeCursor(EncodeCursor(cursor));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->epochs.size(), kCursorEpochsMax);
  EXPECT_EQ(decoded->epochs.back().epoch, 999u);
  EXPECT_EQ(decoded->losses.back().epoch, 999u);
}

TEST(SequenceList, ForgetsFromTheFront) {
  SequenceList list;
  const uint64_t sequences[] = {1, 2, 5, 1000, 1000000000, kSequenceMax};
  for (const uint64_t sequence : sequences) list.Add(sequence);
  EXPECT_EQ(list.count(), 6u);
  EXPECT_EQ(list.Forget(0), 0u);
  EXPECT_EQ(list.Forget(4), 2u);
  EXPECT_EQ(list.first(), 5u);
  EXPECT_EQ(list.Forget(1000), 2u);
  EXPECT_EQ(list.first(), 1000000000u);
  EXPECT_EQ(list.Forget(kSequenceMax), 2u);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.last(), kSequenceMax);
}

TEST(SequenceList, GrowsAgainAfterItWasEmpty) {
  SequenceList list;
  list.Add(3);
  EXPECT_EQ(list.Forget(9), 1u);
  list.Add(10);
  list.Add(300);
  EXPECT_EQ(list.first(), 10u);
  EXPECT_EQ(list.Forget(10), 1u);
  EXPECT_EQ(list.first(), 300u);
}

}  // namespace
}  // namespace skimwatch::uplink
