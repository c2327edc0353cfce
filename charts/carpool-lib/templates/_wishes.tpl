{{/*
The settings of one pod: those of the installation with the pod's annotations over them, as JSON with the keys settings,
ownPorts, runArguments, noProxy, containers (null: all), envFrom, adoptProxy. Fails where an annotation cannot be read.
Takes annotations and settings.
*/}}
{{- define "carpool-lib.wishes" -}}
{{- $data := include "carpool-lib.data" . | fromJson }}
{{- $settings := .settings }}
{{- $said := dict }}
{{- range $name, $kind := include "carpool-lib.wishKinds" . | fromJson }}
  {{- $key := printf "%s%s" $data.names.prefix $name }}
  {{- if hasKey $.annotations $key }}
    {{- $raw := get $.annotations $key }}
    {{- if not (kindIs "string" $raw) }}
      {{- fail (printf "carpool: annotation %s is %v: must be text: put it in quotes" $key $raw) }}
    {{- end }}
    {{- include "carpool-lib.checkWish" (dict "key" $key "text" (trim $raw) "kind" $kind "data" $data) }}
    {{- $_ := set $said $name (trim $raw) }}
  {{- end }}
{{- end }}
{{- range $name, $setting := dict "port" "port" "operator-port" "operatorPort" }}
  {{- with get $said $name }}{{ $_ := set $settings $setting (float64 .) }}{{ end }}
{{- end }}
{{- range $name, $setting := dict "mode" "mode" "config-map" "configMap" }}
  {{- with get $said $name }}{{ $_ := set $settings $setting . }}{{ end }}
{{- end }}
{{- range $name, $setting := dict "https-proxy" "httpsProxy" "java" "java" }}
  {{- with get $said $name }}{{ $_ := set $settings $setting (eq . "true") }}{{ end }}
{{- end }}
{{- range $resource := list "cpu" "memory" }}
  {{- range $bound, $group := dict "request" "requests" "limit" "limits" }}
    {{- with get $said (printf "%s-%s" $resource $bound) }}
      {{- $quantities := get $settings.resources $group }}
      {{- if regexMatch "^(0+(\\.0*)?|\\.0+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$" . }}
        {{- $_ := unset $quantities $resource }}
      {{- else }}
        {{- $_ := set $quantities $resource . }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if eq (float64 $settings.port) (float64 $settings.operatorPort) }}
  {{- fail (printf "carpool: %sport and %soperator-port are both %v: carpool's two ports must differ" $data.names.prefix $data.names.prefix $settings.port) }}
{{- end }}
{{- $arguments := list }}
{{- with get $said "log-level" }}{{ $arguments = list "--log-level" . }}{{ end }}
{{- range splitList "\n" (get $said "set") }}
  {{- with trim . }}{{ $arguments = concat $arguments (list "--set" .) }}{{ end }}
{{- end }}
{{- $containers := list }}
{{- range splitList "," (get $said "containers") }}
  {{- with trim . }}{{ $containers = append $containers . }}{{ end }}
{{- end }}
{{- $noProxy := list }}
{{- range splitList "," (get $said "no-proxy") }}
  {{- with trim . }}{{ $noProxy = append $noProxy . }}{{ end }}
{{- end }}
{{- dict "settings" $settings
  "ownPorts" (and (hasKey $said "port") (hasKey $said "operator-port"))
  "runArguments" $arguments
  "noProxy" $noProxy
  "containers" (ternary $containers nil (hasKey $said "containers"))
  "envFrom" (eq (get $said "env-from") "true")
  "adoptProxy" (eq (get $said "adopt-proxy") "true") | toJson }}
{{- end }}

{{/* The annotations without their prefix, and what each holds. */}}
{{- define "carpool-lib.wishKinds" -}}
{{- dict "inject" "boolean" "mode" "mode" "config-map" "name" "set" "set" "log-level" "level" "port" "port" "operator-port" "port"
  "https-proxy" "boolean" "no-proxy" "hosts" "java" "boolean" "containers" "containers" "env-from" "boolean" "adopt-proxy" "boolean"
  "cpu-request" "quantity" "cpu-limit" "quantity" "memory-request" "quantity" "memory-limit" "quantity" | toJson }}
{{- end }}

{{/* Fails where an annotation does not hold what it should. Takes key, text, kind and data. */}}
{{- define "carpool-lib.checkWish" -}}
{{- $rules := dict
  "boolean" (list "^(true|false)$" "must be \"true\" or \"false\"")
  "mode" (list "^(native|legacy)$" "must be native or legacy")
  "name" (list .data.schema.configMap.pattern "must be the name of a ConfigMap")
  "level" (list (printf "^(%s)$" (join "|" .data.logLevels)) (printf "must be one of %s" (join ", " .data.logLevels)))
  "port" (list "^0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$" "must be a port from 1 to 65535")
  "quantity" (list "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3})?$" "must be a quantity such as 20m or 96Mi")
  "containers" (list "^[ ,]*[a-z0-9]([a-z0-9-]*[a-z0-9])?([ ,]*,[ ,]*[a-z0-9]([a-z0-9-]*[a-z0-9])?)*[ ,]*$" "must be names of containers, with commas between") }}
{{- $wrong := "" }}
{{- if hasKey $rules .kind }}
  {{- $rule := get $rules .kind }}
  {{- if not (regexMatch (first $rule) .text) }}{{ $wrong = last $rule }}{{ end }}
{{- else if eq .kind "hosts" }}
  {{- range splitList "," .text }}
    {{- $host := trim . }}
    {{- if and $host (not (regexMatch $.data.noProxy.entry $host)) }}{{ $wrong = "must be names and addresses, with commas between" }}{{ end }}
  {{- end }}
{{- else if eq .kind "set" }}
  {{- range splitList "\n" .text }}
    {{- $path := splitList "=" . | first | trim }}
    {{- if and (trim .) (not (regexMatch "^[^=]+=\\s*\\S" (trim .))) }}
      {{- $wrong = "must be lines of path=value" }}
    {{- else if has $path (list "listener.port" "operator.port") }}
      {{- $wrong = printf "%s cannot be set here: use the annotation of the port" $path }}
    {{- else if has $path (list "listener.host" "operator.host" "operator.enabled") }}
      {{- $wrong = printf "%s cannot be set here: the pod needs it as it is" $path }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if $wrong }}
  {{- fail (printf "carpool: annotation %s is %q: %s" .key .text $wrong) }}
{{- end }}
{{- end }}
