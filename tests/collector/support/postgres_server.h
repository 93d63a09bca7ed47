#ifndef SKIMWATCH_TESTS_COLLECTOR_SUPPORT_POSTGRES_SERVER_H_
#define SKIMWATCH_TESTS_COLLECTOR_SUPPORT_POSTGRES_SERVER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::testing {

// A PostgreSQL server of the test's own: a new cluster in a folder that goes with it, reached over
// a Unix socket there. Runs as the user `postgres` when the test is root, which PostgreSQL refuses
// to be. Its user for everything is `skimwatch`, without a password.
class PostgresServer {
 public:
  struct Options {
    // `name=value`, beside a small setup without fsync.
    std::vector<std::string> settings;
    // Files of the cluster's folder, by name, that only the server may read.
    std::map<std::string, std::string> files;
    // Makes a hot standby that streams from this one, which must run.
    PostgresServer* primary = nullptr;
  };

  PostgresServer() : PostgresServer(Options()) {}
  explicit PostgresServer(Options options);
  // Stops it at once.
  ~PostgresServer();

  // Starts it and waits until it takes connections.
  void Start();
  // Sends a signal to the server and waits for its end: SIGINT ends sessions and stops, SIGQUIT and
  // SIGKILL are crashes.
  void Stop(int signal);
  // Makes a standby a primary, and waits until it is.
  void Promote();

  // An empty database of a name that nothing else has.
  std::string MakeDatabase();
  // Folder of the socket.
  std::string host() const { return folder_.path(); }
  std::string Conninfo(const std::string& database) const;
  // Runs SQL by psql and returns its rows, a line each, columns with `|` between. A failure is
  // added when it fails.
  std::string Query(const std::string& database, const std::string& sql) const;
  std::string Log() const;

 private:
  void MakeCluster() const;
  Result Run(std::vector<std::string> command) const;

  const Options options_;
  const TempFolder folder_;
  std::string data_;
  std::unique_ptr<ChildProcess> process_;
  int databases_ = 0;
};

}  // namespace skimwatch::testing

#endif  // SKIMWATCH_TESTS_COLLECTOR_SUPPORT_POSTGRES_SERVER_H_
