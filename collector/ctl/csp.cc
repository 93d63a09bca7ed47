#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "collector/ctl/csp_policy.h"
#include "collector/ctl/session.h"
#include "google/protobuf/struct.pb.h"
#include "proto/text/printable.h"

namespace skimwatch::ctl {
namespace {

google::protobuf::Struct ToJson(const CspSuggestion& suggestion) {
  google::protobuf::Struct json;
  auto& headers = *(*json.mutable_fields())["headers"].mutable_struct_value();
  for (const auto& [name, value] : suggestion.headers) {
    (*headers.mutable_fields())[name].set_string_value(value);
  }
  auto& elements = *(*json.mutable_fields())["elements"].mutable_list_value();
  for (const std::string& element : suggestion.elements) {
    elements.add_values()->set_string_value(element);
  }
  auto& left_out = *(*json.mutable_fields())["left_out"].mutable_struct_value();
  for (const auto& [name, why] : suggestion.left_out) {
    (*left_out.mutable_fields())[name].set_string_value(why);
  }
  return json;
}

}  // namespace

absl::StatusOr<int> SuggestCspHeaders(const Options& options, Session& session) {
  v1::ListScriptsRequest list;
  list.set_site(options.site);
  const auto scripts = ListAll(session, &v1::QueryService::Stub::ListScripts, list,
                               &v1::ListScriptsResponse::mutable_scripts, /*limit=*/0);
  if (!scripts.ok()) return scripts.status();

  std::vector<v1::Script> of_page;
  std::map<std::string, std::string> integrity_of;
  for (const v1::Script& script : scripts->scripts()) {
    if (!script.current().integrity().empty()) {
      integrity_of[script.current().sha256()] = script.current().integrity();
    }
    if (!IsOfPage(script, options.pages)) continue;
    v1::GetScriptRequest request;
    request.set_site(script.site());
    request.set_name(script.name());
    absl::StatusOr<v1::GetScriptResponse> answer = session.connection.Call(
        session.connection.query(), &v1::QueryService::Stub::GetScript, request);
    if (!answer.ok()) return answer.status();
    of_page.push_back(std::move(*answer->mutable_script()));
  }
  if (of_page.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "site ", options.site, " has no script of ", absl::StrJoin(options.pages, ", "),
        "\n`skimwatchctl scripts list --site ", options.site, "` shows the pages there are"));
  }
  const CspSuggestion suggestion = SuggestCsp({.pages = options.pages,
                                               .endpoint = options.endpoint,
                                               .is_strict = options.strict,
                                               .now = absl::Now()},
                                              of_page, integrity_of);
  if (suggestion.scripts == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no script of ", absl::StrJoin(options.pages, ", "),
        " is approved, so the headers would let none run\napprove those that the page needs: "
        "`skimwatchctl scripts approve`"));
  }
  if (session.output.json()) {
    session.output.Json(ToJson(suggestion));
    return 0;
  }
  std::string text;
  for (const auto& [name, value] : suggestion.headers) {
    absl::StrAppend(&text, name, ": ", text::Printable(value), "\n");
  }
  if (!suggestion.elements.empty()) text += "\n";
  for (const std::string& element : suggestion.elements) {
    absl::StrAppend(&text, text::Printable(element), "\n");
  }
  session.output.Raw(text);
  for (const auto& [name, why] : suggestion.left_out) {
    Output::Note(absl::StrCat("Left out: ", text::Printable(name), ": ", why));
  }
  return 0;
}

}  // namespace skimwatch::ctl
