{{/*
A pod template with the sidecar in it, as YAML: the same that `carpool inject` makes of it.

  template: {{- include "carpool.inject" (dict "template" $template "settings" .Values.carpool "root" .) | nindent 4 }}

template  metadata and spec of the pods, a dict (`include "my.podTemplate" . | fromYaml`)
settings  of injection, as in the chart carpool under `inject`, and `image`; what is missing has its default
root      the chart's context, for the version of Kubernetes
strict    true: fails where the pod cannot be injected, instead of leaving it as it is
*/}}
{{- define "carpool.inject" -}}
{{- $names := (include "carpool-lib.data" . | fromJson).names }}
{{- if not (kindIs "map" .template) }}
  {{- fail "carpool: template must be a dict with metadata and spec, such as include \"my.podTemplate\" . | fromYaml makes" }}
{{- end }}
{{- if hasKey .template "Error" }}
  {{- fail (printf "carpool: the template is no YAML: %s" .template.Error) }}
{{- end }}
{{- $pod := .template | toJson | fromJson }}
{{- $metadata := $pod.metadata | default dict }}
{{- $annotations := $metadata.annotations | default dict }}
{{- $labels := $metadata.labels | default dict }}
{{- $key := printf "%sinject" $names.prefix }}
{{- $out := false }}
{{- range list $annotations $labels }}
  {{- $said := get . $key }}
  {{- if hasKey . $key }}
    {{- if not (has (toString $said | trim) (list "true" "false")) }}
      {{- fail (printf "carpool: %s is %v: must be \"true\" or \"false\"" $key $said) }}
    {{- else if not (kindIs "string" $said) }}
      {{- fail (printf "carpool: %s is %v: must be text: put it in quotes" $key $said) }}
    {{- end }}
    {{- if eq (trim $said) "false" }}{{ $out = true }}{{ end }}
  {{- end }}
{{- end }}
{{- if hasKey $annotations $names.record }}
  {{- fail (printf "carpool: the template has the annotation %s: it has been injected already; carpool inject --remove takes that out" $names.record) }}
{{- end }}
{{- if $out }}
  {{- toYaml $pod }}
{{- else }}
  {{- $settings := include "carpool-lib.settings" . | fromJson }}
  {{- $wishes := include "carpool-lib.wishes" (dict "annotations" $annotations "settings" $settings) | fromJson }}
  {{- $reason := include "carpool-lib.skipReason" (dict "pod" $pod "wishes" $wishes) }}
  {{- if and $reason .strict }}
    {{- fail (printf "carpool: the pod cannot be injected: %s (docs/injection.md)" $reason) }}
  {{- end }}
  {{- if and (not $reason) ($pod.spec | default dict).containers }}
    {{- include "carpool-lib.injected" (dict "pod" $pod "wishes" $wishes) }}
  {{- else }}
    {{- toYaml $pod }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Takes pod, which is changed, and wishes. */}}
{{- define "carpool-lib.injected" -}}
{{- $data := include "carpool-lib.data" . | fromJson }}
{{- $names := $data.names }}
{{- $pod := .pod }}
{{- $wishes := .wishes }}
{{- $settings := $wishes.settings }}
{{- $native := eq $settings.mode "native" }}
{{- $spec := $pod.spec }}
{{- $meshes := list }}
{{- $app := "" }}
{{- range concat ($spec.initContainers | default list) ($spec.containers | default list) }}
  {{- if has .name $names.meshes }}{{ $meshes = append $meshes .name }}{{ end }}
{{- end }}
{{- range reverse $spec.containers }}
  {{- if not (has .name $names.meshes) }}{{ $app = .name }}{{ end }}
{{- end }}

{{- $made := list }}
{{- $nulls := list }}
{{- $metadata := $pod.metadata | default dict }}
{{- $places := list (list "metadata" $pod "metadata") (list "labels" $metadata "labels") (list "annotations" $metadata "annotations") }}
{{- if $native }}{{ $places = append $places (list "initContainers" $spec "initContainers") }}{{ end }}
{{- range append $places (list "volumes" $spec "volumes") }}
  {{- if not (hasKey (index . 1) (index . 2)) }}{{ $made = append $made (first .) }}
  {{- else if kindIs "invalid" (get (index . 1) (index . 2)) }}{{ $nulls = append $nulls (first .) }}
  {{- end }}
{{- end }}

{{- $added := dict }}
{{- range $list := list "initContainers" "containers" }}
  {{- range get $spec $list | default list }}
    {{- $named := or (kindIs "invalid" $wishes.containers) (has .name ($wishes.containers | default list)) }}
    {{- $may := or (eq $list "containers") (and $native (kindIs "slice" $wishes.containers)) }}
    {{- if and (kindIs "string" .name) $named $may (not (has .name $names.meshes)) }}
      {{- $lacks := include "carpool-lib.variables" (dict "container" . "settings" $settings "noProxy" $wishes.noProxy "envFrom" $wishes.envFrom) | fromJson }}
      {{- if and $wishes.adoptProxy $lacks.others }}
        {{- fail (printf "carpool: annotation %sadopt-proxy: a template cannot take over %s of container %s; use the webhook or carpool inject, or set egress.parentProxy in carpool's configuration" $names.prefix (join ", " $lacks.others) .name) }}
      {{- end }}
      {{- $variables := list }}
      {{- range $lacks.variables }}{{ $variables = append $variables .name }}{{ end }}
      {{- $_ := set $added .name $variables }}
      {{- if $lacks.variables }}
        {{- if not (hasKey . "env") }}{{ $made = append $made (printf "env/%s" .name) }}
        {{- else if kindIs "invalid" .env }}{{ $nulls = append $nulls (printf "env/%s" .name) }}
        {{- end }}
        {{- $_ := set . "env" (concat (.env | default list) $lacks.variables) }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}

{{- $sidecar := include "carpool-lib.sidecar" (dict "settings" $settings "runArguments" $wishes.runArguments "meshes" $meshes "spec" $spec) | fromJson }}
{{- $first := ternary "initContainers" "containers" $native }}
{{- $_ := set $spec $first (prepend (get $spec $first | default list) $sidecar) }}
{{- $volumes := (include "carpool-lib.volumeList" (dict "settings" $settings) | fromJson).volumes }}
{{- $_ := set $spec "volumes" (concat ($spec.volumes | default list) $volumes) }}

{{- $labels := $metadata.labels | default dict }}
{{- $annotations := $metadata.annotations | default dict }}
{{- $record := dict "version" $data.version "mode" $settings.mode "port" $settings.port "variables" $added }}
{{- if hasKey $labels $names.label }}{{ $_ := set $record "labels" (dict $names.label (get $labels $names.label)) }}{{ end }}
{{- $more := list }}
{{- if and $meshes (not (hasKey $annotations $names.discovery)) }}
  {{- $sorted := list }}
  {{- range $names.meshes }}{{ if has . $meshes }}{{ $sorted = append $sorted . }}{{ end }}{{ end }}
  {{- $_ := set $annotations $names.discovery (printf "off (%s)" (join ", " $sorted)) }}
  {{- $more = append $more $names.discovery }}
{{- end }}
{{- if and (not $native) $app (not (hasKey $annotations $names.defaultContainer)) }}
  {{- $_ := set $annotations $names.defaultContainer $app }}
  {{- $more = append $more $names.defaultContainer }}
{{- end }}
{{- with $more }}{{ $_ := set $record "annotations" . }}{{ end }}
{{- with $made }}{{ $_ := set $record "made" . }}{{ end }}
{{- with $nulls }}{{ $_ := set $record "nulls" . }}{{ end }}
{{- $_ := set $annotations $names.record (toRawJson $record) }}
{{- $_ := set $labels $names.label "true" }}
{{- $_ := set $metadata "labels" $labels }}
{{- $_ := set $metadata "annotations" $annotations }}
{{- $_ := set $pod "metadata" $metadata }}
{{- toYaml $pod }}
{{- end }}
