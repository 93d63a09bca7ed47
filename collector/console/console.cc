#include "collector/console/console.h"

#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "collector/console/assets.h"
#include "collector/console/pages.h"
#include "proto/admin/family_builder.h"
#include "proto/text/printable.h"
#include "spdlog/spdlog.h"

namespace skimwatch::console {
namespace {

// Nothing but our own style, script and pictures, from here; forms go to here; nobody frames us.
constexpr char kPolicy[] =
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'";

struct Entry {
  std::string_view path;
  std::string_view text;
};
constexpr Entry kNavigation[] = {{"/", "Overview"},           {"/exposures", "Exposures"},
                                 {"/scripts", "Scripts"},     {"/destinations", "Destinations"},
                                 {"/checklist", "Checklist"}, {"/agents", "Agents"},
                                 {"/audit", "Audit log"}};

struct Page {
  std::string_view path;
  absl::StatusOr<View> (*make)(const Context&);
};
constexpr Page kPages[] = {{"/", &OverviewPage},
                           {"/exposures", &ExposuresPage},
                           {"/scripts", &ScriptsPage},
                           {"/script", &ScriptPage},
                           {"/destinations", &DestinationsPage},
                           {"/checklist", &ChecklistPage},
                           {"/agents", &AgentsPage},
                           {"/audit", &AuditPage}};

void AddHeaders(bool is_asset, Response& response) {
  const auto add = [&](const char* name, const char* value) {
    response.headers.emplace_back(name, value);
  };
  // A report brings its own policy in its text as well; of both, what each allows is left.
  add("Content-Security-Policy", kPolicy);
  add("X-Content-Type-Options", "nosniff");
  add("X-Frame-Options", "DENY");
  // With `no-referrer` browsers send `Origin: null` with our own forms.
  add("Referrer-Policy", "same-origin");
  add("Cross-Origin-Opener-Policy", "same-origin");
  add("Cross-Origin-Resource-Policy", "same-origin");
  add("Permissions-Policy",
      "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()");
  // Pages are as of now, and must not stay on a disk.
  add("Cache-Control", is_asset ? "private, max-age=300" : "no-store");
}

std::string_view MediaType(std::string_view name) {
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

// `/exposures/7/notes` as 7 and `/notes`.
bool ParseExposurePath(std::string_view path, uint64_t& id, std::string_view& rest) {
  constexpr std::string_view kPrefix = "/exposures/";
  if (!path.starts_with(kPrefix)) return false;
  path.remove_prefix(kPrefix.size());
  const size_t end = path.find('/');
  rest = end == std::string_view::npos ? "" : path.substr(end);
  const std::string_view digits = path.substr(0, end);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
         absl::SimpleAtoi(absl::string_view(digits.data(), digits.size()), &id) && id > 0;
}

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return 409;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

std::string TitleOf(int status) {
  switch (status) {
    case 400:
      return "That can't be done so";
    case 403:
      return "Not for you";
    case 404:
      return "There is no such thing";
    case 409:
      return "Too late, or too early";
    case 503:
      return "Try again in a moment";
    default:
      return "Something is broken";
  }
}

std::string_view RoleWord(api::Role role) {
  switch (role) {
    case api::Role::kViewer:
      return "viewer";
    case api::Role::kApprover:
      return "approver";
    case api::Role::kAdmin:
      return "admin";
    case api::Role::kNone:
      break;
  }
  return "no role";
}

class Metrics : public prometheus::Collectable {
 public:
  Metrics(std::shared_ptr<Console> console, std::shared_ptr<HttpServer> server)
      : console_(std::move(console)), server_(std::move(server)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    admin::FamilyBuilder requests("skimwatch_console_requests_total",
                                  "Requests of browsers to the web console, by page and status.",
                                  prometheus::MetricType::Counter);
    for (const auto& [key, count] : console_->Requests()) {
      requests.Add({{"page", key.first}, {"code", absl::StrCat(key.second)}},
                   static_cast<double>(count));
    }
    admin::FamilyBuilder refused(
        "skimwatch_console_requests_refused_total",
        "Requests to the web console that were refused unread: too large, or no request.",
        prometheus::MetricType::Counter);
    refused.Add({}, static_cast<double>(server_->refused()));
    return {std::move(requests).Build(), std::move(refused).Build()};
  }

 private:
  const std::shared_ptr<Console> console_;
  const std::shared_ptr<HttpServer> server_;
};

}  // namespace

Console::Console(Options options)
    : calls_(options.dependencies),
      version_(options.dependencies.version),
      guard_(std::move(options.guard)),
      identifier_(options.identifier != nullptr ? std::move(options.identifier)
                                                : std::make_unique<CertificateIdentifier>()),
      now_(std::move(options.now)) {}

Response Console::Handle(const Request& request) {
  std::string page = "other";
  Response response = Answer(request, page);
  AddHeaders(page == "/assets" && response.status == 200, response);
  absl::MutexLock lock(&mutex_);
  ++requests_[{page, response.status}];
  return response;
}

std::map<std::pair<std::string, int>, uint64_t> Console::Requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

Response Console::Answer(const Request& request, std::string& page) {
  if (absl::Status s = guard_.CheckHost(request); !s.ok()) return Problem(s, {});
  constexpr std::string_view kAssets = "/assets/";
  if (request.method == "GET" && std::string_view(request.path).starts_with(kAssets)) {
    for (const Asset& asset : StaticAssets()) {
      if (std::string_view(request.path).substr(kAssets.size()) != asset.name) continue;
      page = "/assets";
      return {.content_type = std::string(MediaType(asset.name)),
              .body = std::string(asset.content)};
    }
  }
  absl::StatusOr<api::Caller> caller = identifier_->Identify(request);
  if (!caller.ok()) return Problem(caller.status(), {});
  return request.method == "POST" ? Post(request, *caller, page) : Get(request, *caller, page);
}

Response Console::Get(const Request& request, const api::Caller& caller, std::string& page) {
  const absl::Time now = now_();
  const std::string token = guard_.TokenFor(caller.identity, now);
  const Context context{
      .calls = calls_, .caller = caller, .request = request, .now = now, .form_token = token};
  uint64_t id = 0;
  std::string_view rest;
  if (ParseExposurePath(request.path, id, rest)) {
    if (rest == "/report") {
      page = "/exposures/{id}/report";
      absl::StatusOr<Response> report = ExposureReport(context, id, request.Query("format"));
      return report.ok() ? *std::move(report) : Problem(report.status(), caller);
    }
    if (rest.empty()) {
      page = "/exposures/{id}";
      absl::StatusOr<View> view = ExposurePage(context, id);
      return view.ok() ? Render(*view, caller, 200) : Problem(view.status(), caller);
    }
  }
  for (const Page& known : kPages) {
    if (request.path != known.path) continue;
    page = std::string(known.path);
    absl::StatusOr<View> view = known.make(context);
    return view.ok() ? Render(*view, caller, 200) : Problem(view.status(), caller);
  }
  return Problem(404, "There is no such page", "The address leads nowhere here.", caller);
}

Response Console::Post(const Request& request, const api::Caller& caller, std::string& page) {
  const absl::Time now = now_();
  const std::string token;
  const Context context{
      .calls = calls_, .caller = caller, .request = request, .now = now, .form_token = token};
  absl::StatusOr<std::string> next = absl::NotFoundError("No form goes there.");
  uint64_t id = 0;
  std::string_view rest;
  const bool of_exposure = ParseExposurePath(request.path, id, rest);
  if (of_exposure && rest == "/close") {
    page = "/exposures/{id}/close";
  } else if (of_exposure && rest == "/notes") {
    page = "/exposures/{id}/notes";
  } else if (request.path == "/script/approve" || request.path == "/script/revoke") {
    page = request.path;
  }
  absl::Status genuine = guard_.CheckPost(request, caller.identity, now);
  if (!genuine.ok()) {
    spdlog::warn("refused a form of {} to {}: {}", text::Printable(caller.identity),
                 text::Printable(request.path),
                 std::string_view(genuine.message().data(), genuine.message().size()));
    return Problem(genuine, caller);
  }
  if (page == "/exposures/{id}/close") next = CloseExposure(context, id);
  if (page == "/exposures/{id}/notes") next = AddNote(context, id);
  if (page == "/script/approve") next = ApproveScript(context);
  if (page == "/script/revoke") next = RevokeScript(context);
  if (!next.ok()) return Problem(next.status(), caller);
  // So that a reload does not send the form again.
  return {.status = 303, .body = "", .headers = {{"Location", *next}}};
}

Response Console::Render(const View& view, const api::Caller& caller, int status) const {
  Dictionary layout("layout");
  Put(layout, "TITLE", view.title);
  PutOwn(layout, "VERSION", version_);
  PutOwn(layout, "NOW", ShortTime(now_()));
  if (!caller.identity.empty()) {
    Dictionary& who = *layout.AddSectionDictionary("CALLER");
    Put(who, "IDENTITY", caller.identity);
    PutOwn(who, "ROLE", std::string(RoleWord(calls_.RoleOf(caller))));
    for (const Entry& entry : kNavigation) {
      Dictionary& link = *layout.AddSectionDictionary("ENTRY");
      PutOwn(link, "PATH", std::string(entry.path));
      PutOwn(link, "TEXT", std::string(entry.text));
      Show(link, "CURRENT", entry.path == view.section);
    }
  }
  // Made here from a template, whose every value was escaped.
  PutOwn(layout, "CONTENT", templates_.Render(view.name, *view.values));
  return {.status = status, .body = templates_.Render("layout", layout)};
}

Response Console::Problem(int status, const std::string& title, std::string_view text,
                          const api::Caller& caller) const {
  View view("message");
  view.title = title;
  PutOwn(*view.values, "TITLE", title);
  Put(*view.values, "TEXT", text);
  return Render(view, caller, status);
}

Response Console::Problem(const absl::Status& status, const api::Caller& caller) const {
  const int code = HttpStatus(status.code());
  if (code == 500) {
    spdlog::error("console: {}",
                  std::string_view(status.message().data(), status.message().size()));
  }
  return Problem(code, TitleOf(code),
                 std::string_view(status.message().data(), status.message().size()), caller);
}

const config::v1::Tls& TlsOf(const config::v1::CollectorConfig& config) {
  return config.console().has_tls() ? config.console().tls() : config.tls();
}

absl::StatusOr<std::unique_ptr<ConsoleServer>> ConsoleServer::Start(
    const config::v1::CollectorConfig& config, api::Dependencies dependencies) {
  const config::v1::Console& settings = config.console();
  const config::v1::Tls& tls = TlsOf(config);
  std::unique_ptr<ConsoleServer> server(new ConsoleServer());
  const std::function<absl::Time()> now = dependencies.now;
  server->console_ = std::make_shared<Console>(
      Console::Options{.dependencies = std::move(dependencies),
                       .guard = {.plaintext = tls.plaintext(),
                                 .origins = {settings.origins().begin(), settings.origins().end()}},
                       .now = now});
  absl::StatusOr<std::unique_ptr<HttpServer>> http = HttpServer::Start(
      {.listen = settings.listen(),
       .tls = tls,
       .connections_max = settings.connections_max(),
       .handle = [console = server->console_](const Request& r) { return console->Handle(r); }});
  if (!http.ok()) {
    return absl::Status(http.status().code(), absl::StrCat("console: ", http.status().message()));
  }
  server->server_ = *std::move(http);
  server->metrics_ = std::make_shared<Metrics>(server->console_, server->server_);
  return server;
}

}  // namespace skimwatch::console
