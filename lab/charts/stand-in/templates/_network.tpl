{{- /*
A network plugin, by the node's own programs: a bridge with the node's own pod range, VXLAN between
nodes, and the configuration by which containerd finds it: the kubelet is Ready with it, as with a
real one. What that would put into /opt/cni/bin, too, is there by Debian: (dict "root" . "name" NAME
"namespace" NAME "bridge" INTERFACE).
*/ -}}
{{- define "stand-in.network" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
rules:
  - {apiGroups: [""], resources: [nodes], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .namespace }}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "stand-in.labels" . | nindent 4 }}
spec:
  selector:
    matchLabels: {{- include "stand-in.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "stand-in.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ .name }}
      hostNetwork: true
      tolerations:
        - {operator: Exists}
      containers:
        - name: network
          image: docker.io/lab/http-echo:1
          imagePullPolicy: IfNotPresent
          command: [/usr/bin/sh, -c]
          args:
            - |{{ include "stand-in.network.script" . | nindent 14 }}
          env:
            - {name: PATH, value: "/usr/local/bin:/usr/sbin:/usr/bin"}
            - {name: BRIDGE, value: {{ .bridge }}}
            - name: NODE
              valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
            - name: ADDRESS
              valueFrom: {fieldRef: {fieldPath: status.hostIP}}
          readinessProbe:
            exec: {command: [/usr/bin/test, -e, /etc/cni/net.d/10-{{ .bridge }}.conflist]}
            periodSeconds: 1
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL], add: [NET_ADMIN, DAC_OVERRIDE]}
          volumeMounts:
            {{- range list "usr" "lib" "lib64" }}
            - {name: {{ . }}, mountPath: /{{ . }}, readOnly: true}
            {{- end }}
            - {name: configuration, mountPath: /etc/cni/net.d}
      volumes:
        {{- range list "usr" "lib" "lib64" }}
        - {name: {{ . }}, hostPath: {path: /{{ . }}, type: Directory}}
        {{- end }}
        - {name: configuration, hostPath: {path: /etc/cni/net.d, type: DirectoryOrCreate}}
{{- end }}

{{- define "stand-in.network.script" -}}
set -eu
trap 'exit 0' TERM
secrets=/var/run/secrets/kubernetes.io/serviceaccount

nodes() {
  k3s kubectl --server "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT" \
    --token "$(cat $secrets/token)" --certificate-authority $secrets/ca.crt get nodes --output \
    'jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
}

# hardware ADDRESS: that of a node's end of the tunnels.
hardware() { printf '02:00:%02x:%02x:%02x:%02x\n' $(echo "$1" | tr . ' '); }

# own RANGE: the tunnels' device and the configuration; last of all what containerd looks for.
own() {
  ip link show "$BRIDGE-vxlan" >/dev/null 2>&1 ||
    ip link add "$BRIDGE-vxlan" address "$(hardware "$ADDRESS")" mtu 1450 \
      type vxlan id 4096 dstport 4789 local "$ADDRESS" nolearning
  ip address replace "${1%.*}.0/32" dev "$BRIDGE-vxlan"
  ip link set "$BRIDGE-vxlan" up
  [ -e "/etc/cni/net.d/10-$BRIDGE.conflist" ] || {
    printf '{"cniVersion": "0.4.0", "name": "%s", "plugins": [{"type": "bridge", "bridge": "%s",
      "isDefaultGateway": true, "hairpinMode": true, "ipMasq": true, "mtu": 1450,
      "ipam": {"type": "host-local", "subnet": "%s"}},
      {"type": "portmap", "capabilities": {"portMappings": true}}]}\n' "$BRIDGE" "$BRIDGE" "$1" \
      >"/etc/cni/net.d/.10-$BRIDGE"
    mv "/etc/cni/net.d/.10-$BRIDGE" "/etc/cni/net.d/10-$BRIDGE.conflist"
    echo "pods of $NODE have $1"
  }
}

# other RANGE ADDRESS: the way to another node's pods.
other() {
  bridge fdb replace "$(hardware "$2")" dev "$BRIDGE-vxlan" dst "$2"
  ip neighbour replace "${1%.*}.0" lladdr "$(hardware "$2")" dev "$BRIDGE-vxlan" nud permanent
  ip route replace "$1" via "${1%.*}.0" dev "$BRIDGE-vxlan" onlink
}

# As long as it runs, nodes that come are met; the API may be out of reach now and then.
while true; do
  found=$(nodes) || found=''
  echo "$found" | while read -r name range address; do
    if [ -n "$address" ] && [ "$name" = "$NODE" ]; then own "$range"; fi
  done
  echo "$found" | while read -r name range address; do
    if [ -n "$address" ] && [ "$name" != "$NODE" ]; then other "$range" "$address"; fi
  done
  sleep 2 &
  wait $!
done
{{- end }}
