#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/store/postgres/conninfo.h"
#include "collector/store/postgres/schema.h"
#include "collector/store/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/collector/support/test_ca.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_folder.h"

namespace skimwatch::store {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::PostgresServer;

constexpr absl::Duration kDay = absl::Hours(24);

Options OptionsFor(const std::string& conninfo) {
  Options options;
  options.config.mutable_postgres()->set_conninfo(conninfo);
  return options;
}

absl::Status Insert(Store& store, uint64_t sequence, absl::Time at) {
  return store.Write([&](Transaction& tx) {
    return tx.InsertFinding(testing::Stored(testing::CardFinding(sequence), "a", 7, at),
                            v1::FINDING_KIND_CARD_NUMBER);
  });
}

TEST(Conninfo, IsForAServerThatProvesWhoItIsAndCanBeWrittenTo) {
  const auto conninfo = postgres::Conninfo::Parse("host=a,b dbname=skimwatch");
  ASSERT_TRUE(conninfo.ok()) << conninfo.status();
  EXPECT_EQ(conninfo->parameters().at("sslmode"), "verify-full");
  EXPECT_EQ(conninfo->parameters().at("target_session_attrs"), "read-write");
  EXPECT_EQ(conninfo->parameters().at("connect_timeout"), "5");
  EXPECT_EQ(conninfo->Describe(), "host=a,b dbname=skimwatch");
  EXPECT_EQ(postgres::Conninfo::Parse("host=a sslmode=require connect_timeout=2")
                ->parameters()
                .at("connect_timeout"),
            "2");
}

TEST(Conninfo, IsRefusedWhereItIsNotSafe) {
  const std::pair<const char*, const char*> cases[] = {
      {"host=db.example sslmode=disable", "sslmode=disable"},
      {"host=127.0.0.1,db.example sslmode=prefer", "sslmode=prefer"},
      {"host=/run/postgresql hostaddr=192.0.2.1 sslmode=allow", "sslmode=allow"},
      {"host=127.evil.example sslmode=disable", "sslmode=disable"},
      {"host=127.0.0.1.evil.example sslmode=disable", "sslmode=disable"},
      {"host=127.0.0.1 service=billing sslmode=disable", "service"},
      {"host=a target_session_attrs=any", "target_session_attrs=any"},
      {"host=a password=hush-hush", "passfile"},
      {"postgresql://u:hush-hush@a/d", "passfile"},
      {"host=a hush-hush", "libpq can't read it"},
      {"host=a no_such_word=hush-hush", "libpq can't read it"},
  };
  for (const auto& [text, expected] : cases) {
    const absl::Status status = postgres::Conninfo::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << text;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hush"))) << text;
  }
  for (const char* const text :
       {"host=/run/postgresql sslmode=disable", "host=localhost,127.0.0.1 sslmode=disable",
        "dbname=d sslmode=prefer"}) {
    EXPECT_TRUE(postgres::Conninfo::Parse(text).ok()) << text;
  }
}

TEST(Conninfo, OfAServerThatTheEnvironmentNamesIsNotTakenForLocal) {
  const std::pair<const char*, const char*> cases[] = {
      {"PGHOST", "host=localhost"},
      {"PGHOSTADDR", "hostaddr=127.0.0.1"},
      {"PGSERVICE", "sslmode=verify-full"},
  };
  for (const auto& [variable, enough] : cases) {
    setenv(variable, "db.example", 1);
    EXPECT_EQ(postgres::Conninfo::Parse("sslmode=disable dbname=d").status().code(),
              absl::StatusCode::kInvalidArgument)
        << variable;
    EXPECT_TRUE(postgres::Conninfo::Parse(absl::StrCat("sslmode=disable ", enough)).ok())
        << variable;
    unsetenv(variable);
  }
}

TEST(PostgresSchema, IsMadeOnceWhenCollectorsStartTogether) {
  PostgresServer server;
  std::vector<std::thread> starts;
  for (int i = 0; i < 4; ++i) {
    starts.emplace_back([&, i] {
      auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
      ASSERT_TRUE(store.ok()) << store.status();
      EXPECT_TRUE(Insert(**store, static_cast<uint64_t>(i + 1), absl::Now()).ok());
    });
  }
  for (std::thread& start : starts) start.join();
  EXPECT_EQ(server.Query("postgres", "SELECT version FROM skimwatch_schema"),
            absl::StrCat(postgres::kSchemaVersion));
  EXPECT_EQ(server.Query("postgres", "SELECT count(*) FROM findings"), "4");
}

TEST(PostgresSchema, OfAProgramWithoutSinksIsBroughtUpToDateWithWhatIsInIt) {
  PostgresServer server;
  const std::string conninfo = server.Conninfo("postgres");
  ASSERT_TRUE(Insert(**OpenPostgresStore(OptionsFor(conninfo)), 1, absl::Now()).ok());
  server.Query("postgres",
               "DROP TABLE commits, commit_ends, sinks, sink_positions, sink_exposures,"
               " script_profiles, asked_behaviours, publishers, published_scripts;"
               " ALTER TABLE approvals DROP COLUMN expires_at, DROP COLUMN publisher;"
               " DROP INDEX script_versions_by_hash;"
               " UPDATE skimwatch_schema SET version = 2");
  auto store = OpenPostgresStore(OptionsFor(conninfo));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(Insert(**store, 2, absl::Now()).ok());
  EXPECT_EQ((*store)->ListFindings({})->findings_size(), 2);
  // What was stored before there were commits is in none.
  EXPECT_EQ((*store)->ReadChanges({}, 10)->findings.size(), 1u);
}

TEST(PostgresSchema, OfANewerProgramAndOfAnotherOneAreRefused) {
  PostgresServer server;
  const std::string conninfo = server.Conninfo("postgres");
  ASSERT_TRUE(OpenPostgresStore(OptionsFor(conninfo)).ok());
  server.Query("postgres", "UPDATE skimwatch_schema SET version = 1000");
  const absl::Status newer = OpenPostgresStore(OptionsFor(conninfo)).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(newer.message()), HasSubstr("schema version 1000"));

  const std::string other = server.MakeDatabase();
  server.Query(other, "CREATE TABLE agents (name TEXT)");
  const absl::Status foreign = OpenPostgresStore(OptionsFor(server.Conninfo(other))).status();
  EXPECT_EQ(foreign.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("another program"));
  // And left as they were.
  EXPECT_EQ(server.Query(other,
                         "SELECT count(*) FROM information_schema.tables"
                         " WHERE table_schema = 'public'"),
            "1");

  server.Query("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
  EXPECT_THAT(
      std::string(OpenPostgresStore(OptionsFor(server.Conninfo("latin"))).status().message()),
      HasSubstr("ENCODING 'UTF8'"));
}

TEST(PostgresSchema, UpgradedUnderARunningCollectorStopsItsWritesOnceItConnectsAnew) {
  PostgresServer server;
  auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
  ASSERT_TRUE(store.ok()) << store.status();
  server.Query("postgres", "UPDATE skimwatch_schema SET version = version + 1");
  server.Query("postgres",
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE application_name = 'skimwatch-collector'");
  const absl::Status status = Insert(**store, 1, absl::Now());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another schema"));
}

TEST(PostgresStore, ProvesTheServerAndGivesItsPasswordFromAFileOverTls) {
  const testing::TempFolder folder;
  testing::TestCa ca(folder.File("ca"));
  testing::TestCa other_ca(folder.File("other-ca"));
  const config::v1::Tls tls = ca.Issue("database");
  // An address of loopback that no other server has.
  const auto pid = static_cast<unsigned>(getpid());
  const std::string address =
      absl::StrCat("127.", 1 + (pid >> 16) % 100, ".", (pid >> 8) % 256, ".", pid % 256);
  PostgresServer server(
      {.settings = {"listen_addresses=" + address, "ssl=on"},
       .files = {
           {"server.crt", testing::ReadFile(tls.certificate_file())},
           {"server.key", testing::ReadFile(tls.key_file())},
           {"pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n"}}});
  server.Query("postgres", "ALTER ROLE skimwatch PASSWORD 'hush-hush'");
  const std::string passfile = folder.File("pgpass");
  std::ofstream(passfile) << "*:*:*:skimwatch:hush-hush\n";
  ASSERT_EQ(chmod(passfile.c_str(), 0600), 0);

  const auto open = [&](const std::string& more) {
    return OpenPostgresStore(OptionsFor(absl::StrCat("host=localhost hostaddr=", address,
                                                     " user=skimwatch dbname=postgres ", more)));
  };
  const std::string good = absl::StrCat("sslrootcert=", tls.ca_file(), " passfile=", passfile);
  auto store = open(good);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(Insert(**store, 1, absl::Now()).ok());
  EXPECT_EQ(server.Query("postgres",
                         "SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a"
                         " ON a.pid = s.pid WHERE application_name = 'skimwatch-collector'"),
            "t");

  // Another authority, another name, no password, a wrong one, no TLS: refused, and nothing is
  // told.
  const std::string wrong_passfile = folder.File("wrong");
  std::ofstream(wrong_passfile) << "*:*:*:skimwatch:hush-wrong\n";
  ASSERT_EQ(chmod(wrong_passfile.c_str(), 0600), 0);
  const std::pair<std::string, const char*> cases[] = {
      {absl::StrCat("sslrootcert=", other_ca.Issue("x").ca_file(), " passfile=", passfile),
       "SSL error"},
      {absl::StrCat(good, " host=elsewhere"), "does not match host name"},
      {absl::StrCat("sslrootcert=", tls.ca_file(), " passfile=/nonexistent"), "no password"},
      {absl::StrCat("sslrootcert=", tls.ca_file(), " passfile=", wrong_passfile),
       "password authentication failed"},
      {absl::StrCat(good, " sslmode=disable"), "no encryption"},
  };
  for (const auto& [more, expected] : cases) {
    const absl::Status status = open(more).status();
    EXPECT_FALSE(status.ok()) << more;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << more;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("hush"))) << more;
  }
}

TEST(PostgresStore, RefusesTextsThatTheDatabaseCanNotHold) {
  PostgresServer server;
  auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
  ASSERT_TRUE(store.ok()) << store.status();
  for (const std::string& name : {std::string("a\0b", 3), std::string("\xff\xfe")}) {
    const absl::Status status =
        (*store)->Write([&](Transaction& tx) { return tx.AdvanceCommittedSequence(name, 1, 1); });
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
  EXPECT_TRUE(Insert(**store, 1, absl::Now()).ok());
}

TEST(PostgresStore, KeepsADayInAPartitionAndDropsItWholeWithoutHoldingAnybody) {
  PostgresServer server;
  auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
  ASSERT_TRUE(store.ok()) << store.status();
  const absl::Time now = absl::Now();
  for (uint64_t day = 0; day < 4; ++day) {
    ASSERT_TRUE(Insert(**store, day + 1, now - day * kDay).ok());
  }
  const std::string partitions =
      "SELECT count(*) FROM pg_inherits WHERE inhparent = 'findings'::regclass";
  EXPECT_EQ(server.Query("postgres", partitions), "4");

  // Somebody reads all of it for long.
  server.Query("postgres", "CREATE TABLE has_read (yes integer)");
  std::thread reader([&] {
    server.Query("postgres",
                 "BEGIN; SELECT count(*) FROM findings;"
                 "DO $$BEGIN WHILE NOT EXISTS (SELECT FROM has_read) LOOP PERFORM pg_sleep(0.05);"
                 " END LOOP; END$$; COMMIT");
  });
  EXPECT_TRUE(testing::WaitUntil([&] {
    return server.Query("postgres",
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") ==
           "1";
  }));
  std::thread upkeep([&] {
    const auto dropped = (*store)->DeleteFindingsBefore(now - 2 * kDay, 1000);
    EXPECT_TRUE(dropped.ok()) << dropped.status();
  });
  // A collector commits meanwhile, and operators read.
  absl::Duration longest;
  for (uint64_t i = 10; i < 40; ++i) {
    const absl::Time begun = absl::Now();
    ASSERT_TRUE(Insert(**store, i, now).ok());
    ASSERT_TRUE((*store)->ListFindings({}).ok());
    longest = std::max(longest, absl::Now() - begun);
  }
  EXPECT_LT(longest, absl::Seconds(2));
  upkeep.join();
  EXPECT_EQ(server.Query("postgres", "SELECT count(*) FROM finding_days"), "5");
  server.Query("postgres", "INSERT INTO has_read VALUES (1)");
  reader.join();
  // The next time goes on with it.
  EXPECT_TRUE((*store)->DeleteFindingsBefore(now - 2 * kDay, 1000).ok());
  // Days that ended before: the fourth. The third is cut by the bound. Tomorrow's is made.
  EXPECT_EQ(server.Query("postgres", partitions), "4");
  EXPECT_EQ(server.Query("postgres", "SELECT count(*) FROM findings WHERE sequence < 10"), "3");
  EXPECT_EQ(server.Query("postgres", "SELECT count(*) FROM finding_days"), "4");
  // A finding that comes for a day that is gone makes it anew.
  EXPECT_TRUE(Insert(**store, 4, now - 3 * kDay).ok());
  EXPECT_EQ((*store)->Errors().retention, 0u);
}

TEST(PostgresStore, GoesOnAfterItsServerWasAway) {
  PostgresServer server;
  auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE(Insert(**store, 1, absl::Now()).ok());
  server.Stop(SIGQUIT);
  EXPECT_EQ(Insert(**store, 2, absl::Now()).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ((*store)->ListFindings({}).status().code(), absl::StatusCode::kUnavailable);
  server.Start();
  EXPECT_TRUE(testing::WaitUntil([&] { return Insert(**store, 2, absl::Now()).ok(); }));
  EXPECT_EQ((*store)->ListFindings({})->findings_size(), 2);
  EXPECT_GT((*store)->Errors().open, 0u);
}

TEST(PostgresStore, PromisesDurabilityWhereTheDatabaseDoesNot) {
  PostgresServer server;
  server.Query("postgres", "ALTER ROLE skimwatch SET synchronous_commit = off");
  auto store = OpenPostgresStore(OptionsFor(server.Conninfo("postgres")));
  ASSERT_TRUE(store.ok()) << store.status();
  std::string setting;
  // What the writer's session has shows in what it is asked to do: nothing tells of it from
  // outside.
  server.Query(
      "postgres",
      "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
      " $$BEGIN NEW.value = current_setting('synchronous_commit')::bytea; RETURN NEW;"
      " END$$;"
      "CREATE TRIGGER note BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION note()");
  ASSERT_TRUE((*store)->Write([&](Transaction& tx) { return tx.PutSetting("probe", "x"); }).ok());
  ASSERT_TRUE((*store)
                  ->Write([&](Transaction& tx) {
                    auto value = tx.GetSetting("probe");
                    if (value.ok()) setting = *value;
                    return value.status();
                  })
                  .ok());
  EXPECT_EQ(setting, "on");
}

}  // namespace
}  // namespace skimwatch::store
