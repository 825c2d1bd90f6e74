{{/* The pod: two containers that meet at a socket. */}}

{{/* The token of the pod's service account, for the containers that mount it. */}}
{{- define "holdfast.tokenVolume" -}}
- name: token
  projected:
    sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3607
    - configMap:
        name: kube-root-ca.crt
        items:
        - {key: ca.crt, path: ca.crt}
    - downwardAPI:
        items:
        - path: namespace
          fieldRef: {fieldPath: metadata.namespace}
{{- end }}

{{- define "holdfast.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- define "holdfast.container" -}}
image: {{ include "holdfast.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{- define "holdfast.preStop" -}}
{{- $seconds := include "holdfast.seconds" .Values.drain.preStopDelay | int -}}
{{- if $seconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $seconds }}
{{- end }}
{{- end }}

{{- define "holdfast.controller" -}}
- name: controller
  {{- include "holdfast.container" . | nindent 2 }}
  command: [/holdfast-controller]
  args:
  - --config=/etc/holdfast/controller.yaml
  {{- with .Values.controller.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  env:
  - name: HOLDFAST_POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: HOLDFAST_POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- with .Values.controller.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - name: controller
    containerPort: {{ .Values.metrics.ports.controller }}
  # No readiness probe: whether clients can be served is the data plane's to say.
  livenessProbe:
    httpGet: {path: /healthz, port: controller}
    periodSeconds: 10
    failureThreshold: 6
  {{- with .Values.controller.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
  - name: config
    mountPath: /etc/holdfast
    readOnly: true
  - name: run
    mountPath: /run/holdfast
  {{- include "holdfast.tokenMount" . | nindent 2 }}
{{- end }}

{{- define "holdfast.dataplane" -}}
- name: dataplane
  {{- include "holdfast.container" . | nindent 2 }}
  command: [/holdfast-dataplane]
  args:
  - --config=/etc/holdfast/dataplane.yaml
  {{- with .Values.dataplane.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .Values.dataplane.extraEnv }}
  env:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  ports:
  - name: http
    containerPort: {{ .Values.dataplane.ports.http }}
    {{- if .Values.dataplane.hostPort.enabled }}
    hostPort: {{ .Values.dataplane.hostPort.http }}
    {{- end }}
  - name: https
    containerPort: {{ .Values.dataplane.ports.https }}
    {{- if .Values.dataplane.hostPort.enabled }}
    hostPort: {{ .Values.dataplane.hostPort.https }}
    {{- end }}
  - name: admin
    containerPort: {{ .Values.metrics.ports.dataplane }}
  readinessProbe:
    httpGet: {path: /readyz, port: admin}
    periodSeconds: 2
    failureThreshold: 2
  livenessProbe:
    httpGet: {path: /healthz, port: admin}
    periodSeconds: 10
    failureThreshold: 6
  {{- with include "holdfast.preStop" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.dataplane.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
  - name: config
    mountPath: /etc/holdfast
    readOnly: true
  - name: run
    mountPath: /run/holdfast
  - name: state
    mountPath: /var/lib/holdfast
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The controller beside the data plane without being its sidecar: both are told to end at the same time. */}}
{{- define "holdfast.controllerBeside" -}}
{{ include "holdfast.controller" . }}
  {{- with include "holdfast.preStop" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "holdfast.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "holdfast.selector" (list $ "proxy") | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{- define "holdfast.pod" -}}
metadata:
  annotations:
    # Settings are read at the start.
    checksum/config: {{ printf "%s\n%s" (include "holdfast.settings.controller" .) (include "holdfast.settings.dataplane" .) | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  # Without versions: a change of the chart alone must not end sessions.
  labels:
    {{- include "holdfast.selector" (list . "proxy") | nindent 4 }}
    app.kubernetes.io/part-of: holdfast
    {{- with merge (dict) .Values.podLabels .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "holdfast.serviceAccountName" . }}
  # The process that reads what clients send holds no credential: the token is mounted into the controller alone.
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ include "holdfast.grace" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) .Values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- range $key := list "hostAliases" "nodeSelector" "tolerations" "affinity" }}
  {{- with get $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if eq .Values.kind "Deployment" }}
  topologySpreadConstraints:
    {{- include "holdfast.spread" . | trim | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- $sidecar := ne (toString .Values.controller.nativeSidecar) "false" }}
  {{- if $sidecar }}
  initContainers:
  {{- include "holdfast.controller" . | nindent 2 }}
    # It starts before the data plane and ends after it.
    restartPolicy: Always
  {{- end }}
  containers:
  {{- if not $sidecar }}
  {{- include "holdfast.controllerBeside" . | nindent 2 }}
  {{- end }}
  {{- include "holdfast.dataplane" . | nindent 2 }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  volumes:
  - name: config
    configMap:
      name: {{ include "holdfast.fullname" . }}
  # The socket between the two.
  - name: run
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
  # The last good table, so that a data plane that starts again serves at once.
  - name: state
    emptyDir: {sizeLimit: 256Mi}
  {{- include "holdfast.tokenVolume" . | nindent 2 }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What every other pod of the chart shares with the pod above. */}}
{{- define "holdfast.job" -}}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "priorityClassName" "runtimeClassName" }}
{{- with get $.Values $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
