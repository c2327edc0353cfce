{{- define "carpool.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Names of objects. Short enough for what is put behind it, and without dots, which a release may have and a Service may not. */}}
{{- define "carpool.fullname" -}}
{{- $release := .Release.Name }}
{{- $long := contains (include "carpool.name" .) $release | ternary $release (printf "%s-%s" $release (include "carpool.name" .)) }}
{{- .Values.fullnameOverride | default $long | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "carpool.selectorLabels" -}}
app.kubernetes.io/name: {{ include "carpool.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "carpool.labels" -}}
{{ include "carpool.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "carpool.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "carpool.webhook" -}}
{{ include "carpool.fullname" . }}-webhook
{{- end }}

{{- define "carpool.webhookLabels" -}}
{{ include "carpool.labels" . }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "carpool.webhookSelector" -}}
{{ include "carpool.selectorLabels" . }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "carpool.serviceAccount" -}}
{{- with .Values.webhook.serviceAccount }}
{{- if .create }}{{ .name | default (include "carpool.webhook" $) }}{{ else }}{{ .name }}{{ end }}
{{- end }}
{{- end }}

{{/* The Secret with the webhook's certificate. Two names: the types of the two differ, and a type cannot be changed. */}}
{{- define "carpool.certificateSecret" -}}
{{ include "carpool.webhook" . }}-{{ eq .Values.webhook.certificates.source "self" | ternary "certificate" "tls" }}
{{- end }}

{{- define "carpool.mode" -}}
{{- if ne .Values.inject.mode "auto" }}{{ .Values.inject.mode }}
{{- else if semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}native
{{- else }}legacy
{{- end }}
{{- end }}

{{/* The namespaces with injected pods, as JSON. */}}
{{- define "carpool.namespaces" -}}
{{ .Values.namespaces | default (list .Release.Namespace) | uniq | sortAlpha | toJson }}
{{- end }}

{{/* Who may read the endpoints of a namespace. Takes root and namespaces. */}}
{{- define "carpool.subjects" -}}
{{- if .root.Values.rbac.subjects }}
{{- toYaml .root.Values.rbac.subjects }}
{{- else }}
{{- range .namespaces }}
- { apiGroup: rbac.authorization.k8s.io, kind: Group, name: {{ printf "system:serviceaccounts:%s" . | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{- define "carpool.readRules" -}}
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}

{{/* Refuses values that a schema cannot: what the configuration must not say in a pod, and what does not go together. */}}
{{- define "carpool.checkValues" -}}
{{- $config := .Values.config | default dict }}
{{- range $group, $value := dict "listener" .Values.inject.port "operator" .Values.inject.operatorPort }}
{{- $port := (get $config $group | default dict).port }}
{{- if and $port (ne (int $port) (int $value)) }}
{{- fail (printf "config.%s.port is %d, but the pod's port is that of inject.%s (%d): set that one, and leave config.%s.port out" $group (int $port) (eq $group "listener" | ternary "port" "operatorPort") (int $value) $group) }}
{{- end }}
{{- end }}
{{- with .Values.webhook }}
{{- if and .enabled (not .serviceAccount.create) (not .serviceAccount.name) }}
{{- fail "webhook.serviceAccount.create is false: name the account that is there (webhook.serviceAccount.name)" }}
{{- end }}
{{- end }}
{{- if .Values.webhook.enabled }}
{{- $name := include "carpool.webhook" . }}
{{- if not (regexMatch "^[a-z]" $name) }}
{{- fail (printf "no Service may be called %s: its name begins with a letter (set fullnameOverride)" $name) }}
{{- end }}
{{- if and (eq .Values.inject.configMap $name) (has .Release.Namespace (include "carpool.namespaces" . | fromJsonArray)) }}
{{- fail (printf "inject.configMap is %s, as the webhook's own ConfigMap in %s" $name .Release.Namespace) }}
{{- end }}
{{- if eq (int .Values.webhook.port) (int .Values.webhook.operatorPort) }}
{{- fail (printf "webhook.port and webhook.operatorPort are both %d" (int .Values.webhook.port)) }}
{{- end }}
{{- end }}
{{- if eq (int .Values.inject.port) (int .Values.inject.operatorPort) }}
{{- fail (printf "inject.port and inject.operatorPort are both %d" (int .Values.inject.port)) }}
{{- end }}
{{- if and (hasKey ($config.operator | default dict) "enabled") (not $config.operator.enabled) }}
{{- fail "config.operator.enabled is false: the start-up probe of the sidecar asks the operator port, and no pod would start" }}
{{- end }}
{{- end }}

{{/* Whether there is a pod for `helm test`. One that ends by itself is not injected in legacy mode, nor one that is never asked about. */}}
{{- define "carpool.hasTest" -}}
{{- $asked := and .Values.webhook.enabled (not (has .Release.Namespace .Values.webhook.excludedNamespaces)) }}
{{- if and .Values.tests.enabled $asked (eq (include "carpool.mode" .) "native") }}true{{ end }}
{{- end }}

{{/* A lifetime such as 90d, 36h or 45m as Go writes durations: days become hours. */}}
{{- define "carpool.hours" -}}
{{- if hasSuffix "d" . }}{{ mul (trimSuffix "d" . | int) 24 }}h{{ else }}{{ . }}{{ end }}
{{- end }}

{{/*
The settings of injection as YAML. What a user has set to null is gone from the values; here it stands as null or
empty again, else whoever reads this would take the default.
*/}}
{{- define "carpool.injection" -}}
{{- $settings := deepCopy .Values.inject }}
{{- $_ := set $settings "image" (include "carpool.image" .) }}
{{- $_ := set $settings "mode" (include "carpool.mode" .) }}
{{- $_ := set $settings "imagePullPolicy" ($settings.imagePullPolicy | default .Values.image.pullPolicy) }}
{{- if not (hasKey $settings "runAsUser") }}{{ $_ := set $settings "runAsUser" nil }}{{ end }}
{{- $resources := $settings.resources | default dict }}
{{- $_ := set $settings "resources" (dict "requests" ($resources.requests | default dict) "limits" ($resources.limits | default dict)) }}
{{- toYaml $settings }}
{{- end }}

{{- define "carpool.toApiServer" -}}
{{- with .Values.networkPolicy.apiServer }}
- ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock: { cidr: {{ . | quote }} }
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
