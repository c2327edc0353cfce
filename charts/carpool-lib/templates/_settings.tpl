{{/*
The settings of injection, checked, with the defaults where nothing is said, as JSON.
Takes settings (may be nil) and root (for the version of Kubernetes).
*/}}
{{- define "carpool-lib.settings" -}}
{{- $data := include "carpool-lib.data" . | fromJson }}
{{- $settings := $data.defaults }}
{{- if not (has (kindOf .settings) (list "map" "invalid")) }}
  {{- fail (printf "carpool: settings is %v: must be a group of settings of injection, such as {httpsProxy: true}" .settings) }}
{{- end }}
{{- range $name, $value := .settings | default dict }}
  {{- if not (hasKey $data.schema $name) }}
    {{- fail (printf "carpool: %s is no setting of injection; there are %s" $name (keys $data.schema | sortAlpha | join ", ")) }}
  {{- end }}
  {{- if or (not (kindIs "invalid" $value)) (eq $name "runAsUser") }}
    {{- include "carpool-lib.checkSetting" (dict "name" $name "value" $value "spec" (get $data.schema $name)) }}
    {{- if eq $name "resources" }}
      {{- range $group, $quantities := $value }}
        {{- if not (has $group (list "requests" "limits")) }}
          {{- fail (printf "carpool: resources.%s is no setting of injection; there are requests, limits" $group) }}
        {{- end }}
        {{- $_ := set $settings.resources $group ($quantities | default dict) }}
      {{- end }}
    {{- else }}
      {{- $_ := set $settings $name $value }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $settings.noProxy }}
  {{- if not (and (kindIs "string" .) (regexMatch $data.noProxy.entry (toString .))) }}
    {{- fail (printf "carpool: noProxy holds %v: must be a name or an address, without commas or spaces" .) }}
  {{- end }}
{{- end }}
{{- range $name, $value := $settings.env }}
  {{- if not (kindIs "string" $value) }}
    {{- fail (printf "carpool: env.%s is %v: must be text, in quotes where it is a number" $name $value) }}
  {{- end }}
{{- end }}
{{- if eq $settings.mode "auto" }}
  {{- $new := true }}
  {{- with .root }}
    {{- $new = semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}
  {{- end }}
  {{- $_ := set $settings "mode" (ternary "native" "legacy" $new) }}
{{- end }}
{{- toJson $settings }}
{{- end }}

{{/* Fails where a setting is not as the schema of the settings has it. Takes name, value and spec. */}}
{{- define "carpool-lib.checkSetting" -}}
{{- $types := kindIs "slice" .spec.type | ternary .spec.type (list .spec.type) }}
{{- $type := get (dict "string" "string" "bool" "boolean" "slice" "array" "map" "object" "invalid" "null" "int" "integer" "int64" "integer" "float64" "integer") (kindOf .value) }}
{{- if not (has $type $types) }}
  {{- fail (printf "carpool: %s is %v: must be of type %s" .name .value (join " or " $types)) }}
{{- end }}
{{- if and .spec.enum (not (has .value .spec.enum)) }}
  {{- fail (printf "carpool: %s is %v: must be one of %s" .name .value (join ", " .spec.enum)) }}
{{- end }}
{{- if and .spec.pattern (not (regexMatch .spec.pattern .value)) }}
  {{- fail (printf "carpool: %s is %q: must match %s" .name .value .spec.pattern) }}
{{- end }}
{{- if eq $type "integer" }}
  {{- $number := float64 .value }}
  {{- if or (lt $number .spec.minimum) (gt $number .spec.maximum) (ne $number (floor $number)) }}
    {{- fail (printf "carpool: %s is %v: must be a whole number from %v to %v" .name .value .spec.minimum .spec.maximum) }}
  {{- end }}
{{- end }}
{{- end }}
