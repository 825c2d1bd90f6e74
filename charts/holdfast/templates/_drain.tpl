{{/* Durations, and how long a pod may take to end. */}}

{{/* A duration such as '1h30m' in seconds, rounded up. */}}
{{- define "holdfast.seconds" -}}
{{- $scales := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | atoi) (get $scales (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{ div (add $sum 999) 1000 }}
{{- end }}

{{/* terminationGracePeriodSeconds: what is said, or just enough. */}}
{{- define "holdfast.grace" -}}
{{- $drain := .Values.drain -}}
{{- $deadline := include "holdfast.seconds" $drain.deadline | int -}}
{{- if gt (include "holdfast.seconds" $drain.window | int) $deadline -}}
{{- fail (printf "`drain.window` (%s) must not be longer than `drain.deadline` (%s)" $drain.window $drain.deadline) -}}
{{- end -}}
{{- $enough := add (include "holdfast.seconds" $drain.preStopDelay | int) $deadline 20 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{ $enough }}
{{- else if lt (int $given) (int $enough) -}}
{{- fail (printf "`terminationGracePeriodSeconds` (%d) must be at least %d: `drain.preStopDelay` (%s) + `drain.deadline` (%s) + 20 s; leave it out, or shorten `drain.deadline`" (int $given) (int $enough) $drain.preStopDelay $drain.deadline) -}}
{{- else -}}
{{ int $given }}
{{- end -}}
{{- end }}
