{{- /*
A validating webhook that allows everything, and listens only webhookDelaySeconds after its pod has
started: (dict "root" . "name" NAME "service" NAME "rules" LIST). Without a readiness probe its pod
is ready before, so that the release is deployed while the API server still gets no answer: what a
real controller does that waits for its certificate.

The certificate is the first installation's for as long as the release stands: a new one at each
upgrade would not be the one that the running pod has read.
*/ -}}
{{- define "stand-in.webhook" -}}
{{- $host := printf "%s.%s.svc" .service .root.Release.Namespace }}
{{- $known := (lookup "v1" "Secret" .root.Release.Namespace (printf "%s-cert" .name)).data }}
{{- if not $known }}
{{- $ca := genCA .name 3650 }}
{{- $pair := genSignedCert $host nil (list $host) 3650 $ca }}
{{- $known = dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $pair.Cert) "tls.key" (b64enc $pair.Key) }}
{{- end }}
{{- $labels := include "stand-in.labels" . }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}-cert
  namespace: {{ .root.Release.Namespace }}
data: {{- toYaml $known | nindent 2 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .service }}
  namespace: {{ .root.Release.Namespace }}
spec:
  selector: {{- $labels | nindent 4 }}
  ports:
    - {name: https, port: 443, targetPort: https}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
spec:
  selector:
    matchLabels: {{- $labels | nindent 6 }}
  template:
    metadata:
      labels: {{- $labels | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: webhook
          image: docker.io/lab/http-echo:1
          imagePullPolicy: IfNotPresent
          args:
            - webhook
            - --certificate=/certificate/tls.crt
            - --key=/certificate/tls.key
            - --after={{ .root.Values.webhookDelaySeconds }}
          ports:
            - {name: https, containerPort: 9443}
          securityContext: {{- include "stand-in.security" . | nindent 12 }}
          volumeMounts:
            - {name: certificate, mountPath: /certificate, readOnly: true}
      volumes:
        - name: certificate
          secret: {secretName: {{ .name }}-cert}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: {{ .name }}
webhooks:
  - name: {{ .name }}.lab.test
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    clientConfig:
      caBundle: {{ get $known "ca.crt" }}
      service:
        name: {{ .service }}
        namespace: {{ .root.Release.Namespace }}
        path: /validate
    rules: {{- toYaml .rules | nindent 6 }}
{{- end }}
