{{/* The agent: a native sidecar, for the first place of initContainers. */}}
{{- define "keyfob.sidecar" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: keyfob
  image: {{ include "keyfob.image" . }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  # A sidecar: it goes on beside the containers, ends after them, and a Job does not wait for it.
  restartPolicy: Always
  command: ["keyfob"]
  args: ["serve", "--config", "/etc/keyfob/keyfob.toml"]
  env:
    {{- include "keyfob.sidecarEnv" . | nindent 4 }}
  ports:
    - name: keyfob-admin
      containerPort: {{ int $values.admin.port }}
      protocol: TCP
  {{- include "keyfob.probes" $values | nindent 2 }}
  # Cause and fix are the last lines of the log: the kubelet copies them to the pod's status.
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  securityContext:
    {{- include "keyfob.securityContext" . | nindent 4 }}
  volumeMounts:
    {{- include "keyfob.sidecarMounts" . | nindent 4 }}
{{- end -}}

{{- define "keyfob.sidecarEnv" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_SERVICE_ACCOUNT
  valueFrom: { fieldRef: { fieldPath: spec.serviceAccountName } }
- name: POD_UID
  valueFrom: { fieldRef: { fieldPath: metadata.uid } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.pod.uid=$(POD_UID),k8s.node.name=$(NODE_NAME)
{{- with $values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ toJson . }}
{{- end }}
{{- with $values.region }}
- name: AWS_REGION
  value: {{ toJson . }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "keyfob.sidecarMounts" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
- name: keyfob-config
  mountPath: /etc/keyfob
  readOnly: true
- name: keyfob-auth
  mountPath: {{ dir $values.auth.tokenPath }}
- name: keyfob-private
  mountPath: /run/keyfob-private
{{- if include "keyfob.hasWebIdentity" $values }}
- name: keyfob-identity
  mountPath: /run/keyfob-identity
  readOnly: true
{{- end }}
{{- with $values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Start-up holds the containers back until credentials are there, and outlasts the agent's own deadline, which says why.
Readiness and liveness never depend on AWS: an outage there must not take pods out of service or restart agents.
*/}}
{{- define "keyfob.probes" -}}
{{- $outlasting := ternary (add (int .startup.deadlineSeconds) 30) 2147483647 (gt (int .startup.deadlineSeconds) 0) -}}
startupProbe:
  httpGet:
    path: {{ ternary "/startupz" "/livez" .startup.requireCredentials }}
    port: keyfob-admin
  periodSeconds: 1
  timeoutSeconds: 1
  failureThreshold: {{ ternary $outlasting 90 .startup.requireCredentials }}
readinessProbe:
  httpGet:
    path: {{ ternary "/readyz" "/livez" .startup.requireCredentials }}
    port: keyfob-admin
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 3
livenessProbe:
  httpGet:
    path: /livez
    port: keyfob-admin
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{/* The image, by digest where one is given. */}}
{{- define "keyfob.image" -}}
{{- $image := (include "keyfob.values" . | fromYaml).image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end -}}
{{- end -}}

{{/* What the restricted pod security standard asks for, and a root that nobody can write to. */}}
{{- define "keyfob.securityContext" -}}
{{- $values := include "keyfob.values" . | fromYaml -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" $values.runAsUser) }}
runAsUser: {{ int64 $values.runAsUser }}
runAsGroup: {{ int64 $values.runAsUser }}
{{- end }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end -}}
