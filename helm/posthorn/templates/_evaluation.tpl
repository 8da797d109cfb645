{{- define "posthorn.natsConfig" -}}
listen: 0.0.0.0:4222
jetstream { store_dir: /data }
authorization { user: posthorn, password: {{ . }} }
tls { cert_file: /etc/posthorn/tls/tls.crt, key_file: /etc/posthorn/tls/tls.key }
{{ end }}

{{/* One server of a trial: Service, StatefulSet of one, NetworkPolicy. */}}
{{- define "posthorn.evaluationServer" -}}
{{- $root := .root -}}
{{- $values := get .root.Values.evaluation .component }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  clusterIP: None
  # A server is found while it starts: who calls tries again.
  publishNotReadyAddresses: true
  selector:
    {{- include "posthorn.selector" . | nindent 4 }}
  ports: [{ name: server, port: {{ .port }}, targetPort: server }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "posthorn.metadata" . | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "posthorn.fullname" .root }}-{{ .component }}
  selector:
    matchLabels:
      {{- include "posthorn.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "posthorn.labels" . | nindent 8 }}
    spec:
      {{- include "posthorn.podSecurity" . | replace "10001" (toString .user) | nindent 6 }}
      {{- include "posthorn.placement" .root | nindent 6 }}
      containers:
        - name: {{ .component }}
          image: {{ $values.image }}
          {{- include "posthorn.containerSecurity" . | nindent 10 }}
          {{- include (printf "posthorn.evaluation.%s" .component) .root | nindent 10 }}
          ports: [{ name: server, containerPort: {{ .port }} }]
          startupProbe: { tcpSocket: { port: server }, periodSeconds: 2, failureThreshold: 60 }
          readinessProbe: { tcpSocket: { port: server }, periodSeconds: 5 }
          livenessProbe: { tcpSocket: { port: server }, periodSeconds: 20, failureThreshold: 6 }
          resources: {{ toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - { name: data, mountPath: /data }
            - { name: tmp, mountPath: /tmp }
            - { name: run, mountPath: /var/run/postgresql }
            - { name: tls, mountPath: /etc/posthorn/tls, readOnly: true }
            - { name: secret, mountPath: /etc/posthorn/secret, readOnly: true }
      volumes:
        - { name: tmp, emptyDir: { sizeLimit: 256Mi } }
        - { name: run, emptyDir: { sizeLimit: 16Mi } }
        - name: tls
          # Postgres takes a key that root owns and its group may read, and no other.
          secret: { secretName: {{ include "posthorn.tlsSecret" (dict "root" .root "name" .component) }}, defaultMode: 0440 }
        - name: secret
          secret: { secretName: {{ include "posthorn.fullname" .root }}-evaluation-{{ .component }}, defaultMode: 0440 }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec:
        accessModes: [ReadWriteOnce]
        resources: { requests: { storage: {{ $values.storage }} } }
{{- if .root.Values.networkPolicy.enabled }}
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
    - from:
        {{- $flag := ternary "usesDatabase" "usesNats" (eq .component "postgres") }}
        {{- $clients := ternary (list "migration") list (eq .component "postgres") }}
        {{- range $name, $service := .root.Values.services }}{{ if get $service $flag }}{{ $clients = append $clients $name }}{{ end }}{{ end }}
        {{- range $clients }}
        - podSelector:
            matchLabels:
              {{- include "posthorn.selector" (dict "root" $root "component" .) | nindent 14 }}
        {{- end }}
      ports: [{ protocol: TCP, port: server }]
{{- end }}
{{- end }}

{{- define "posthorn.evaluation.postgres" -}}
args:
  - postgres
  {{- range list "ssl=on" "ssl_cert_file=/etc/posthorn/tls/tls.crt" "ssl_key_file=/etc/posthorn/tls/tls.key" "max_connections=600" }}
  - -c
  - {{ . }}
  {{- end }}
env:
  - { name: PGDATA, value: /data/pgdata }
  - { name: POSTGRES_DB, value: posthorn }
  - { name: POSTGRES_USER, value: posthorn }
  - { name: POSTGRES_PASSWORD_FILE, value: /etc/posthorn/secret/password }
{{- end }}

{{- define "posthorn.evaluation.nats" -}}
args: [--config, /etc/posthorn/secret/nats.conf]
{{- end }}
