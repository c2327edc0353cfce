{{/*
Why a pod is not injected (docs/injection.md), or nothing. What was asked for by `carpool.dev/inject: "false"` is not asked here.
Takes pod and wishes.
*/}}
{{- define "carpool-lib.skipReason" -}}
{{- $names := (include "carpool-lib.data" . | fromJson).names }}
{{- $settings := .wishes.settings }}
{{- $spec := .pod.spec | default dict }}
{{- $selector := $spec.nodeSelector | default dict }}
{{- $os := ($spec.os | default dict).name | default (get $selector "kubernetes.io/os") | default (get $selector "beta.kubernetes.io/os") }}
{{- $own := false }}
{{- $taken := false }}
{{- range concat ($spec.initContainers | default list) ($spec.containers | default list) }}
  {{- if eq (toString .name) $names.container }}{{ $own = true }}{{ end }}
  {{- range .ports | default list }}
    {{- if and (kindIs "float64" .containerPort) (eq (.protocol | default "TCP") "TCP") }}
      {{- if has .containerPort (list (float64 $settings.port) (float64 $settings.operatorPort)) }}{{ $taken = true }}{{ end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $spec.volumes | default list }}
  {{- if has .name $names.volumes }}{{ $own = true }}{{ end }}
{{- end }}
{{- if or (eq (toString $os) "windows") ($spec.securityContext | default dict).windowsOptions }}windows
{{- else if hasKey ((.pod.metadata | default dict).annotations | default dict) "kubernetes.io/config.mirror" }}static_pod
{{- else if $own }}own_sidecar
{{- else if and $spec.hostNetwork (not .wishes.ownPorts) }}host_network
{{- else if $taken }}port_taken
{{- else if and (eq $settings.mode "legacy") (ne ($spec.restartPolicy | default "Always") "Always") }}never_ends
{{- end }}
{{- end }}
