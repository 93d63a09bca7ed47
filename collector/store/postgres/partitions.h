#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_PARTITIONS_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_PARTITIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/postgres/connection.h"

namespace skimwatch::store::postgres {

// Partitions of the table `findings`, `findings_YYYYMMDD`, one a day of UTC by the time of storing.
// Days are counted from the Unix epoch. Neither call holds back who writes or reads findings, on
// this collector or another: both take their locks on a connection of their own, and only such as
// let others go on. Both may run in several collectors at once.

int64_t DayOf(absl::Time time);

// Makes the partition of a day, where there is none.
absl::Status MakePartition(Connection& connection, int64_t day);

// Detaches and drops the oldest partition that ends at or before `cutoff`. False when there is
// none, or when who reads it does so for longer than the connection's lock_timeout: ask again
// later, which goes on where this one ended.
absl::StatusOr<bool> DropPartitionBefore(Connection& connection, absl::Time cutoff);

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_PARTITIONS_H_
