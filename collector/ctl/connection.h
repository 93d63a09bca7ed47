#ifndef SKIMWATCH_COLLECTOR_CTL_CONNECTION_H_
#define SKIMWATCH_COLLECTOR_CTL_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/ctl/options.h"
#include "grpcpp/grpcpp.h"
#include "skimwatch/config/v1/ctl.pb.h"
#include "skimwatch/v1/decision_service.grpc.pb.h"
#include "skimwatch/v1/query_service.grpc.pb.h"

namespace skimwatch::ctl {

// The settings in force: the command line goes before SKIMWATCH_COLLECTOR, that before the file,
// and the file before the defaults. (SKIMWATCH_TOKEN is Connection::Open's: a secret is no
// setting.) The file is the one that --config names, else skimwatch/ctl.yaml in XDG_CONFIG_HOME or
// ~/.config, which need not be there.
absl::StatusOr<config::v1::CtlConfig> EffectiveConfig(const Options& options);

// A channel to the collector with the stubs of its services. Nothing is sent before the first call.
// A token goes along with every call: the one in SKIMWATCH_TOKEN, else what stands in `token_file`
// at that time.
class Connection {
 public:
  // Errors name the option or the file.
  static absl::StatusOr<Connection> Open(const config::v1::CtlConfig& config);

  v1::QueryService::Stub& query() { return *query_; }
  v1::DecisionService::Stub& decision() { return *decision_; }

  // Makes one call within the configured time.
  //
  //   connection.Call(&connection.query(), &v1::QueryService::Stub::GetScript, request);
  template <typename Stub, typename Base, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(Deadline());
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status, context);
    return response;
  }

  // How the call of `context` ended.
  static absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext& context);
  // Whether the collector itself said so, rather than gRPC on this side of a connection.
  static bool IsFromCollector(const absl::Status& status);

 private:
  explicit Connection(uint32_t timeout_seconds) : timeout_seconds_(timeout_seconds) {}
  std::chrono::system_clock::time_point Deadline() const {
    return std::chrono::system_clock::now() + std::chrono::seconds(timeout_seconds_);
  }

  uint32_t timeout_seconds_;
  std::unique_ptr<v1::QueryService::Stub> query_;
  std::unique_ptr<v1::DecisionService::Stub> decision_;
};

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_CONNECTION_H_
