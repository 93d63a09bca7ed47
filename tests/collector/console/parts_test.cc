// The pieces of the console, each alone.
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/console/chart.h"
#include "collector/console/checklist.h"
#include "collector/console/form_guard.h"
#include "collector/console/http.h"
#include "collector/console/side_by_side.h"
#include "collector/console/view.h"
#include "collector/store/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"

namespace skimwatch::console {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(Url, EncodesWhateverAValueHolds) {
  EXPECT_EQ(Url("/script", {{"site", "shop"}, {"name", "a b&c=/\"<\xc3\xa9"}, {"page", ""}}),
            "/script?site=shop&name=a%20b%26c%3D%2F%22%3C%C3%A9");
}

TEST(Form, IsDecodedAndBounded) {
  std::map<std::string, std::string> form;
  ASSERT_TRUE(ParseForm("text=a+b%26c%3D%0d%0a&token=1.2&empty=&bare", 8, form));
  EXPECT_EQ(form["text"], "a b&c=\r\n");
  EXPECT_EQ(form["token"], "1.2");
  EXPECT_EQ(form.count("bare"), 1u);
  for (const char* const broken : {"a=%", "a=%4", "a=%zz", "%g0=1"}) {
    std::map<std::string, std::string> none;
    EXPECT_FALSE(ParseForm(broken, 8, none)) << broken;
  }
  std::map<std::string, std::string> many;
  EXPECT_FALSE(ParseForm("a=1&b=2&c=3", 2, many));
}

Request PostFrom(const std::string& origin, const std::string& fetch_site,
                 const std::string& token) {
  Request request{.method = "POST", .path = "/exposures/1/close"};
  request.headers["host"] = "console.example:9466";
  if (!origin.empty()) request.headers["origin"] = origin;
  if (!fetch_site.empty()) request.headers["sec-fetch-site"] = fetch_site;
  request.form["token"] = token;
  return request;
}

class Forms : public ::testing::Test {
 protected:
  const FormGuard guard_{{.origins = {"https://proxy.example"}, .secret = std::string(32, 's')}};
  const std::string token_ = guard_.TokenFor("alice", kNow);
  const std::string own_ = "https://console.example:9466";
};

TEST_F(Forms, AreTakenFromOwnPages) {
  for (const auto& [origin, site] : std::vector<std::pair<std::string, std::string>>{
           {own_, "same-origin"}, {own_, ""}, {"", "same-origin"}, {"https://proxy.example", ""}}) {
    EXPECT_TRUE(guard_.CheckPost(PostFrom(origin, site, token_), "alice", kNow).ok())
        << origin << " " << site;
  }
}

TEST_F(Forms, AreRefusedFromElsewhere) {
  for (const auto& [origin, site] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"https://evil.example", ""},
                                                        {"https://evil.example", "same-origin"},
                                                        {"http://console.example:9466", ""},
                                                        {"null", ""},
                                                        {own_, "cross-site"},
                                                        {own_, "same-site"},
                                                        {"", "none"}}) {
    const absl::Status status = guard_.CheckPost(PostFrom(origin, site, token_), "alice", kNow);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << origin << " " << site;
  }
}

TEST_F(Forms, NeedTheTokenOfTheirIdentityAndTime) {
  const auto check = [&](const std::string& token, const std::string& who, absl::Time now) {
    return guard_.CheckPost(PostFrom(own_, "same-origin", token), who, now).ok();
  };
  EXPECT_TRUE(check(token_, "alice", kNow + absl::Hours(11)));
  EXPECT_FALSE(check(token_, "alice", kNow + absl::Hours(13)));
  EXPECT_FALSE(check(token_, "bob", kNow));
  EXPECT_FALSE(check("", "alice", kNow));
  EXPECT_FALSE(check("99999999999" + token_.substr(token_.find('.')), "alice", kNow));
  for (size_t i = 0; i < token_.size(); ++i) {
    std::string other = token_;
    other[i] = other[i] == '0' ? '1' : '0';
    EXPECT_FALSE(check(other, "alice", kNow)) << i;
  }
  const FormGuard another{{.secret = std::string(32, 't')}};
  EXPECT_FALSE(check(another.TokenFor("alice", kNow), "alice", kNow));
}

TEST(Host, IsOneOfThisMachineWhereThereIsNoTls) {
  const FormGuard guard{{.plaintext = true, .origins = {"https://proxy.example"}}};
  const auto ok = [&](const std::string& host) {
    Request request;
    request.headers["host"] = host;
    return guard.CheckHost(request).ok();
  };
  for (const char* const host :
       {"127.0.0.1:9466", "localhost:9466", "localhost", "[::1]:9466", "proxy.example"}) {
    EXPECT_TRUE(ok(host)) << host;
  }
  for (const char* const host :
       {"evil.example:9466", "", "127.0.0.1.evil.example", "192.0.2.1:9466", "unix:/x"}) {
    EXPECT_FALSE(ok(host)) << host;
  }
}

TEST(SideBySide, PutsWhatCameBesideWhatWasTakenAway) {
  bool cut = true;
  const std::vector<DiffRow> rows = SideBySide(
      "--- a\n+++ b\n@@ -10,3 +10,4 @@\n one\n-two\n-three\n+2\n four\n+<b>five</b>\n", 100, cut);
  EXPECT_FALSE(cut);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].kind, DiffRow::Kind::kGap);
  EXPECT_EQ(rows[1].left_number, 10u);
  EXPECT_EQ(rows[1].right, "one");
  EXPECT_EQ(rows[2].left, "two");
  EXPECT_EQ(rows[2].right, "2");
  EXPECT_EQ(rows[3].left, "three");
  EXPECT_FALSE(rows[3].has_right);
  EXPECT_EQ(rows[4].left_number, 13u);
  EXPECT_EQ(rows[4].right_number, 12u);
  EXPECT_FALSE(rows[5].has_left);
  EXPECT_EQ(rows[5].right, "<b>five</b>");
}

TEST(SideBySide, TakesAnyTextAndKnowsItsBound) {
  bool cut = false;
  EXPECT_TRUE(SideBySide("", 10, cut).empty());
  EXPECT_EQ(SideBySide("@@ -99999999999999999999999 +x @@\n-\n+", 10, cut).size(), 2u);
  EXPECT_FALSE(cut);
  std::string long_diff = "@@ -1 +1 @@\n";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&long_diff, "+line ", i, "\n");
  EXPECT_EQ(SideBySide(long_diff, 50, cut).size(), 50u);
  EXPECT_TRUE(cut);
}

TEST(Chart, IsMadeOfEscapedTextAndBoundedInSize) {
  BarChart chart{.id = "cards", .title = "a <b> & \"c\"", .description = "'d'"};
  for (int i = 0; i < 5000; ++i) chart.bars.push_back({.label = "<script>", .value = 3});
  const std::string svg = ToSvg(chart);
  EXPECT_THAT(svg, HasSubstr("a &lt;b&gt; &amp; &quot;c&quot;</title>"));
  EXPECT_THAT(svg, HasSubstr("aria-labelledby=\"cards-title cards-desc\""));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("style=")));
  EXPECT_LT(svg.size(), 60'000u);
  // 21 bars of the 5000 each.
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;: 63</title>"));
}

v1::Script ScriptOf(const std::string& name, v1::Script::State state) {
  v1::Script script;
  script.set_site("shop");
  script.set_name(name);
  script.set_state(state);
  return script;
}

v1::Agent AgentOf(v1::Agent::State state) {
  v1::Agent agent;
  agent.set_identity("web-1");
  agent.add_sites("shop");
  agent.set_state(state);
  return agent;
}

std::string Results(const SiteEvidence& site) {
  std::string results;
  for (const ChecklistItem& item : CheckSite(site, kNow)) {
    EXPECT_FALSE(item.evidence.empty()) << item.requirement;
    results += item.pass ? 'p' : 'a';
  }
  return results;
}

SiteEvidence GoodSite() {
  SiteEvidence site{.site = "shop"};
  site.scripts = {ScriptOf("a.js", v1::Script::STATE_APPROVED),
                  ScriptOf("gone.js", v1::Script::STATE_MISSING)};
  site.agents = {AgentOf(v1::Agent::STATE_CONNECTED)};
  v1::PageLook& look = *site.agents[0].add_pages();
  look.set_name("checkout");
  look.set_site("shop");
  look.set_outcome(v1::PageLook::OUTCOME_OK);
  *look.mutable_last_whole_look() = store::ToTimestamp(kNow - absl::Hours(3));
  return site;
}

TEST(Checklist, PassesNothingWithoutEvidence) {
  EXPECT_EQ(Results({.site = "shop"}), "aaaaaa");
  SiteEvidence cut = GoodSite();
  cut.cut = true;
  EXPECT_EQ(Results(cut), "aaaaaa");
}

TEST(Checklist, PassesWhatTheEvidenceShows) { EXPECT_EQ(Results(GoodSite()), "pppppp"); }

TEST(Checklist, PointsAtWhatIsInTheWay) {
  SiteEvidence site = GoodSite();
  site.scripts.push_back(ScriptOf("new.js", v1::Script::STATE_UNAPPROVED));
  EXPECT_EQ(Results(site), "apappp");
  EXPECT_THAT(CheckSite(site, kNow)[0].evidence, Contains("Without approval: new.js"));
  site.scripts.back().set_justification("chat with customers");
  EXPECT_EQ(Results(site), "appppp");

  site = GoodSite();
  site.scripts[0].set_state(v1::Script::STATE_CHANGED);
  EXPECT_EQ(Results(site), "aaappp");

  site = GoodSite();
  site.agents[0].set_state(v1::Agent::STATE_SILENT);
  EXPECT_EQ(Results(site), "papppp");

  site = GoodSite();
  v1::Exposure& exposure = site.exposures.emplace_back();
  exposure.set_id(7);
  exposure.set_kind(v1::FINDING_KIND_HEADER_CHANGE);
  exposure.set_state(v1::Exposure::STATE_OPEN);
  EXPECT_EQ(Results(site), "pppapp");

  site = GoodSite();
  site.agents[0].mutable_pages(0)->set_without_browser(true);
  EXPECT_EQ(Results(site), "ppppap");

  site = GoodSite();
  *site.agents[0].mutable_pages(0)->mutable_last_whole_look() =
      store::ToTimestamp(kNow - absl::Hours(8 * 24));
  EXPECT_EQ(Results(site), "pppppa");
  // A look at another site's page is no evidence for this one.
  site.agents[0].mutable_pages(0)->set_site("other");
  EXPECT_EQ(Results(site), "pppaaa");
}

TEST(Put, ShowsControlCharactersAndMasksCardNumbers) {
  const Templates templates;
  Dictionary values("message");
  Put(values, "TITLE", "4111 1111 1111 1111\x1b[31m");
  Put(values, "TEXT", "<script>alert(1)</script>");
  const std::string html = templates.Render("message", values);
  EXPECT_THAT(html, HasSubstr("**** **** **** ****\\x1b[31m"));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

// Relative luminance and contrast as WCAG 2.2 defines them.
double Luminance(const std::string& color) {
  const double factors[] = {0.2126, 0.7152, 0.0722};
  double luminance = 0;
  for (size_t i = 0; i < 3; ++i) {
    const double c = std::stoi(color.substr(1 + 2 * i, 2), nullptr, 16) / 255.0;
    luminance += factors[i] * (c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  return luminance;
}

double Contrast(const std::string& a, const std::string& b) {
  const double x = Luminance(a);
  const double y = Luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

// `--name: #rrggbb;` of the style sheet, each with its values in order: light, then dark.
std::map<std::string, std::vector<std::string>> Colors() {
  const std::string css = testing::ReadFile(std::string(SKIMWATCH_SOURCE_DIR) +
                                            "/collector/console/assets/console.css");
  std::map<std::string, std::vector<std::string>> colors;
  for (size_t at = css.find("--"); at != std::string::npos; at = css.find("--", at + 2)) {
    const size_t colon = css.find(':', at);
    if (css.compare(colon, 3, ": #") != 0) continue;
    colors[css.substr(at + 2, colon - at - 2)].push_back(css.substr(colon + 2, 7));
  }
  return colors;
}

TEST(Style, HasEnoughContrastInLightAndDark) {
  std::map<std::string, std::vector<std::string>> colors = Colors();
  const std::pair<const char*, const char*> pairs[] = {{"text", "ground"},
                                                       {"text", "raised"},
                                                       {"quiet", "ground"},
                                                       {"quiet", "raised"},
                                                       {"link", "ground"},
                                                       {"link", "raised"},
                                                       {"text", "removed-ground"},
                                                       {"text", "added-ground"},
                                                       {"critical-text", "critical-ground"},
                                                       {"high-text", "high-ground"},
                                                       {"medium-text", "medium-ground"},
                                                       {"low-text", "low-ground"},
                                                       {"pass-text", "pass-ground"},
                                                       {"plain-text", "plain-ground"},
                                                       {"button-text", "button-ground"},
                                                       {"grave-text", "grave-ground"}};
  for (const auto& [text, ground] : pairs) {
    ASSERT_EQ(colors[text].size(), 2u) << text;
    ASSERT_EQ(colors[ground].size(), 2u) << ground;
    for (size_t scheme = 0; scheme < 2; ++scheme) {
      EXPECT_GE(Contrast(colors[text][scheme], colors[ground][scheme]), 4.5)
          << text << " on " << ground << (scheme == 0 ? ", light" : ", dark");
    }
  }
  // What is seen and not read (WCAG 2.2, 1.4.11).
  for (const char* const mark : {"focus", "bar"}) {
    for (size_t scheme = 0; scheme < 2; ++scheme) {
      EXPECT_GE(Contrast(colors[mark][scheme], colors["ground"][scheme]), 3.0) << mark;
    }
  }
}

}  // namespace
}  // namespace skimwatch::console
