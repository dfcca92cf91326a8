{{- define "gomote.selector" -}}
{ app.kubernetes.io/name: gomote, app.kubernetes.io/instance: {{ .Release.Name | quote }} }
{{- end }}
{{- define "gomote.labels" -}}
{ app.kubernetes.io/name: gomote, app.kubernetes.io/instance: {{ .Release.Name | quote }}, app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}, app.kubernetes.io/managed-by: {{ .Release.Service | quote }} }
{{- end }}
{{- define "gomote.configuration" -}}
listen = "0.0.0.0:8443"
# Nothing in it has to outlive the pod.
state-directory = "/var/lib/gomote/state"
users-file = "/etc/gomote-users/users.json"
tls = { cert-file = "/etc/gomote-tls/tls.crt", key-file = "/etc/gomote-tls/tls.key" }
audit-to = "log"
team = {{ .Release.Name | toJson }}
{{ .Values.settings }}

[backends.pods]
kind = "kubernetes"
namespace = {{ .Release.Namespace | toJson }}

[hosts.host-{{ .Values.pool.type }}.kubernetes]
image = {{ .Values.image.buildlet | toJson }}
image-pull-policy = {{ .Values.image.pullPolicy | toJson }}

[builders.{{ .Values.pool.type }}]
host = "host-{{ .Values.pool.type }}"

[pools.{{ .Values.pool.type }}]
kind = "backend"
backend = "pods"
host = "host-{{ .Values.pool.type }}"
minimum = {{ .Values.pool.minimum }}
maximum = {{ .Values.pool.maximum }}
scale-down-after = {{ .Values.pool.scaleDownAfter | toJson }}

{{ .Values.sections }}
{{- end }}
