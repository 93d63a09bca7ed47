#include "collector/api/call_gate.h"

#include <algorithm>
#include <utility>

#include "proto/text/printable.h"
#include "proto/tls/credentials.h"
#include "spdlog/spdlog.h"

namespace skimwatch::api {
namespace {

constexpr absl::Duration kLogInterval = absl::Seconds(1);
constexpr size_t kShownBytesMax = 128;

// `/skimwatch.v1.QueryService/ListAgents`.
bool IsOperatorsMethod(std::string_view path) {
  const absl::Span<const MethodRole> methods = MethodRoles();
  return std::any_of(methods.begin(), methods.end(), [&](const MethodRole& entry) {
    const size_t dot = entry.method.rfind('.');
    return path.size() == entry.method.size() + 1 && path[0] == '/' && path[dot + 1] == '/' &&
           path.substr(1, dot) == entry.method.substr(0, dot) &&
           path.substr(dot + 2) == entry.method.substr(dot + 1);
  });
}

}  // namespace

grpc::Status CallGate::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                               OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) {
  if (tls::HasCertificate(*context)) return grpc::Status::OK;
  const auto path = metadata.find(":path");
  const std::string_view shown =
      path == metadata.end() ? "" : std::string_view(path->second.data(), path->second.size());
  const absl::Status status = Check(metadata, *context, shown);
  if (!status.ok()) Log(shown, status);
  return ToGrpc(status);
}

absl::Status CallGate::Check(const InputMetadata& metadata, const grpc::AuthContext& context,
                             std::string_view path) const {
  if (!IsOperatorsMethod(path)) {
    return absl::UnauthenticatedError(
        "this needs a client certificate of the collector's authority");
  }
  if (metadata.find("authorization") == metadata.end()) {
    return absl::UnauthenticatedError("this needs a client certificate or a token");
  }
  return FindCaller(context, metadata, options_.tokens).status();
}

void CallGate::Log(std::string_view path, const absl::Status& status) {
  uint64_t before = 0;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = options_.now();
    if (now >= logged_at_ && now - logged_at_ < kLogInterval) {
      ++unlogged_;
      return;
    }
    logged_at_ = now;
    before = std::exchange(unlogged_, 0);
  }
  spdlog::warn("refused {} to a caller without a certificate: {} ({} more since the last line)",
               text::Printable(path.substr(0, kShownBytesMax)),
               std::string_view(status.message().data(), status.message().size()), before);
}

}  // namespace skimwatch::api
