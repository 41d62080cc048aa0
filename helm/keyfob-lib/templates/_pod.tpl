{{/* For the pod's volumes. */}}
{{- define "keyfob.volumes" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: keyfob-config
  configMap:
    name: {{ include "keyfob.configName" . | toJson }}
# In memory: the tokens are on no disk. Applications mount the first, the second is the agent's alone.
- name: keyfob-auth
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: keyfob-private
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
{{- if include "keyfob.hasWebIdentity" $values }}
# Who the pod is, for AWS: the agent's alone as well.
- name: keyfob-identity
  projected:
    sources:
      - serviceAccountToken:
          audience: {{ toJson $values.webIdentity.audience }}
          expirationSeconds: {{ int $values.webIdentity.expirationSeconds }}
          path: token
{{- end }}
{{- end -}}

{{/* For the pod's labels: by this one Prometheus and network policies find it. */}}
{{- define "keyfob.podLabels" -}}
keyfob.io/sidecar: "true"
{{- end -}}

{{/*
For the pod's annotations. EKS would give a web identity to every container of an annotated service account, and SDKs
ask that before keyfob: the application's containers are left out.
*/}}
{{- define "keyfob.podAnnotations" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
{{- $containers := $values.containers -}}
{{- if .root }}{{ $containers = .containers | default $containers }}{{ end -}}
{{- if not $containers -}}
{{- fail "keyfob: containers is empty: name the containers that get credentials, as in keyfob.containers: [app]; on EKS they would bypass the agent otherwise" -}}
{{- end -}}
{{- if has "keyfob" $containers -}}
{{- fail "keyfob: containers names keyfob, the sidecar: name the application's containers" -}}
{{- end -}}
eks.amazonaws.com/skip-containers: {{ join "," $containers | toJson }}
{{- if not $values.existingConfig }}
keyfob.io/config-checksum: {{ include "keyfob.toml" . | sha256sum }}
{{- end }}
{{- end -}}
