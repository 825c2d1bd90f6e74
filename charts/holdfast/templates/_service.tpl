{{/* A Service for clients. Argument: a list of the root, the values that are its own, and its name. */}}

{{- define "holdfast.service" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- $shared := $root.Values.service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ index . 2 }}
  namespace: {{ include "holdfast.namespace" $root }}
  labels:
    {{- include "holdfast.labels" (list $root "proxy") | nindent 4 }}
    {{- with $own.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $own.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $own.type }}
  {{- range $key := list "loadBalancerClass" "loadBalancerSourceRanges" "externalTrafficPolicy" }}
  {{- with get $own $key }}
  {{ $key }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  {{- range $key := list "trafficDistribution" "ipFamilyPolicy" "ipFamilies" }}
  {{- with get $shared $key }}
  {{ $key }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  selector:
    {{- include "holdfast.selector" (list $root "proxy") | nindent 4 }}
  ports:
  {{- range $name := list "http" "https" }}
  - name: {{ $name }}
    port: {{ get $shared.ports $name }}
    targetPort: {{ $name }}
    {{- with $shared.appProtocol }}
    appProtocol: {{ . }}
    {{- end }}
    {{- with dig "nodePorts" $name "" $own }}
    nodePort: {{ . }}
    {{- end }}
  {{- end }}
{{- end }}
