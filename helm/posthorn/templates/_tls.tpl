{{/* Who has a certificate: the services, and in a trial the chart's own servers. */}}
{{- define "posthorn.tlsNames" -}}
{{- $names := keys .Values.services | sortAlpha -}}
{{- if .Values.evaluation.enabled }}{{ $names = concat $names (list "nats" "postgres") }}{{ end -}}
{{- join " " $names -}}
{{- end }}

{{- define "posthorn.tlsSecret" -}}
{{ include "posthorn.fullname" .root }}-{{ .name }}-tls
{{- end }}

{{/* A service is called by its bare name (that is what its certificate must say), the servers of a trial by their Service. */}}
{{- define "posthorn.tlsHosts" -}}
{{- $host := printf "%s-%s" (include "posthorn.fullname" .root) .name -}}
{{ list .name $host (printf "%s.%s" $host .root.Release.Namespace) (printf "%s.%s.svc" $host .root.Release.Namespace) | toJson }}
{{- end }}

{{- define "posthorn.tlsSources" -}}
{{- $bundle := .root.Values.tls.certManager.bundleConfigMap -}}
{{- $isBundled := and (eq .root.Values.tls.mode "certManager") $bundle -}}
- secret:
    name: {{ include "posthorn.tlsSecret" . }}
    items:
      - { key: tls.crt, path: tls.crt }
      - { key: tls.key, path: tls.key }
      {{- if not $isBundled }}
      - { key: ca.crt, path: ca.crt }
      {{- end }}
{{- if $isBundled }}
- configMap:
    name: {{ $bundle }}
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end }}
