{{/* The sidecar as JSON. Takes settings, runArguments, meshes, and spec (of the pod, may be nil). */}}
{{- define "carpool-lib.sidecar" -}}
{{- $text := include "carpool-lib.data" . }}
{{- $data := $text | fromJson }}
{{- $settings := .settings }}
{{- $legacy := eq $settings.mode "legacy" }}
{{- $spec := .spec | default dict }}
{{- $grace := 30.0 }}
{{- if kindIs "float64" $spec.terminationGracePeriodSeconds }}
  {{- if ge $spec.terminationGracePeriodSeconds 0.0 }}{{ $grace = floor $spec.terminationGracePeriodSeconds }}{{ end }}
{{- end }}
{{- $preStop := min (int $settings.preStopSeconds) (div (int $grace) 2) }}
{{- $stop := max 0 (sub (sub (int $grace) $preStop) 1) }}
{{- /* Where the pod has root for all, the kubelet would refuse a container that must not be root. */}}
{{- $user := $settings.runAsUser }}
{{- if and (kindIs "invalid" $user) (eq (toString ($spec.securityContext | default dict).runAsUser) "0") }}
  {{- $user = $data.defaults.runAsUser }}
{{- end }}
{{- $json := get $data.sidecar $settings.mode | toRawJson
  | replace $data.marks.operatorPort ($settings.operatorPort | int | toString)
  | replace $data.marks.port ($settings.port | int | toString)
  | replace $data.marks.user ($user | int | toString)
  | replace $data.marks.preStop ($preStop | toString | quote)
  | replace $data.marks.shutdownGrace (eq (int $stop) 0 | ternary "0" (printf "%ds" (int $stop))) }}
{{- $sidecar := $json | fromJson }}
{{- $_ := set $sidecar "image" $settings.image }}
{{- $_ := set $sidecar "imagePullPolicy" $settings.imagePullPolicy }}
{{- $_ := set $sidecar "args" (concat $sidecar.args .runArguments) }}
{{- $resources := dict }}
{{- if not $spec.resources }}
  {{- range $group, $quantities := $settings.resources }}
    {{- with $quantities }}{{ $_ := set $resources $group . }}{{ end }}
  {{- end }}
{{- end }}
{{- if $resources }}{{ $_ := set $sidecar "resources" $resources }}{{ else }}{{ $_ := unset $sidecar "resources" }}{{ end }}
{{- if kindIs "invalid" $user }}
  {{- $_ := unset $sidecar.securityContext "runAsUser" }}
  {{- $_ := unset $sidecar.securityContext "runAsGroup" }}
{{- end }}
{{- if and $legacy (eq (int $preStop) 0) }}{{ $_ := unset $sidecar.lifecycle "preStop" }}{{ end }}
{{- if not $settings.apiAccess }}
  {{- $mounts := list }}
  {{- range $sidecar.volumeMounts }}
    {{- if ne .name (last $data.names.volumes) }}{{ $mounts = append $mounts . }}{{ end }}
  {{- end }}
  {{- $_ := set $sidecar "volumeMounts" $mounts }}
{{- end }}
{{- $given := dict
  "NODE_OPTIONS" (and (hasKey $resources "limits") (hasKey $settings.resources.limits "memory"))
  "CARPOOL_LISTENER_PORT" (ne (int $settings.port) (int $data.defaults.port))
  "CARPOOL_OPERATOR_PORT" (ne (int $settings.operatorPort) (int $data.defaults.operatorPort))
  "CARPOOL_SHUTDOWN_GRACE" (lt (int $stop) 30)
  $data.names.noDiscovery (or .meshes (not $settings.apiAccess)) }}
{{- $env := list }}
{{- range $sidecar.env }}
  {{- if and (or (has .name (get $data.always $settings.mode)) (get $given .name)) (not (hasKey $settings.env .name)) }}
    {{- $env = append $env . }}
  {{- end }}
{{- end }}
{{- range $name := keys $settings.env | sortAlpha }}
  {{- $env = append $env (dict "name" $name "value" (get $settings.env $name)) }}
{{- end }}
{{- $_ := set $sidecar "env" $env }}
{{- toJson $sidecar }}
{{- end }}

{{/* The volumes of the sidecar, as JSON: {volumes}. Takes settings. */}}
{{- define "carpool-lib.volumeList" -}}
{{- $data := include "carpool-lib.data" . | fromJson }}
{{- $volumes := list }}
{{- range $data.volumes }}
  {{- if or $.settings.apiAccess (ne .name (last $data.names.volumes)) }}
    {{- $volumes = append $volumes (toRawJson . | replace "%{configMap}" $.settings.configMap | fromJson) }}
  {{- end }}
{{- end }}
{{- dict "volumes" $volumes | toJson }}
{{- end }}
