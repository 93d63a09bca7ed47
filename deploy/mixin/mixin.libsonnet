// Rules and dashboards of one configuration, in the form that monitoring mixins have
// (https://monitoring.mixins.dev): prometheusAlerts, prometheusRules and grafanaDashboards, configured
// by config.
{
  config:: import 'config.libsonnet',
  prometheusAlerts: (import 'alerts.libsonnet')($.config),
  prometheusRules: (import 'recording.libsonnet')($.config),
  grafanaDashboards: {
    'exposure.json': (import 'dashboards/exposure.libsonnet')($.config),
    'scripts.json': (import 'dashboards/scripts.libsonnet')($.config),
    'fleet.json': (import 'dashboards/fleet.libsonnet')($.config),
  },
}
