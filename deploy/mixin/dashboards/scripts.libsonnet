local panels = import 'panels.libsonnet';

// The dashboard of one configuration (config.libsonnet).
function(config)
  panels.dashboard(config,
                   'scripts',
                   'Skimwatch scripts',
                   'The inventory of scripts, what changed, and what waits for a decision (PCI DSS 6.4.3 and 11.6.1).',
                   { name: 'site', label: 'Site', metric: 'skimwatch_exposures_open' },
                   [
                     panels.row('Inventory', y=0),
                     panels.stat(
                       'Approved',
                       'Scripts whose served version is approved.',
                       [
                         { name: 'scripts', expr: 'sum(skimwatch_scripts{site=~"$site", state="approved"})' },
                       ],
                       x=0,
                       y=1,
                       w=6,
                       h=5
                     ),
                     panels.stat(
                       'Never approved',
                       'Scripts of which no version was ever approved. After the first look at a web root that is all of them: read and approve them.',
                       [
                         { name: 'scripts', expr: 'sum(skimwatch_scripts{site=~"$site", state="unapproved"})' },
                       ],
                       x=6,
                       y=1,
                       w=6,
                       h=5,
                       above='orange'
                     ),
                     panels.stat(
                       'Changed',
                       'Scripts with an approved version that serve another one: `skimwatchctl scripts diff` shows what changed.',
                       [
                         { name: 'scripts', expr: 'sum(skimwatch_scripts{site=~"$site", state="changed"})' },
                       ],
                       x=12,
                       y=1,
                       w=6,
                       h=5,
                       above='red'
                     ),
                     panels.stat(
                       'Missing',
                       'Scripts that are no longer served.',
                       [
                         { name: 'scripts', expr: 'sum(skimwatch_scripts{site=~"$site", state="missing"})' },
                       ],
                       x=18,
                       y=1,
                       w=6,
                       h=5
                     ),
                     panels.table(
                       'Scripts by site and state',
                       'The inventory of each site.',
                       'scripts',
                       'sum by (site, state) (skimwatch_scripts{site=~"$site"})',
                       x=0,
                       y=6,
                       w=12,
                       h=8
                     ),
                     panels.table(
                       'Open exposures of scripts',
                       'Scripts that were added, altered or had their approval revoked, by how grave that is.',
                       'exposures',
                       'sum by (site, severity) (skimwatch_exposures_open{site=~"$site", kind="script_change"})',
                       x=12,
                       y=6,
                       w=12,
                       h=8
                     ),
                     panels.row('Over time', y=14),
                     panels.timeseries(
                       'Scripts by state',
                       'The inventory over time. `changed` and `unapproved` should be short-lived.',
                       [
                         { name: '{{state}}', expr: 'sum by (state) (skimwatch_scripts{site=~"$site"})' },
                       ],
                       x=0,
                       y=15,
                       w=12,
                       h=8
                     ),
                     panels.timeseries(
                       'Script findings',
                       'Changes that agents reported, by severity: proposals and returns to approved versions are info.',
                       [
                         { name: '{{severity}}', expr: 'sum by (severity) (rate(skimwatch_findings_total{site=~"$site", kind="script_change"}[$__rate_interval]))' },
                       ],
                       x=12,
                       y=15,
                       w=12,
                       h=8,
                       unit='cps'
                     ),
                     panels.timeseries(
                       'Delay of script findings',
                       'From the change on disk to the finding committed in the store.',
                       [
                         { name: 'median', expr: 'histogram_quantile(0.5, sum by (le) (rate(skimwatch_detection_delay_seconds_bucket{kind="script_change"}[$__rate_interval])))' },
                         { name: '99 of 100', expr: 'histogram_quantile(0.99, sum by (le) (rate(skimwatch_detection_delay_seconds_bucket{kind="script_change"}[$__rate_interval])))' },
                       ],
                       x=0,
                       y=23,
                       w=24,
                       h=8,
                       unit='s'
                     ),
                     panels.row('Payment pages', y=31),
                     panels.table(
                       'Last whole look',
                       'How long ago each payment page was seen whole, as a shopper receives it. PCI DSS 11.6.1 asks for a look at least once every seven days; a page that was never seen whole has an age of decades.',
                       'age',
                       'time() - min by (site, page) (skimwatch_page_last_look_timestamp_seconds{site=~"$site"})',
                       x=0,
                       y=32,
                       w=12,
                       h=8,
                       unit='s'
                     ),
                     panels.timeseries(
                       'Looks by outcome',
                       'Looks at payment pages that ended so. Anything but `ok` is tried again after ten minutes at most, and the log of the agent says why.',
                       [
                         { name: '{{outcome}}', expr: 'sum by (outcome) (increase(skimwatch_page_looks_total[$__rate_interval]))' },
                       ],
                       x=12,
                       y=32,
                       w=12,
                       h=8
                     ),
                   ])
