{{/* One autoscaler of the chosen kind, for a service that has bounds. */}}
{{- define "posthorn.scaling" -}}
{{- $auto := .root.Values.autoscaling -}}
{{- $scaling := .service.scaling -}}
{{- if and $auto.enabled $scaling }}
---
{{- if eq $auto.engine "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: { name: {{ include "posthorn.fullname" .root }}-{{ .component }} }
  minReplicaCount: {{ $scaling.min }}
  maxReplicaCount: {{ $scaling.max }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- include "posthorn.scalingBehavior" . | nindent 8 }}
  triggers:
    - type: cpu
      metricType: Utilization
      metadata: { value: {{ $scaling.cpuPercent | quote }} }
    {{- if and $auto.byBacklog $scaling.metric }}
    - type: prometheus
      metadata:
        serverAddress: {{ required "autoscaling.prometheusUrl: where KEDA reads the backlog" $auto.prometheusUrl }}
        query: sum({{ $scaling.metric }}{namespace="{{ .root.Release.Namespace }}",pod=~"{{ include "posthorn.fullname" .root }}-{{ .component }}-.*"})
        threshold: {{ $scaling.target | quote }}
    {{- end }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ include "posthorn.fullname" .root }}-{{ .component }} }
  minReplicas: {{ $scaling.min }}
  maxReplicas: {{ $scaling.max }}
  behavior:
    {{- include "posthorn.scalingBehavior" . | nindent 4 }}
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: {{ $scaling.cpuPercent }} } }
    {{- if and $auto.byBacklog $scaling.metric }}
    - type: Pods
      pods:
        metric: { name: {{ $scaling.metric }} }
        target: { type: AverageValue, averageValue: {{ $scaling.target | quote }} }
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Up at once, down one pod a minute: leases and streams move with every change. */}}
{{- define "posthorn.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{ type: Percent, value: 100, periodSeconds: 15 }]
scaleDown:
  stabilizationWindowSeconds: 300
  policies: [{ type: Pods, value: 1, periodSeconds: 60 }]
{{- end }}
