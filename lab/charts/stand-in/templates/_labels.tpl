{{- /* Labels by which a workload and its Service find its pods: (dict "root" . "name" NAME). */ -}}
{{- define "stand-in.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}
