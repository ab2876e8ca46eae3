// Package paths is the layout of k3s's folders: where each file is, below the data directory or outside it.
package paths

import "path/filepath"

// Places outside the data directory.
const (
	DefaultDataDir    = "/var/lib/rancher/k3s"
	DefaultConfigFile = "/etc/rancher/k3s/config.yaml"
	Kubeconfig        = "/etc/rancher/k3s/k3s.yaml"
	NodePassword      = "/etc/rancher/node/password"
	NodeID            = "/etc/rancher/node/id"
	ContainerdState   = "/run/k3s/containerd"
	ContainerdSocket  = "/run/k3s/containerd/containerd.sock"
	CNIPlugins        = "/usr/lib/cni"
)

// Where containerd by itself looks for a network plugin: k3s says nothing else when flannel is not its own.
const (
	OthersCNIPlugins = "/opt/cni/bin"
	OthersCNIConf    = "/etc/cni/net.d"
)

// Data is the data directory of a node, /var/lib/rancher/k3s unless --data-dir says otherwise.
type Data string

func (d Data) join(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

// Server is a file of the server's own.
func (d Data) Server(name string) string { return d.join("server", name) }

// TLS is a certificate or key of the server.
func (d Data) TLS(name string) string { return d.join("server", "tls", name) }

// Cred is a kubeconfig of one of the server's own components, or what Secrets are encrypted with.
func (d Data) Cred(name string) string { return d.join("server", "cred", name) }

// ServerToken holds the full token that joins servers and, without an agent token, agents.
func (d Data) ServerToken() string { return d.join("server", "token") }

// NodeToken is k3s's older name of ServerToken.
func (d Data) NodeToken() string { return d.join("server", "node-token") }

// AgentToken holds the full token that joins agents only.
func (d Data) AgentToken() string { return d.join("server", "agent-token") }

// Etcd is the datastore of this member.
func (d Data) Etcd() string { return d.join("server", "db", "etcd") }

// Manifests is the folder whose YAML files the server applies.
func (d Data) Manifests() string { return d.join("server", "manifests") }

// Agent is a file of the agent.
func (d Data) Agent(name string) string { return d.join("agent", name) }

// Images is the folder whose archives are imported when the agent starts.
func (d Data) Images() string { return d.join("agent", "images") }

// ContainerdRoot is containerd's persistent data.
func (d Data) ContainerdRoot() string { return d.join("agent", "containerd") }

// CNIConf is the folder that containerd reads the pod network's configuration from.
func (d Data) CNIConf() string { return d.join("agent", "etc", "cni", "net.d") }
