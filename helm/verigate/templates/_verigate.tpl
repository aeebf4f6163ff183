{{- define "verigate.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "verigate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "verigate.labels" -}}
{{ include "verigate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The deployments, each with its ROLE. */ -}}
{{- define "verigate.components" -}}
{{- if .Values.worker.enabled -}}
api: api
worker: worker
{{- else -}}
api: all
{{- end }}
{{- end }}

{{- define "verigate.secret" -}}
{{- .Values.existingSecret | default (printf "%s-environment" (include "verigate.name" .)) }}
{{- end }}

{{- define "verigate.appsSecret" -}}
{{- .Values.existingAppsSecret | default (printf "%s-apps" (include "verigate.name" .)) }}
{{- end }}
