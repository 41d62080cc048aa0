// The files of this folder under the names that mixins have, for jsonnet-bundler; what is rendered is what lies here.
{
  _config:: {
    // Where people find the runbook, such as 'https://github.com/OWNER/keyfob/blob/main/deploy/monitoring/runbook.md'.
    runbook: 'deploy/monitoring/runbook.md',
    // Such as 'https://grafana.example.com'.
    grafana: '',
    // KeyfobAbsent: only where you know how many agents there must be.
    optionalAlerts: false,
  },

  local config = self._config,
  local link(_, text) = std.strReplace(
    std.strReplace(text, 'deploy/monitoring/runbook.md', config.runbook), '/d/keyfob-', config.grafana + '/d/keyfob-'
  ),

  prometheusRules:: std.parseYaml(importstr 'rules.yaml'),

  prometheusAlerts:: {
    groups: [
      group { rules: [rule { annotations: std.mapWithKey(link, rule.annotations) } for rule in group.rules] }
      for file in [importstr 'alerts.yaml'] + if config.optionalAlerts then [importstr 'alerts-optional.yaml'] else []
      for group in std.parseYaml(file).groups
    ],
  },

  // The dashboards have the runbook's address in one place, a constant of that name.
  local addressed(dashboard) = dashboard {
    templating+: {
      list: [
        if variable.name == 'runbook' then variable { query: config.runbook } else variable
        for variable in dashboard.templating.list
      ],
    },
  },

  grafanaDashboards:: {
    'keyfob-overview.json': addressed(import 'dashboards/overview.json'),
    'keyfob-role-detail.json': addressed(import 'dashboards/role-detail.json'),
  },
}
