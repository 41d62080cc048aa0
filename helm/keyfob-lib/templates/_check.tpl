{{/*
What every template here reads first: the values, as YAML, after what a schema cannot say was looked at.
Takes the chart's own context, or a dict with it as "root" and more beside it.
*/}}
{{- define "keyfob.values" -}}
{{- $root := .root | default . -}}
{{- $values := $root.Values.keyfob | default (index $root.Values "keyfob-lib") -}}
{{- if not $values -}}
{{- fail "keyfob: no values: name the dependency keyfob-lib in Chart.yaml, with `alias: keyfob`" -}}
{{- end -}}
{{- $kube := $root.Capabilities.KubeVersion.Version -}}
{{- if semverCompare "<1.29.0-0" $kube -}}
{{- fail (printf "keyfob: Kubernetes %s has no native sidecars: 1.29 or later is needed" $kube) -}}
{{- end -}}
{{- if eq (int $values.listen.port) (int $values.admin.port) -}}
{{- fail (printf "keyfob: listen.port and admin.port are both %d: give one of them another port" (int $values.admin.port)) -}}
{{- end -}}
{{- range list "/run/keyfob-private" "/run/keyfob-identity" "/etc/keyfob" -}}
{{- if eq . (dir $values.auth.tokenPath) -}}
{{- fail (printf "keyfob: auth.tokenPath is in %s, which is the agent's own: choose another folder" .) -}}
{{- end -}}
{{- end -}}
{{- if has "keyfob" $values.containers -}}
{{- fail "keyfob: containers names keyfob, the sidecar: name the application's containers" -}}
{{- end -}}
{{- include "keyfob.checkRoles" $values.roles -}}
{{- toYaml $values -}}
{{- end -}}

{{- define "keyfob.checkRoles" -}}
{{- $names := list -}}
{{- range . -}}
{{- if has .name $names -}}
{{- fail (printf "keyfob: two roles are called %s: give each a name of its own" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if and .webIdentity .sources -}}
{{- fail (printf "keyfob: role %s has webIdentity and sources: a role with webIdentity has that one source, leave sources out" .name) -}}
{{- end -}}
{{- if and .webIdentity .profile -}}
{{- fail (printf "keyfob: role %s has webIdentity and profile: choose one" .name) -}}
{{- end -}}
{{- if and .webIdentity .expect -}}
{{- if and .expect.sources (not (has "role_web_identity" .expect.sources)) -}}
{{- fail (printf "keyfob: role %s has webIdentity and expects %s: its source is role_web_identity" .name (join ", " .expect.sources)) -}}
{{- end -}}
{{- end -}}
{{- if not .roleArn -}}
{{- $role := . -}}
{{- $needing := ternary (list "externalId") (list "externalId" "duration" "region") (eq "mint" (default "" .staticKeys)) -}}
{{- range $key := $needing -}}
{{- if hasKey $role $key -}}
{{- fail (printf "keyfob: role %s has %s, which is for an assumed role: roleArn is missing" $role.name $key) -}}
{{- end -}}
{{- end -}}
{{- if and .sessionName (not .webIdentity) -}}
{{- fail (printf "keyfob: role %s has sessionName, which is for an assumed role: roleArn or webIdentity is missing" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The role that a container gets: the one asked for, the only one, or the one called default. */}}
{{- define "keyfob.role" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
{{- $names := list -}}
{{- range $values.roles }}{{ $names = append $names .name }}{{ end -}}
{{- $asked := "" -}}
{{- if .root }}{{ $asked = .role | default "" }}{{ end -}}
{{- if $asked -}}
{{- if not (has $asked $names) -}}
{{- fail (printf "keyfob: no role is called %s: there are %s" $asked (join ", " $names)) -}}
{{- end -}}
{{- $asked -}}
{{- else if eq (len $names) 1 -}}
{{- first $names -}}
{{- else if has "default" $names -}}
default
{{- else -}}
{{- fail (printf "keyfob: there are the roles %s: say which one a container gets, as in include \"keyfob.clientEnv\" (dict \"root\" $ \"role\" \"%s\")" (join ", " $names) (first $names)) -}}
{{- end -}}
{{- end -}}

{{/* Whether a role needs the service account's token. */}}
{{- define "keyfob.hasWebIdentity" -}}
{{- range .roles }}{{ if .webIdentity }}true{{ end }}{{ end -}}
{{- end -}}
