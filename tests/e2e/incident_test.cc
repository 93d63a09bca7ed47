#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/deploy/program.h"
#include "tests/e2e/incident/document.h"
#include "tests/e2e/incident/record.h"
#include "tests/e2e/incident/scene.h"
#include "tests/e2e/incident/shoppers.h"
#include "tests/integration/support/cards.h"
#include "tests/integration/support/deployment.h"
#include "tests/support/child_process.h"
#include "tests/support/daemon.h"

namespace skimwatch::e2e {
namespace {

using testing::ReadFile;
using testing::WaitUntil;

constexpr char kSearchEngine[] = "https://www.google.com/";

std::string Material(const std::string& name) {
  return ReadFile(absl::StrCat(SKIMWATCH_SOURCE_DIR, "/tests/e2e/incident/", name));
}

std::string Sha256Of(const std::string& path) {
  const testing::Result sum =
      testing::RunProgram({.command = {"/usr/bin/sha256sum", path}, .environment = {}});
  EXPECT_EQ(sum.code, 0) << sum.err;
  return sum.out.substr(0, 64);
}

struct AwaitedAlert {
  std::string name;
  std::string site;
};

// One of the five, and what is to be seen of it.
struct Style {
  std::string title;
  std::string story;
  // The vendor's script with the skimmer.
  std::string script;
  std::vector<Sensor> sensors;
  std::vector<AwaitedAlert> alerts;
};

// A module of the bundle, and its beginning.
std::string InBundle(const std::string& chat, std::string module) {
  while (module.ends_with('\n')) module.pop_back();
  return absl::StrReplaceAll(
      chat, {{"\n]);", absl::StrCat(",\n", module, "\n]);")}, {"i=n(3);", "i=n(3);n(4);"}});
}

const AwaitedAlert kVendorScript{"UnapprovedScriptOnPaymentPage", "chat"};
const AwaitedAlert kShopScript{"UnapprovedScriptOnPaymentPage", "shop"};

std::vector<Style> Styles(const std::string& chat) {
  const std::vector<Sensor> scripts = {Sensor::kVendorWebRoot, Sensor::kPageScript,
                                       Sensor::kPageCanary, Sensor::kBrowserHash};
  const auto with = [&](std::vector<Sensor> more) {
    more.insert(more.begin(), scripts.begin(), scripts.end());
    return more;
  };
  return {
      {.title = "plain",
       .story =
           "Behind the vendor's script, as a person writes it: a listener on `change` that sends "
           "the number in the clear, in the address of an image of `pixel-metrics.example`. "
           "Seen by: shoppers at home, whose browsers report the address that the shop's policy "
           "does not name, the number with it.",
       .script = chat + Material("skimmers/plain.js"),
       .sensors = with({Sensor::kBrowserViolation, Sensor::kBrowserCard}),
       .alerts = {kVendorScript, kShopScript, {"CardDataLeaving", "shop"}}},
      {.title = "minified",
       .story =
           "One more module in the vendor's minified bundle, which has the bundle's own "
           "function send the number as base64 with the chat's messages. It names no host and "
           "no way out of its own. The thief is on the vendor's server, which sends copies on "
           "to `chat-backup.example`. The shop's policy allows the vendor, so browsers have "
           "nothing to report but the hash. Seen by: the vendor's agent, in what its web server "
           "sends in the clear.",
       .script = InBundle(chat, Material("skimmers/minified.js")),
       .sensors = with({Sensor::kVendorTraffic}),
       .alerts = {kShopScript, {"CardDataSuspected", "chat"}}},
      {.title = "string array",
       .story =
           "Before the vendor's script, obfuscated: every name and the host stand as base64 in "
           "a rotated table. Number, expiry and security code go as base64 in the address of an "
           "image of `font-metrics.example` when the last field is left. Seen by: shoppers at "
           "home, as above.",
       .script = Material("skimmers/string_array.js") + chat,
       .sensors = with({Sensor::kBrowserViolation, Sensor::kBrowserCard}),
       .alerts = {kVendorScript, kShopScript, {"SensitiveAuthenticationDataLeaving", "shop"}}},
      {.title = "second stage",
       .story =
           "The vendor's script only loads another one from `widget-loader.example`, and that "
           "sends the whole form in the body of a beacon to its own host when the shopper pays. "
           "A report names the host and never a body. Seen by: people of the shop who type "
           "orders that come by telephone, behind the gateway of its network, which ends TLS "
           "and hands copies of requests to the agent.",
       .script = chat + Material("skimmers/second_stage.js"),
       .sensors = with({Sensor::kShopTraffic}),
       .alerts = {kVendorScript, kShopScript, {"SensitiveAuthenticationDataLeaving", "shop"}}},
      {.title = "evasive",
       .story =
           "It does nothing while developer tools are open, under automation, and for visitors "
           "whom no search engine sent; else the number goes in hex in the address of a request "
           "to `tag-timing.example`. Seen by: shoppers at home, as above.",
       .script = chat + Material("skimmers/evasive.js"),
       .sensors = with({Sensor::kBrowserViolation, Sensor::kBrowserCard}),
       .alerts = {kVendorScript, kShopScript, {"CardDataLeaving", "shop"}}},
  };
}

class Incident2017 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Shoppers::ArePossible()) GTEST_SKIP() << "needs chromium and nodejs";
    if (!integration::MayCapture()) GTEST_SKIP() << "needs the right to capture packets";
    if (testing::RunTool({"prometheus-alertmanager", "--version"}).exit_code != 0 ||
        testing::RunTool({"jsonnet", "--version"}).exit_code != 0) {
      GTEST_SKIP() << "needs prometheus, prometheus-alertmanager and jsonnet";
    }
    scene_.PublishChat(Material("site/chat-1.0.js"));
    ASSERT_NO_FATAL_FAILURE(scene_.Start());
  }

  // A customer with a card of their own.
  size_t NewCustomer() { return customers_++; }
  Visit AtHome(std::optional<size_t> card, const std::string& referrer = "") {
    return scene_.FromHome(++homes_, card, referrer);
  }

  // Waits until each of the sensors told of something; says what each told of.
  Sightings Await(const std::vector<Sensor>& sensors, absl::Time since) {
    Sightings sightings;
    double stored = -1;
    const auto all_have = [&] {
      // Asked for its count first: a look at everything is dear.
      const double now_stored = integration::SumOf(scene_.deployment().collector().Get("/metrics"),
                                                   "skimwatch_findings_total");
      if (std::exchange(stored, now_stored) == now_stored) return false;
      sightings = SightingsOf(scene_.FindingsSince(since), since);
      return std::all_of(sensors.begin(), sensors.end(),
                         [&](Sensor sensor) { return sightings[sensor].seen(); });
    };
    if (!WaitUntil(all_have, absl::Seconds(60))) {
      for (const Sensor sensor : sensors) {
        EXPECT_TRUE(sightings[sensor].seen()) << NameOf(sensor) << " saw nothing";
      }
      ADD_FAILURE() << scene_.Logs();
    }
    return sightings;
  }

  std::vector<Alert> AwaitAlerts(const std::vector<AwaitedAlert>& awaited, absl::Time since) {
    std::vector<Alert> alerts;
    for (const AwaitedAlert& alert : awaited) {
      std::optional<absl::Time> firing;
      EXPECT_TRUE(WaitUntil([&] {
        firing = scene_.monitoring().FiringSince(alert.name, alert.site);
        return firing.has_value();
      })) << alert.name
          << " of " << alert.site
          << " does not fire; these do: " << absl::StrJoin(scene_.monitoring().Firing(), ", ");
      if (firing.has_value()) alerts.push_back({alert.name, alert.site, *firing - since});
    }
    return alerts;
  }

  std::vector<v1::Exposure> OpenExposuresOfCards() {
    std::vector<v1::Exposure> exposures = scene_.deployment().Exposures();
    std::erase_if(exposures, [](const v1::Exposure& exposure) {
      const bool is_of_cards = exposure.kind() == v1::FINDING_KIND_CARD_NUMBER ||
                               exposure.kind() == v1::FINDING_KIND_TRACK_DATA;
      return !is_of_cards || exposure.state() != v1::Exposure::STATE_OPEN;
    });
    return exposures;
  }

  void DayZero();
  void CleanUpdate();
  void Play(const Style& style);
  // Shoppers come and pay; says whose cards are skimmed where it is watched, and where it is not.
  void Shop(const Style& style, std::vector<size_t>& skimmed, std::vector<size_t>& unseen);
  void AskForTheReport(absl::Time since, StyleRecord& record);
  void CheckCards(const std::vector<size_t>& skimmed, const std::vector<size_t>& unseen,
                  StyleRecord& record);
  void PutBack();
  // By line, whether `card check` saw each planted customer's card; of one exposure where it is not
  // 0, else on a way that cards are not meant to take.
  std::vector<bool> SeenCards(uint64_t exposure);

  Scene scene_;
  const std::string chat_ = Material("site/chat-1.1.js");
  IncidentRecord incident_;
  size_t customers_ = 0;
  int homes_ = 0;
  uint64_t exposure_ = 0;
  // Customers who were skimmed and seen, and all whom the thief has, over all styles.
  std::set<size_t> all_skimmed_;
  std::set<size_t> all_unseen_;
};

void Incident2017::DayZero() {
  scene_.BeginLook();
  ASSERT_TRUE(scene_.AwaitLook()) << scene_.Logs();
  incident_.approved_on_day_0 = scene_.ApproveEverything("Read on day 0");
  scene_.shoppers().Go({AtHome(NewCustomer()), AtHome(NewCustomer()), AtHome(std::nullopt)});
  scene_.shoppers().Leave();
  ASSERT_NO_FATAL_FAILURE(scene_.StartMonitoring());
}

void Incident2017::CleanUpdate() {
  const absl::Time since = scene_.PublishChat(chat_);
  scene_.BeginLook();
  scene_.shoppers().Go({AtHome(NewCustomer()), AtHome(std::nullopt), AtHome(std::nullopt)});
  ASSERT_TRUE(scene_.AwaitLook()) << scene_.Logs();
  incident_.update =
      Await({Sensor::kVendorWebRoot, Sensor::kPageScript, Sensor::kBrowserHash}, since);
  incident_.update_alerts = AwaitAlerts({kShopScript}, since);
  scene_.shoppers().Leave();
  for (const v1::StoredFinding& stored : scene_.FindingsSince(absl::UnixEpoch())) {
    EXPECT_NE(stored.finding().severity(), v1::SEVERITY_CRITICAL)
        << stored.finding().rule() << " " << stored.finding().destination();
  }
  scene_.ApproveEverything("Chat 1.1, compared with the vendor's release");
  scene_.CloseEverything("Chat 1.1 is approved");
}

void Incident2017::Shop(const Style& style, std::vector<size_t>& skimmed,
                        std::vector<size_t>& unseen) {
  std::vector<Visit> visits;
  if (style.title == "second stage") {
    for (int i = 0; i < 2; ++i) {
      skimmed.push_back(NewCustomer());
      visits.push_back(scene_.FromTheShopsNetwork(skimmed.back()));
    }
    unseen.push_back(NewCustomer());
    visits.push_back(AtHome(unseen.back()));
    visits.push_back(AtHome(std::nullopt));
    visits.push_back(AtHome(std::nullopt));
  } else {
    const std::string from = style.title == "evasive" ? kSearchEngine : "";
    for (int i = 0; i < 3; ++i) {
      skimmed.push_back(NewCustomer());
      visits.push_back(AtHome(skimmed.back(), from));
    }
    // Whom the skimmer lets pass.
    if (style.title == "evasive") visits.push_back(AtHome(NewCustomer()));
  }
  scene_.shoppers().Go(visits);
}

void Incident2017::Play(const Style& style) {
  SCOPED_TRACE(style.title);
  StyleRecord record{.title = style.title, .story = style.story};
  scene_.SetRelay(style.title == "minified");
  const absl::Time since = scene_.PublishChat(style.script);
  scene_.BeginLook();
  std::vector<size_t> skimmed;
  std::vector<size_t> unseen;
  Shop(style, skimmed, unseen);

  if (style.title == "evasive") {
    // The look that was due came from the shop's cart, the next one comes from a search engine.
    std::vector<Sensor> without_canary = style.sensors;
    std::erase(without_canary, Sensor::kPageCanary);
    ASSERT_TRUE(scene_.AwaitLook()) << scene_.Logs();
    record.first_look = Await(without_canary, since);
    EXPECT_FALSE((*record.first_look)[Sensor::kPageCanary].seen());
    scene_.BeginLook();
  }
  ASSERT_TRUE(scene_.AwaitLook()) << scene_.Logs();
  record.sightings = Await(style.sensors, since);
  for (const v1::StoredFinding& stored : scene_.FindingsSince(since)) {
    const v1::Finding& finding = stored.finding();
    if (SensorOf(finding) != Sensor::kVendorWebRoot) continue;
    record.reasons.assign(finding.script_change().reasons().begin(),
                          finding.script_change().reasons().end());
  }
  record.alerts = AwaitAlerts(style.alerts, since);
  if (incident_.styles.empty()) {
    // The way on to people is the same for all.
    EXPECT_LT(scene_.monitoring().AwaitAlert(style.alerts.back().name, since),
              absl::InfiniteDuration())
        << scene_.monitoring().Log();
  }
  // What the thief was sent is what was planted.
  std::set<size_t> stolen;
  for (const size_t card : scene_.CardsOfTheThief(customers_)) {
    if (!all_skimmed_.contains(card) && !all_unseen_.contains(card)) stolen.insert(card);
  }
  std::set<size_t> planted(skimmed.begin(), skimmed.end());
  planted.insert(unseen.begin(), unseen.end());
  EXPECT_EQ(stolen, planted);

  EXPECT_TRUE(WaitUntil([&] {
    uint64_t stored = 0;
    for (const v1::Exposure& exposure : OpenExposuresOfCards()) stored += exposure.distinct_cards();
    return stored >= skimmed.size();
  }));
  AskForTheReport(since, record);
  EXPECT_EQ(record.report.distinct_cards, skimmed.size());
  CheckCards(skimmed, unseen, record);
  all_skimmed_.insert(skimmed.begin(), skimmed.end());
  all_unseen_.insert(unseen.begin(), unseen.end());
  incident_.styles.push_back(std::move(record));
  PutBack();
}

void Incident2017::AskForTheReport(absl::Time since, StyleRecord& record) {
  const std::vector<v1::Exposure> open = OpenExposuresOfCards();
  std::string all;
  for (const v1::Exposure& exposure : open)
    absl::StrAppend(&all, exposure.ShortDebugString(), "\n");
  ASSERT_EQ(open.size(), 1) << all;
  exposure_ = open.front().id();
  const testing::Result asked =
      scene_.deployment().Ctl({"exposures", "report", absl::StrCat(exposure_), "--format", "json"});
  ASSERT_EQ(asked.code, 0) << asked.err;
  const nlohmann::json report = nlohmann::json::parse(asked.out, nullptr, false);
  ASSERT_FALSE(report.is_discarded()) << asked.out;
  const nlohmann::json& exposure = report["exposure"];
  const auto time = [&](const char* const name) {
    absl::Time at;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, exposure.value(name, ""), &at, &error))
        << name << ": " << error;
    return at;
  };
  EXPECT_GE(time("first_seen"), since);
  EXPECT_LE(time("last_seen"), absl::Now());
  record.report.window = time("last_seen") - time("first_seen");
  record.report.channel = exposure.value("channel", "");
  // The port is another one in each run.
  const std::string destination = exposure.value("destination", "");
  record.report.destination = destination.substr(0, destination.find(':'));
  EXPECT_TRUE(
      absl::SimpleAtoi(exposure.value("distinct_cards", "0"), &record.report.distinct_cards));
  std::vector<std::string> encodings;
  for (const nlohmann::json& one : exposure["encodings"]) encodings.push_back(one);
  record.report.encodings = absl::StrJoin(encodings, ", ");
  // The version that stole is among those that were served without approval.
  const std::string sha256 = Sha256Of(scene_.deployment().site_folder() + "/vendor/chat.js");
  for (const nlohmann::json& script : report["scripts"]) {
    for (const nlohmann::json& one : script["history"]) {
      if (one["version"].value("sha256", "") != sha256) continue;
      EXPECT_FALSE(one.contains("approval"));
      record.report.script = script.value("name", "");
      record.report.version = sha256.substr(0, 12);
    }
  }
  EXPECT_NE(record.report.script, "") << asked.out.substr(0, 4000);
}

std::vector<bool> Incident2017::SeenCards(uint64_t exposure) {
  const std::string file = scene_.deployment().site_folder() + "/customers";
  std::ofstream list(file, std::ios::trunc);
  for (size_t card = 0; card < customers_ + 2; ++card)
    list << integration::CardNumber(card) << "\n";
  list.close();
  std::vector<std::string> command = {"card", "check", "--file", file, "--output", "json"};
  if (exposure != 0) {
    command.emplace_back("--exposure");
    command.push_back(absl::StrCat(exposure));
  }
  const testing::Result asked = scene_.deployment().Ctl(command);
  EXPECT_EQ(asked.code, 0) << asked.err;
  std::vector<bool> seen;
  for (const absl::string_view line : absl::StrSplit(asked.out, '\n', absl::SkipEmpty())) {
    const nlohmann::json answer = nlohmann::json::parse(std::string(line), nullptr, false);
    if (answer.is_discarded()) continue;
    const nlohmann::json ways = answer.value("sightings", nlohmann::json::array());
    seen.push_back(std::any_of(ways.begin(), ways.end(), [](const nlohmann::json& way) {
      return !way.value("expected", false);
    }));
  }
  EXPECT_EQ(seen.size(), customers_ + 2);
  seen.resize(customers_ + 2);
  return seen;
}

void Incident2017::CheckCards(const std::vector<size_t>& skimmed, const std::vector<size_t>& unseen,
                              StyleRecord& record) {
  const std::vector<bool> seen = SeenCards(exposure_);
  CardAnswers& answers = record.cards;
  for (size_t card = 0; card < seen.size(); ++card) {
    const bool is_skimmed = std::count(skimmed.begin(), skimmed.end(), card) > 0;
    const bool is_unseen = std::count(unseen.begin(), unseen.end(), card) > 0;
    EXPECT_EQ(seen[card], is_skimmed) << "customer " << card;
    ++(is_skimmed ? answers.skimmed : is_unseen ? answers.unseen : answers.others);
    if (!seen[card]) continue;
    ++(is_skimmed  ? answers.skimmed_found
       : is_unseen ? answers.unseen_found
                   : answers.others_found);
  }
}

void Incident2017::PutBack() {
  scene_.shoppers().Leave();
  scene_.SetRelay(false);
  const absl::Time since = scene_.PublishChat(chat_);
  scene_.shoppers().Go({AtHome(NewCustomer()), AtHome(std::nullopt), AtHome(std::nullopt)});
  // By the vendor's web root and by shoppers' browsers.
  std::set<v1::SourceKind> restored;
  EXPECT_TRUE(WaitUntil([&] {
    for (const v1::StoredFinding& stored : scene_.FindingsSince(since)) {
      const v1::ScriptChange& change = stored.finding().script_change();
      if (change.change() != v1::ScriptChange::CHANGE_RESTORED) continue;
      restored.insert(stored.finding().provenance().source());
    }
    return restored.size() == 2;
  })) << "told of by "
      << restored.size() << " of the two\n"
      << scene_.Logs();
  scene_.shoppers().Leave();
  scene_.CloseEverything("The vendor put 1.1 back");
}

TEST_F(Incident2017, IsSeenInEveryStyleAndAnswersForEachCustomer) {
  ASSERT_NO_FATAL_FAILURE(DayZero());
  ASSERT_NO_FATAL_FAILURE(CleanUpdate());
  for (const Style& style : Styles(chat_)) {
    ASSERT_NO_FATAL_FAILURE(Play(style));
  }
  // Over all exposures, and those who paid as they should are not among them.
  const std::vector<bool> seen = SeenCards(0);
  for (size_t card = 0; card < seen.size(); ++card) {
    EXPECT_EQ(seen[card], all_skimmed_.contains(card)) << "customer " << card;
  }
  incident_.customers = customers_;
  scene_.deployment().ExpectNoNumberKept(customers_);
  CompareWithDocument(incident_);
}

}  // namespace
}  // namespace skimwatch::e2e
