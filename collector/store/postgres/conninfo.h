#ifndef SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNINFO_H_
#define SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNINFO_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace skimwatch::store::postgres {

// How to reach a database: libpq's keywords with their values. Immutable.
class Conninfo {
 public:
  // Takes a connection string apart and fills in what the collector wants otherwise than libpq:
  //
  //   sslmode=verify-full                 the server must prove who it is
  //   target_session_attrs=read-write     of several hosts, the primary
  //   connect_timeout=5                   seconds for each host
  //   tcp_user_timeout, keepalives*       a server that vanished is noticed within half a minute
  //   application_name=skimwatch-collector
  //
  // INVALID_ARGUMENT: libpq can't read it (its reason is given, never the string itself); it holds
  // a password; `sslmode` is weaker than require and a host is not on this machine, or not known
  // because a service or the environment names it; or `target_session_attrs` lets a standby be
  // taken.
  static absl::StatusOr<Conninfo> Parse(const std::string& text);

  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  // For logs and errors: host, port and database.
  std::string Describe() const;

 private:
  bool MayBeRemote() const;
  std::string Get(const std::string& keyword) const;

  std::map<std::string, std::string> parameters_;
};

}  // namespace skimwatch::store::postgres

#endif  // SKIMWATCH_COLLECTOR_STORE_POSTGRES_CONNINFO_H_
