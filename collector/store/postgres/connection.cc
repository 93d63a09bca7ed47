#include "collector/store/postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collector/store/postgres/encoding.h"

namespace skimwatch::store::postgres {
namespace {

// Rows that a scan fetches first; more with each fetch while they are small.
constexpr int kFetchRows = 16;
constexpr int kFetchRowsMax = 2048;
constexpr size_t kFetchBytes = size_t{256} << 10;
constexpr size_t kCopyPieceBytes = size_t{1} << 20;

// Time that no one can set back.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// `?` as `$1`, `$2`, ...
std::string WithNumberedParameters(std::string_view sql) {
  std::string numbered;
  int parameter = 0;
  for (const char c : sql) {
    if (c == '?') {
      absl::StrAppend(&numbered, "$", ++parameter);
    } else {
      numbered.push_back(c);
    }
  }
  return numbered;
}

std::string OneLine(const char* message) {
  std::string text(message == nullptr ? "" : message);
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
    text.pop_back();
  }
  return absl::StrReplaceAll(text, {{"\n", "; "}, {"\t", " "}});
}

absl::StatusCode CodeOf(std::string_view sqlstate) {
  const std::string_view kind = sqlstate.substr(0, 2);
  if (sqlstate == "53100" || sqlstate == "53200") return absl::StatusCode::kResourceExhausted;
  if (kind == "XX" && sqlstate != "XX000") return absl::StatusCode::kDataLoss;
  if (sqlstate == "22021" || sqlstate == "22P05") return absl::StatusCode::kInvalidArgument;
  // Connection, rights, transaction rolled back, resources, operator's intervention, system; a lock
  // not to be had, a table that is not there (yet, or any more), read only.
  for (const std::string_view unavailable : {"08", "28", "40", "53", "57", "58"}) {
    if (kind == unavailable) return absl::StatusCode::kUnavailable;
  }
  for (const std::string_view unavailable : {"55P03", "42P01", "42501", "25006", "25P03"}) {
    if (sqlstate == unavailable) return absl::StatusCode::kUnavailable;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

// Parameters and rows of a statement in use.
class BoundQuery : public sql::PreparedStatement {
 public:
  BoundQuery(Connection* connection, std::string_view sql) : connection_(*connection), sql_(sql) {}

  // As texts, so that the server takes them for whatever type they stand beside.
  void BindInt(int64_t value) override { Add(absl::StrCat(value), 0); }
  void BindDouble(double value) override {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    Add(text, 0);
  }
  void BindText(std::string_view value) override {
    // The server refuses what is not UTF-8, but takes a zero byte for the end of the text.
    if (value.find('\0') != std::string_view::npos) {
      error_ = absl::InvalidArgumentError("a text holds a zero byte");
    }
    Add(value, 0);
  }
  void BindBlob(std::string_view value) override { Add(value, 1); }

  void Reset() override {
    used_ = 0;
    row_ = -1;
    result_.reset();
    error_ = absl::OkStatus();
  }

  int64_t GetInt(int column) const override { return ReadInt(GetBytes(column)); }
  double GetDouble(int column) const override {
    const std::string_view bytes = GetBytes(column);
    return bytes.empty() ? 0 : ReadDouble(bytes);
  }
  std::string_view GetBytes(int column) const override {
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
  }

  std::string_view sql() const { return sql_; }
  virtual bool is_cursor() const = 0;

 protected:
  Connection& connection() { return connection_; }
  std::vector<Value> TakeParameters() {
    std::vector<Value> parameters(std::make_move_iterator(parameters_.begin()),
                                  std::make_move_iterator(parameters_.begin() + used_));
    used_ = 0;
    return parameters;
  }
  const absl::Status& error() const { return error_; }
  bool has_result() const { return result_ != nullptr; }
  void SetResult(Result result) {
    result_ = std::move(result);
    row_ = -1;
  }
  // Goes to the next row of the result that is there.
  bool Advance() { return ++row_ < PQntuples(result_.get()); }
  const PGresult* result() const { return result_.get(); }

 private:
  void Add(std::string_view bytes, int format) {
    if (static_cast<size_t>(used_) == parameters_.size()) parameters_.emplace_back();
    parameters_[static_cast<size_t>(used_)] = {.bytes = std::string(bytes), .format = format};
    ++used_;
  }

  Connection& connection_;
  const std::string_view sql_;
  std::vector<Value> parameters_;
  int used_ = 0;
  Result result_;
  int row_ = -1;
  absl::Status error_;
};

class PreparedQuery : public BoundQuery {
 public:
  using BoundQuery::BoundQuery;
  bool is_cursor() const override { return false; }

  absl::StatusOr<bool> Step() override {
    if (!error().ok()) return error();
    if (!has_result()) {
      absl::StatusOr<Result> result = connection().Query(sql(), TakeParameters());
      if (!result.ok()) return result.status();
      SetResult(*std::move(result));
    }
    return Advance();
  }
};

// A query whose rows are fetched by a cursor, which ends with the transaction.
class CursorQuery : public BoundQuery {
 public:
  using BoundQuery::BoundQuery;
  bool is_cursor() const override { return true; }

  absl::StatusOr<bool> Step() override {
    if (!error().ok()) return error();
    if (name_.empty()) {
      name_ = absl::StrCat("scan", ++connection().names_);
      const std::string declare =
          absl::StrCat("DECLARE ", name_, " NO SCROLL CURSOR FOR ", WithNumberedParameters(sql()));
      absl::Status declared = connection().QueryOnce(declare.c_str(), TakeParameters()).status();
      if (!declared.ok()) return declared;
    }
    if (has_result() && Advance()) return true;
    if (has_result() && PQntuples(result()) < rows_) return false;
    if (has_result()) Grow();
    const std::string fetch = absl::StrCat("FETCH FORWARD ", rows_, " FROM ", name_);
    absl::StatusOr<Result> rows = connection().QueryOnce(fetch.c_str(), {});
    if (!rows.ok()) return rows.status();
    SetResult(*std::move(rows));
    return Advance();
  }

 private:
  void Grow() {
    size_t bytes = 0;
    for (int row = 0; row < PQntuples(result()); ++row) {
      for (int column = 0; column < PQnfields(result()); ++column) {
        bytes += static_cast<size_t>(PQgetlength(result(), row, column));
      }
    }
    if (bytes < kFetchBytes) {
      rows_ = std::min(rows_ * 2, kFetchRowsMax);
    } else {
      rows_ = std::max(rows_ / 2, 1);
    }
  }

  std::string name_;
  int rows_ = kFetchRows;
};

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Conninfo& conninfo,
                                                             absl::Duration command_timeout) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : conninfo.parameters()) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* raw = PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/0);
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  std::unique_ptr<Connection> connection(new Connection(raw, conninfo.Describe(), command_timeout));
  if (PQstatus(raw) != CONNECTION_OK) {
    return connection->Lost("can't connect");
  }
  // Where libpq ends a connection, its whole message is all that there is.
  PQsetErrorVerbosity(raw, PQERRORS_TERSE);
  PQsetErrorContextVisibility(raw, PQSHOW_CONTEXT_NEVER);
  if (PQsetnonblocking(raw, 1) != 0) return connection->Lost("can't be set up");
  PQsetNoticeReceiver(raw, &Connection::OnNotice, connection.get());
  return connection;
}

Connection::Connection(PGconn* connection, std::string description, absl::Duration command_timeout)
    : connection_(connection),
      description_(std::move(description)),
      command_timeout_(command_timeout) {}

Connection::~Connection() { PQfinish(connection_); }

void Connection::OnNotice(void* self, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view(severity) != "WARNING") return;
  static_cast<Connection*>(self)->warning_ =
      OneLine(PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
}

bool Connection::IsUsable() const { return !lost_ && PQstatus(connection_) == CONNECTION_OK; }

bool Connection::InTransaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

absl::Status Connection::Lost(std::string_view what) {
  lost_ = true;
  const std::string reason = OneLine(PQerrorMessage(connection_));
  return absl::UnavailableError(absl::StrCat(
      "PostgreSQL at ", description_, ": ", std::string(what), reason.empty() ? "" : ": ", reason));
}

absl::Status Connection::ToStatus(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  sqlstate_ = state == nullptr ? "" : state;
  // libpq's own errors have no SQLSTATE: the connection is gone.
  if (sqlstate_.empty() || PQstatus(connection_) != CONNECTION_OK) {
    lost_ = true;
    return absl::UnavailableError(
        absl::StrCat("PostgreSQL at ", description_, ": ", OneLine(PQresultErrorMessage(result))));
  }
  std::string text = absl::StrCat("PostgreSQL at ", description_, ": ", OneLine(message),
                                  " (SQLSTATE ", sqlstate_, ")");
  if (sqlstate_ == "53100") absl::StrAppend(&text, "; make room on its disk");
  // A standby that was a primary: the next connection looks for the one that is.
  if (sqlstate_ == "25006" || sqlstate_.starts_with("57P")) lost_ = true;
  return absl::Status(CodeOf(sqlstate_), text);
}

absl::Status Connection::WaitForSocket(bool for_writing) {
  while (true) {
    const absl::Duration left = deadline_ - SteadyNow();
    if (left <= absl::ZeroDuration()) {
      return Lost(absl::StrCat("no answer within ", absl::FormatDuration(command_timeout_)));
    }
    pollfd socket = {.fd = PQsocket(connection_),
                     .events = static_cast<int16_t>(for_writing ? POLLIN | POLLOUT : POLLIN)};
    if (socket.fd < 0) return Lost("the connection is closed");
    const auto wait_ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(left) + 1, 1, 1000);
    const int ready = poll(&socket, 1, static_cast<int>(wait_ms));
    if (ready > 0) {
      if ((socket.revents & POLLIN) != 0 && PQconsumeInput(connection_) == 0) {
        return Lost("the connection broke");
      }
      return absl::OkStatus();
    }
    if (ready < 0 && errno != EINTR) return Lost("the connection can't be waited for");
  }
}

absl::Status Connection::FlushOutput() {
  while (true) {
    const int flushed = PQflush(connection_);
    if (flushed == 0) return absl::OkStatus();
    if (flushed < 0) return Lost("the connection broke");
    if (absl::Status s = WaitForSocket(/*for_writing=*/true); !s.ok()) return s;
  }
}

absl::StatusOr<Result> Connection::TakeResults() {
  if (absl::Status s = FlushOutput(); !s.ok()) return s;
  Result last;
  absl::Status failed;
  while (true) {
    while (PQisBusy(connection_) != 0) {
      if (absl::Status s = WaitForSocket(/*for_writing=*/false); !s.ok()) return s;
    }
    Result result(PQgetResult(connection_));
    if (result == nullptr) break;
    switch (PQresultStatus(result.get())) {
      case PGRES_COPY_IN:
        // The rows come next.
        return result;
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        last = std::move(result);
        break;
      default:
        if (failed.ok()) failed = ToStatus(result.get());
        if (PQstatus(connection_) != CONNECTION_OK) return failed;
    }
  }
  if (!failed.ok()) return failed;
  if (last == nullptr) return Lost("no answer");
  const char* const rows = PQcmdTuples(last.get());
  changes_ = std::strtoll(rows, nullptr, 10);
  return last;
}

absl::Status Connection::Execute(const char* sql) {
  if (!IsUsable()) return Lost("the connection is gone");
  deadline_ = SteadyNow() + command_timeout_;
  if (PQsendQuery(connection_, sql) == 0) return Lost("the connection broke");
  return TakeResults().status();
}

absl::Status Connection::Commit() {
  if (!IsUsable()) return Lost("the connection is gone");
  warning_.clear();
  deadline_ = SteadyNow() + command_timeout_;
  if (PQsendQuery(connection_, "COMMIT") == 0) return Lost("the connection broke");
  absl::StatusOr<Result> result = TakeResults();
  if (!result.ok()) return result.status();
  if (std::string_view(PQcmdStatus(result->get())) != "COMMIT") {
    return absl::InternalError(absl::StrCat(
        "PostgreSQL at ", description_, ": rolled back what had failed before it was committed"));
  }
  if (warning_.empty()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("PostgreSQL at ", description_, ": ", warning_));
}

absl::StatusOr<Result> Connection::SendQuery(const char* name_or_sql, bool is_prepared,
                                             const std::vector<Value>& parameters) {
  if (!IsUsable()) return Lost("the connection is gone");
  deadline_ = SteadyNow() + command_timeout_;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const Value& value : parameters) {
    values.push_back(value.bytes.c_str());
    lengths.push_back(static_cast<int>(value.bytes.size()));
    formats.push_back(value.format);
  }
  const int count = static_cast<int>(parameters.size());
  const int sent = is_prepared
                       ? PQsendQueryPrepared(connection_, name_or_sql, count, values.data(),
                                             lengths.data(), formats.data(), /*resultFormat=*/1)
                       : PQsendQueryParams(connection_, name_or_sql, count, nullptr, values.data(),
                                           lengths.data(), formats.data(), /*resultFormat=*/1);
  if (sent == 0) return Lost("the connection broke");
  return TakeResults();
}

absl::StatusOr<Result> Connection::QueryOnce(const char* sql,
                                             const std::vector<Value>& parameters) {
  return SendQuery(sql, /*is_prepared=*/false, parameters);
}

absl::StatusOr<std::string> Connection::NameOf(std::string_view sql) {
  if (const auto it = prepared_.find(sql); it != prepared_.end()) return it->second;
  if (!IsUsable()) return Lost("the connection is gone");
  deadline_ = SteadyNow() + command_timeout_;
  std::string name = absl::StrCat("q", ++names_);
  if (PQsendPrepare(connection_, name.c_str(), WithNumberedParameters(sql).c_str(), 0, nullptr) ==
      0) {
    return Lost("the connection broke");
  }
  absl::StatusOr<Result> result = TakeResults();
  if (!result.ok()) return result.status();
  prepared_.emplace(sql, name);
  return name;
}

absl::StatusOr<Result> Connection::Query(std::string_view sql,
                                         const std::vector<Value>& parameters) {
  absl::StatusOr<std::string> name = NameOf(sql);
  if (!name.ok()) return name.status();
  return SendQuery(name->c_str(), /*is_prepared=*/true, parameters);
}

absl::Status Connection::Copy(const char* sql, std::string_view rows) {
  if (!IsUsable()) return Lost("the connection is gone");
  deadline_ = SteadyNow() + command_timeout_;
  if (PQsendQuery(connection_, sql) == 0) return Lost("the connection broke");
  absl::StatusOr<Result> begun = TakeResults();
  if (!begun.ok()) return begun.status();
  const auto put = [&](std::string_view bytes) -> absl::Status {
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kCopyPieceBytes);
      const int taken = PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size()));
      if (taken < 0) return Lost("the connection broke");
      if (taken == 1) bytes.remove_prefix(piece.size());
      if (absl::Status s = FlushOutput(); !s.ok()) return s;
    }
    return absl::OkStatus();
  };
  if (absl::Status s = put(kCopyHeader); !s.ok()) return s;
  if (absl::Status s = put(rows); !s.ok()) return s;
  if (absl::Status s = put(kCopyTrailer); !s.ok()) return s;
  while (true) {
    const int ended = PQputCopyEnd(connection_, nullptr);
    if (ended == 1) break;
    if (ended < 0) return Lost("the connection broke");
    if (absl::Status s = WaitForSocket(/*for_writing=*/true); !s.ok()) return s;
  }
  return TakeResults().status();
}

sql::PreparedStatement* Connection::Take(std::string_view sql) {
  if (const auto it = idle_.find(sql); it != idle_.end()) {
    PreparedQuery* query = it->second.release();
    idle_.erase(it);
    return query;
  }
  return std::make_unique<PreparedQuery>(this, sql).release();
}

sql::PreparedStatement* Connection::TakeScan(std::string_view sql) {
  return std::make_unique<CursorQuery>(this, sql).release();
}

void Connection::GiveBack(sql::PreparedStatement* prepared) {
  std::unique_ptr<BoundQuery> query(static_cast<BoundQuery*>(prepared));
  if (query->is_cursor() || idle_.contains(query->sql())) return;
  query->Reset();
  const std::string_view sql = query->sql();
  idle_.emplace(sql, static_cast<PreparedQuery*>(query.release()));
}

}  // namespace skimwatch::store::postgres
