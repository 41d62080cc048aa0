{{/* For the env of a container that gets credentials; with (dict "root" $ "role" "NAME") those of that role. */}}
{{- define "keyfob.clientEnv" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: AWS_CONTAINER_CREDENTIALS_FULL_URI
  value: http://127.0.0.1:{{ int $values.listen.port }}/v1/credentials/{{ include "keyfob.role" . }}
- name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  value: {{ $values.auth.tokenPath }}
{{- if not $values.client.instanceMetadata }}
- name: AWS_EC2_METADATA_DISABLED
  value: "true"
{{- end }}
{{- with $values.region }}
- name: AWS_REGION
  value: {{ toJson . }}
- name: AWS_DEFAULT_REGION
  value: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* For the volumeMounts of a container that gets credentials: nobody without them can ask the agent. */}}
{{- define "keyfob.clientMounts" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: keyfob-auth
  mountPath: {{ dir $values.auth.tokenPath }}
  readOnly: true
{{- end -}}
