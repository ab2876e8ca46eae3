// Package protocol is what servers and joiners agree on: paths, headers and what is sent over them.
package protocol

import "k3s.lab/internal/config"

// Paths of the supervisor, on the API's port.
const (
	CACerts        = "/cacerts"
	Ping           = "/ping"
	Prefix         = "/v1-k3s"
	Config         = Prefix + "/config"
	ServingKubelet = Prefix + "/serving-kubelet.crt"
	ClientKubelet  = Prefix + "/client-kubelet.crt"
	ClientProxy    = Prefix + "/client-kube-proxy.crt"
	ClientK3s      = Prefix + "/client-k3s-controller.crt"
	ClientCA       = Prefix + "/client-ca.crt"
	APIServers     = Prefix + "/apiservers"
	Bootstrap      = Prefix + "/server-bootstrap"
	EtcdMember     = Prefix + "/etcd-member"
)

// Headers by which a node tells who it is.
const (
	NodeName     = "k3s-Node-Name"
	NodePassword = "k3s-Node-Password"
	NodeIP       = "k3s-Node-Ip"
)

// AgentConfig is the answer of Config.
type AgentConfig struct {
	config.Cluster
	Version string
}

// BootstrapData is the answer of Bootstrap: the files below server/tls that all servers share, by name.
type BootstrapData struct {
	Files map[string][]byte
}

// MemberRequest asks to add the sender to the etcd cluster.
type MemberRequest struct {
	Name    string
	PeerURL string
}

// MemberAnswer is etcd's initial cluster, the sender's own entry included.
type MemberAnswer struct {
	InitialCluster string
}
