#include "collector/metrics/collector_metrics.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "collector/store/timestamp.h"
#include "proto/admin/family_builder.h"

namespace skimwatch::metrics {
namespace {

using admin::FamilyBuilder;
using prometheus::MetricType;

constexpr std::array kKinds = {v1::FINDING_KIND_CARD_NUMBER,       v1::FINDING_KIND_TRACK_DATA,
                               v1::FINDING_KIND_SCRIPT_CHANGE,     v1::FINDING_KIND_HEADER_CHANGE,
                               v1::FINDING_KIND_BROWSER_REPORT,    v1::FINDING_KIND_CANARY,
                               v1::FINDING_KIND_DESTINATION_CHANGE};
constexpr std::array kSeverities = {v1::SEVERITY_INFO, v1::SEVERITY_LOW, v1::SEVERITY_MEDIUM,
                                    v1::SEVERITY_HIGH, v1::SEVERITY_CRITICAL};
constexpr std::array kScriptStates = {v1::Script::STATE_APPROVED, v1::Script::STATE_UNAPPROVED,
                                      v1::Script::STATE_CHANGED, v1::Script::STATE_MISSING};
constexpr std::array kDestinationStates = {v1::Destination::STATE_APPROVED,
                                           v1::Destination::STATE_PROPOSED,
                                           v1::Destination::STATE_UNAPPROVED};
constexpr std::array kAgentStates = {v1::Agent::STATE_CONNECTED, v1::Agent::STATE_SILENT,
                                     v1::Agent::STATE_REJECTED};

// `FINDING_KIND_CARD_NUMBER` to `card_number`.
std::string Short(const std::string& name, std::string_view prefix) {
  if (name.size() <= prefix.size()) return "unspecified";
  return absl::AsciiStrToLower(name.substr(prefix.size()));
}

std::string Name(v1::FindingKind kind) {
  return Short(v1::FindingKind_Name(kind), "FINDING_KIND_");
}
std::string Name(v1::Severity severity) { return Short(v1::Severity_Name(severity), "SEVERITY_"); }
std::string Name(v1::Confidence confidence) {
  return Short(v1::Confidence_Name(confidence), "CONFIDENCE_");
}
std::string Name(v1::Script::State state) { return Short(v1::Script::State_Name(state), "STATE_"); }
std::string Name(v1::Destination::State state) {
  return Short(v1::Destination::State_Name(state), "STATE_");
}
std::string Name(v1::Agent::State state) { return Short(v1::Agent::State_Name(state), "STATE_"); }

std::string Name(v1::PageLook::Outcome outcome) {
  return Short(v1::PageLook::Outcome_Name(outcome), "OUTCOME_");
}

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

}  // namespace

CollectorMetrics::CollectorMetrics(Options options)
    : options_(std::move(options)),
      sites_(options_.sites_max),
      agents_(options_.agents_max),
      pages_(options_.pages_max) {}

absl::StatusOr<std::vector<v1::Agent>> CollectorMetrics::ReadAgents() const {
  std::vector<v1::Agent> agents;
  v1::ListAgentsRequest request;
  request.set_page_size(1000);
  do {
    absl::StatusOr<v1::ListAgentsResponse> page = options_.store->ListAgents(request);
    if (!page.ok()) return page.status();
    for (v1::Agent& agent : *page->mutable_agents()) agents.push_back(std::move(agent));
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return agents;
}

std::vector<prometheus::MetricFamily> CollectorMetrics::Collect() const {
  Families families;
  const absl::StatusOr<store::Summary> summary = options_.store->Summarize();
  const absl::StatusOr<std::vector<v1::Agent>> agents = ReadAgents();
  absl::MutexLock lock(&mutex_);
  if (summary.ok() && agents.ok()) {
    AddFindings(*summary, *agents, families);
    AddAgents(*agents, families);
    AddPages(*agents, families);
  }
  AddIngest(families);
  AddStore(families);

  FamilyBuilder dropped("skimwatch_metric_series_dropped_total",
                        "Label values that were counted as `other` because the label has its limit "
                        "of values. Raise metric_limits if it grows.",
                        MetricType::Counter);
  dropped.Add({{"label", "site"}}, static_cast<double>(sites_.dropped()));
  dropped.Add({{"label", "agent"}}, static_cast<double>(agents_.dropped()));
  dropped.Add({{"label", "page"}}, static_cast<double>(pages_.dropped()));
  families.push_back(std::move(dropped).Build());

  FamilyBuilder build("skimwatch_build_info", "Version of the collector; always 1.",
                      MetricType::Gauge);
  build.Add({{"version", options_.version}, {"revision", options_.revision}}, 1);
  families.push_back(std::move(build).Build());
  return families;
}

void CollectorMetrics::AddFindings(const store::Summary& summary,
                                   const std::vector<v1::Agent>& agents, Families& families) const {
  FamilyBuilder findings("skimwatch_findings_total",
                         "Findings stored since the store was created, expected flows included. "
                         "See skimwatch_exposures_open for what needs doing.",
                         MetricType::Counter);
  FamilyBuilder open("skimwatch_exposures_open",
                     "Exposures open now: `skimwatchctl exposures list`, stop the cause, then "
                     "`skimwatchctl exposures close`.",
                     MetricType::Gauge);
  FamilyBuilder cards("skimwatch_exposure_distinct_cards",
                      "Distinct cards in the open exposures, exact for what was scanned. A card "
                      "that leaves two ways counts twice.",
                      MetricType::Gauge);
  FamilyBuilder occurrences(
      "skimwatch_exposure_estimated_occurrences",
      "How often cards were sent in the open exposures: exact where nothing was sampled, else an "
      "unbiased estimate; `skimwatchctl exposures show` has the error of each.",
      MetricType::Gauge);
  FamilyBuilder sampled(
      "skimwatch_exposure_sampled",
      "1 where figures of the open exposures are estimates from samples, 0 where they "
      "are exact.",
      MetricType::Gauge);
  FamilyBuilder first_seen("skimwatch_exposure_first_seen_timestamp_seconds",
                           "When the oldest open exposure began; absent when none is open.",
                           MetricType::Gauge);
  FamilyBuilder scripts("skimwatch_scripts",
                        "Scripts by state. Look at unapproved and changed ones with `skimwatchctl "
                        "scripts diff`, then approve them or put them back.",
                        MetricType::Gauge);
  FamilyBuilder ending(
      "skimwatch_script_approvals_ending",
      "Approvals of scripts that are served, and behaviour profiles, that end within "
      "script_approvals.warning_days. Approve them anew with `skimwatchctl scripts approve`.",
      MetricType::Gauge);
  FamilyBuilder destinations(
      "skimwatch_destinations",
      "Destinations that processes send data to, by state. Look at unapproved "
      "ones with `skimwatchctl destinations show`, then approve them or stop "
      "what sends there.",
      MetricType::Gauge);

  // Series that alerts read stand at zero before anything happens: for every site an agent names.
  std::set<std::string> sites;
  for (const v1::Agent& agent : agents) sites.insert(agent.sites().begin(), agent.sites().end());
  for (const std::string& name : sites) {
    const std::string site = sites_.Map(name);
    for (const v1::FindingKind kind : kKinds) {
      cards.Add({{"site", site}, {"kind", Name(kind)}}, 0);
      occurrences.Add({{"site", site}, {"kind", Name(kind)}}, 0);
      sampled.Add({{"site", site}, {"kind", Name(kind)}}, 0);
      for (const v1::Severity severity : kSeverities) {
        open.Add({{"site", site}, {"kind", Name(kind)}, {"severity", Name(severity)}}, 0);
      }
    }
    for (const v1::Script::State state : kScriptStates) {
      scripts.Add({{"site", site}, {"state", Name(state)}}, 0);
    }
    ending.Add({{"site", site}}, 0);
    for (const v1::Destination::State state : kDestinationStates) {
      destinations.Add({{"site", site}, {"state", Name(state)}}, 0);
    }
  }
  for (const store::Summary::FindingTotal& total : summary.finding_totals) {
    findings.Add({{"site", sites_.Map(total.site)},
                  {"kind", Name(total.kind)},
                  {"severity", Name(total.severity)},
                  {"confidence", Name(total.confidence)}},
                 static_cast<double>(total.findings));
  }
  for (const store::Summary::OpenExposures& exposures : summary.open_exposures) {
    const std::string site = sites_.Map(exposures.site);
    const std::string kind = Name(exposures.kind);
    open.Add({{"site", site}, {"kind", kind}, {"severity", Name(exposures.severity)}},
             static_cast<double>(exposures.exposures));
    cards.Add({{"site", site}, {"kind", kind}}, static_cast<double>(exposures.distinct_cards));
    occurrences.Add({{"site", site}, {"kind", kind}}, exposures.estimated_occurrences);
    sampled.Max({{"site", site}, {"kind", kind}}, exposures.sampled ? 1 : 0);
    first_seen.Min({{"site", site}, {"kind", kind}}, UnixSeconds(exposures.oldest_first_seen));
  }
  for (const store::Summary::Scripts& count : summary.scripts) {
    scripts.Add({{"site", sites_.Map(count.site)}, {"state", Name(count.state)}},
                static_cast<double>(count.scripts));
  }
  for (const store::Summary::EndingApprovals& count : summary.ending_approvals) {
    ending.Add({{"site", sites_.Map(count.site)}}, static_cast<double>(count.approvals));
  }
  for (const store::Summary::Destinations& count : summary.destinations) {
    destinations.Add({{"site", sites_.Map(count.site)}, {"state", Name(count.state)}},
                     static_cast<double>(count.destinations));
  }
  FamilyBuilder lost("skimwatch_findings_lost_total",
                     "Findings that agents declared lost, for want of spool room or by damage, "
                     "since the store was created. Give the spool more room (spool.size_mib).",
                     MetricType::Counter);
  lost.Add({}, static_cast<double>(summary.lost_findings));

  families.push_back(std::move(findings).Build());
  families.push_back(std::move(open).Build());
  families.push_back(std::move(cards).Build());
  families.push_back(std::move(occurrences).Build());
  families.push_back(std::move(sampled).Build());
  families.push_back(std::move(first_seen).Build());
  families.push_back(std::move(scripts).Build());
  families.push_back(std::move(ending).Build());
  families.push_back(std::move(destinations).Build());
  families.push_back(std::move(lost).Build());
}

void CollectorMetrics::AddAgents(const std::vector<v1::Agent>& agents, Families& families) const {
  FamilyBuilder states("skimwatch_agents",
                       "Agents known. A silent one watches nothing that reaches here, a rejected "
                       "one was turned away: `skimwatchctl agents list` says why.",
                       MetricType::Gauge);
  FamilyBuilder last_seen("skimwatch_agent_last_seen_timestamp_seconds",
                          "When an agent was last heard of.", MetricType::Gauge);
  FamilyBuilder coverage(
      "skimwatch_agent_coverage_bytes_total",
      "What became of the bytes that an agent's sources saw since it started. "
      "When shed or truncated grow, see the agent's own /metrics for the reason.",
      MetricType::Counter);
  FamilyBuilder ratio("skimwatch_agent_sample_ratio",
                      "Share of flows that an agent scans now. Below 1, counts are estimates.",
                      MetricType::Gauge);
  FamilyBuilder spool("skimwatch_agent_spool_bytes",
                      "Bytes that wait in an agent's spool. When it fills, see why the collector "
                      "does not take them.",
                      MetricType::Gauge);
  FamilyBuilder spool_limit("skimwatch_agent_spool_limit_bytes",
                            "Room of an agent's spool (spool.size_mib).", MetricType::Gauge);
  FamilyBuilder dropped("skimwatch_agent_spool_dropped_total",
                        "Findings that an agent's spool lost since it started. Give it more room.",
                        MetricType::Counter);
  FamilyBuilder certificates("skimwatch_certificate_expiry_timestamp_seconds",
                             "When a certificate stops being valid: renew it before.",
                             MetricType::Gauge);
  for (const v1::Agent::State state : kAgentStates) states.Add({{"state", Name(state)}}, 0);
  for (const v1::Agent& agent : agents) {
    states.Add({{"state", Name(agent.state())}}, 1);
    const std::string name = agents_.Map(agent.identity());
    if (agent.has_last_seen()) {
      last_seen.Min({{"agent", name}}, UnixSeconds(store::FromTimestamp(agent.last_seen())));
    }
    if (agent.has_certificate_expiry()) {
      certificates.Min({{"certificate", "agent:" + name}},
                       UnixSeconds(store::FromTimestamp(agent.certificate_expiry())));
    }
    // Turned away before it could say anything.
    if (agent.version().empty() && !agent.has_coverage()) continue;
    const v1::Coverage& c = agent.coverage();
    const std::pair<const char*, uint64_t> outcomes[] = {
        {"scanned", c.scanned_bytes()},         {"sampled_out", c.sampled_out_bytes()},
        {"truncated", c.truncated_bytes()},     {"shed", c.shed_bytes()},
        {"undecodable", c.undecodable_bytes()}, {"inbound", c.inbound_bytes()}};
    for (const auto& [outcome, bytes] : outcomes) {
      coverage.Add({{"agent", name}, {"outcome", outcome}}, static_cast<double>(bytes));
    }
    if (agent.sample_ratio() > 0) ratio.Min({{"agent", name}}, agent.sample_ratio());
    spool.Add({{"agent", name}}, static_cast<double>(agent.spool().bytes()));
    spool_limit.Add({{"agent", name}}, static_cast<double>(agent.spool().bytes_max()));
    for (const v1::Severity severity : kSeverities) {
      const auto& by_severity = agent.spool().dropped_findings();
      const auto it = by_severity.find(severity);
      dropped.Add({{"agent", name}, {"severity", Name(severity)}},
                  it == by_severity.end() ? 0 : static_cast<double>(it->second));
    }
  }
  for (const auto& [name, expiry] : options_.certificates) {
    if (absl::StatusOr<absl::Time> time = expiry(); time.ok()) {
      certificates.Min({{"certificate", name}}, UnixSeconds(*time));
    }
  }
  families.push_back(std::move(states).Build());
  families.push_back(std::move(last_seen).Build());
  families.push_back(std::move(coverage).Build());
  families.push_back(std::move(ratio).Build());
  families.push_back(std::move(spool).Build());
  families.push_back(std::move(spool_limit).Build());
  families.push_back(std::move(dropped).Build());
  families.push_back(std::move(certificates).Build());
}

void CollectorMetrics::AddPages(const std::vector<v1::Agent>& agents, Families& families) const {
  FamilyBuilder last(
      "skimwatch_page_last_look_timestamp_seconds",
      "When a payment page was last seen whole, by whichever agent; 0 for never. PCI "
      "DSS 11.6.1 wants one look a week: `skimwatchctl agents show` says what became "
      "of the last one.",
      MetricType::Gauge);
  FamilyBuilder intervals("skimwatch_page_look_interval_seconds",
                          "From one look at a payment page to the next, as configured.",
                          MetricType::Gauge);
  FamilyBuilder looks("skimwatch_page_looks_total",
                      "Looks at payment pages by how they ended; `static` went well and had no "
                      "browser. For anything but ok see the agent's log.",
                      MetricType::Counter);
  struct Page {
    double last = 0;
    double interval = 0;
  };
  std::map<std::pair<std::string, std::string>, Page> pages;
  for (int outcome = v1::PageLook::OUTCOME_OK; outcome <= v1::PageLook::Outcome_MAX; ++outcome) {
    looks.Add({{"outcome", Name(static_cast<v1::PageLook::Outcome>(outcome))}}, 0);
  }
  looks.Add({{"outcome", "static"}}, 0);
  for (const v1::Agent& agent : agents) {
    for (const v1::PageLook& look : agent.pages()) {
      for (int i = 0; i < look.looks_size(); ++i) {
        const int outcome = v1::PageLook::OUTCOME_OK + i;
        // Of an agent that is newer than the collector.
        const std::string name = v1::PageLook::Outcome_IsValid(outcome)
                                     ? Name(static_cast<v1::PageLook::Outcome>(outcome))
                                     : "other";
        uint64_t count = look.looks(i);
        if (outcome == v1::PageLook::OUTCOME_OK) {
          const uint64_t without = std::min(count, look.looks_without_browser());
          looks.Add({{"outcome", "static"}}, static_cast<double>(without));
          count -= without;
        }
        looks.Add({{"outcome", name}}, static_cast<double>(count));
      }
      const double at = look.has_last_whole_look()
                            ? UnixSeconds(store::FromTimestamp(look.last_whole_look()))
                            : 0;
      // Pages of two sites may have one name.
      const bool is_other = pages_.Map(absl::StrCat(look.site(), "/", look.name())) == "other";
      const auto [entry, is_new] = pages.try_emplace(
          {sites_.Map(look.site()), is_other ? "other" : look.name()},
          Page{.last = at, .interval = static_cast<double>(look.interval_seconds())});
      if (is_new) continue;
      Page& page = entry->second;
      // Agents that share a page help each other out; of pages that share a name, the worst shows.
      page.last = is_other || entry->first.first == "other" ? std::min(page.last, at)
                                                            : std::max(page.last, at);
      page.interval = std::max(page.interval, static_cast<double>(look.interval_seconds()));
    }
  }
  for (const auto& [labels, page] : pages) {
    last.Add({{"site", labels.first}, {"page", labels.second}}, page.last);
    intervals.Add({{"site", labels.first}, {"page", labels.second}}, page.interval);
  }
  families.push_back(std::move(last).Build());
  families.push_back(std::move(intervals).Build());
  families.push_back(std::move(looks).Build());
}

void CollectorMetrics::AddIngest(Families& families) const {
  const ingest::IngestStats& stats = *options_.stats;
  FamilyBuilder batches("skimwatch_ingest_batches_total",
                        "Batches of findings. Errors are the store's: see its log; rejected ones "
                        "broke the contract: see the log for the agent.",
                        MetricType::Counter);
  batches.Add({{"result", "committed"}}, static_cast<double>(stats.batches_committed));
  batches.Add({{"result", "duplicate"}}, static_cast<double>(stats.batches_duplicate));
  batches.Add({{"result", "rejected"}}, static_cast<double>(stats.batches_rejected));
  batches.Add({{"result", "error"}}, static_cast<double>(stats.batches_error));
  FamilyBuilder findings("skimwatch_ingest_findings_total",
                         "Findings received. Invalid ones were left out: the log names the agent "
                         "and the field; update that agent.",
                         MetricType::Counter);
  findings.Add({{"result", "stored"}}, static_cast<double>(stats.findings_stored));
  findings.Add({{"result", "duplicate"}}, static_cast<double>(stats.findings_duplicate));
  findings.Add({{"result", "invalid"}}, static_cast<double>(stats.findings_invalid));
  findings.Add({{"result", "lost"}}, static_cast<double>(stats.findings_lost));
  FamilyBuilder streams("skimwatch_ingest_streams", "Agents' streams open now.", MetricType::Gauge);
  streams.Add({}, static_cast<double>(stats.streams_open));
  FamilyBuilder opened("skimwatch_ingest_streams_total",
                       "Streams of agents by what became of their start. Replaced ones that repeat "
                       "mean two agents with one certificate.",
                       MetricType::Counter);
  opened.Add({{"result", "opened"}}, static_cast<double>(stats.streams_opened));
  opened.Add({{"result", "refused"}}, static_cast<double>(stats.streams_refused));
  opened.Add({{"result", "replaced"}}, static_cast<double>(stats.streams_replaced));
  FamilyBuilder limited("skimwatch_ingest_rate_limited_total",
                        "Times that an agent was held back to its rate "
                        "(ingest.findings_per_second_per_agent).",
                        MetricType::Counter);
  limited.Add({}, static_cast<double>(stats.rate_limited));
  FamilyBuilder queue("skimwatch_ingest_queue_bytes",
                      "Findings that wait for a commit. When it stays high, the store's disk is "
                      "too slow.",
                      MetricType::Gauge);
  queue.Add({}, static_cast<double>(stats.queue_bytes));
  FamilyBuilder commits("skimwatch_ingest_commit_seconds",
                        "Time of a group commit, durable on disk.", MetricType::Histogram);
  commits.AddHistogram({}, stats.commit_seconds);
  FamilyBuilder delays("skimwatch_detection_delay_seconds",
                       "From bytes seen by the agent to committed in the store; clocks that "
                       "disagree count as 0.",
                       MetricType::Histogram);
  for (const v1::FindingKind kind : kKinds) {
    delays.AddHistogram({{"kind", Name(kind)}}, stats.detection_delay_seconds[kind]);
  }
  families.push_back(std::move(batches).Build());
  families.push_back(std::move(findings).Build());
  families.push_back(std::move(streams).Build());
  families.push_back(std::move(opened).Build());
  families.push_back(std::move(limited).Build());
  families.push_back(std::move(queue).Build());
  families.push_back(std::move(commits).Build());
  families.push_back(std::move(delays).Build());
}

void CollectorMetrics::AddStore(Families& families) const {
  FamilyBuilder bytes("skimwatch_store_bytes", "Size of the store's files on disk.",
                      MetricType::Gauge);
  bytes.Add({}, static_cast<double>(options_.store->SizeBytes()));
  const store::StoreErrors counts = options_.store->Errors();
  FamilyBuilder errors("skimwatch_store_errors_total",
                       "Errors of the store. Agents keep what it does not take; see the log, make "
                       "room on its disk, or restore it from a backup.",
                       MetricType::Counter);
  errors.Add({{"operation", "open"}}, static_cast<double>(counts.open));
  errors.Add({{"operation", "read"}}, static_cast<double>(counts.read));
  errors.Add({{"operation", "write"}}, static_cast<double>(counts.write));
  errors.Add({{"operation", "checkpoint"}}, static_cast<double>(counts.checkpoint));
  errors.Add({{"operation", "retention"}}, static_cast<double>(counts.retention));
  FamilyBuilder writable("skimwatch_store_writable",
                         "1 while the store takes writes; at 0 agents wait, and /readyz says why.",
                         MetricType::Gauge);
  writable.Add({}, options_.health->Get().ok() ? 1 : 0);
  families.push_back(std::move(bytes).Build());
  families.push_back(std::move(errors).Build());
  families.push_back(std::move(writable).Build());
}

}  // namespace skimwatch::metrics
