#include "agent/traffic/destination/destination_inventory.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

DestinationInventory::Entry See(DestinationInventory& inventory, const std::string& name,
                                const std::string& process = "", absl::Time at = kNow,
                                const std::string& address = "192.0.2.7", uint16_t port = 443) {
  const DestinationName destination{.name = name, .host = absl::StrCat("www.", name)};
  return inventory.Take({.site = "shop",
                         .process = process,
                         .destination = &destination,
                         .address = address,
                         .port = port,
                         .at = at});
}

TEST(DestinationInventory, KeepsOneEntryASiteProcessAndName) {
  DestinationInventory inventory(100);
  const auto first = See(inventory, "example.com", "/usr/bin/curl");
  EXPECT_EQ(See(inventory, "example.com", "/usr/bin/curl", kNow + absl::Hours(1)), first);
  EXPECT_NE(See(inventory, "example.com"), first);
  EXPECT_NE(See(inventory, "example.org", "/usr/bin/curl"), first);
  EXPECT_EQ(inventory.size(), 3U);
  EXPECT_EQ(first->known.first_seen().seconds(), absl::ToUnixSeconds(kNow));
  EXPECT_EQ(first->known.last_seen().seconds(), absl::ToUnixSeconds(kNow + absl::Hours(1)));
}

TEST(DestinationInventory, ListsAreBoundedAndCountWhatTheyLeaveOut) {
  DestinationInventory inventory(100);
  for (int i = 0; i < 20; ++i) {
    See(inventory, "example.com", "", kNow, absl::StrCat("192.0.2.", i),
        static_cast<uint16_t>(8000 + i));
  }
  const auto entry = inventory.Find("shop", "", "example.com");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->known.addresses_size(), DestinationInventory::kListMax);
  EXPECT_EQ(entry->known.ports_size(), DestinationInventory::kListMax);
  EXPECT_EQ(entry->known.left_out(), 8U);
  EXPECT_EQ(entry->known.hosts_size(), 1);
}

TEST(DestinationInventory, ForgetsTheOneUsedLongestAgoAndSaysSo) {
  DestinationInventory inventory(3);
  const auto a = See(inventory, "a.com");
  const auto b = See(inventory, "b.com");
  b->told = true;
  See(inventory, "c.com");
  See(inventory, "a.com");
  See(inventory, "d.com");
  EXPECT_TRUE(b->forgotten);
  EXPECT_FALSE(a->forgotten);
  EXPECT_EQ(inventory.Find("shop", "", "b.com"), nullptr);
  See(inventory, "e.com");
  EXPECT_EQ(inventory.size(), 3U);
  EXPECT_EQ(inventory.forgotten(), 2U);
  // c.com, which nobody was told of.
  EXPECT_EQ(inventory.forgotten_untold(), 1U);
  EXPECT_FALSE(inventory.AnyProcess("shop", "b.com", [](const auto&) { return true; }));
}

TEST(DestinationInventory, ComesBackAsItWas) {
  DestinationInventory inventory(100);
  const auto entry = See(inventory, "example.com", "/usr/bin/curl");
  entry->known.set_flows(7);
  entry->known.set_bytes_out(4096);
  entry->learned = entry->told = entry->told_new = entry->told_opaque = entry->probed = true;
  entry->told_at = kNow;
  entry->to_tell = v1::DestinationChange::CHANGE_NEW;
  entry->opaque = std::make_unique<v1::OpaquePayload>();
  entry->opaque->set_bytes(5000);
  See(inventory, "example.org");
  DestinationState state;
  inventory.Save(state);

  DestinationInventory loaded(100);
  loaded.Load(state);
  EXPECT_EQ(loaded.size(), 2U);
  const auto again = loaded.Find("shop", "/usr/bin/curl", "example.com");
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->known.SerializeAsString(), entry->known.SerializeAsString());
  EXPECT_TRUE(again->learned && again->told && again->told_new && again->told_opaque);
  EXPECT_TRUE(again->probed);
  EXPECT_EQ(again->told_at, kNow);
  EXPECT_EQ(again->to_tell, v1::DestinationChange::CHANGE_NEW);
  ASSERT_NE(again->opaque, nullptr);
  EXPECT_EQ(again->opaque->bytes(), 5000U);
  EXPECT_TRUE(
      loaded.AnyProcess("shop", "example.com", [](const auto& other) { return other.learned; }));
}

}  // namespace
}  // namespace skimwatch::traffic
