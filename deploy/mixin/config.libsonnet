// What an installation may want to be different. A file of your own that adds to this one and to
// mixin.libsonnet makes rules and dashboards under your names and with your thresholds:
//
//   (import 'mixin.libsonnet') { config+:: { agentSilentSeconds: 600, runbook: 'https://wiki/%s' } }
{
  // The job that scrapes the collectors.
  collectorJob: 'skimwatch-collector',
  // Where an alert's section of the runbook is; `%s` is its name in lower case.
  runbook: 'docs/runbook.md#%s',
  // Labels `severity` of what wakes a person and of what waits for working hours.
  page: 'page',
  ticket: 'ticket',

  // How long something must hold before it alerts, where it can pass by itself.
  exposureSuspectedFor: '5m',
  scriptChangedFor: '5m',
  newDestinationFor: '5m',
  // Agents say that they are there every 10 s by default (ingest.heartbeat_interval_ms).
  agentSilentSeconds: 120,
  agentSilentFor: '1m',
  coverageMin: 0.95,
  coverageWindow: '15m',
  coverageFor: '10m',
  // An agent that scans less than this share of its flows, for how long.
  sampleRatioMin: 0.1,
  sampleRatioFor: '1h',
  spoolFillMax: 0.5,
  spoolFillingFor: '5m',
  findingsDroppedMinutes: 15,
  storeErrorsWindow: '10m',
  storeFailingFor: '1m',
  sinkLagSecondsMax: 300,
  sinkMissedWindow: '1h',
  sinkLaggingFor: '5m',
  certificateDaysMin: 14,
  certificateExpiringFor: '10m',
  collectorDownFor: '2m',
  // Intervals between looks at a payment page that may pass without one that saw it whole; looks are
  // daily by default, and PCI DSS 4.0.1, 11.6.1, asks for one in seven days.
  pageLookIntervals: 1.25,
  pageNotLookedAtFor: '15m',

  // What recording rules take rates over.
  recordedWindow: '5m',

  dashboardPrefix: 'skimwatch',
  dashboardTags: ['skimwatch'],
  dashboardRefresh: '30s',
}
