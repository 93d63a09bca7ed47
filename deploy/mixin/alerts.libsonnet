// Alerts on what skimwatch-collector exposes. docs/runbook.md has a section for each.
function(config)
  local alert(name, severity, expr, summary, description, wait=null) = {
    alert: name,
    expr: expr,
    [if wait != null then 'for']: wait,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: config.runbook % std.asciiLower(name),
    },
  };
  {
    groups: [
      {
        name: 'skimwatch-exposure',
        rules: [
          // An exposure of card numbers is critical from the first finding of high confidence on.
          alert(
            'CardDataLeaving',
            config.page,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="card_number", severity="critical"}) > 0
            |||,
            'Card numbers leave {{ $labels.site }} where they should not',
            |||
              {{ $value }} exposures of card numbers are open for site {{ $labels.site }}. They stay open until
              somebody closes them: `skimwatchctl exposures list --site {{ $labels.site }}` shows where the numbers
              go, since when, and how many cards.
            |||
          ),
          // What is open and not critical has no finding of high confidence; test cards alone are less.
          alert(
            'CardDataSuspected',
            config.ticket,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="card_number", severity="high"}) > 0
            |||,
            'What looks like card numbers leaves {{ $labels.site }}',
            |||
              {{ $value }} exposures are open for site {{ $labels.site }} that hold numbers of medium confidence
              only: they may be card numbers, or identifiers that pass for such. Look at the evidence with
              `skimwatchctl findings list --site {{ $labels.site }}`.
            |||,
            wait=config.exposureSuspectedFor
          ),
          alert(
            'SensitiveAuthenticationDataLeaving',
            config.page,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="track_data"}) > 0
            |||,
            'Track data or security codes leave {{ $labels.site }}',
            |||
              {{ $value }} exposures of sensitive authentication data (PCI DSS 3.3.1) are open for site
              {{ $labels.site }}: with it, cards can be copied or used at once. `skimwatchctl exposures list --site
              {{ $labels.site }} --kind track_data` shows where it goes.
            |||
          ),
          // A baseline that was only proposed opens no exposure, so a new installation pages nobody.
          alert(
            'UnapprovedScriptOnPaymentPage',
            config.page,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="script_change", severity=~"high|critical"}) > 0
            |||,
            'A script that nobody approved is served on {{ $labels.site }}',
            |||
              {{ $value }} scripts of site {{ $labels.site }} were added, altered or had their approval revoked,
              and are graded high or critical by what they do. `skimwatchctl scripts list --site {{ $labels.site }}`
              names them, `skimwatchctl scripts diff` shows what changed.
            |||
          ),
          alert(
            'ScriptChanged',
            config.ticket,
            |||
              (sum by (instance, site) (skimwatch_scripts{state="changed"}) > 0)
              or
              (sum by (instance, site) (skimwatch_exposures_open{kind="script_change"}) > 0)
            |||,
            'Scripts of {{ $labels.site }} wait for a decision',
            |||
              {{ $value }} scripts of site {{ $labels.site }} are served in a version that is not approved (PCI DSS
              6.4.3, 11.6.1). Read each with `skimwatchctl scripts diff`, then approve it or put the approved version
              back.
            |||,
            wait=config.scriptChangedFor
          ),
          // What was learned opens no exposure, so a new installation pages nobody.
          alert(
            'NewCheckoutDestination',
            config.page,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="destination_change", severity=~"high|critical"}) > 0
            |||,
            'The checkout of {{ $labels.site }} sends data where none went before',
            |||
              {{ $value }} destinations of processes that belong to a checkout of site {{ $labels.site }} are new
              and nobody approved them, or had their approval revoked. `skimwatchctl destinations list --site
              {{ $labels.site }} --state unapproved` names them, `skimwatchctl destinations show` says who sends
              there, and whether it can be read.
            |||
          ),
          alert(
            'NewDestination',
            config.ticket,
            |||
              sum by (instance, site) (skimwatch_exposures_open{kind="destination_change"}) > 0
            |||,
            'Processes of {{ $labels.site }} send data where none went before',
            |||
              {{ $value }} destinations of site {{ $labels.site }} are new and nobody approved them. Look at each
              with `skimwatchctl destinations show`, then approve it or stop what sends there.
            |||,
            wait=config.newDestinationFor
          ),
        ],
      },
      {
        name: 'skimwatch-fleet',
        rules: [
          alert(
            'AgentSilent',
            config.page,
            |||
              time() - max by (instance, agent) (skimwatch_agent_last_seen_timestamp_seconds) > %d
            ||| % config.agentSilentSeconds,
            'Agent {{ $labels.agent }} is silent',
            |||
              Nothing was heard of {{ $labels.agent }} for {{ $value | humanizeDuration }}. Its host is not watched,
              or is and cannot say so. Silence is an attacker's first wish: find out why before you start it again.
            |||,
            wait=config.agentSilentFor
          ),
          // Of what was to be scanned. Bytes that are sampled out by configuration, encrypted or inbound are
          // not; the dashboard "Skimwatch fleet" shows them.
          alert(
            'CoverageLow',
            config.ticket,
            |||
              sum by (instance, agent) (rate(skimwatch_agent_coverage_bytes_total{outcome="scanned"}[%(window)s]))
              /
              sum by (instance, agent) (rate(skimwatch_agent_coverage_bytes_total{outcome=~"scanned|truncated|shed"}[%(window)s]))
              < %(min)g
            ||| % { window: config.coverageWindow, min: config.coverageMin },
            'Agent {{ $labels.agent }} scans {{ $value | humanizePercentage }} of what it should',
            |||
              {{ $labels.agent }} gave up bytes at a limit of memory or size, or its kernel dropped packets (`shed`,
              `truncated`). Cards in them went unseen. The agent's own /metrics names the reasons.
            |||,
            wait=config.coverageFor
          ),
          alert(
            'SampleRatioLow',
            config.ticket,
            |||
              min by (instance, agent) (skimwatch_agent_sample_ratio) < %g
            ||| % config.sampleRatioMin,
            'Agent {{ $labels.agent }} scans {{ $value | humanizePercentage }} of its flows',
            |||
              To hold its budget {{ $labels.agent }} has scanned only a small share of its flows for long. Figures are
              estimates, and a card that leaves rarely may go unseen. Raise `budget.cpu_percent`, or give it less to
              look at.
            |||,
            wait=config.sampleRatioFor
          ),
          alert(
            'SpoolFilling',
            config.ticket,
            |||
              max by (instance, agent) (skimwatch_agent_spool_bytes)
              /
              (max by (instance, agent) (skimwatch_agent_spool_limit_bytes) > 0)
              > %g
            ||| % config.spoolFillMax,
            'The spool of {{ $labels.agent }} is {{ $value | humanizePercentage }} full',
            |||
              Findings of {{ $labels.agent }} come faster than the collector takes them. When the spool is full, the
              least severe findings are given up first.
            |||,
            wait=config.spoolFillingFor
          ),
          alert(
            'FindingsDropped',
            config.ticket,
            |||
              (sum by (instance, agent) (increase(skimwatch_agent_spool_dropped_total[%(minutes)dm])) > 0)
              or
              (sum by (instance) (increase(skimwatch_findings_lost_total[%(minutes)dm])) > 0)
              or
              (sum by (instance) (increase(skimwatch_ingest_findings_total{result="invalid"}[%(minutes)dm])) > 0)
            ||| % { minutes: config.findingsDroppedMinutes },
            'Findings were lost{{ with $labels.agent }} by {{ . }}{{ end }}',
            |||
              About {{ $value | humanize }} findings of the last %d minutes will never be stored: a spool had no room or was
              damaged, or the collector could not accept them. What they said is gone; that they were is known.
            ||| % config.findingsDroppedMinutes
          ),
          alert(
            'StoreFailing',
            config.page,
            |||
              (min by (instance) (skimwatch_store_writable) == 0)
              or
              (sum by (instance) (increase(skimwatch_store_errors_total[%s])) > 0)
            ||| % config.storeErrorsWindow,
            'The store of {{ $labels.instance }} fails',
            |||
              The collector cannot write to or read from its store. Agents keep their findings in their spools
              meanwhile; no alert on exposures or scripts can come until it is mended.
            |||,
            wait=config.storeFailingFor
          ),
          // The collector leaves interval and time out where no page is configured.
          alert(
            'PageNotLookedAt',
            config.ticket,
            |||
              time() - min by (instance, site, page) (skimwatch_page_last_look_timestamp_seconds)
              >
              %s * max by (instance, site, page) (skimwatch_page_look_interval_seconds)
            ||| % config.pageLookIntervals,
            'Payment page {{ $labels.page }} of {{ $labels.site }} is not looked at',
            |||
              Page {{ $labels.page }} of site {{ $labels.site }} was last seen whole {{ if gt $value 1e9 }}never{{ else }}{{ $value | humanizeDuration }} ago{{ end }}.
              Changes of its scripts and headers go unnoticed meanwhile; PCI DSS 11.6.1 asks for a look
              at least once every seven days. `skimwatchctl agents show` says what became of the last one.
            |||,
            wait=config.pageNotLookedAtFor
          ),
          // Lag and losses are of the store, and every collector of it says the same.
          alert(
            'SinkLagging',
            config.ticket,
            |||
              (max by (sink) (skimwatch_sink_lag_seconds) > %d)
              or
              (max by (sink) (increase(skimwatch_sink_missed_findings_total[%s])) > 0)
            ||| % [config.sinkLagSecondsMax, config.sinkMissedWindow],
            'The sink {{ $labels.sink }} does not get what is stored',
            |||
              The sink {{ $labels.sink }} lags behind the store, or findings were deleted before it was sent them.
              Agents, exposures and alerts are not touched by it. What waits is in the store until
              store.retention_days have passed; skimwatch_sink_errors_total and the collector's log say why it is not taken.
            |||,
            wait=config.sinkLaggingFor
          ),
          alert(
            'CertificateExpiring',
            config.ticket,
            |||
              min by (instance, certificate) (skimwatch_certificate_expiry_timestamp_seconds) - time() < %d * 86400
            ||| % config.certificateDaysMin,
            'Certificate {{ $labels.certificate }} expires soon',
            |||
              The certificate of {{ $labels.certificate }} is valid for {{ $value | humanizeDuration }} more. When it
              has expired, connections with it are refused. It is read again when the file changes; no restart is
              needed.
            |||,
            wait=config.certificateExpiringFor
          ),
          alert(
            'CollectorDown',
            config.page,
            |||
              (up{job="%(job)s"} == 0) or absent(up{job="%(job)s"})
            ||| % { job: config.collectorJob },
            'The collector cannot be scraped',
            |||
              {{ with $labels.instance }}{{ . }} does not answer{{ else }}There is no target of the job
              %s{{ end }}. Agents keep their findings in their spools; no other alert of Skimwatch can come meanwhile.
            ||| % config.collectorJob,
            wait=config.collectorDownFor
          ),
        ],
      },
    ],
  }
