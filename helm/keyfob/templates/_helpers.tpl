{{- define "main.name" -}}
{{- if contains "keyfob" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-keyfob{{ end -}}
{{- end -}}

{{- define "main.labels" -}}
app.kubernetes.io/name: keyfob
app.kubernetes.io/instance: {{ .Release.Name | toJson }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* Whether an object of the Prometheus operator is rendered: (dict "root" $ "name" "podMonitor"). */}}
{{- define "main.monitored" -}}
{{- $values := get .root.Values .name -}}
{{- $there := .root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- if and $values.enabled (not $there) (eq $values.renderMode "failIfMissing") -}}
{{- fail (printf "keyfob: %s.renderMode is failIfMissing, and the cluster does not know monitoring.coreos.com/v1: install the Prometheus operator first" .name) -}}
{{- end -}}
{{- if and $values.enabled (or $there (eq $values.renderMode "alwaysRender")) -}}true{{- end -}}
{{- end -}}

{{/* A file of deploy/monitoring with the runbook's address in it: (dict "root" $ "name" "alerts.yaml"). */}}
{{- define "main.file" -}}
{{- $text := .root.Files.Get (printf "files/%s" .name) -}}
{{- with .root.Values.links.runbook }}{{ $text = replace "deploy/monitoring/runbook.md" . $text }}{{ end -}}
{{- $text -}}
{{- end -}}
