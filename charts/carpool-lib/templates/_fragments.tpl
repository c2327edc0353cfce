{{/*
The pieces, for a pod template that is written by hand. Each takes settings and root, as carpool.inject does.

  initContainers:
    {{- include "carpool.container" (dict "settings" .Values.carpool "root" .) | nindent 4 }}
  containers:
    - name: app
      env:
        {{- include "carpool.env" (dict "settings" .Values.carpool "root" .) | nindent 8 }}
  volumes:
    {{- include "carpool.volumes" (dict "settings" .Values.carpool "root" .) | nindent 4 }}

Label the pods `carpool.dev/inject: "false"`, so that no webhook looks at them, and `carpool.dev/injected: "true"`, so that
the PodMonitor does. In legacy mode the container stands first of the containers.
*/}}

{{/* The sidecar: a list of one container. Also takes spec, for terminationGracePeriodSeconds. */}}
{{- define "carpool.container" -}}
{{- $settings := include "carpool-lib.settings" . | fromJson }}
{{- $spec := .spec | default dict | toJson | fromJson }}
{{- list (include "carpool-lib.sidecar" (dict "settings" $settings "runArguments" list "meshes" list "spec" $spec) | fromJson) | toYaml }}
{{- end }}

{{/* The volumes that it mounts. */}}
{{- define "carpool.volumes" -}}
{{- $settings := include "carpool-lib.settings" . | fromJson }}
{{- (include "carpool-lib.volumeList" (dict "settings" $settings) | fromJson).volumes | toYaml }}
{{- end }}

{{/* The variables of an app container. */}}
{{- define "carpool.env" -}}
{{- $settings := include "carpool-lib.settings" . | fromJson }}
{{- (include "carpool-lib.variables" (dict "container" dict "settings" $settings "noProxy" list "envFrom" true) | fromJson).variables | toYaml }}
{{- end }}
