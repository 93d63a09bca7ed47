#include "collector/store/postgres/conninfo.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libpq-fe.h"

namespace skimwatch::store::postgres {
namespace {

// A socket's folder, or an address that only this machine has. An empty host is libpq's default
// socket.
bool IsLocalHost(const std::string& host) {
  if (host.empty() || host[0] == '/' || host[0] == '@') return true;
  if (host == "localhost" || host == "::1") return true;
  in_addr address = {};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool IsSetInEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && value[0] != '\0';
}

bool AreLocal(const std::string& hosts) {
  const std::vector<std::string> list = absl::StrSplit(hosts, ',');
  return std::all_of(list.begin(), list.end(), IsLocalHost);
}

}  // namespace

absl::StatusOr<Conninfo> Conninfo::Parse(const std::string& text) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(text.c_str(), &error), &PQconninfoFree);
  if (options == nullptr) {
    // libpq quotes a word of the string, which may be a part of a password.
    PQfreemem(error);
    return absl::InvalidArgumentError(
        "store.postgres.conninfo: libpq can't read it; write `keyword=value` pairs with spaces "
        "between, values with spaces in '', or a postgresql:// URI");
  }
  Conninfo conninfo;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || option->val[0] == '\0') continue;
    const std::string keyword = option->keyword;
    if (keyword == "password" || keyword == "sslpassword") {
      return absl::InvalidArgumentError(
          absl::StrCat("store.postgres.conninfo: holds ", keyword,
                       "; put it in a file and name that with `passfile=`"));
    }
    conninfo.parameters_[keyword] = option->val;
  }

  std::map<std::string, std::string>& parameters = conninfo.parameters_;
  parameters.try_emplace("target_session_attrs", "read-write");
  parameters.try_emplace("sslmode", "verify-full");
  parameters.try_emplace("connect_timeout", "5");
  parameters.try_emplace("tcp_user_timeout", "20000");
  parameters.try_emplace("keepalives_idle", "10");
  parameters.try_emplace("keepalives_interval", "5");
  parameters.try_emplace("keepalives_count", "3");
  parameters.try_emplace("application_name", "skimwatch-collector");
  parameters["client_encoding"] = "UTF8";

  const std::string& target = parameters["target_session_attrs"];
  if (target != "read-write" && target != "primary") {
    return absl::InvalidArgumentError(
        absl::StrCat("store.postgres.conninfo: target_session_attrs=", target,
                     " lets a server be taken that can't be written to; leave it out"));
  }
  const std::string& mode = parameters["sslmode"];
  const bool is_weak = mode == "disable" || mode == "allow" || mode == "prefer";
  if (is_weak && conninfo.MayBeRemote()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "store.postgres.conninfo: sslmode=", mode,
        " with a server that is not on this machine, or is named by a service or the environment "
        "(PGSERVICE, PGHOST, PGHOSTADDR); use verify-full with sslrootcert"));
  }
  return conninfo;
}

bool Conninfo::MayBeRemote() const {
  if (!AreLocal(Get("host")) || !AreLocal(Get("hostaddr"))) return true;
  // What is not said here, libpq takes from a service's file or from the environment.
  return !Get("service").empty() || IsSetInEnvironment("PGSERVICE") ||
         (Get("host").empty() && IsSetInEnvironment("PGHOST")) ||
         (Get("hostaddr").empty() && IsSetInEnvironment("PGHOSTADDR"));
}

std::string Conninfo::Get(const std::string& keyword) const {
  const auto found = parameters_.find(keyword);
  return found == parameters_.end() ? "" : found->second;
}

std::string Conninfo::Describe() const {
  std::string text;
  for (const char* const keyword : {"host", "hostaddr", "port", "dbname", "service"}) {
    const std::string value = Get(keyword);
    if (!value.empty()) absl::StrAppend(&text, text.empty() ? "" : " ", keyword, "=", value);
  }
  return text.empty() ? "libpq's defaults" : text;
}

}  // namespace skimwatch::store::postgres
