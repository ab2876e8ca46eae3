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
	EncryptStatus  = Prefix + "/encrypt/status"
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

// BootstrapData is the answer of Bootstrap: the files that all servers share, by their names below server/.
type BootstrapData struct {
	Files map[string][]byte
}

// EncryptionStatus is the answer of EncryptStatus, as k3s gives it; without Enable there is no encryption.
type EncryptionStatus struct {
	Stage        string   `json:"stage"`
	ActiveKey    string   `json:"activekey"`
	Enable       *bool    `json:"enable,omitempty"`
	HashMatch    bool     `json:"hashmatch,omitempty"`
	HashError    string   `json:"hasherror,omitempty"`
	InactiveKeys []string `json:"inactivekeys,omitempty"`
}

// MemberRequest asks to add the sender to the etcd cluster.
type MemberRequest struct {
	Name    string
	PeerURL string
}

// MemberAnswer is etcd's initial cluster, the sender's own entry included; or why the sender has to ask again.
type MemberAnswer struct {
	InitialCluster string
	NotYet         string
}
