{{/* The settings file of each process, made from the values. */}}

{{- define "holdfast.settings.controller" -}}
{{- $values := .Values.controller -}}
{{- $settings := dict
  "cluster" true
  "controller-name" .Values.ingressClass.controllerValue
  "lease-name" (include "holdfast.fullname" .)
  "admin" (printf "%s:%d" .Values.dataplane.bindAddress (int .Values.metrics.ports.controller))
  "watch-ingress-without-class" $values.watchIngressWithoutClass
  "watch-secrets" (ne .Values.rbac.secrets "None")
  "allow-external-names" $values.allowExternalNames
  "update-status" $values.updateStatus
  "log-format" $values.logFormat
  "log-level" $values.logLevel
-}}
{{- with $values.watchNamespaces -}}
{{- $_ := set $settings "watch-namespaces" (join "," .) -}}
{{- end -}}
{{- with $values.watchNamespaceSelector -}}
{{- $_ := set $settings "watch-namespace-selector" . -}}
{{- end -}}
{{- with .Values.tls.defaultCertificate -}}
{{- $_ := set $settings "default-certificate" . -}}
{{- end -}}
{{- if $values.publishAddresses -}}
{{- $_ := set $settings "publish-address" (join "," $values.publishAddresses) -}}
{{- else if .Values.service.enabled -}}
{{- $_ := set $settings "publish-service" (printf "%s/%s" (include "holdfast.namespace" .) (include "holdfast.fullname" .)) -}}
{{- end -}}
{{ toYaml (merge $settings $values.settings) }}
{{- end }}

{{/* The port for TLS that clients know. */}}
{{- define "holdfast.publicPort" -}}
{{- if .Values.service.enabled }}{{ .Values.service.ports.https }}
{{- else if .Values.dataplane.hostPort.enabled }}{{ .Values.dataplane.hostPort.https }}
{{- else if .Values.hostNetwork }}{{ .Values.dataplane.ports.https }}
{{- else }}{{ .Values.service.ports.https }}
{{- end }}
{{- end }}

{{- define "holdfast.settings.dataplane" -}}
{{- $values := .Values.dataplane -}}
{{- $settings := dict
  "http" (printf "%s:%d" $values.bindAddress (int $values.ports.http))
  "https" (printf "%s:%d" $values.bindAddress (int $values.ports.https))
  "redirect-port" (int (include "holdfast.publicPort" .))
  "http2" $values.http2
  "h2c" $values.h2c
  "unknown-server-name" $values.unknownServerName
  "hsts" $values.hsts
  "admin" (printf "%s:%d" $values.bindAddress (int .Values.metrics.ports.dataplane))
  "run-dir" "/var/lib/holdfast"
  "drain-window" .Values.drain.window
  "drain-deadline" .Values.drain.deadline
  "access-log" (ternary "stdout" "off" $values.accessLog)
  "log-format" $values.logFormat
  "log-level" $values.logLevel
-}}
{{- with $values.trustedProxies -}}
{{- $_ := set $settings "trusted-proxies" (join "," .) -}}
{{- end -}}
{{- if $values.proxyProtocol -}}
{{- $_ := set $settings "proxy-protocol" true -}}
{{- end -}}
{{- with $values.threads -}}
{{- $_ := set $settings "workers" (int .) -}}
{{- end -}}
{{ toYaml (merge $settings $values.settings) }}
{{- end }}
