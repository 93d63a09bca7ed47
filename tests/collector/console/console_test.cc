#include "collector/console/console.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "collector/api/authorization.h"
#include "collector/exposure/exposure_folder.h"
#include "collector/inventory/inventory.h"
#include "collector/inventory/script_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/collector/support/findings.h"
#include "tests/collector/support/temp_store.h"

namespace skimwatch::console {
namespace {

using skimwatch::testing::CardFinding;
using skimwatch::testing::HashOf;
using skimwatch::testing::ScriptFinding;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'007'200);
constexpr char kHostile[] = "js/<img src=x onerror=alert(1)>\"'&.js";

// Whoever the test says.
class Named : public Identifier {
 public:
  explicit Named(const std::string* who) : who_(who) {}
  absl::StatusOr<api::Caller> Identify(const Request& /*request*/) const override {
    if (who_->empty()) return absl::UnauthenticatedError("no certificate");
    return api::Caller{.identity = *who_, .authenticated = true};
  }

 private:
  const std::string* const who_;
};

config::v1::CollectorConfig Roles() {
  config::v1::CollectorConfig config;
  for (const char* const role : {"viewer", "approver", "admin"}) {
    config::v1::RoleRule& rule = *config.add_roles();
    rule.set_identity(role);
    rule.set_role(role);
  }
  return config;
}

class Pages : public ::testing::Test {
 protected:
  Pages()
      : inventory_(
            store_.get(), [] {}, [] { return kNow; }),
        authorizer_(Roles()),
        console_({.dependencies = {.store = store_.get(),
                                   .inventory = &inventory_,
                                   .authorizer = &authorizer_,
                                   .now = [] { return kNow; },
                                   .version = "1.2.3"},
                  .identifier = std::make_unique<Named>(&who_),
                  .now = [] { return kNow; }}) {}

  uint64_t Add(v1::Finding finding) {
    uint64_t id = 0;
    const absl::Status status = store_->Write([&](store::Transaction& tx) -> absl::Status {
      exposure::ExposureFolder folder({}, &tx, kNow);
      finding.set_sequence(++sequence_);
      auto added = finding.has_script_change()
                       ? inventory::RecordScriptChange(tx, folder, finding, "web-1", kNow)
                       : folder.Add(finding, v1::FINDING_KIND_CARD_NUMBER, "web-1");
      if (!added.ok()) return added.status();
      id = *added;
      const v1::FindingKind kind = finding.has_script_change() ? v1::FINDING_KIND_SCRIPT_CHANGE
                                                               : v1::FINDING_KIND_CARD_NUMBER;
      absl::Status stored = tx.InsertFinding(testing::Stored(finding, "web-1", 1, kNow, id), kind);
      return stored.ok() ? folder.Flush() : stored;
    });
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }

  Response Get(const std::string& path, std::map<std::string, std::string> query = {}) {
    Request request{.method = "GET", .path = path, .query = std::move(query)};
    request.headers["host"] = "console.example";
    return console_.Handle(request);
  }
  // As a browser sends a form of a page that it was shown.
  Response Post(const std::string& path, std::map<std::string, std::string> form,
                const std::string& page) {
    const std::string html = Get(page).body;
    const size_t at = html.find("name=\"token\" value=\"");
    if (at != std::string::npos) {
      const size_t begin = at + 20;
      form["token"] = html.substr(begin, html.find('"', begin) - begin);
    }
    Request request{.method = "POST", .path = path, .form = std::move(form)};
    request.headers["host"] = "console.example";
    request.headers["origin"] = "https://console.example";
    request.headers["sec-fetch-site"] = "same-origin";
    return console_.Handle(request);
  }

  testing::TempStore store_;
  inventory::Inventory inventory_;
  api::Authorizer authorizer_;
  std::string who_ = "approver";
  Console console_;
  uint64_t sequence_ = 0;
};

TEST_F(Pages, AreServedWithAPolicyThatLetsNothingElseIn) {
  const Response response = Get("/");
  EXPECT_EQ(response.status, 200);
  std::map<std::string, std::string> headers(response.headers.begin(), response.headers.end());
  EXPECT_EQ(headers["Content-Security-Policy"],
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action "
            "'self'; frame-ancestors 'none'; base-uri 'none'");
  EXPECT_EQ(headers["X-Content-Type-Options"], "nosniff");
  EXPECT_EQ(headers["Referrer-Policy"], "same-origin");
  EXPECT_EQ(headers["Cache-Control"], "no-store");
  EXPECT_THAT(response.body, AllOf(HasSubstr("<main"), HasSubstr("lang=\"en\"")));
}

TEST_F(Pages, HoldNoScriptOrStyleOfTheirOwn) {
  const uint64_t id = Add(CardFinding(1));
  Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  for (const std::string& path :
       {std::string("/"), std::string("/exposures"), absl::StrCat("/exposures/", id),
        std::string("/scripts"), std::string("/destinations"), std::string("/checklist"),
        std::string("/agents"), std::string("/audit")}) {
    const Response response = Get(path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("style="))) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("<style"))) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("onclick"))) << path;
    // The one script is a file.
    const size_t script = response.body.find("<script");
    EXPECT_EQ(response.body.compare(script, 13, "<script src=\""), 0) << path;
    EXPECT_EQ(response.body.find("<script", script + 1), std::string::npos) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("{{"))) << path;
  }
}

TEST_F(Pages, ShowHostileNamesAsText) {
  v1::Finding finding = ScriptFinding(1, v1::ScriptChange::CHANGE_CHANGED, 2, kHostile);
  finding.mutable_script_change()->set_diff(
      "@@ -1 +1 @@\n-old()\n+</td></table><script>alert(4111111111111111)</script>\n");
  const uint64_t id = Add(finding);
  const std::string pages[] = {Get("/").body, Get("/exposures").body,
                               Get(absl::StrCat("/exposures/", id)).body, Get("/scripts").body,
                               Get("/script", {{"site", "shop"}, {"name", kHostile}}).body};
  for (const std::string& html : pages) {
    EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
    EXPECT_THAT(html, Not(HasSubstr("<script>")));
    EXPECT_THAT(html, HasSubstr("js/&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;.js"));
  }
  EXPECT_THAT(pages[4], HasSubstr("&lt;/table&gt;&lt;script&gt;alert("));
  EXPECT_FALSE(absl::StrContains(pages[4], "4111111111111111"));
}

TEST_F(Pages, OfAnExposureHoldItsChartTimelineNotesAndForms) {
  const uint64_t id = Add(CardFinding(1, {.card = 1}));
  Add(CardFinding(2, {.card = 2}));
  const std::string page = absl::StrCat("/exposures/", id);
  EXPECT_EQ(Post(page + "/notes", {{"text", "it was 4111 1111 1111 1111"}}, page).status, 303);
  const std::string html = Get(page).body;
  EXPECT_THAT(html, HasSubstr("<svg class=\"chart\""));
  EXPECT_THAT(html, HasSubstr("New distinct cards by hour"));
  EXPECT_THAT(html, HasSubstr("first seen"));
  EXPECT_THAT(html, HasSubstr("it was **** **** **** ****"));
  EXPECT_THAT(html, HasSubstr("full card numbers leave (PCI DSS 4.0.1, 3.4.1)"));
  EXPECT_THAT(html, HasSubstr(absl::StrCat("action=\"", page, "/close\"")));
  EXPECT_THAT(html, HasSubstr("No, not for certain"));

  const Response closed = Post(page + "/close", {{"reason", "blocked"}}, page);
  EXPECT_EQ(closed.status, 303);
  EXPECT_EQ(store_->GetExposure(id)->exposure().closed_by(), "approver");
  EXPECT_THAT(Get(page).body, AllOf(HasSubstr("by approver: blocked"),
                                    Not(HasSubstr(absl::StrCat("action=\"", page, "/close\"")))));
  EXPECT_EQ(Post(page + "/close", {{"reason", "again"}}, page).status, 409);
}

TEST_F(Pages, ApproveAndRevokeTheBytesThatWereRead) {
  Add(ScriptFinding(1, v1::ScriptChange::CHANGE_ADDED, 1));
  const auto script = [&] { return *store_->GetScript("shop", "js/chat.js"); };
  const std::string hash = absl::BytesToHexString(HashOf(1));
  std::map<std::string, std::string> form = {
      {"site", "shop"}, {"name", "js/chat.js"}, {"sha256", hash}, {"justification", "chat"}};
  // The form's page needs its query, so its token comes from another page: it is the identity's.
  const uint64_t id = Add(CardFinding(2));
  const std::string page = absl::StrCat("/exposures/", id);
  std::map<std::string, std::string> late = form;
  late["until"] = "2001-01-01";
  EXPECT_EQ(Post("/script/approve", late, page).status, 400);
  std::map<std::string, std::string> without = form;
  without.erase("justification");
  EXPECT_EQ(Post("/script/approve", without, page).status, 400);
  EXPECT_EQ(Post("/script/approve", form, page).status, 303);
  EXPECT_EQ(script().state(), v1::Script::STATE_APPROVED);
  EXPECT_EQ(script().history(0).approval().approved_by(), "approver");
  const std::string html = Get("/script", {{"site", "shop"}, {"name", "js/chat.js"}}).body;
  EXPECT_THAT(html,
              AllOf(HasSubstr("Take the approval back"), Not(HasSubstr("Approve these bytes"))));
  form["reason"] = "the vendor was breached";
  EXPECT_EQ(Post("/script/revoke", form, page).status, 303);
  EXPECT_EQ(script().state(), v1::Script::STATE_CHANGED);
  EXPECT_THAT(Get("/audit").body, AllOf(HasSubstr("script.revoke"), HasSubstr("whole")));
}

TEST_F(Pages, GiveEachRoleWhatItMay) {
  const uint64_t id = Add(CardFinding(1));
  const std::string page = absl::StrCat("/exposures/", id);
  const std::string fingerprint = absl::BytesToHexString(testing::FingerprintOf(1));
  const std::string report = page + "/report";
  EXPECT_THAT(Get(report, {{"format", "json"}}).body, HasSubstr(fingerprint));

  who_ = "viewer";
  const Response shown = Get(page);
  EXPECT_EQ(shown.status, 200);
  EXPECT_THAT(shown.body, Not(HasSubstr("<form method=\"post\"")));
  EXPECT_THAT(shown.body, HasSubstr("need the role approver"));
  const Response json = Get(report, {{"format", "json"}});
  EXPECT_EQ(json.status, 200);
  EXPECT_THAT(json.body, AllOf(HasSubstr("411111******1111"), Not(HasSubstr(fingerprint))));
  Request forged{.method = "POST", .path = page + "/close"};
  forged.headers["origin"] = "https://console.example";
  forged.headers["host"] = "console.example";
  forged.form = {{"reason", "none"}};
  EXPECT_EQ(console_.Handle(forged).status, 403);

  who_ = "stranger";
  EXPECT_EQ(Get("/").status, 403);
  EXPECT_THAT(Get("/").body, HasSubstr("role: viewer"));
  who_ = "";
  EXPECT_EQ(Get("/").status, 403);
  EXPECT_EQ(Get("/assets/console.css").status, 200);
  EXPECT_EQ(store_->GetExposure(id)->exposure().state(), v1::Exposure::STATE_OPEN);
}

TEST_F(Pages, AreDownloadedAsReports) {
  const uint64_t id = Add(CardFinding(1));
  const std::string path = absl::StrCat("/exposures/", id, "/report");
  for (const auto& [format, begin] :
       {std::pair("md", "# Exposure"), std::pair("html", "<!"), std::pair("json", "{")}) {
    const Response response = Get(path, {{"format", format}});
    EXPECT_EQ(response.status, 200) << format;
    EXPECT_TRUE(absl::StartsWithIgnoreCase(response.body, begin)) << format;
  }
  EXPECT_EQ(Get(path, {{"format", "exe"}}).status, 400);
}

TEST_F(Pages, AnswerWhatIsNotThere) {
  EXPECT_EQ(Get("/exposures/99").status, 404);
  EXPECT_EQ(Get("/exposures/99999999999999999999999").status, 404);
  EXPECT_EQ(Get("/exposures/0").status, 404);
  EXPECT_EQ(Get("/exposures/1/other").status, 404);
  EXPECT_EQ(Get("/assets/../server.cc").status, 404);
  EXPECT_EQ(Get("/nowhere").status, 404);
  EXPECT_EQ(Get("/exposures", {{"after", "forged"}}).status, 400);
  EXPECT_EQ(Get("/exposures", {{"site", std::string(100, 'x')}}).status, 400);
}

TEST_F(Pages, AreCountedByPageAndStatus) {
  Get("/");
  Get("/exposures/99");
  Get("/exposures/98");
  Get("/nowhere");
  const auto requests = console_.Requests();
  EXPECT_EQ(requests.at({"/", 200}), 1u);
  EXPECT_EQ(requests.at({"/exposures/{id}", 404}), 2u);
  EXPECT_EQ(requests.at({"other", 404}), 1u);
}

TEST_F(Pages, ShowTheAuditLogWithItsVerification) {
  const uint64_t id = Add(CardFinding(1));
  const std::string page = absl::StrCat("/exposures/", id);
  Post(page + "/notes", {{"text", "one"}}, page);
  EXPECT_THAT(Get("/audit").body, AllOf(HasSubstr("exposure.note"), HasSubstr(">whole<")));
}

}  // namespace
}  // namespace skimwatch::console
