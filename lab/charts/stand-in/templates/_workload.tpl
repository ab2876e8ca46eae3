{{- /*
A workload of the lab's image, ready as soon as it answers: (dict "root" . "kind" "Deployment" or
"DaemonSet" "name" NAME). Optional: "replicas"; "environment", a map by which a value of the chart
reaches the pods; "secrets", the names of Secrets that must be there, as real pods would not start
without them; "labels", of the workload itself; "node", where its pods run; "port", for one that runs
on the host's network, before there is another.
*/ -}}
{{- define "stand-in.workload" -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "stand-in.labels" . | nindent 4 }}
    {{- with .labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "stand-in.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "stand-in.labels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      {{- if .port }}
      hostNetwork: true
      tolerations:
        - {operator: Exists}
      {{- end }}
      {{- with .node }}
      nodeSelector: {kubernetes.io/hostname: {{ . }}}
      {{- end }}
      containers:
        - name: echo
          image: docker.io/lab/http-echo:1
          imagePullPolicy: IfNotPresent
          env:
            {{- range $name, $value := .environment }}
            - {name: {{ $name }}, value: {{ $value | toString | quote }}}
            {{- end }}
            - {name: PORT, value: {{ .port | default 8080 | toString | quote }}}
            - name: NODE_NAME
              valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
          ports:
            - {name: http, containerPort: {{ .port | default 8080 }}}
          readinessProbe:
            httpGet: {path: /, port: http}
            periodSeconds: 1
          securityContext: {{- include "stand-in.security" . | nindent 12 }}
          {{- with .secrets }}
          volumeMounts:
            {{- range . }}
            - {name: {{ . }}, mountPath: /secrets/{{ . }}, readOnly: true}
            {{- end }}
          {{- end }}
      {{- with .secrets }}
      volumes:
        {{- range . }}
        - name: {{ . }}
          secret: {secretName: {{ . }}}
        {{- end }}
      {{- end }}
{{- end }}

{{- define "stand-in.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65534
capabilities: {drop: [ALL]}
{{- end }}
