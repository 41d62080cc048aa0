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

{{/* The version in which the cluster has policies that change objects. */}}
{{- define "main.policies" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
v1
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" -}}
v1beta1
{{- else -}}
{{- fail "keyfob: injector.mode is policy, and the cluster has no MutatingAdmissionPolicy: it takes Kubernetes 1.36, or 1.34 with that feature gate and admissionregistration.k8s.io/v1beta1 switched on" -}}
{{- end -}}
{{- end -}}

{{/* Which pods the policies are for. */}}
{{- define "main.injected" -}}
{{- $values := .Values.injector -}}
resourceRules:
  - apiGroups: [""]
    apiVersions: ["v1"]
    operations: ["CREATE"]
    resources: ["pods"]
objectSelector:
  matchLabels: { keyfob.io/inject: "true" }
{{- $expressions := $values.namespaceSelector.matchExpressions | default list }}
{{- with $values.excludedNamespaces }}
{{- $expressions = append $expressions (dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" .) }}
{{- end }}
namespaceSelector:
  matchLabels: {{ $values.namespaceSelector.matchLabels | default dict | toJson }}
  matchExpressions: {{ toJson $expressions }}
{{- end -}}

{{/* A value as CEL writes it; dyn, for its maps and lists hold values of one type only. */}}
{{- define "main.cel" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }}, {{ end }}{{ toJson $key }}: dyn({{ include "main.cel" (get $ $key) }}){{ end -}} }
{{- else if kindIs "slice" . -}}
[ {{- range $index, $item := . }}{{ if $index }}, {{ end }}dyn({{ include "main.cel" $item }}){{ end -}} ]
{{- else if kindIs "string" . -}}
{{ toJson . }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else -}}
{{ int64 . }}
{{- end -}}
{{- end -}}
