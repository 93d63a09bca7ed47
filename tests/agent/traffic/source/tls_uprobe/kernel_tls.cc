// Stands for a program on a kernel with TLS in it (kTLS), whose OpenSSL leaves a file to the
// kernel: it has the function, and says that it sent as many bytes as its argument names.

#include <sys/types.h>

#include <cstdio>
#include <cstdlib>

extern "C" ssize_t SSL_sendfile(void* /*ssl*/, int /*fd*/, off_t /*from*/, size_t size,
                                int /*flags*/) {
  return static_cast<ssize_t>(size);
}

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  // So that the call is made as it stands.
  ssize_t (*volatile sendfile)(void*, int, off_t, size_t, int) = SSL_sendfile;
  // Its probes come when it is loaded.
  while (std::getchar() != EOF) {
    int ssl = 0;
    sendfile(&ssl, 0, 0, std::strtoul(argv[1], nullptr, 10), 0);
    std::puts("sent");
    std::fflush(stdout);
  }
  return 0;
}
