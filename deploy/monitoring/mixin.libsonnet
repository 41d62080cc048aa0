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

  grafanaDashboards:: {
    'keyfob-overview.json': import 'dashboards/overview.json',
    'keyfob-role-detail.json': import 'dashboards/role-detail.json',
  },
}
