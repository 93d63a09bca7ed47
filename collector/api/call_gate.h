#ifndef SKIMWATCH_COLLECTOR_API_CALL_GATE_H_
#define SKIMWATCH_COLLECTOR_API_CALL_GATE_H_

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "collector/api/caller.h"
#include "grpcpp/security/auth_metadata_processor.h"

namespace skimwatch::api {

// Stands before every method of a listener that takes connections without a client certificate
// (tls::ClientCertificates::kOptional), those of gRPC's own services and those that nobody thought
// of included. Without a certificate it lets through the methods of MethodRoles, for who shows a
// good token; what they may do there is decided there. It refuses everything else with
// UNAUTHENTICATED, before a byte of the request is looked at. With a certificate everything goes
// through, as on a listener that demands one. Thread-safe.
//
//   credentials->SetAuthMetadataProcessor(std::make_shared<CallGate>(CallGate::Options{...}));
class CallGate : public grpc::AuthMetadataProcessor {
 public:
  struct Options {
    // Must outlive the server.
    token::TokenChecker* tokens = nullptr;
    std::function<absl::Time()> now = absl::Now;
  };
  explicit CallGate(Options options) : options_(std::move(options)) {}

  // Nothing here waits.
  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context,
                       OutputMetadata* consumed, OutputMetadata* response) override;

 private:
  absl::Status Check(const InputMetadata& metadata, const grpc::AuthContext& context,
                     std::string_view path) const;
  // Whoever has no certificate must not fill the log: one refusal a second is told, with how many
  // there were since.
  void Log(std::string_view path, const absl::Status& status);

  const Options options_;
  absl::Mutex mutex_;
  absl::Time logged_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  uint64_t unlogged_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace skimwatch::api

#endif  // SKIMWATCH_COLLECTOR_API_CALL_GATE_H_
