#include "tests/e2e/incident/document.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/support/daemon.h"

namespace skimwatch::e2e {
namespace {

constexpr char kDocument[] = SKIMWATCH_SOURCE_DIR "/docs/incident-2017.md";

constexpr char kBeginning[] = R"(# The 2017 incident, replayed

<!-- Written by tests/e2e/incident_test.cc, which also fails when it says something else. To write it
anew: SKIMWATCH_UPDATE_DOCS=1 build/release/bin/incident_test -->

In the autumn of 2017 somebody altered the script of a chat vendor, on the vendor's side. Shops that
embedded it handed their customers' cards to a thief for weeks. Nothing had changed on any server of
theirs, and they learnt of it months later.

`incident_test` plays this with real parts and five skimmers that were written for it and for nothing
else (`tests/e2e/incident/skimmers`): nginx as shop, vendor and thief, an origin each; Chromium as the
shoppers, each with an address of the network of their own, who type a card key by key and pay; three
agents and a collector over mutual TLS; Prometheus with the rules of `deploy/`. The shop has
`deploy/browser-reports/` on its payment page, report-only, so that nothing is stopped: what would
have stopped it is in [browser-reports.md](browser-reports.md). What the thief was sent is compared
with what was planted.

| agent | watches |
| --- | --- |
| `shop-web` | the shop's files; what shoppers' browsers report; what its backend sends to the payment processor, where cards belong; copies of the requests that pass the gateway of the shop's own network |
| `shop-pages` | the payment page, as a shopper, with a canary card ([pages.md](pages.md)); looks come from the shop's cart and from a search engine by turns |
| `chat-web` | the vendor's files; what the vendor's web server sends in the clear |

)";

constexpr char kLimits[] = R"(
## What the figures are worth

- Seconds count from the moment when the altered script was on the vendor's server, and are those of
  the run that wrote this. A shopper is there at once, and takes seconds to type; where shoppers are
  rare, add the time until the third one comes.
- A look is begun at once. In a deployment it is begun within `interval_seconds`, a day by default.
  Its browser gives way to every other program, so that it takes longer where processors are busy.
- `learn_hours` is 0, since the test has no days, and `restore_after_seconds` is 1. `browsers_min` is
  the default, 3 networks. Prometheus scrapes and evaluates every second, not every 15, and
  CardDataSuspected waits for nothing rather than 5 minutes.
- A vendor's agent and a shop's send to their own collectors in life. Here it is one, with a site each.
)";

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

std::string LevelOf(v1::Severity severity) {
  return absl::AsciiStrToLower(v1::Severity_Name(severity).substr(std::string("SEVERITY_").size()));
}

std::string Cell(const Sighting& sighting) {
  return sighting.seen() ? absl::StrCat(LevelOf(sighting.severity), ", ", Seconds(sighting.after))
                         : "-";
}

std::string Row(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

std::string Head(const std::vector<std::string>& cells) {
  return absl::StrCat(Row(cells), Row(std::vector<std::string>(cells.size(), "---")));
}

// A table of one row a style.
std::string ByStyle(const IncidentRecord& incident, std::vector<std::string> head,
                    const std::function<std::vector<std::string>(const StyleRecord&)>& cells) {
  head.insert(head.begin(), "style");
  std::string table = Head(head);
  for (const StyleRecord& style : incident.styles) {
    std::vector<std::string> row = cells(style);
    row.insert(row.begin(), style.title);
    absl::StrAppend(&table, Row(row));
  }
  return table;
}

std::string WhatWasSeen(const IncidentRecord& incident) {
  std::vector<std::string> head = {"", "clean update"};
  for (const StyleRecord& style : incident.styles) head.push_back(style.title);
  std::string text = absl::StrCat(
      "## What was seen, how grave, how soon\n\nOn day 0 the operator reads and approves ",
      incident.approved_on_day_0,
      " entries of the inventory with `skimwatchctl scripts approve`. Then the vendor publishes an "
      "update that is only that, which is approved as well. Then, one after the other, the "
      "five.\n\n",
      Head(head));
  for (size_t i = 0; i < kSensors; ++i) {
    const auto sensor = static_cast<Sensor>(i);
    std::vector<std::string> row = {std::string(NameOf(sensor)), Cell(incident.update[sensor])};
    for (const StyleRecord& style : incident.styles) row.push_back(Cell(style.sightings[sensor]));
    absl::StrAppend(&text, Row(row));
  }
  absl::StrAppend(&text,
                  "\nThe update is critical to nobody. Browsers report a hash and no text, so that "
                  "by theirs alone "
                  "an update can't be told from an attack: it is high until its bytes are "
                  "approved, by the vendor's "
                  "word or by what the look makes of it.\n");
  for (const StyleRecord& style : incident.styles) {
    if (!style.first_look.has_value()) continue;
    const Sighting& script = (*style.first_look)[Sensor::kPageScript];
    absl::StrAppend(&text, "\nThe look that was due when the ", style.title,
                    " skimmer came was one from the shop's cart. It saw the altered script (",
                    script.seen() ? LevelOf(script.severity) : "not at all",
                    "), and no canary go anywhere. The next one came from a search engine, and its "
                    "canary went: name search engines in `referrers`.\n");
  }
  return text;
}

std::string Told(const std::vector<Alert>& alerts) {
  std::vector<std::string> told;
  told.reserve(alerts.size());
  for (const Alert& alert : alerts) {
    told.push_back(absl::StrCat(alert.name, " of `", alert.site, "`, ", Seconds(alert.after)));
  }
  return absl::StrJoin(told, "; ");
}

std::string WhoWasTold(const IncidentRecord& incident) {
  return absl::StrCat(
      "\n## Who was told\n\nAlerts that fired at Prometheus. Those of site `chat` are the "
      "vendor's.\n\n",
      ByStyle(
          incident, {"alerts"},
          [](const StyleRecord& style) { return std::vector<std::string>{Told(style.alerts)}; }),
      Row({"clean update", Told(incident.update_alerts)}));
}

std::string WhatTheReportAnswers(const IncidentRecord& incident) {
  return absl::StrCat(
      "\n## What the report answers\n\n`skimwatchctl exposures report` of the one open exposure of "
      "cards. The window is from the first to the last card; the script is the one that the report "
      "has as served without approval meanwhile.\n\n",
      ByStyle(incident, {"window", "script and its version", "to", "as", "distinct cards"},
              [](const StyleRecord& style) {
                const ReportAnswers& report = style.report;
                return std::vector<std::string>{
                    Seconds(report.window),
                    absl::StrCat("`", report.script, "` `", report.version, "`"),
                    absl::StrCat("`", report.destination, "` (`", report.channel, "`)"),
                    report.encodings.empty() ? "plain digits" : report.encodings,
                    absl::StrCat(report.distinct_cards)};
              }));
}

std::string WhoseCard(const IncidentRecord& incident) {
  return absl::StrCat(
      "\n## Whose card\n\n`skimwatchctl card check --exposure` was asked for each of the customers "
      "so "
      "far, and for two who never came. The others paid on a day without a skimmer, or were "
      "skimmed in "
      "another style, or passed by. Over all exposures the answers are the same.\n\n",
      ByStyle(incident,
              {"skimmed where it was watched: found", "others: found",
               "skimmed where nothing watched: found"},
              [](const StyleRecord& style) {
                const CardAnswers& cards = style.cards;
                return std::vector<std::string>{
                    absl::StrCat(cards.skimmed_found, " of ", cards.skimmed),
                    absl::StrCat(cards.others_found, " of ", cards.others),
                    cards.unseen == 0 ? "-"
                                      : absl::StrCat(cards.unseen_found, " of ", cards.unseen)};
              }));
}

std::string WhatNobodySaw(const IncidentRecord& incident) {
  std::string text =
      "\n## What was not seen\n\n"
      "A card is found only where something on its way is watched. A shopper's browser sends "
      "straight "
      "to the thief, past every server of the shop: what is left is the address, which the browser "
      "reports when the policy does not name it.\n\n";
  for (const StyleRecord& style : incident.styles) {
    std::vector<std::string> blind;
    for (size_t i = 0; i < kSensors; ++i) {
      const auto sensor = static_cast<Sensor>(i);
      if (!style.sightings[sensor].seen()) blind.emplace_back(NameOf(sensor));
    }
    absl::StrAppend(&text, "- ", style.title, ": nothing by ", absl::StrJoin(blind, "; "), ".");
    if (style.cards.unseen > style.cards.unseen_found) {
      absl::StrAppend(&text, " The thief also has ", style.cards.unseen - style.cards.unseen_found,
                      " card of a shopper at home that nobody saw: it went in a body, and `card "
                      "check` says that it was not seen leaving. That is no proof that it did not: "
                      "the altered script was served, and the canary went.");
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

std::string Styles(const IncidentRecord& incident) {
  std::string text = "\n## The five\n";
  for (const StyleRecord& style : incident.styles) {
    absl::StrAppend(&text, "\n**", style.title, ".** ", style.story,
                    "\n\nThe gravest reason that the vendor's agent gives: ",
                    style.reasons.empty() ? "none" : style.reasons.front(), ".\n");
  }
  return text;
}

std::string Document(const IncidentRecord& incident) {
  return absl::StrCat(kBeginning, WhatWasSeen(incident), WhoWasTold(incident),
                      WhatTheReportAnswers(incident), WhoseCard(incident), WhatNobodySaw(incident),
                      Styles(incident), kLimits);
}

// Lines without their times.
std::vector<std::string> Shape(const std::string& document) {
  const std::regex time("[0-9]+\\.[0-9] s");
  return absl::StrSplit(std::regex_replace(document, time, "# s"), '\n');
}

}  // namespace

void CompareWithDocument(const IncidentRecord& incident) {
  const std::string document = Document(incident);
  const char* const update = std::getenv("SKIMWATCH_UPDATE_DOCS");
  if (update != nullptr && std::string(update) == "1") {
    std::ofstream(kDocument) << document;
    return;
  }
  const std::vector<std::string> expected = Shape(testing::ReadFile(kDocument));
  const std::vector<std::string> actual = Shape(document);
  for (size_t i = 0; i < std::max(expected.size(), actual.size()); ++i) {
    EXPECT_EQ(i < actual.size() ? actual[i] : "no line",
              i < expected.size() ? expected[i] : "no line")
        << kDocument << ":" << i + 1
        << " says something else; where the new is right, SKIMWATCH_UPDATE_DOCS=1 writes it";
  }
}

}  // namespace skimwatch::e2e
