#ifndef SKIMWATCH_COLLECTOR_API_SERVICES_H_
#define SKIMWATCH_COLLECTOR_API_SERVICES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/api/authorization.h"
#include "collector/inventory/inventory.h"
#include "collector/store/finding_feed.h"
#include "collector/store/store.h"
#include "collector/token/token.h"
#include "skimwatch/v1/policy.pb.h"

namespace grpc {
class Service;
}

namespace skimwatch::api {

class WorkQueue;

// What the services stand on. All of it must outlive them, and they must outlive the server that
// they are registered with.
struct Dependencies {
  store::Store* store = nullptr;
  store::FindingFeed* feed = nullptr;
  inventory::Inventory* inventory = nullptr;
  const Authorizer* authorizer = nullptr;
  // Null where no token is taken.
  token::TokenChecker* tokens = nullptr;
  // Runs what waits for the disk, off the threads that gRPC calls back on.
  WorkQueue* work = nullptr;
  // The keys that fingerprints are made with, newest first.
  std::function<std::vector<v1::FingerprintKey>()> fingerprint_keys;
  std::function<absl::Time()> now = absl::Now;
  // Of this program, for reports.
  std::string version;
};

// What operators ask and what they decide. Every call is authorized by the caller's certificate or
// token before its request is looked at, and every request is held to the limits of
// request_limits.h. Looking for a card, fetching keys and every decision are logged with who did
// it.
//
//   WorkQueue work({});
//   auto query = MakeQueryService({.store = store, ..., .work = &work});
//   builder.RegisterService(query.get());
std::unique_ptr<grpc::Service> MakeQueryService(const Dependencies& dependencies);
std::unique_ptr<grpc::Service> MakeDecisionService(const Dependencies& dependencies);

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_SERVICES_H_
