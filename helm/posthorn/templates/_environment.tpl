{{/* The environment of one service: what follows from its place in the drawing, then its own `env`. */}}
{{- define "posthorn.environment" -}}
{{- $root := .root -}}
{{- $v := .root.Values -}}
{{- $full := include "posthorn.fullname" .root -}}
{{- $own := .service.env | default dict -}}
{{- $env := dict "NODE_ENV" "production" "LOG_LEVEL" $v.logLevel "TRACE_SAMPLE_RATIO" $v.traceSampleRatio -}}
{{- $_ := set $env "DRAIN_TIMEOUT_MS" (mul $v.shutdown.drainSeconds 1000) -}}
{{- $_ := set $env "TLS_CERT_FILE" "/etc/posthorn/tls/tls.crt" -}}
{{- $_ := set $env "TLS_KEY_FILE" "/etc/posthorn/tls/tls.key" -}}
{{- $_ := set $env "TLS_CA_FILE" "/etc/posthorn/tls/ca.crt" -}}
{{- if $v.otlpEndpoint }}{{ $_ := set $env "OTLP_ENDPOINT" $v.otlpEndpoint }}{{ end -}}
{{- if eq .service.kind "http" -}}
{{- $_ := set $env "HTTP_LISTEN" (printf "%s:8080" $v.listenHost) -}}
{{- else -}}
{{- $_ := set $env "GRPC_LISTEN" (printf "%s:9000" $v.listenHost) -}}
{{- $_ := set $env "HEALTH_LISTEN" (printf "%s:9090" $v.listenHost) -}}
{{- end -}}
{{- range .service.calls -}}
{{- $_ := set $env (printf "%s_ADDRESS" (upper .)) (printf "%s-%s.%s.svc:9000" $full . $root.Release.Namespace) -}}
{{- end -}}
{{- if .service.usesDatabase -}}
{{- $_ := set $env "DATABASE_URL" (include "posthorn.databaseUrl" .root) -}}
{{- $_ := set $env "DATABASE_PASSWORD_FILE" "/etc/posthorn/database-password/password" -}}
{{- end -}}
{{- if .service.usesKeys -}}
{{- $_ := set $env "KEK_FILE" "/etc/posthorn/key-encryption/kek.json" -}}
{{- $_ := set $env "OPERATOR_KEY_FILE" "/etc/posthorn/operator-key/operator-key" -}}
{{- if $v.auditCheckpoints.claim }}{{ $_ := set $env "AUDIT_CHECKPOINT_DIR" "/var/lib/posthorn/audit-checkpoints" }}{{ end -}}
{{- end -}}
{{- if and .service.keepsErasures (include "posthorn.erasureClaim" .root) -}}
{{- $_ := set $env "ERASURE_JOURNAL_DIR" "/var/lib/posthorn/erasures" -}}
{{- end -}}
{{- $nats := include "posthorn.secret.nats" .root -}}
{{- if .service.usesNats -}}
{{- if not $nats }}{{ $_ := set $env "NATS_URL" $v.nats.url }}{{ end -}}
{{- if $v.nats.caSecret }}{{ $_ := set $env "NATS_CA_FILE" "/etc/posthorn/nats/ca.crt" }}
{{- else if $v.evaluation.enabled }}{{ $_ := set $env "NATS_CA_FILE" "/etc/posthorn/authority/ca.crt" }}{{ end -}}
{{- if $v.nats.clientSecret -}}
{{- $_ := set $env "NATS_CERT_FILE" "/etc/posthorn/nats-client/tls.crt" -}}
{{- $_ := set $env "NATS_KEY_FILE" "/etc/posthorn/nats-client/tls.key" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $own }}{{ with tpl (toString $value) $root }}{{ $_ := set $env $name . }}{{ end }}{{ end -}}
{{- range $name, $value := $env }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- if and .service.usesNats $nats }}
- name: NATS_URL
  valueFrom: { secretKeyRef: { name: {{ $nats }}, key: url } }
{{- end }}
{{- end }}
