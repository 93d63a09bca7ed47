#ifndef SKIMWATCH_TESTS_COLLECTOR_STORE_ANY_STORE_H_
#define SKIMWATCH_TESTS_COLLECTOR_STORE_ANY_STORE_H_

#include <memory>
#include <string>
#include <utility>

#include "collector/store/store.h"
#include "gtest/gtest.h"
#include "tests/collector/support/postgres_server.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::store {

// What is behind a store under test.
enum class StoreKind { kSqlite, kPostgres };

// For tests of what every store does.
//
//   class MyTest : public ::testing::TestWithParam<StoreKind> {};
//   INSTANTIATE_TEST_SUITE_P(Store, MyTest, kAnyStore, StoreKindName);
//   TEST_P(MyTest, DoesThis) { AnyStore store(GetParam()); ... }
inline const auto kAnyStore = ::testing::Values(StoreKind::kSqlite, StoreKind::kPostgres);

inline std::string StoreKindName(const ::testing::TestParamInfo<StoreKind>& info) {
  return info.param == StoreKind::kSqlite ? "Sqlite" : "Postgres";
}

// A server where there is need of one; before the store, which it outlives.
struct ServerOfStore {
  explicit ServerOfStore(StoreKind kind)
      : server(kind == StoreKind::kPostgres ? std::make_unique<testing::PostgresServer>()
                                            : nullptr) {}
  const std::unique_ptr<testing::PostgresServer> server;
};

// A store of its own file, or of its own server.
class AnyStore : private ServerOfStore, public testing::TempStore {
 public:
  explicit AnyStore(StoreKind kind, Options options = {})
      : ServerOfStore(kind), TempStore(WithServer(std::move(options), server.get())) {}

 private:
  static Options WithServer(Options options, const testing::PostgresServer* server) {
    if (server != nullptr) {
      options.config.mutable_postgres()->set_conninfo(server->Conninfo("postgres"));
    }
    return options;
  }
};

}  // namespace skimwatch::store

#endif  // SKIMWATCH_TESTS_COLLECTOR_STORE_ANY_STORE_H_
