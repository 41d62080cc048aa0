{{/* The agent's configuration file. JSON's strings and lists are TOML's. */}}
{{- define "keyfob.toml" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
[listen]
credentials = ["127.0.0.1:{{ int $values.listen.port }}"]
admin = "{{ $values.admin.address }}:{{ int $values.admin.port }}"

[auth]
token_file = {{ $values.auth.tokenPath | toJson }}
# Applications run as whoever they like; the file lies in memory, in a volume that only the wanted containers mount.
token_mode = "0444"
admin_token_file = "/run/keyfob-private/admin.token"

[startup]
{{- if $values.startup.requireCredentials }}
deadline = "{{ int $values.startup.deadlineSeconds }}s"
{{- else }}
deadline = "0s"
{{- end }}

[telemetry]
log_level = {{ $values.telemetry.logLevel | toJson }}
log_format = "json"
audit = "{{ ternary "on" "off" $values.telemetry.audit }}"
metrics = {{ $values.telemetry.metrics | toJson }}
{{- range $values.roles }}

[[role]]
{{ include "keyfob.tomlRole" (dict "role" . "values" $values) }}
{{- end }}
{{- end -}}

{{- define "keyfob.tomlRole" -}}
{{- $role := .role -}}
{{- $lines := list (printf "name = %s" (toJson $role.name)) -}}
{{- $keys := dict "roleArn" "role_arn" "externalId" "external_id" "duration" "duration" "region" "region" "profile" "profile" "sources" "sources" "required" "required" "staticKeys" "static_keys" "allowDrift" "allow_drift" -}}
{{- range $key, $written := $keys -}}
{{- if hasKey $role $key -}}
{{- $lines = append $lines (printf "%s = %s" $written (toJson (get $role $key))) -}}
{{- end -}}
{{- end -}}
{{- if and $role.sessionName $role.roleArn -}}
{{- $lines = append $lines (printf "session_name = %s" (toJson $role.sessionName)) -}}
{{- end -}}
{{- with $role.expect -}}
{{- $expected := list -}}
{{- with .account }}{{ $expected = append $expected (printf "account = %s" (toJson .)) }}{{ end -}}
{{- with .sources }}{{ $expected = append $expected (printf "sources = %s" (toJson .)) }}{{ end -}}
{{- $lines = append $lines (printf "expect = { %s }" (join ", " $expected)) -}}
{{- end -}}
{{- with $role.webIdentity -}}
{{- $identity := list (printf "role_arn = %s" (toJson .roleArn)) "token_file = \"/run/keyfob-identity/token\"" -}}
{{- with $role.sessionName }}{{ $identity = append $identity (printf "session_name = %s" (toJson .)) }}{{ end -}}
{{- $lines = append $lines (printf "web_identity = { %s }" (join ", " $identity)) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}

{{/* The name of the ConfigMap that the sidecar mounts. */}}
{{- define "keyfob.configName" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
{{- $release := (.root | default .).Release.Name -}}
{{- if $values.existingConfig -}}
{{- $values.existingConfig -}}
{{- else if contains "keyfob" $release -}}
{{- printf "%s-config" $release -}}
{{- else -}}
{{- printf "%s-keyfob-config" $release -}}
{{- end -}}
{{- end -}}

{{/* The whole ConfigMap; nothing where another one is named. */}}
{{- define "keyfob.config" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
{{- $root := .root | default . -}}
{{- if not $values.existingConfig -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "keyfob.configName" . | toJson }}
  namespace: {{ $root.Release.Namespace | toJson }}
  labels:
    app.kubernetes.io/name: keyfob
    app.kubernetes.io/instance: {{ $root.Release.Name | toJson }}
    app.kubernetes.io/managed-by: {{ $root.Release.Service }}
data:
  keyfob.toml: |
    {{- include "keyfob.toml" . | nindent 4 }}
{{- end -}}
{{- end -}}
