#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/ctl/describe.h"
#include "collector/ctl/session.h"
#include "proto/text/printable.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {
namespace {

// One byte more than a list may have, so that the collector can say so.
constexpr size_t kListBytesMax = (size_t{1} << 20) + 1;

absl::StatusOr<std::string> Read(const std::string& path) {
  const std::unique_ptr<FILE, decltype(&fclose)> file(fopen(path.c_str(), "re"), &fclose);
  const auto failed = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        text::Printable(path), ": can't be read: ", std::generic_category().message(errno)));
  };
  if (file == nullptr) return failed();
  std::string bytes(kListBytesMax, '\0');
  bytes.resize(fread(bytes.data(), 1, bytes.size(), file.get()));
  if (ferror(file.get()) != 0) return failed();
  return bytes;
}

}  // namespace

absl::StatusOr<int> ImportPublisherList(const Options& options, Session& session) {
  v1::ImportPublisherListRequest request;
  absl::StatusOr<std::string> list = Read(options.file);
  if (!list.ok()) return list.status();
  const std::string signature_file =
      options.signature.empty() ? absl::StrCat(options.file, ".sig") : options.signature;
  absl::StatusOr<std::string> signature = Read(signature_file);
  if (!signature.ok()) return signature.status();
  request.set_list(*std::move(list));
  request.set_signature(*std::move(signature));
  request.set_dry_run(options.dry_run);
  const absl::StatusOr<v1::ImportPublisherListResponse> answer = session.connection.Call(
      session.connection.decision(), &v1::DecisionService::Stub::ImportPublisherList, request);
  if (!answer.ok()) {
    return absl::Status(
        answer.status().code(),
        absl::StrCat(text::Printable(options.file), ": ", std::string(answer.status().message())));
  }
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  const std::string list_name =
      absl::StrCat("List ", answer->serial(), " of ", answer->publisher());
  if (answer->unchanged()) {
    session.output.Line(absl::StrCat(list_name, " is in force already."));
    return 0;
  }
  session.output.Line(absl::StrCat(
      list_name, options.dry_run ? " would be imported: " : " imported: ", answer->entries(),
      " entries; of the versions that are known ", answer->approved(), " approved by it, ",
      answer->withdrawn(), " no longer."));
  return 0;
}

absl::StatusOr<int> ListPublishers(const Options& /*options*/, Session& session) {
  const absl::StatusOr<v1::ListPublishersResponse> answer =
      session.connection.Call(session.connection.query(), &v1::QueryService::Stub::ListPublishers,
                              v1::ListPublishersRequest());
  if (!answer.ok()) return answer.status();
  if (session.output.json()) {
    session.output.Json(*answer);
    return 0;
  }
  text::Table table({{.name = "PUBLISHER"},
                     {.name = "SERIAL", .right = true},
                     {.name = "VERSIONS", .right = true},
                     {.name = "REVOKED", .right = true},
                     {.name = "ISSUED"},
                     {.name = "EXPIRES"},
                     {.name = "IMPORTED"},
                     {.name = "BY", .shrinks = true}});
  for (const v1::Publisher& publisher : answer->publishers()) {
    const bool has_list = publisher.serial() != 0;
    table.AddRow({publisher.id(), has_list ? absl::StrCat(publisher.serial()) : "none",
                  has_list ? absl::StrCat(publisher.entries()) : "",
                  has_list ? absl::StrCat(publisher.revoked()) : "",
                  Describe(publisher.issued_at()), Describe(publisher.expires_at()),
                  Describe(publisher.imported_at()), publisher.imported_by()});
  }
  session.output.Rows(table);
  return 0;
}

}  // namespace skimwatch::ctl
