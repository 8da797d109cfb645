{{- define "posthorn.fullname" -}}
{{- if contains "posthorn" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-posthorn" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "posthorn.selector" -}}
app.kubernetes.io/name: posthorn
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "posthorn.labels" -}}
{{ include "posthorn.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: posthorn
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Name and labels of an object. */}}
{{/* The claim for the journal of erasures; empty: none is kept. */}}
{{- define "posthorn.erasureClaim" -}}
{{- with .Values.erasureJournal -}}
{{- .claim | default (ternary (printf "%s-erasures" (include "posthorn.fullname" $)) "" (ne .size "")) -}}
{{- end -}}
{{- end }}

{{- define "posthorn.metadata" -}}
name: {{ include "posthorn.fullname" .root }}-{{ .component }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "posthorn.labels" . | nindent 2 }}
{{- end }}

{{- define "posthorn.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get $image.digests .component -}}
{{ $image.repository }}/{{ .component }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Secrets: given ones, or those that the chart makes. */}}
{{- define "posthorn.secret.password" -}}
{{ .Values.database.passwordSecret | default (printf "%s-evaluation-passwords" (include "posthorn.fullname" .)) }}
{{- end }}
{{- define "posthorn.secret.admin" -}}
{{ .Values.database.adminSecret | default (printf "%s-evaluation-postgres" (include "posthorn.fullname" .)) }}
{{- end }}
{{- define "posthorn.secret.nats" -}}
{{ .Values.nats.secret | default (ternary (printf "%s-evaluation-nats" (include "posthorn.fullname" .)) "" .Values.evaluation.enabled) }}
{{- end }}
{{- define "posthorn.secret.keyEncryption" -}}
{{ .Values.keyEncryption.secret | default (printf "%s-evaluation-kek" (include "posthorn.fullname" .)) }}
{{- end }}
{{- define "posthorn.secret.operatorKey" -}}
{{ .Values.operatorKey.secret | default (printf "%s-operator-key" (include "posthorn.fullname" .)) }}
{{- end }}

{{- define "posthorn.databaseUrl" -}}
{{- if .Values.evaluation.enabled -}}
postgres://{{ include "posthorn.fullname" . }}-postgres:5432/posthorn?sslmode=verify-full&sslrootcert=/etc/posthorn/authority/ca.crt
{{- else -}}{{ .Values.database.url }}{{- end }}
{{- end }}

{{/* The port of a URL, or the given default. */}}
{{- define "posthorn.urlPort" -}}
{{- $host := (urlParse .url).host -}}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default .default -}}
{{- end }}
