// Parts of dashboards, in Grafana's JSON. A panel has a title, a description, queries and a place.
local datasource = { type: 'prometheus', uid: '${datasource}' };

local target(index, query, instant) = {
  refId: std.char(std.codepoint('A') + index),
  datasource: datasource,
  expr: query.expr,
  legendFormat: query.name,
  editorMode: 'code',
  instant: instant,
  range: !instant,
};

local panel(type, title, description, queries, x, y, w, h, instant) = {
  type: type,
  title: title,
  description: description,
  datasource: datasource,
  gridPos: { x: x, y: y, w: w, h: h },
  targets: std.mapWithIndex(function(index, query) target(index, query, instant), queries),
};

// Ages and points in time have no zero to begin from.
local defaults(unit, max) = {
  unit: unit,
  [if unit == 'dateTimeFromNow' then null else 'min']: 0,
  [if max == null then null else 'max']: max,
};

{
  row(title, y):: {
    type: 'row',
    title: title,
    collapsed: false,
    gridPos: { x: 0, y: y, w: 24, h: 1 },
    panels: [],
  },

  // One figure. From 1 on it has the colour `above`, where one is given.
  stat(title, description, queries, x, y, w, h, unit='none', below='green', above=null, names=false)::
    panel('stat', title, description, queries, x, y, w, h, instant=true) + {
      fieldConfig: {
        defaults: defaults(unit, null) + (if above == null then {} else {
                                            thresholds: {
                                              mode: 'absolute',
                                              steps: [{ color: below, value: null }, { color: above, value: 1 }],
                                            },
                                            color: { mode: 'thresholds' },
                                          }),
        overrides: [],
      },
      options: {
        colorMode: if above == null then 'value' else 'background',
        graphMode: 'none',
        textMode: if names then 'value_and_name' else 'value',
        reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      },
    },

  // One row a series, its value in the column `value`.
  table(title, description, value, expr, x, y, w, h, unit='none')::
    local base = panel('table', title, description, [{ name: '', expr: expr }], x, y, w, h, instant=true);
    base {
      targets: [base.targets[0] { format: 'table' }],
      fieldConfig: {
        defaults: if unit == 's' then { unit: unit } else defaults(unit, null),
        overrides: [],
      },
      options: { showHeader: true },
      transformations: [{
        id: 'organize',
        options: {
          excludeByName: { Time: true, instance: true, job: true },
          renameByName: { Value: value },
        },
      }],
    },

  timeseries(title, description, queries, x, y, w, h, unit='none', max=null, stacked=false)::
    panel('timeseries', title, description, queries, x, y, w, h, instant=false) + {
      fieldConfig: {
        defaults: defaults(unit, max) + {
          custom: {
            lineWidth: 1,
            fillOpacity: 10,
            showPoints: 'never',
            stacking: { mode: if stacked then 'normal' else 'none', group: 'A' },
          },
        },
        overrides: [],
      },
      options: {
        legend: { displayMode: 'list', placement: 'bottom' },
        tooltip: { mode: 'multi', sort: 'desc' },
      },
    },

  // `variable` narrows all panels to some values of a label: its name, how it is shown, and a metric
  // that has all of its values.
  dashboard(config, name, title, description, variable, panels):: {
    uid: '%s-%s' % [config.dashboardPrefix, name],
    title: title,
    description: description,
    tags: config.dashboardTags,
    schemaVersion: 38,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: config.dashboardRefresh,
    time: { from: 'now-6h', to: 'now' },
    timezone: '',
    links: [
      {
        title: 'Skimwatch %s' % other,
        type: 'link',
        url: '/d/%s-%s' % [config.dashboardPrefix, other],
        icon: 'dashboard',
        includeVars: false,
        keepTime: true,
      }
      for other in ['exposure', 'scripts', 'fleet']
      if other != name
    ],
    templating: {
      list: [
        {
          name: 'datasource',
          label: 'Data source',
          type: 'datasource',
          query: 'prometheus',
          hide: 0,
          refresh: 1,
          options: [],
          current: {},
        },
        {
          name: variable.name,
          label: variable.label,
          type: 'query',
          datasource: datasource,
          query: {
            query: 'label_values(%s, %s)' % [variable.metric, variable.name],
            refId: 'variable',
          },
          refresh: 2,
          includeAll: true,
          allValue: '.*',
          multi: true,
          sort: 1,
          hide: 0,
          options: [],
          current: { selected: true, text: ['All'], value: ['$__all'] },
        },
      ],
    },
    annotations: { list: [] },
    panels: std.mapWithIndex(function(index, panel) panel { id: index + 1 }, panels),
  },
}
