{{/* What the controller may do, rule by rule. */}}

{{/* In every namespace that it watches. */}}
{{- define "holdfast.rules.namespaced" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
- apiGroups: [holdfast.dev]
  resources: [websocketroutes]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [referencegrants]
  verbs: [get, list, watch]
{{- if .Values.controller.updateStatus }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch, update]
- apiGroups: [holdfast.dev]
  resources: [websocketroutes/status]
  verbs: [patch, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
{{- end }}

{{/* Where Secrets may be read: All, Namespaces or None. */}}
{{- define "holdfast.secrets" -}}
{{- $scoped := and (eq .Values.rbac.scope "Namespaces") (eq .Values.rbac.secrets "All") -}}
{{- ternary "Namespaces" .Values.rbac.secrets $scoped -}}
{{- end }}

{{/* ConfigMaps hold authorities, and are asked for by their names. */}}
{{- define "holdfast.rules.secrets" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- end }}

{{/* Outside namespaces. */}}
{{- define "holdfast.rules.cluster" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
{{- if eq .Values.rbac.scope "Namespaces" }}
# By it the controller knows whether an API server that comes back still is the same cluster.
- apiGroups: [""]
  resources: [services]
  resourceNames: [kubernetes]
  verbs: [get]
{{- end }}
{{- if .Values.controller.watchNamespaceSelector }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{/* In its own namespace: who leads, which replicas there are, and the addresses of its own Service. */}}
{{- define "holdfast.rules.own" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch, delete]
{{- if and .Values.service.enabled (eq .Values.rbac.scope "Namespaces") }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{/* To take back what it wrote. */}}
{{- define "holdfast.rules.cleanup" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list]
- apiGroups: [holdfast.dev]
  resources: [websocketroutes]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: [holdfast.dev]
  resources: [websocketroutes/status]
  verbs: [patch]
{{- end }}

{{/* `roleRef` and `subjects` of a binding. Argument: a list of the root, the kind and the name of the role. */}}
{{- define "holdfast.binding" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
- kind: ServiceAccount
  name: {{ include "holdfast.serviceAccountName" (index . 0) }}
  namespace: {{ include "holdfast.namespace" (index . 0) }}
{{- end }}
