// Talks TLS to itself over a loopback connection in the way that its argument names, so that a test
// can compare what probes saw with what was passed:
//
//   tls_calls MODE CERTIFICATE KEY
//
// What the client sends is Numbers(bytes), and the server checks that it came. Prints
// `sent BYTES, tried again TIMES` when all is over, and exits 0; ends with its standard input.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/agent/traffic/source/tls_uprobe/numbers.h"

namespace {

using skimwatch::traffic::testing::Numbers;

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "tls_calls: %s\n", what);
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

void Check(bool ok, const char* what) {
  if (!ok) Die(what);
}

// A connection over loopback, with little room, both ends of which never block.
struct Connection {
  Connection() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    Check(bind(listener, name, size) == 0 && listen(listener, 1) == 0, "listen");
    Check(getsockname(listener, name, &size) == 0, "getsockname");
    client = socket(AF_INET, SOCK_STREAM, 0);
    const int room = 16 << 10;
    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    Check(connect(client, name, size) == 0, "connect");
    server = accept(listener, nullptr, nullptr);
    Check(server >= 0, "accept");
    close(listener);
    for (const int fd : {client, server}) fcntl(fd, F_SETFL, O_NONBLOCK);
  }

  int client = -1;
  int server = -1;
};

class OpenSsl {
 public:
  OpenSsl(const char* certificate, const char* key) {
    SSL_CTX* const context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    Check(SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) == 1, "certificate");
    Check(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, "key");
    client_ = SSL_new(context);
    server_ = SSL_new(context);
    SSL_set_fd(client_, connection_.client);
    SSL_set_fd(server_, connection_.server);
    SSL_set_connect_state(client_);
    SSL_set_accept_state(server_);
    while (!SSL_is_init_finished(client_) || !SSL_is_init_finished(server_)) {
      for (SSL* const side : {client_, server_}) {
        const int result = SSL_do_handshake(side);
        Check(result == 1 || Waits(side, result), "handshake");
      }
    }
  }

  // What probes take for the end of the connection.
  ~OpenSsl() {
    SSL_free(client_);
    SSL_free(server_);
  }
  OpenSsl(const OpenSsl&) = delete;
  OpenSsl& operator=(const OpenSsl&) = delete;

  SSL* client() { return client_; }
  int tried_again() const { return tried_again_; }
  size_t sent() const { return sent_; }
  const std::string& received() const { return received_; }

  // Sends it all by SSL_write_ex or SSL_write, and reads by SSL_read_ex or SSL_read.
  void Send(std::string_view text, bool ex) {
    while (!text.empty()) {
      size_t written = 0;
      const int result = ex ? SSL_write_ex(client_, text.data(), text.size(), &written)
                            : SSL_write(client_, text.data(), static_cast<int>(text.size()));
      if (result <= 0) {
        Check(Waits(client_, result), "write");
        ++tried_again_;
        Receive(ex);
        continue;
      }
      if (!ex) written = static_cast<size_t>(result);
      sent_ += written;
      text.remove_prefix(written);
    }
    while (received_.size() < sent_) Receive(ex);
  }

  void SendThroughBio(std::string_view text) {
    BIO* const bio = BIO_new(BIO_f_ssl());
    BIO_set_ssl(bio, client_, BIO_NOCLOSE);
    Check(
        BIO_write(bio, text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()),
        "write through a BIO");
    BIO_free(bio);
    sent_ += text.size();
    while (received_.size() < sent_) Receive(false);
  }

 private:
  static bool Waits(SSL* side, int result) {
    const int error = SSL_get_error(side, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }

  void Receive(bool ex) {
    std::array<char, 20'000> buffer;
    size_t size = 0;
    const int result = ex ? SSL_read_ex(server_, buffer.data(), buffer.size(), &size)
                          : SSL_read(server_, buffer.data(), buffer.size());
    if (result <= 0) return Check(Waits(server_, result), "read");
    received_.append(buffer.data(), ex ? size : static_cast<size_t>(result));
  }

  Connection connection_;
  SSL* client_ = nullptr;
  SSL* server_ = nullptr;
  std::string received_;
  size_t sent_ = 0;
  int tried_again_ = 0;
};

void RunOpenSsl(std::string_view mode, const char* certificate, const char* key) {
  OpenSsl tls(certificate, key);
  if (mode == "write" || mode == "write_ex") {
    const std::string text = Numbers(100'000);
    size_t at = 0;
    // Of less than a record, of one, of several.
    for (const size_t size : {size_t{1}, size_t{500}, size_t{16'384}, size_t{50'000}}) {
      tls.Send(std::string_view(text).substr(at, size), mode == "write_ex");
      at += size;
    }
  } else if (mode == "bio") {
    tls.SendThroughBio(Numbers(10'000));
  } else if (mode == "retry" || mode == "partial") {
    if (mode == "partial") SSL_set_mode(tls.client(), SSL_MODE_ENABLE_PARTIAL_WRITE);
    tls.Send(Numbers(900'000), false);
    Check(tls.tried_again() > 0, "nothing had to be tried again");
  } else if (mode == "sendfile") {
    tls.Send(Numbers(100), false);
    const int fd = open(certificate, O_RDONLY | O_CLOEXEC);
    const ossl_ssize_t sent = SSL_sendfile(tls.client(), fd, 0, 100, 0);
    std::printf("sendfile %zd\n", static_cast<ssize_t>(sent));
  } else {
    Die("no such mode");
  }
  Check(tls.received() == Numbers(tls.sent()), "other bytes came than were sent");
  std::printf("sent %zu, tried again %d\n", tls.sent(), tls.tried_again());
}

// Writes that are gathered, and sent when it uncorks.
void RunGnuTls() {
  Connection connection;
  gnutls_session_t client = nullptr;
  gnutls_session_t server = nullptr;
  gnutls_anon_client_credentials_t client_credentials = nullptr;
  gnutls_anon_server_credentials_t server_credentials = nullptr;
  gnutls_anon_allocate_client_credentials(&client_credentials);
  gnutls_anon_allocate_server_credentials(&server_credentials);
  gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
  gnutls_init(&server, GNUTLS_SERVER | GNUTLS_NONBLOCK);
  gnutls_credentials_set(client, GNUTLS_CRD_ANON, client_credentials);
  gnutls_credentials_set(server, GNUTLS_CRD_ANON, server_credentials);
  for (gnutls_session_t side : {client, server}) {
    gnutls_priority_set_direct(side, "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH", nullptr);
    gnutls_transport_set_int(side, side == client ? connection.client : connection.server);
  }
  int client_result = GNUTLS_E_AGAIN;
  int server_result = GNUTLS_E_AGAIN;
  while (client_result != 0 || server_result != 0) {
    if (client_result != 0) client_result = gnutls_handshake(client);
    if (server_result != 0) server_result = gnutls_handshake(server);
    Check(gnutls_error_is_fatal(client_result) == 0, "handshake of the client");
    Check(gnutls_error_is_fatal(server_result) == 0, "handshake of the server");
  }
  const std::string text = Numbers(3'000);
  gnutls_record_cork(client);
  for (size_t at = 0; at < text.size(); at += 1'000) {
    Check(gnutls_record_send(client, text.data() + at, 1'000) == 1'000, "send");
  }
  Check(gnutls_record_uncork(client, GNUTLS_RECORD_WAIT) == 3'000, "uncork");
  std::string received;
  while (received.size() < text.size()) {
    std::array<char, 2'000> buffer;
    const ssize_t size = gnutls_record_recv(server, buffer.data(), buffer.size());
    if (size == GNUTLS_E_AGAIN) continue;
    Check(size > 0, "receive");
    received.append(buffer.data(), static_cast<size_t>(size));
  }
  Check(received == text, "other bytes came than were sent");
  std::printf("sent %zu, tried again 0\n", text.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) Die("usage: tls_calls MODE CERTIFICATE KEY");
  const std::string_view mode = argv[1];
  // Until then the test can look at it.
  std::array<char, 16> nothing;
  if (mode == "gnutls_cork") {
    RunGnuTls();
  } else {
    RunOpenSsl(mode, argv[2], argv[3]);
  }
  std::fflush(stdout);
  while (read(STDIN_FILENO, nothing.data(), nothing.size()) > 0) {
  }
  return 0;
}
