#include "proto/text/units.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace skimwatch::text {
namespace {

TEST(Units, BytesHaveUnits) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Bytes(UINT64_MAX), "16384.0 PiB");
}

}  // namespace
}  // namespace skimwatch::text
