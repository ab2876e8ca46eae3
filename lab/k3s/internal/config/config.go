// Package config holds the settings of a server and of an agent, as the command line gives them.
package config

// Agent is what every node is started with; a server is an agent too.
type Agent struct {
	Server    string // --server: URL of a server that is already there
	Token     string // --token: bare secret, or K10<CA hash>::<user>:<secret>
	TokenFile string
	DataDir   string

	NodeName        string
	WithNodeID      bool
	NodeIPs         []string // first address of each family
	NodeExternalIPs []string
	NodeLabels      []string // key=value, at the first registration only
	NodeTaints      []string // key=value:effect, at the first registration only
	FlannelIface    string
	ResolvConf      string
	PauseImage      string
	Snapshotter     string

	ProtectKernelDefaults bool
	KubeletArgs           []string // name=value, without dashes
	KubeProxyArgs         []string
	Debug                 bool
}

// Server is what a server is started with, its agent included.
type Server struct {
	Agent             Agent
	AgentToken        string
	AgentTokenFile    string
	ClusterInit       bool
	EtcdExposeMetrics bool

	SecretsEncryption  bool
	EncryptionProvider string // aescbc or secretbox

	BindAddress      string
	HTTPSListenPort  int
	AdvertiseAddress string
	TLSSANs          []string

	ClusterCIDR     string
	ServiceCIDR     string
	ClusterDNS      string
	ClusterDomain   string
	NodePortRange   string
	FlannelBackend  string
	Disable         []string
	NoKubeProxy     bool
	NoCloudProvider bool
	NoNetworkPolicy bool
	NoHelm          bool

	Kubeconfig     string
	KubeconfigMode string // octal

	APIServerArgs         []string
	ControllerManagerArgs []string
	SchedulerArgs         []string
}

// Cluster is what an agent learns from its server, and what all servers must have been given alike.
type Cluster struct {
	ClusterCIDR       string `flag:"cluster-cidr"`
	ServiceCIDR       string `flag:"service-cidr"`
	ClusterDNS        string `flag:"cluster-dns"`
	ClusterDomain     string `flag:"cluster-domain"`
	FlannelBackend    string `flag:"flannel-backend"`
	NoKubeProxy       bool   `flag:"disable-kube-proxy"`
	NoCloudProvider   bool   `flag:"disable-cloud-controller"`
	SecretsEncryption bool   `flag:"secrets-encryption"`
}
