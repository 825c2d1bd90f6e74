{{/* What works, but perhaps not as wished; shown after an installation. */}}

{{- define "holdfast.warnings" -}}
{{- $least := ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- $deployment := eq .Values.kind "Deployment" }}
{{- if and $deployment (eq $least 1) }}
- One replica: while its node is drained, nobody can connect. Set `replicaCount: 2`.
{{- end }}
{{- if and $deployment (or .Values.hostNetwork .Values.dataplane.hostPort.enabled) }}
- Two pods with the same host port do not fit on one node, so that an update needs a free node. Set `kind: DaemonSet`.
{{- end }}
{{- if .Values.hostNetwork }}
- `hostNetwork` is refused in namespaces that enforce the Pod Security level 'baseline' or 'restricted'.
{{- end }}
{{- if and .Values.service.enabled (eq .Values.service.type "LoadBalancer") }}
- Load balancers of clouds end connections that are silent, some after 60 s, or that are old: raise their idle timeout
  above the longest silence of your clients. See `service.annotations`.
{{- end }}
{{- if not .Values.controller.updateStatus }}
- `controller.updateStatus` is false: no status says whether an object is served, and 'kubectl wait' does not return.
{{- else if not (or .Values.service.enabled .Values.controller.publishAddresses) }}
- Statuses hold no address, for want of a Service. Set `controller.publishAddresses`.
{{- end }}
{{- if and (ne .Values.ingressClass.name "holdfast") (eq .Values.ingressClass.controllerValue "holdfast.dev/ingress-controller") }}
- `ingressClass.controllerValue` is that of a first installation: beside one, both serve the objects of both classes. Set it
  to a name of its own, such as 'holdfast.dev/{{ .Values.ingressClass.name }}'; it cannot be changed later.
{{- end }}
{{- if eq .Values.rbac.secrets "None" }}
- `rbac.secrets` is None: no certificate is read, and no TLS is served.
{{- end }}
{{- if and $deployment (eq $least 0) }}
- `replicaCount: 0` serves nothing.
{{- end }}
{{- if not .Values.ingressClass.enabled }}
- `ingressClass.enabled` is false: nothing is served until an IngressClass '{{ .Values.ingressClass.name }}' with
  `spec.controller: {{ .Values.ingressClass.controllerValue }}` exists.
{{- end }}
{{- if not .Values.crds.enabled }}
- `crds.enabled` is false: the definitions must be applied by hand ('holdfast crds print').
{{- end }}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.targetConnections (not (.Capabilities.APIVersions.Has "custom.metrics.k8s.io/v1beta1")) }}
- `autoscaling.targetConnections` needs the metric holdfast_connections_active from a metrics adapter; this cluster has none.
{{- end }}
{{- if and .Values.cleanup.enabled .Values.controller.updateStatus (not .Values.rbac.create) }}
- 'helm uninstall' leaves addresses and conditions in statuses: to clear them takes `rbac.create`.
  Run 'holdfast clear-status' instead.
{{- end }}
{{- end }}
