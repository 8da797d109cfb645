{{/*
What one service may take and call. The same `calls` that give it addresses give it ways: no arrow is drawn twice.
Answers need no rule of their own, and the kubelet's probes always pass.
*/}}
{{- define "posthorn.networkPolicy" -}}
{{- $root := .root -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $component := .component -}}
{{- if $policy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "posthorn.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- $callers := list -}}
    {{- range $name, $other := .root.Values.services -}}
    {{- if has $component $other.calls }}{{ $callers = append $callers $name }}{{ end -}}
    {{- end }}
    {{- if $callers }}
    - from:
        {{- range $callers }}
        - podSelector:
            matchLabels:
              {{- include "posthorn.selector" (dict "root" $root "component" .) | nindent 14 }}
        {{- end }}
      ports: [{ protocol: TCP, port: grpc }]
    {{- end }}
    {{- if eq .service.kind "http" }}
    {{- $peers := ternary $policy.ingressPeers $policy.apiPeers (eq $component "ingress") }}
    - ports: [{ protocol: TCP, port: http }]
      {{- with $peers }}
      from:
        {{- toYaml . | nindent 8 }}
        # `helm test` comes this way.
        - podSelector:
            matchLabels:
              {{- include "posthorn.selector" (dict "root" $root "component" "test") | nindent 14 }}
      {{- end }}
    {{- end }}
    {{- with $policy.metricsPeers }}
    - from: {{ toYaml . | nindent 8 }}
      ports: [{ protocol: TCP, port: {{ ternary "http" "health" (eq $.service.kind "http") }} }]
    {{- end }}
  egress:
    {{- include "posthorn.egressDns" .root | nindent 4 }}
    {{- range .service.calls }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "posthorn.selector" (dict "root" $root "component" .) | nindent 14 }}
      ports: [{ protocol: TCP, port: grpc }]
    {{- end }}
    {{- if .service.usesDatabase }}
    {{- include "posthorn.egressDatabase" .root | nindent 4 }}
    {{- end }}
    {{- if .service.usesNats }}
    {{- include "posthorn.egressTo" (dict "root" .root "port" .root.Values.nats.port "peers" .root.Values.nats.peers "evaluation" "nats") | nindent 4 }}
    {{- end }}
    {{- with .root.Values.otlpEndpoint }}
    {{- include "posthorn.egressTo" (dict "root" $root "port" (include "posthorn.urlPort" (dict "url" . "default" (ternary "443" "80" (hasPrefix "https" .)))) "peers" $policy.tracePeers) | nindent 4 }}
    {{- end }}
    {{- if .service.callsOut }}
    # The internet, not the cluster: the guard in libs/egress looks at every address too, this is the second lock.
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except: {{ toYaml $policy.privateRanges | nindent 14 }}
        - ipBlock:
            cidr: ::/0
            except: {{ toYaml $policy.privateRanges6 | nindent 14 }}
      ports: [{ protocol: TCP, port: 1, endPort: 65535 }]
    {{- end }}
{{- end }}
{{- end }}

{{- define "posthorn.egressDns" -}}
- to: {{ toYaml .Values.networkPolicy.dnsPeers | nindent 4 }}
  ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
{{- end }}

{{- define "posthorn.egressDatabase" -}}
{{- $port := include "posthorn.urlPort" (dict "url" (include "posthorn.databaseUrl" .) "default" "5432") -}}
{{- include "posthorn.egressTo" (dict "root" . "port" $port "peers" .Values.database.peers "evaluation" "postgres") -}}
{{- end }}

{{/* One port of the given peers; in a trial, of the chart's own server; without peers, of any address. */}}
{{- define "posthorn.egressTo" -}}
- ports: [{ protocol: TCP, port: {{ .port }} }]
  {{- if and .evaluation .root.Values.evaluation.enabled }}
  to:
    - podSelector:
        matchLabels:
          {{- include "posthorn.selector" (dict "root" .root "component" .evaluation) | nindent 10 }}
  {{- else if .peers }}
  to: {{ toYaml .peers | nindent 4 }}
  {{- end }}
{{- end }}
