{{/* What the schema cannot say about values: refusals, each with what to write instead. */}}

{{- define "holdfast.check" -}}
{{- $namespaces := .Values.controller.watchNamespaces -}}
{{- $rbac := .Values.rbac -}}
{{- if and (eq $rbac.scope "Namespaces") (not $namespaces) -}}
{{- fail "`rbac.scope: Namespaces` needs `controller.watchNamespaces`; name the namespaces there, or write 'Cluster'" -}}
{{- end -}}
{{- if and (eq $rbac.secrets "Namespaces") (not $namespaces) -}}
{{- fail "`rbac.secrets: Namespaces` needs `controller.watchNamespaces`; name the namespaces there, or write 'All' or 'None'" -}}
{{- end -}}
{{- if and .Values.tls.defaultCertificate (eq $rbac.secrets "None") -}}
{{- fail "`tls.defaultCertificate` needs `rbac.secrets`; write 'All' or 'Namespaces'" -}}
{{- end -}}
{{- if and .Values.controller.watchNamespaceSelector $namespaces -}}
{{- fail "`controller.watchNamespaceSelector` must not stand beside `controller.watchNamespaces`; remove one of them" -}}
{{- end -}}
{{- if and .Values.dataplane.proxyProtocol (not .Values.dataplane.trustedProxies) -}}
{{- fail "`dataplane.proxyProtocol` needs `dataplane.trustedProxies`: name the networks that the load balancers connect from, such as [10.0.0.0/8]" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (ne .Values.kind "Deployment") -}}
{{- fail "`autoscaling.enabled` must be false with `kind: DaemonSet`: a DaemonSet has one pod a node" -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail (printf "`autoscaling.minReplicas` (%d) must not be greater than `autoscaling.maxReplicas` (%d)" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if not (or .Values.autoscaling.targetConnections .Values.autoscaling.targetCPUUtilizationPercentage .Values.autoscaling.metrics) -}}
{{- fail "`autoscaling` needs a metric; set `autoscaling.targetConnections`, such as 10000" -}}
{{- end -}}
{{- end -}}
{{- end }}
