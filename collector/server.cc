#include "collector/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/api/authorization.h"
#include "collector/api/call_gate.h"
#include "collector/api/services.h"
#include "collector/api/work_queue.h"
#include "collector/console/console.h"
#include "collector/exposure/rules.h"
#include "collector/ingest/agent_registry.h"
#include "collector/ingest/housekeeper.h"
#include "collector/ingest/ingest_service.h"
#include "collector/ingest/ingest_stats.h"
#include "collector/ingest/policy_source.h"
#include "collector/ingest/store_health.h"
#include "collector/inventory/approval_keeper.h"
#include "collector/inventory/inventory.h"
#include "collector/metrics/collector_metrics.h"
#include "collector/publisher/publishers.h"
#include "collector/sink/feeder.h"
#include "collector/sink/nats/nats_sink.h"
#include "collector/sink/sink_metrics.h"
#include "collector/sink/syslog/syslog_sink.h"
#include "collector/sink/webhook/webhook_sink.h"
#include "collector/store/finding_feed.h"
#include "collector/store/store.h"
#include "collector/token/issuers.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/resource_quota.h"
#include "proto/admin/admin_server.h"
#include "proto/fingerprint/fingerprint.h"
#include "proto/tls/certificate_files.h"
#include "proto/tls/credentials.h"
#include "spdlog/spdlog.h"

namespace skimwatch::collector {
namespace {

// A connection that says nothing is asked whether it still lives, and closed when it does not
// answer.
constexpr int kKeepaliveTimeMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Clients may ask as often.
constexpr int kPingIntervalMinMs = 5'000;
// A connection is checked against its certificate when it is made, so it must not last for ever.
constexpr int kConnectionAgeMaxMs = 12 * 3600 * 1000;
constexpr int kConnectionAgeGraceMs = 10'000;
// Calls of one connection at once.
constexpr int kStreamsPerConnectionMax = 100;
// Memory for messages that gRPC holds.
constexpr size_t kTransportBytesMax = size_t{1} << 30;
// Room for a token beside the rest of a call's metadata; gRPC's default of 8 KiB is less than some
// providers need for a person's groups.
constexpr int kMetadataBytesMax = 32 << 10;
constexpr int kIdleMaxMs = 60'000;
// Calls of operators that run when the collector ends get this long.
constexpr absl::Duration kCallsGrace = absl::Milliseconds(500);
// An agent is silent after this many heartbeats were missed.
constexpr int kHeartbeatsMissed = 3;

absl::Duration SilentAfter(const config::v1::CollectorConfig& config) {
  return absl::Milliseconds(config.ingest().heartbeat_interval_ms()) * kHeartbeatsMissed;
}

// Reflection is switched on for every server of the process at once, by asking for it or by linking
// its library; this takes it out of one.
class WithoutReflection : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      return plugin->name() == "proto_server_reflection";
    });
  }
};

absl::Status InContext(std::string_view context, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(std::string(context), ": ", status.message()));
}

constexpr std::string_view kNoKeys =
    "no fingerprint_keys.files: cards can be neither told apart nor looked up";

absl::Status CheckFolderOf(std::string_view field, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  struct stat info = {};
  if (stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(std::string(field), ": ", folder,
                                          " is not a folder that can be read; create it"));
}

// What a wrong path leads to: not a file, or one of another program. A new store's file is empty.
absl::Status CheckStoreFile(const std::string& path) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return CheckFolderOf("store.path", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("store.path: ", path, " is not a file; name a file, which need not be there"));
  }
  if (info.st_size == 0) return absl::OkStatus();
  std::string begin(kMagic.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    return absl::PermissionDeniedError(
        absl::StrCat("store.path: ", path, " can't be read by this user"));
  }
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  if (begin == kMagic) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("store.path: ", path, " is no store of a collector; name another file"));
}

bool GrpcIsOlderThan(int major, int minor) {
  int has_major = 0;
  int has_minor = 0;
  const std::string version = grpc::Version();
  if (std::sscanf(version.c_str(), "%d.%d", &has_major, &has_minor) != 2) return false;
  return std::pair(has_major, has_minor) < std::pair(major, minor);
}

// Addresses that one machine can't listen on both.
absl::Status CheckAddressesDiffer(const config::v1::CollectorConfig& config) {
  const std::string_view one = config.listen();
  const std::string_view other = config.metrics().listen();
  const size_t one_colon = one.rfind(':');
  const size_t other_colon = other.rfind(':');
  if (one.starts_with("unix:") || one_colon == one.npos || other_colon == other.npos) {
    return absl::OkStatus();
  }
  const std::string_view port = one.substr(one_colon);
  if (port == ":0" || port != other.substr(other_colon)) return absl::OkStatus();
  const auto is_any = [](std::string_view host) { return host == "0.0.0.0" || host == "[::]"; };
  const std::string_view one_host = one.substr(0, one_colon);
  const std::string_view other_host = other.substr(0, other_colon);
  if (one_host != other_host && !is_any(one_host) && !is_any(other_host)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("metrics.listen: ", config.metrics().listen(),
                                                 " takes the port of `listen`, ", config.listen(),
                                                 "; give each a port of its own"));
}

// Reads the keys, creating the first one where `create` and there is none yet.
absl::StatusOr<std::vector<v1::FingerprintKey>> LoadKeys(const config::v1::FingerprintKeys& config,
                                                         bool create) {
  std::vector<v1::FingerprintKey> keys;
  std::set<std::string> ids;
  for (const std::string& file : config.files()) {
    absl::StatusOr<v1::FingerprintKey> key = fingerprint::ReadKeyFile(file);
    if (absl::IsNotFound(key.status()) && keys.empty()) {
      if (absl::Status s = CheckFolderOf("fingerprint_keys.files", file); !s.ok()) return s;
      if (!create) return keys;
      key = fingerprint::CreateKeyFile(file);
      if (key.ok())
        spdlog::info("created fingerprint key '{}' in {}; keep a copy", key->id(), file);
    }
    if (!key.ok()) return InContext("fingerprint_keys.files", key.status());
    if (!ids.insert(key->id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("fingerprint_keys.files: ", file, ": the id '", key->id(),
                       "' is another file's too; each key needs its own"));
    }
    keys.push_back(*std::move(key));
  }
  return keys;
}

std::string HostName() {
  char host[HOST_NAME_MAX + 1] = {};
  gethostname(host, sizeof host - 1);
  return host;
}

// Tells this collector from others that share its store.
std::string CollectorName(const std::string& listen) {
  return absl::StrCat(HostName(), "/", listen);
}

std::unique_ptr<sink::Sink> MakeSink(const config::v1::Sink& config, const std::string& version) {
  if (config.has_nats()) {
    return std::make_unique<sink::NatsSink>(sink::NatsSink::Options{
        .config = config.nats(), .client_name = absl::StrCat("skimwatch-collector ", HostName())});
  }
  if (config.has_webhook()) {
    return std::make_unique<sink::WebhookSink>(
        sink::WebhookSink::Options{.config = config.webhook(), .version = version});
  }
  return std::make_unique<sink::SyslogSink>(
      sink::SyslogSink::Options{.config = config.syslog(), .host = HostName()});
}

class ServerImpl : public Server {
 public:
  explicit ServerImpl(Options options) : options_(std::move(options)) {}

  ~ServerImpl() override {
    if (grpc_server_ != nullptr) {
      grpc_server_->Shutdown(std::chrono::system_clock::now());
      grpc_server_->Wait();
    }
  }

  absl::Status Listen();

  int port() const override { return port_; }
  int metrics_port() const override { return admin_ != nullptr ? admin_->port() : 0; }
  int console_port() const override { return console_ != nullptr ? console_->port() : 0; }

  absl::Status Ready() const override {
    if (draining_) return absl::UnavailableError("shutting down");
    return health_.Get();
  }

  void Drain(absl::Duration timeout) override {
    draining_ = true;
    grpc_server_->GetHealthCheckService()->Shutdown();
    ingest_->Drain(timeout);
    grpc_server_->Shutdown(absl::ToChronoTime(absl::Now() + kCallsGrace));
  }

 private:
  absl::Status OpenStore();
  absl::Status StartGrpc();
  absl::Status StartConsole();
  void StartSinks();
  absl::Status StartMetrics();

  const Options options_;
  std::atomic<bool> draining_ = false;
  ingest::IngestStats stats_;
  // Set once the server stands.
  std::atomic<grpc::HealthCheckServiceInterface*> health_service_ = nullptr;
  ingest::StoreHealth health_{[this](bool ok) {
    grpc::HealthCheckServiceInterface* service = health_service_;
    if (service != nullptr && !draining_) service->SetServingStatus(ok);
  }};
  ingest::AgentRegistry agents_{SilentAfter(options_.config)};
  store::FindingFeed feed_;
  exposure::Rules rules_;
  std::vector<v1::FingerprintKey> keys_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<ingest::PolicySource> policies_;
  // Destroyed from the last to the first: what serves goes before what it stands on.
  std::unique_ptr<ingest::Housekeeper> housekeeper_;
  std::unique_ptr<ingest::IngestService> ingest_;
  std::unique_ptr<inventory::Inventory> inventory_;
  std::unique_ptr<inventory::ApprovalKeeper> approvals_;
  std::unique_ptr<api::Authorizer> authorizer_;
  // Null without `token_issuers`.
  std::unique_ptr<token::Issuers> tokens_;
  std::unique_ptr<api::WorkQueue> work_;
  api::Dependencies dependencies_;
  std::unique_ptr<grpc::Service> query_;
  std::unique_ptr<grpc::Service> decision_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<console::ConsoleServer> console_;
  std::vector<std::unique_ptr<sink::Feeder>> feeders_;
  std::unique_ptr<admin::AdminServer> admin_;
  int port_ = 0;
};

absl::Status ServerImpl::OpenStore() {
  store::Options store_options;
  store_options.config = options_.config.store();
  store_options.silent_after = SilentAfter(options_.config);
  store_options.now = options_.now;
  store_options.approval_warning =
      absl::Hours(24) * options_.config.script_approvals().warning_days();
  store_options.collector = CollectorName(options_.config.listen());
  absl::StatusOr<std::unique_ptr<store::Store>> store = store::OpenStore(std::move(store_options));
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  return store_->Write(
      [](store::Transaction& transaction) { return transaction.DisconnectAllAgents(); });
}

absl::Status ServerImpl::Listen() {
  const config::v1::CollectorConfig& config = options_.config;
  absl::StatusOr<exposure::Rules> rules = exposure::Rules::FromConfig(config.exposures());
  if (!rules.ok()) return rules.status();
  rules_ = *rules;
  absl::StatusOr<std::vector<v1::FingerprintKey>> keys =
      LoadKeys(config.fingerprint_keys(), /*create=*/true);
  if (!keys.ok()) return keys.status();
  keys_ = *std::move(keys);
  if (keys_.empty()) {
    spdlog::warn("{}", kNoKeys);
  }
  if (absl::Status s = OpenStore(); !s.ok()) return s;
  policies_ = std::make_unique<ingest::PolicySource>(
      store_.get(), keys_,
      std::vector<v1::ExpectedFlow>(config.expected_flows().begin(),
                                    config.expected_flows().end()));
  if (absl::Status s = policies_->Start(); !s.ok()) return s;
  if (policies_->LacksLatestKey()) {
    spdlog::error(
        "fingerprint_keys.files: the store's latest fingerprints were made with a key that is not "
        "among these; cards that were seen before count as new and can't be looked up. Give all "
        "collectors of the store the same files, and keep an old key after the new one");
  }
  housekeeper_ = std::make_unique<ingest::Housekeeper>(
      ingest::Housekeeper::Options{.store = store_.get(),
                                   .health = &health_,
                                   .agents = &agents_,
                                   .retention = absl::Hours(24) * config.store().retention_days(),
                                   .quiet = absl::Hours(24) * config.exposures().quiet_days(),
                                   .now = options_.now});
  if (absl::Status s = StartGrpc(); !s.ok()) return s;
  if (absl::Status s = StartConsole(); !s.ok()) return s;
  StartSinks();
  return StartMetrics();
}

void ServerImpl::StartSinks() {
  for (const config::v1::Sink& config : options_.config.sinks()) {
    feeders_.push_back(std::make_unique<sink::Feeder>(
        sink::Feeder::Options{.store = store_.get(),
                              .config = config,
                              .collector = CollectorName(options_.config.listen()),
                              .version = options_.version,
                              .now = options_.now},
        MakeSink(config, options_.version)));
  }
}

absl::Status ServerImpl::StartGrpc() {
  const config::v1::CollectorConfig& config = options_.config;
  if (config.token_issuers_size() > 0) {
    tokens_ = std::make_unique<token::Issuers>(config, options_.now);
  }
  // Who has a token need not have a certificate.
  const bool is_gated = tokens_ != nullptr;
  absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials = tls::ServerCredentials(
      config.tls(), config.listen(),
      is_gated ? tls::ClientCertificates::kOptional : tls::ClientCertificates::kRequired);
  if (!credentials.ok()) return credentials.status();
  if (is_gated) {
    (*credentials)
        ->SetAuthMetadataProcessor(std::make_shared<api::CallGate>(
            api::CallGate::Options{.tokens = tokens_.get(), .now = options_.now}));
  }

  ingest_ = std::make_unique<ingest::IngestService>(
      ingest::IngestService::Options{.config = &options_.config,
                                     .store = store_.get(),
                                     .feed = &feed_,
                                     .stats = &stats_,
                                     .health = &health_,
                                     .agents = &agents_,
                                     .policies = policies_.get(),
                                     .rules = rules_,
                                     .version = options_.version,
                                     .now = options_.now});
  absl::StatusOr<publisher::Publishers> publishers =
      publisher::Publishers::Load(config.script_approvals());
  if (!publishers.ok()) return publishers.status();
  inventory_ = std::make_unique<inventory::Inventory>(
      store_.get(), [this] { ingest_->PushPolicies(); }, options_.now, *std::move(publishers));
  if (absl::Status s = inventory_->CheckStoredLists(); !s.ok()) return s;
  authorizer_ = std::make_unique<api::Authorizer>(config);
  work_ = std::make_unique<api::WorkQueue>(api::WorkQueue::Options{});
  dependencies_ = {.store = store_.get(),
                   .feed = &feed_,
                   .inventory = inventory_.get(),
                   .authorizer = authorizer_.get(),
                   .tokens = tokens_.get(),
                   .work = work_.get(),
                   .fingerprint_keys = [this] { return keys_; },
                   .now = options_.now,
                   .version = options_.version};
  query_ = api::MakeQueryService(dependencies_);
  decision_ = api::MakeDecisionService(dependencies_);

  grpc::EnableDefaultHealthCheckService(true);
  if (config.reflection()) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!config.reflection()) builder.SetOption(std::make_unique<WithoutReflection>());
  builder.AddListeningPort(config.listen(), *credentials, &port_);
  if (!config.operator_socket().empty()) {
    builder.AddListeningPort(config.operator_socket(), tls::OperatorSocketCredentials());
  }
  builder.RegisterService(ingest_->service());
  builder.RegisterService(query_.get());
  builder.RegisterService(decision_.get());
  if (tokens_ != nullptr) {
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
    // Who has no certificate must not hold connections for nothing; an agent has a stream.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMaxMs);
  }
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.ingest().message_kib() << 10));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPingIntervalMinMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMaxMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kConnectionAgeGraceMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  // Else a second collector on the same port would take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetResourceQuota(grpc::ResourceQuota("collector").Resize(kTransportBytesMax));
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr) {
    const std::string operators =
        config.operator_socket().empty()
            ? ""
            : absl::StrCat(" or operator_socket: on ", config.operator_socket());
    return absl::UnavailableError(absl::StrCat("listen: can't listen on ", config.listen(),
                                               operators, "; is another program using it?"));
  }
  if (config.listen().starts_with("unix:")) port_ = 0;
  health_service_ = grpc_server_->GetHealthCheckService();
  approvals_ = std::make_unique<inventory::ApprovalKeeper>(inventory::ApprovalKeeper::Options{
      .inventory = inventory_.get(), .lists_folder = config.script_approvals().lists_folder()});
  return absl::OkStatus();
}

absl::Status ServerImpl::StartConsole() {
  if (options_.config.console().listen() == "off") return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<console::ConsoleServer>> console =
      console::ConsoleServer::Start(options_.config, dependencies_);
  if (!console.ok()) return console.status();
  console_ = *std::move(console);
  return absl::OkStatus();
}

absl::Status ServerImpl::StartMetrics() {
  const config::v1::CollectorConfig& config = options_.config;
  if (config.metrics().listen() == "off") return absl::OkStatus();
  metrics::CollectorMetrics::Options options = {.store = store_.get(),
                                                .stats = &stats_,
                                                .health = &health_,
                                                .sites_max = config.metric_limits().sites(),
                                                .agents_max = config.metric_limits().agents(),
                                                .pages_max = config.metric_limits().pages(),
                                                .version = options_.version,
                                                .revision = options_.revision};
  if (!config.tls().plaintext()) {
    options.certificates["collector"] = [file = config.tls().certificate_file()] {
      return tls::CertificateExpiry(file);
    };
    options.certificates["authority"] = [file = config.tls().ca_file()] {
      return tls::CertificateExpiry(file);
    };
  }
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables = {
      std::make_shared<metrics::CollectorMetrics>(std::move(options))};
  if (console_ != nullptr) collectables.push_back(console_->metrics());
  std::vector<const sink::Feeder*> feeders;
  for (const auto& feeder : feeders_) feeders.push_back(feeder.get());
  collectables.push_back(
      std::make_shared<sink::SinkMetrics>(store_.get(), std::move(feeders), options_.now));
  absl::StatusOr<std::unique_ptr<admin::AdminServer>> admin =
      admin::AdminServer::Start({.listen = config.metrics().listen(),
                                 .collectables = std::move(collectables),
                                 .ready = [this] { return Ready(); }});
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Options options) {
  auto server = std::make_unique<ServerImpl>(std::move(options));
  if (absl::Status s = server->Listen(); !s.ok()) return s;
  return server;
}

absl::Status CheckEnvironment(const config::v1::CollectorConfig& config) {
  if (absl::Status s = tls::ServerCredentials(config.tls(), config.listen()).status(); !s.ok()) {
    return s;
  }
  if (const config::v1::Tls& tls = console::TlsOf(config);
      config.console().listen() != "off" && !tls.plaintext()) {
    absl::Status s = tls::CheckCertificateFiles(tls, absl::Now());
    if (!s.ok()) return InContext("console.tls", s);
  }
  if (absl::Status s = LoadKeys(config.fingerprint_keys(), /*create=*/false).status(); !s.ok()) {
    return s;
  }
  if (absl::Status s = token::CheckIssuerFiles(config); !s.ok()) return s;
  if (absl::Status s = CheckAddressesDiffer(config); !s.ok()) return s;
  if (absl::Status s = publisher::Publishers::Load(config.script_approvals()).status(); !s.ok()) {
    return s;
  }
  if (config.store().has_postgres()) return store::CheckPostgresConfig(config.store().postgres());
  return CheckStoreFile(config.store().path());
}

std::vector<std::string> EnvironmentWarnings(const config::v1::CollectorConfig& config) {
  std::vector<std::string> warnings;
  if (config.fingerprint_keys().files().empty()) warnings.emplace_back(kNoKeys);
  if (config.token_issuers_size() > 0 && GrpcIsOlderThan(1, 53)) {
    warnings.push_back(absl::StrCat(
        "token_issuers: gRPC ", grpc::Version(), " lets clients without a certificate take all ",
        "memory by the fields of a request (CVE-2023-33953); let a firewall allow the port to ",
        "agents and operators only"));
  }
  return warnings;
}

}  // namespace skimwatch::collector
