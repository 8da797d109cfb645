{{/* What Pod Security "restricted" asks of a pod, and more. The root file system is read-only; /tmp is the only place to write. */}}
{{- define "posthorn.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  # Large volumes are not walked through again at every start.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "posthorn.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "posthorn.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Names of the volumes that a component needs → what is mounted where. One place for both halves. */}}
{{- define "posthorn.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: tls, mountPath: /etc/posthorn/tls, readOnly: true }
{{- if .service.usesDatabase }}
- { name: database-password, mountPath: /etc/posthorn/database-password, readOnly: true }
{{- end }}
{{- include "posthorn.storeMounts" . }}
{{- if .service.usesKeys }}
- { name: key-encryption, mountPath: /etc/posthorn/key-encryption, readOnly: true }
- { name: operator-key, mountPath: /etc/posthorn/operator-key, readOnly: true }
{{- if .root.Values.auditCheckpoints.claim }}
- { name: audit-checkpoints, mountPath: /var/lib/posthorn/audit-checkpoints }
{{- end }}
{{- end }}
{{- if and .service.keepsErasures (include "posthorn.erasureClaim" .root) }}
- { name: erasures, mountPath: /var/lib/posthorn/erasures }
{{- end }}
{{- end }}

{{- define "posthorn.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
- name: tls
  projected:
    defaultMode: 0440
    sources:
      {{- include "posthorn.tlsSources" (dict "root" .root "name" .component) | nindent 6 }}
{{- if .service.usesDatabase }}
- name: database-password
  secret:
    secretName: {{ include "posthorn.secret.password" .root }}
    defaultMode: 0440
    # Its own only: no service can log in as another.
    items: [{ key: {{ .component }}, path: password }]
{{- end }}
{{- include "posthorn.storeVolumes" . }}
{{- if .service.usesKeys }}
- name: key-encryption
  secret: { secretName: {{ include "posthorn.secret.keyEncryption" .root }}, defaultMode: 0440 }
- name: operator-key
  secret: { secretName: {{ include "posthorn.secret.operatorKey" .root }}, defaultMode: 0440 }
{{- with .root.Values.auditCheckpoints.claim }}
- name: audit-checkpoints
  persistentVolumeClaim: { claimName: {{ . }} }
{{- end }}
{{- end }}
{{- if .service.keepsErasures }}
{{- with include "posthorn.erasureClaim" .root }}
- name: erasures
  persistentVolumeClaim: { claimName: {{ . }} }
{{- end }}
{{- end }}
{{- end }}

{{/* Authorities of Postgres and NATS. In a trial it is the one of the services. */}}
{{- define "posthorn.storeMounts" -}}
{{- if and .service.usesDatabase .root.Values.database.caSecret }}
- { name: database-authority, mountPath: /etc/posthorn/database, readOnly: true }
{{- end }}
{{- if and .service.usesNats .root.Values.nats.caSecret }}
- { name: nats-authority, mountPath: /etc/posthorn/nats, readOnly: true }
{{- end }}
{{- if and .service.usesNats .root.Values.nats.clientSecret }}
- { name: nats-client, mountPath: /etc/posthorn/nats-client, readOnly: true }
{{- end }}
{{- if and .service.usesDatabase .root.Values.evaluation.enabled }}
- { name: authority, mountPath: /etc/posthorn/authority, readOnly: true }
{{- end }}
{{- end }}

{{- define "posthorn.storeVolumes" -}}
{{- if and .service.usesDatabase .root.Values.database.caSecret }}
- name: database-authority
  secret: { secretName: {{ .root.Values.database.caSecret }}, defaultMode: 0444 }
{{- end }}
{{- if and .service.usesNats .root.Values.nats.caSecret }}
- name: nats-authority
  secret: { secretName: {{ .root.Values.nats.caSecret }}, defaultMode: 0444 }
{{- end }}
{{- if and .service.usesNats .root.Values.nats.clientSecret }}
- name: nats-client
  secret: { secretName: {{ .root.Values.nats.clientSecret }}, defaultMode: 0440 }
{{- end }}
{{- if and .service.usesDatabase .root.Values.evaluation.enabled }}
- name: authority
  secret:
    secretName: {{ include "posthorn.tlsSecret" (dict "root" .root "name" "postgres") }}
    defaultMode: 0444
    items: [{ key: ca.crt, path: ca.crt }]
{{- end }}
{{- end }}
