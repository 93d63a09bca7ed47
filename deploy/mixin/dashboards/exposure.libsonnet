local panels = import 'panels.libsonnet';

// The dashboard of one configuration (config.libsonnet).
function(config)
  panels.dashboard(config,
                   'exposure',
                   'Skimwatch exposure',
                   'What is leaving now, since when, and how many cards. Where to is no label of a metric: `skimwatchctl exposures list` has it.',
                   { name: 'site', label: 'Site', metric: 'skimwatch_exposures_open' },
                   [
                     panels.row('Now', y=0),
                     panels.stat(
                       'Open exposures',
                       'Exposures of any kind that nobody has closed. List them with `skimwatchctl exposures list`; each stays until its cause is stopped and somebody closes it.',
                       [
                         { name: 'exposures', expr: 'sum(skimwatch_exposures_open{site=~"$site"})' },
                       ],
                       x=0,
                       y=1,
                       w=6,
                       h=5,
                       above='red'
                     ),
                     panels.stat(
                       'Critical exposures',
                       'Open exposures graded critical: sensitive authentication data, or scripts that gained a way to take cards.',
                       [
                         { name: 'exposures', expr: 'sum(skimwatch_exposures_open{site=~"$site", severity="critical"})' },
                       ],
                       x=6,
                       y=1,
                       w=6,
                       h=5,
                       above='red'
                     ),
                     panels.stat(
                       'Distinct cards',
                       'Distinct cards in the open exposures; exact for what was scanned. A card that leaves two ways counts twice.',
                       [
                         { name: 'cards', expr: 'sum(skimwatch_exposure_distinct_cards{site=~"$site"})' },
                       ],
                       x=12,
                       y=1,
                       w=6,
                       h=5,
                       above='red'
                     ),
                     panels.stat(
                       'Oldest open exposure',
                       'When the oldest exposure that is still open began. Nothing is shown when none is open.',
                       [
                         { name: 'since', expr: 'min(skimwatch_exposure_first_seen_timestamp_seconds{site=~"$site"}) * 1000' },
                       ],
                       x=18,
                       y=1,
                       w=6,
                       h=5,
                       unit='dateTimeFromNow'
                     ),
                     panels.table(
                       'Open by site and kind',
                       'Open exposures of each site by what they are and how grave.',
                       'exposures',
                       'sum by (site, kind, severity) (skimwatch_exposures_open{site=~"$site"}) > 0',
                       x=0,
                       y=6,
                       w=12,
                       h=8
                     ),
                     panels.table(
                       'Distinct cards by site and kind',
                       'How many cards are in the open exposures of each site.',
                       'cards',
                       'sum by (site, kind) (skimwatch_exposure_distinct_cards{site=~"$site"}) > 0',
                       x=12,
                       y=6,
                       w=12,
                       h=8
                     ),
                     panels.row('Over time', y=14),
                     panels.timeseries(
                       'Distinct cards over time',
                       'Growth of the open exposures. A step down is an exposure that was closed.',
                       [
                         { name: '{{site}} {{kind}}', expr: 'sum by (site, kind) (skimwatch_exposure_distinct_cards{site=~"$site"})' },
                       ],
                       x=0,
                       y=15,
                       w=12,
                       h=8
                     ),
                     panels.timeseries(
                       'Open exposures over time',
                       'Open exposures by kind.',
                       [
                         { name: '{{kind}}', expr: 'sum by (kind) (skimwatch_exposures_open{site=~"$site"})' },
                       ],
                       x=12,
                       y=15,
                       w=12,
                       h=8
                     ),
                     panels.timeseries(
                       'Findings stored',
                       'Findings by kind and severity, those of expected flows among them.',
                       [
                         { name: '{{kind}} {{severity}}', expr: 'sum by (kind, severity) (rate(skimwatch_findings_total{site=~"$site"}[$__rate_interval]))' },
                       ],
                       x=0,
                       y=23,
                       w=12,
                       h=8,
                       unit='cps'
                     ),
                     panels.timeseries(
                       'Detection delay',
                       'From bytes seen by an agent to the finding committed in the store. Grows when an agent was cut off and sends what waited.',
                       [
                         { name: 'median', expr: 'histogram_quantile(0.5, sum by (le) (rate(skimwatch_detection_delay_seconds_bucket[$__rate_interval])))' },
                         { name: '99 of 100', expr: 'histogram_quantile(0.99, sum by (le) (rate(skimwatch_detection_delay_seconds_bucket[$__rate_interval])))' },
                       ],
                       x=12,
                       y=23,
                       w=12,
                       h=8,
                       unit='s'
                     ),
                     panels.row('Where data goes', y=31),
                     panels.stat(
                       'Destinations without approval',
                       'Destinations that are new, or whose approval ended or was revoked: `skimwatchctl destinations show` says who sends there.',
                       [
                         { name: 'destinations', expr: 'sum(skimwatch_destinations{site=~"$site", state="unapproved"})' },
                       ],
                       x=0,
                       y=32,
                       w=6,
                       h=8,
                       above='orange'
                     ),
                     panels.timeseries(
                       'Destinations by state',
                       'Where processes send data: approved, learned and only proposed, and without approval.',
                       [
                         { name: '{{state}}', expr: 'sum by (state) (skimwatch_destinations{site=~"$site"})' },
                       ],
                       x=6,
                       y=32,
                       w=18,
                       h=8
                     ),
                   ])
