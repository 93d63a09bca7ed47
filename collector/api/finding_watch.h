#ifndef SKIMWATCH_COLLECTOR_API_FINDING_WATCH_H_
#define SKIMWATCH_COLLECTOR_API_FINDING_WATCH_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "collector/api/work_queue.h"
#include "collector/store/finding_feed.h"
#include "grpcpp/grpcpp.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::api {

// Streams what the feed has to one watcher until it hangs up or the server ends. It owns itself, as
// gRPC's reactors do. When `status` is not OK it only answers that. `watches` counts the watches
// that stand; above a limit a new one is refused with RESOURCE_EXHAUSTED. After `longest` it ends
// with UNAUTHENTICATED: the token that let the watcher in is over then. Fingerprints of cards are
// left out without `shows_fingerprints`.
grpc::ServerWriteReactor<v1::WatchFindingsResponse>* StartFindingWatch(
    const absl::Status& status, const v1::WatchFindingsRequest& request, store::FindingFeed* feed,
    WorkQueue* work, std::atomic<int>* watches, absl::Duration longest, bool shows_fingerprints);

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_FINDING_WATCH_H_
