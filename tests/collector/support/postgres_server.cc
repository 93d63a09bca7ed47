#include "tests/collector/support/postgres_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"

namespace skimwatch::testing {
namespace {

constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";
constexpr char kUser[] = "skimwatch";

// Whom the server runs as; 0 for the test's own user.
uid_t ServerUser() {
  if (geteuid() != 0) return 0;
  const passwd* const user = getpwnam("postgres");
  EXPECT_NE(user, nullptr) << "no user `postgres`; run deploy/install-dependencies.sh";
  return user == nullptr ? 0 : user->pw_uid;
}

}  // namespace

PostgresServer::PostgresServer(Options options)
    : options_(std::move(options)), data_(folder_.File("data")) {
  const uid_t user = ServerUser();
  if (user != 0) {
    EXPECT_EQ(chown(folder_.path().c_str(), user, static_cast<gid_t>(-1)), 0);
  }
  EXPECT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  if (options_.primary == nullptr) {
    MakeCluster();
  } else {
    const Result copied =
        Run({absl::StrCat(kPrograms, "pg_basebackup"), "-D", data_, "-h", options_.primary->host(),
             "-U", kUser, "-R", "-X", "stream", "-c", "fast", "-N"});
    EXPECT_EQ(copied.code, 0) << copied.err;
  }
  for (const auto& [name, content] : options_.files) {
    const std::string path = absl::StrCat(data_, "/", name);
    std::ofstream(path) << content;
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    if (user != 0) {
      EXPECT_EQ(chown(path.c_str(), user, static_cast<gid_t>(-1)), 0);
    }
  }
  Start();
}

void PostgresServer::MakeCluster() const {
  // Making one takes most of the time of a short test, so that it is done once for all tests of a
  // build.
  const std::string kept = absl::StrCat(SKIMWATCH_BIN_DIR, "/../tests/postgres-cluster");
  const int lock = open((kept + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  EXPECT_EQ(flock(lock, LOCK_EX), 0);
  std::error_code error;
  if (!std::filesystem::exists(kept)) {
    const Result made = Run({absl::StrCat(kPrograms, "initdb"), "-D", data_, "-U", kUser, "-A",
                             "trust", "-E", "UTF8", "--locale=C", "-N"});
    EXPECT_EQ(made.code, 0) << made.err;
    // Whole or not at all.
    const std::string copy = kept + ".new";
    std::filesystem::remove_all(copy, error);
    std::filesystem::copy(data_, copy, std::filesystem::copy_options::recursive, error);
    if (!error) std::filesystem::rename(copy, kept, error);
    EXPECT_FALSE(error) << error.message();
    close(lock);
    return;
  }
  close(lock);
  std::filesystem::copy(kept, data_, std::filesystem::copy_options::recursive, error);
  EXPECT_FALSE(error) << error.message();
  const uid_t user = ServerUser();
  if (user != 0) {
    EXPECT_EQ(chown(data_.c_str(), user, static_cast<gid_t>(-1)), 0);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_)) {
    if (user == 0) break;
    EXPECT_EQ(lchown(entry.path().c_str(), user, static_cast<gid_t>(-1)), 0);
  }
}

PostgresServer::~PostgresServer() {
  if (process_ != nullptr) Stop(SIGQUIT);
}

Result PostgresServer::Run(std::vector<std::string> command) const {
  return RunProgram(
      {.command = std::move(command), .environment = {"LC_ALL=C", "TZ=UTC"}, .user = ServerUser()});
}

void PostgresServer::Start() {
  std::string command =
      absl::StrCat("exec ", kPrograms, "postgres -D ", data_, " -k ", folder_.path(),
                   " -c listen_addresses= -c fsync=off -c shared_buffers=32MB -c max_connections=60"
                   " -c max_wal_size=256MB -c log_min_messages=warning");
  for (const std::string& setting : options_.settings) {
    absl::StrAppend(&command, " -c ", setting);
  }
  absl::StrAppend(&command, " >>", folder_.File("log"), " 2>&1");
  process_ =
      std::make_unique<ChildProcess>(ChildProcess::Options{.command = {"/bin/sh", "-c", command},
                                                           .environment = {"LC_ALL=C", "TZ=UTC"},
                                                           .user = ServerUser()});
  EXPECT_TRUE(WaitUntil([&] {
    return Run({absl::StrCat(kPrograms, "pg_isready"), "-q", "-h", host(), "-d", "postgres"})
               .code == 0;
  })) << Log();
}

void PostgresServer::Stop(int signal) {
  process_->Signal(signal);
  process_->Wait();
  process_.reset();
}

void PostgresServer::Promote() {
  const Result promoted = Run({absl::StrCat(kPrograms, "pg_ctl"), "promote", "-D", data_, "-w"});
  EXPECT_EQ(promoted.code, 0) << promoted.err << promoted.out;
}

std::string PostgresServer::MakeDatabase() {
  const std::string name = absl::StrCat("store", ++databases_);
  Query("postgres", absl::StrCat("CREATE DATABASE ", name));
  return name;
}

std::string PostgresServer::Conninfo(const std::string& database) const {
  return absl::StrCat("host=", host(), " user=", kUser, " dbname=", database);
}

std::string PostgresServer::Query(const std::string& database, const std::string& sql) const {
  const Result result = Run({absl::StrCat(kPrograms, "psql"), "-X", "-q", "-t", "-A", "-v",
                             "ON_ERROR_STOP=1", "-d", Conninfo(database), "-c", sql});
  EXPECT_EQ(result.code, 0) << sql << ": " << result.err;
  return std::string(absl::StripSuffix(result.out, "\n"));
}

std::string PostgresServer::Log() const { return ReadFile(folder_.File("log")); }

}  // namespace skimwatch::testing
