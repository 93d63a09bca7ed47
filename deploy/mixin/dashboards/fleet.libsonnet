local panels = import 'panels.libsonnet';

// The dashboard of one configuration (config.libsonnet).
function(config)
  panels.dashboard(config,
                   'fleet',
                   'Skimwatch fleet',
                   'Agents, what they scan, what waits in their spools, and how the collector keeps up.',
                   { name: 'agent', label: 'Agent', metric: 'skimwatch_agent_last_seen_timestamp_seconds' },
                   [
                     panels.row('Agents', y=0),
                     panels.stat(
                       'Connected',
                       'Agents with a stream open now.',
                       [
                         { name: 'agents', expr: 'sum(skimwatch_agents{state="connected"})' },
                       ],
                       x=0,
                       y=1,
                       w=4,
                       h=5
                     ),
                     panels.stat(
                       'Silent',
                       'Agents that were not heard of for three heartbeats. Their hosts are not watched, or nobody hears of it.',
                       [
                         { name: 'agents', expr: 'sum(skimwatch_agents{state="silent"})' },
                       ],
                       x=4,
                       y=1,
                       w=4,
                       h=5,
                       above='red'
                     ),
                     panels.stat(
                       'Rejected',
                       'Agents that were turned away: `skimwatchctl agents list` says why.',
                       [
                         { name: 'agents', expr: 'sum(skimwatch_agents{state="rejected"})' },
                       ],
                       x=8,
                       y=1,
                       w=4,
                       h=5,
                       above='orange'
                     ),
                     panels.stat(
                       'Collector',
                       'Version and revision of the collector.',
                       [
                         { name: '{{version}} ({{revision}})', expr: 'skimwatch_build_info{job="%s"}' % config.collectorJob },
                       ],
                       x=12,
                       y=1,
                       w=6,
                       h=5,
                       names=true
                     ),
                     panels.stat(
                       'Soonest certificate to expire',
                       "When the next certificate, the collector's or an agent's, stops being valid.",
                       [
                         { name: 'expires', expr: 'min(skimwatch_certificate_expiry_timestamp_seconds) * 1000' },
                       ],
                       x=18,
                       y=1,
                       w=6,
                       h=5,
                       unit='dateTimeFromNow'
                     ),
                     panels.table(
                       'Last heard of',
                       'Seconds since each agent was last heard of. Heartbeats come every 10 s by default.',
                       'age',
                       'time() - max by (agent) (skimwatch_agent_last_seen_timestamp_seconds{agent=~"$agent"})',
                       x=0,
                       y=6,
                       w=12,
                       h=8,
                       unit='s'
                     ),
                     panels.table(
                       'Certificates',
                       'Time that each certificate is still valid. They are read again when their files change.',
                       'valid for',
                       'min by (certificate) (skimwatch_certificate_expiry_timestamp_seconds) - time()',
                       x=12,
                       y=6,
                       w=12,
                       h=8,
                       unit='s'
                     ),
                     panels.row('Coverage', y=14),
                     panels.timeseries(
                       'Bytes by outcome',
                       "What became of the bytes that the agents' sources saw. `shed` and `truncated` should be nothing; `inbound` and `sampled_out` are as configured; `undecodable` is mostly encrypted.",
                       [
                         { name: '{{outcome}}', expr: 'sum by (outcome) (rate(skimwatch_agent_coverage_bytes_total{agent=~"$agent"}[$__rate_interval]))' },
                       ],
                       x=0,
                       y=15,
                       w=12,
                       h=8,
                       unit='Bps',
                       stacked=true
                     ),
                     panels.timeseries(
                       'Scanned share of what was to be scanned',
                       'Scanned bytes to those scanned, truncated or shed. CoverageLow fires below 95 of 100.',
                       [
                         { name: '{{agent}}', expr: 'sum by (agent) (rate(skimwatch_agent_coverage_bytes_total{agent=~"$agent", outcome="scanned"}[$__rate_interval])) / sum by (agent) (rate(skimwatch_agent_coverage_bytes_total{agent=~"$agent", outcome=~"scanned|truncated|shed"}[$__rate_interval]))' },
                       ],
                       x=12,
                       y=15,
                       w=6,
                       h=8,
                       unit='percentunit',
                       max=1
                     ),
                     panels.timeseries(
                       'Share of flows scanned',
                       'Sampling of each agent now. Below 1, counts are estimates.',
                       [
                         { name: '{{agent}}', expr: 'min by (agent) (skimwatch_agent_sample_ratio{agent=~"$agent"})' },
                       ],
                       x=18,
                       y=15,
                       w=6,
                       h=8,
                       unit='percentunit',
                       max=1
                     ),
                     panels.row('Spools', y=23),
                     panels.timeseries(
                       'Spool fill',
                       "How full each agent's spool is. SpoolFilling fires above half.",
                       [
                         { name: '{{agent}}', expr: 'max by (agent) (skimwatch_agent_spool_bytes{agent=~"$agent"}) / (max by (agent) (skimwatch_agent_spool_limit_bytes{agent=~"$agent"}) > 0)' },
                       ],
                       x=0,
                       y=24,
                       w=8,
                       h=8,
                       unit='percentunit',
                       max=1
                     ),
                     panels.timeseries(
                       'Spool size',
                       "Bytes that wait in each agent's spool.",
                       [
                         { name: '{{agent}}', expr: 'max by (agent) (skimwatch_agent_spool_bytes{agent=~"$agent"})' },
                       ],
                       x=8,
                       y=24,
                       w=8,
                       h=8,
                       unit='bytes'
                     ),
                     panels.timeseries(
                       'Findings lost',
                       'Findings that spools gave up, by severity, and those that agents declared lost to the collector. The least severe go first.',
                       [
                         { name: 'given up: {{severity}}', expr: 'sum by (severity) (increase(skimwatch_agent_spool_dropped_total{agent=~"$agent"}[$__rate_interval]))' },
                         { name: 'declared lost', expr: 'sum(increase(skimwatch_findings_lost_total[$__rate_interval]))' },
                       ],
                       x=16,
                       y=24,
                       w=8,
                       h=8
                     ),
                     panels.row('Collector', y=32),
                     panels.timeseries(
                       'Findings received',
                       'Findings by what became of them. `invalid` ones were left out: the log names the agent and the field.',
                       [
                         { name: '{{result}}', expr: 'sum by (result) (rate(skimwatch_ingest_findings_total[$__rate_interval]))' },
                       ],
                       x=0,
                       y=33,
                       w=8,
                       h=8,
                       unit='cps'
                     ),
                     panels.timeseries(
                       'Batches received',
                       "Batches by result. Errors are the store's; rejected ones broke the contract.",
                       [
                         { name: '{{result}}', expr: 'sum by (result) (rate(skimwatch_ingest_batches_total[$__rate_interval]))' },
                       ],
                       x=8,
                       y=33,
                       w=8,
                       h=8,
                       unit='ops'
                     ),
                     panels.timeseries(
                       'Commit time',
                       'Time of a group commit, durable on disk.',
                       [
                         { name: 'median', expr: 'histogram_quantile(0.5, sum by (le) (rate(skimwatch_ingest_commit_seconds_bucket[$__rate_interval])))' },
                         { name: '99 of 100', expr: 'histogram_quantile(0.99, sum by (le) (rate(skimwatch_ingest_commit_seconds_bucket[$__rate_interval])))' },
                       ],
                       x=16,
                       y=33,
                       w=8,
                       h=8,
                       unit='s'
                     ),
                     panels.timeseries(
                       'Waiting for a commit',
                       "Bytes of findings in memory that wait for the store. When it stays high, the store's disk is too slow.",
                       [
                         { name: 'queue', expr: 'sum(skimwatch_ingest_queue_bytes)' },
                       ],
                       x=0,
                       y=41,
                       w=8,
                       h=8,
                       unit='bytes'
                     ),
                     panels.timeseries(
                       'Streams',
                       "Agents' streams open now, and how often an agent was held back to its rate.",
                       [
                         { name: 'open', expr: 'sum(skimwatch_ingest_streams)' },
                         { name: 'held back', expr: 'sum(increase(skimwatch_ingest_rate_limited_total[$__rate_interval]))' },
                       ],
                       x=8,
                       y=41,
                       w=8,
                       h=8
                     ),
                     panels.timeseries(
                       'Streams by start',
                       'Streams opened, refused and replaced. Replaced ones that repeat mean two agents with one certificate.',
                       [
                         { name: '{{result}}', expr: 'sum by (result) (rate(skimwatch_ingest_streams_total[$__rate_interval]))' },
                       ],
                       x=16,
                       y=41,
                       w=8,
                       h=8,
                       unit='ops'
                     ),
                     panels.timeseries(
                       'Store size',
                       "Bytes of the store's files.",
                       [
                         { name: 'store', expr: 'sum(skimwatch_store_bytes)' },
                       ],
                       x=0,
                       y=49,
                       w=8,
                       h=8,
                       unit='bytes'
                     ),
                     panels.timeseries(
                       'Store errors',
                       'Errors of the store by operation. Agents keep what it does not take.',
                       [
                         { name: '{{operation}}', expr: 'sum by (operation) (increase(skimwatch_store_errors_total[$__rate_interval]))' },
                       ],
                       x=8,
                       y=49,
                       w=8,
                       h=8
                     ),
                     panels.stat(
                       'Store takes writes',
                       '1 while the store takes writes; at 0 agents wait, and /readyz says why.',
                       [
                         { name: 'writable', expr: 'min(skimwatch_store_writable)' },
                       ],
                       x=16,
                       y=49,
                       w=4,
                       h=8,
                       below='red',
                       above='green'
                     ),
                     panels.stat(
                       'Label values over the limit',
                       'Values of a label that were counted as `other`. Raise metric_limits where it grows.',
                       [
                         { name: '{{label}}', expr: 'sum by (label) (skimwatch_metric_series_dropped_total)' },
                       ],
                       x=20,
                       y=49,
                       w=4,
                       h=8,
                       above='orange',
                       names=true
                     ),
                   ])
