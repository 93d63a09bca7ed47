// What long ranges and other Prometheus servers (federation) ask for, computed once. Names are
// level:metric:operations, as Prometheus recommends; no alert reads them, so that alerts work without.
function(config)
  local rate(metric) = 'rate(%s[%s])' % [metric, config.recordedWindow];
  local record(name, expr) = { record: name, expr: expr };
  local quantile(q, by, metric) =
    'histogram_quantile(%s, sum by (%s) (%s))\n' % [q, by, rate(metric + '_bucket')];
  {
    groups: [
      {
        name: 'skimwatch-recorded',
        rules: [
          record(
            'site_kind:skimwatch_exposures_open:sum',
            'sum by (instance, site, kind) (skimwatch_exposures_open)\n'
          ),
          record(
            'site_kind:skimwatch_findings:rate' + config.recordedWindow,
            'sum by (instance, site, kind) (%s)\n' % rate('skimwatch_findings_total')
          ),
          record(
            'site_state:skimwatch_scripts:sum',
            'sum by (instance, site, state) (skimwatch_scripts)\n'
          ),
          record(
            'agent:skimwatch_agent_coverage:ratio_rate' + config.recordedWindow,
            |||
              sum by (instance, agent) (%(scanned)s)
              /
              sum by (instance, agent) (%(all)s)
            ||| % {
              scanned: rate('skimwatch_agent_coverage_bytes_total{outcome="scanned"}'),
              all: rate('skimwatch_agent_coverage_bytes_total{outcome=~"scanned|truncated|shed"}'),
            }
          ),
          record(
            'kind:skimwatch_detection_delay_seconds:p50_rate' + config.recordedWindow,
            quantile('0.5', 'instance, kind, le', 'skimwatch_detection_delay_seconds')
          ),
          record(
            'kind:skimwatch_detection_delay_seconds:p99_rate' + config.recordedWindow,
            quantile('0.99', 'instance, kind, le', 'skimwatch_detection_delay_seconds')
          ),
          record(
            'instance:skimwatch_ingest_commit_seconds:p99_rate' + config.recordedWindow,
            quantile('0.99', 'instance, le', 'skimwatch_ingest_commit_seconds')
          ),
          record(
            'site_page:skimwatch_page_look_age_seconds:max',
            'time() - min by (instance, site, page) (skimwatch_page_last_look_timestamp_seconds)\n'
          ),
        ],
      },
    ],
  }
