{{/*
The variables that a container lacks, as JSON: {variables, others}; others are its variables that name another proxy.
Nothing of what is there changes. Takes container, settings, noProxy and envFrom.
*/}}
{{- define "carpool-lib.variables" -}}
{{- $data := include "carpool-lib.data" . | fromJson }}
{{- $settings := .settings }}
{{- $port := $settings.port | int | toString }}
{{- $here := list (printf "127.0.0.1:%s" $port) (printf "localhost:%s" $port) }}
{{- $there := dict }}
{{- $others := dict }}
{{- $leads := false }}
{{- range .container.env | default list }}
  {{- if kindIs "map" . }}
  {{- $group := has .name (concat $data.proxyNames $data.noProxyNames) | ternary (lower .name) (toString .name) }}
  {{- $_ := set $there $group true }}
  {{- if has .name $data.proxyNames }}
    {{- $value := kindIs "string" .value | ternary .value "" | toString }}
    {{- if has ($value | trimPrefix "http://" | trimSuffix "/") $here }}
      {{- $leads = true }}
    {{- else if or $value (hasKey . "valueFrom") }}
      {{- $_ := set $others $group .name }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
{{- $add := dict }}
{{- if or .envFrom (not .container.envFrom) }}
  {{- $all := hasKey $others "all_proxy" }}
  {{- $http := not (or (hasKey $there "http_proxy") $all) }}
  {{- $https := and $settings.httpsProxy (not (or (hasKey $there "https_proxy") $all)) }}
  {{- $grpc := not (or (hasKey $there "grpc_proxy") $others) }}
  {{- $no := and (or $http $https $grpc $leads) (not (hasKey $there "no_proxy")) }}
  {{- $node := not (or (hasKey $there "NODE_USE_ENV_PROXY") $others) }}
  {{- $java := and $settings.java (not (hasKey $there "JAVA_TOOL_OPTIONS")) }}
  {{- $add = dict "http_proxy" $http "https_proxy" $https "grpc_proxy" $grpc "no_proxy" $no "NODE_USE_ENV_PROXY" $node "JAVA_TOOL_OPTIONS" $java }}
{{- end }}
{{- $hosts := concat $data.noProxy.always $settings.noProxy .noProxy | uniq }}
{{- $javaHosts := list }}
{{- range $hosts }}
  {{- if hasPrefix "." . }}{{ $javaHosts = append $javaHosts (printf "*%s" .) }}
  {{- else if regexMatch "^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$" . }}{{ $javaHosts = append $javaHosts (printf "[%s]" .) }}
  {{- else }}{{ $javaHosts = append $javaHosts . }}
  {{- end }}
{{- end }}
{{- $variables := list }}
{{- range $data.variables }}
  {{- $group := has .name (concat $data.proxyNames $data.noProxyNames) | ternary (lower .name) .name }}
  {{- if get $add $group }}
    {{- $value := .value }}
    {{- $list := join "," $hosts }}
    {{- if eq .name "JAVA_TOOL_OPTIONS" }}
      {{- $value = get $data.java (ternary "https" "http" $settings.httpsProxy) }}
      {{- $list = join "|" $javaHosts }}
    {{- end }}
    {{- $variables = append $variables (dict "name" .name "value" ($value | replace $data.marks.port $port | replace "%{noProxy}" $list)) }}
  {{- end }}
{{- end }}
{{- dict "variables" $variables "others" (values $others | sortAlpha) | toJson }}
{{- end }}
