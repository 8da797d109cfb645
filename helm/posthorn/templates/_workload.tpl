{{/*
Everything of one service. Input: root, component (its name), service (its values).
All six come from here: what differs stands in values.yaml.
*/}}
{{- define "posthorn.workload" -}}
{{- $merge := .service.merge | default dict }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
# No Role is bound to it, and no token is mounted: the services ask nothing of the cluster.
automountServiceAccountToken: false
---
{{ mustMergeOverwrite (include "posthorn.service" . | fromYaml) ($merge.service | default dict) | toYaml }}
---
{{ mustMergeOverwrite (include "posthorn.deployment" . | fromYaml) ($merge.deployment | default dict) | toYaml }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  # A pod that is broken anyway must not keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "posthorn.selector" . | nindent 6 }}
{{- include "posthorn.scaling" . }}
{{- include "posthorn.networkPolicy" . }}
{{- end }}

{{- define "posthorn.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "posthorn.selector" . | nindent 4 }}
  ports:
    {{- if eq .service.kind "http" }}
    - { name: http, port: 80, targetPort: http, appProtocol: http }
    {{- else }}
    - { name: grpc, port: 9000, targetPort: grpc, appProtocol: grpc }
    - { name: health, port: 9090, targetPort: health }
  # Headless: a client sees every replica and spreads its calls, instead of staying with the one it met first.
  clusterIP: None
    {{- end }}
{{- end }}

{{- define "posthorn.deployment" -}}
{{- $v := .root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  {{- if not (and $v.autoscaling.enabled .service.scaling) }}
  replicas: {{ .service.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # Nothing goes before its successor has served for a while.
  minReadySeconds: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  selector:
    matchLabels:
      {{- include "posthorn.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "posthorn.labels" . | nindent 8 }}
        {{- with $v.pods.labels }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $v.pods.annotations }}
      annotations: {{ toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "posthorn.fullname" .root }}-{{ .component }}
      {{- include "posthorn.podSecurity" . | nindent 6 }}
      {{- include "posthorn.placement" .root | nindent 6 }}
      terminationGracePeriodSeconds: {{ add $v.shutdown.preStopSeconds $v.shutdown.drainSeconds 5 }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          # A missing zone must not keep intake from running.
          whenUnsatisfiable: ScheduleAnyway
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "posthorn.selector" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "posthorn.image" . }}
          imagePullPolicy: {{ $v.image.pullPolicy }}
          {{- include "posthorn.containerSecurity" . | nindent 10 }}
          env:
            {{- include "posthorn.environment" . | trim | nindent 12 }}
          ports:
            {{- if eq .service.kind "http" }}
            - { name: http, containerPort: 8080 }
            {{- else }}
            - { name: grpc, containerPort: 9000 }
            - { name: health, containerPort: 9090 }
            {{- end }}
          {{- include "posthorn.probes" .service | nindent 10 }}
          lifecycle:
            # The kubelet's own sleep: the image needs no shell. Meanwhile the endpoints forget this pod.
            preStop: { sleep: { seconds: {{ $v.shutdown.preStopSeconds }} } }
          resources: {{ toYaml .service.resources | nindent 12 }}
          volumeMounts:
            {{- include "posthorn.mounts" . | nindent 12 }}
      volumes:
        {{- include "posthorn.volumes" . | nindent 8 }}
{{- end }}

{{/* Ready: the first configuration is there and commits succeed. Live: it answers at all; a store that is away restarts nothing. */}}
{{- define "posthorn.probes" -}}
{{- $port := ternary "http" "health" (eq .kind "http") -}}
startupProbe:
  httpGet: { path: /health/live, port: {{ $port }} }
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /health/live, port: {{ $port }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /health/ready, port: {{ $port }} }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
