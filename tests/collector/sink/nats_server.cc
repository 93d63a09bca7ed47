#include "tests/collector/sink/nats_server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nats/nats.h"
#include "tests/support/daemon.h"

namespace skimwatch::testing {

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

struct NatsServer::Client {
  ~Client() {
    jsCtx_Destroy(stream);
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
  }
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  jsCtx* stream = nullptr;
};

NatsServer::NatsServer(Options options) : options_(std::move(options)), port_(FreePort()) {}

NatsServer::~NatsServer() {
  if (process_ != nullptr) Kill();
}

std::string NatsServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

std::unique_ptr<NatsServer::Client> NatsServer::Connect() const {
  auto client = std::make_unique<Client>();
  const bool tls = !options_.ca_file.empty();
  natsOptions_Create(&client->options);
  natsOptions_SetURL(client->options, absl::StrCat(tls ? "tls://" : "nats://", address()).c_str());
  natsOptions_SetAllowReconnect(client->options, false);
  if (tls) {
    natsOptions_SetSecure(client->options, true);
    natsOptions_LoadCATrustedCertificates(client->options, options_.ca_file.c_str());
  }
  if (natsConnection_Connect(&client->connection, client->options) != NATS_OK ||
      natsConnection_JetStream(&client->stream, client->connection, nullptr) != NATS_OK) {
    return nullptr;
  }
  return client;
}

void NatsServer::Start() {
  const std::string file = folder_.File("nats.conf");
  std::ofstream(file) << "listen: " << address() << "\njetstream { store_dir: \"" << folder_.path()
                      << "/streams\" }\n"
                      << options_.configuration;
  process_ = std::make_unique<ChildProcess>(ChildProcess::Options{
      .command = {"/usr/sbin/nats-server", "-c", file, "-l", folder_.File("log")}});
  ASSERT_TRUE(WaitUntil([&] {
    const auto client = Connect();
    jsAccountInfo* info = nullptr;
    const bool ready =
        client != nullptr && js_GetAccountInfo(&info, client->stream, nullptr, nullptr) == NATS_OK;
    jsAccountInfo_Destroy(info);
    return ready;
  })) << ReadFile(folder_.File("log"));
}

void NatsServer::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
  process_ = nullptr;
}

void NatsServer::MakeStream(const std::string& name, const std::string& subjects,
                            int message_bytes_max) {
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const char* subject = subjects.c_str();
  config.Name = name.c_str();
  config.Subjects = &subject;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  config.MaxMsgSize = message_bytes_max;
  config.Duplicates = absl::ToInt64Nanoseconds(absl::Minutes(10));
  ASSERT_EQ(js_AddStream(nullptr, client->stream, &config, nullptr, nullptr), NATS_OK);
}

size_t NatsServer::Count(const std::string& stream) {
  const auto client = Connect();
  if (client == nullptr) return 0;
  jsStreamInfo* info = nullptr;
  if (js_GetStreamInfo(&info, client->stream, stream.c_str(), nullptr, nullptr) != NATS_OK) {
    return 0;
  }
  const auto count = static_cast<size_t>(info->State.Msgs);
  jsStreamInfo_Destroy(info);
  return count;
}

std::vector<NatsServer::Message> NatsServer::Messages(const std::string& stream) {
  const size_t count = Count(stream);
  const auto client = Connect();
  std::vector<Message> messages;
  for (size_t sequence = 1; client != nullptr && sequence <= count; ++sequence) {
    natsMsg* message = nullptr;
    EXPECT_EQ(js_GetMsg(&message, client->stream, stream.c_str(), sequence, nullptr, nullptr),
              NATS_OK);
    if (message == nullptr) break;
    const char* id = "";
    natsMsgHeader_Get(message, "Nats-Msg-Id", &id);
    messages.push_back({.id = id,
                        .subject = natsMsg_GetSubject(message),
                        .body = std::string(natsMsg_GetData(message),
                                            static_cast<size_t>(natsMsg_GetDataLength(message)))});
    natsMsg_Destroy(message);
  }
  return messages;
}

}  // namespace skimwatch::testing
