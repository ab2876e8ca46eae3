package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"k3s.lab/internal/config"
	"k3s.lab/internal/paths"
)

// serverFlags are those of `k3s server`; the defaults are k3s's.
func serverFlags(s *config.Server) []cli.Flag {
	flags := append(commonFlags(&s.Agent), clusterFlags(s)...)
	flags = append(flags, networkFlags(s)...)
	flags = append(flags, componentFlags(s)...)
	flags = append(flags, missingFlags(missingFromServer)...)
	return append(flags, missingFlags(missingFromAgent)...)
}

func clusterFlags(s *config.Server) []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "cluster-init", EnvVars: []string{"K3S_CLUSTER_INIT"}, Destination: &s.ClusterInit,
			Usage: "(cluster) Initialize a new cluster using embedded Etcd"},
		text(&s.AgentToken, "", "agent-token", "(cluster) Shared secret used to join agents to the cluster, but not servers", "K3S_AGENT_TOKEN"),
		text(&s.AgentTokenFile, "", "agent-token-file", "(cluster) File containing the agent secret", "K3S_AGENT_TOKEN_FILE"),
		text(&s.Kubeconfig, paths.Kubeconfig, "write-kubeconfig", "(client) Write kubeconfig for admin client to this file", "o", "K3S_KUBECONFIG_OUTPUT"),
		text(&s.KubeconfigMode, "0600", "write-kubeconfig-mode", "(client) Write kubeconfig with this mode", "K3S_KUBECONFIG_MODE"),
		boolean(&s.SecretsEncryption, "secrets-encryption", "(db) Enable secret encryption at rest"),
		text(&s.EncryptionProvider, "aescbc", "secrets-encryption-provider", "(db) Secret encryption provider (valid values: 'aescbc', 'secretbox')"),
		boolean(&s.EtcdExposeMetrics, "etcd-expose-metrics", "(db) Expose etcd metrics to client interface"),
		&cli.BoolFlag{Name: "etcd-disable-snapshots", Usage: "(db) Disable automatic etcd snapshots (the lab takes none in any case)"},
		&cli.BoolFlag{Name: "tls-san-security", Value: true, Action: refuseOpenSANs,
			Usage: "(listener) Protect the server TLS cert by refusing to add names that were not asked for"},
	}
}

func networkFlags(s *config.Server) []cli.Flag {
	return []cli.Flag{
		text(&s.BindAddress, "", "bind-address", "(listener) k3s bind address (default: 0.0.0.0)"),
		&cli.IntFlag{Name: "https-listen-port", Value: 6443, Destination: &s.HTTPSListenPort, Usage: "(listener) HTTPS listen port"},
		text(&s.AdvertiseAddress, "", "advertise-address", "(listener) IPv4/IPv6 address that apiserver uses to advertise to members of the cluster (default: node-external-ip/node-ip)"),
		commaList(&s.TLSSANs, "tls-san", "(listener) Add additional hostnames or IPv4/IPv6 addresses as Subject Alternative Names on the server TLS cert"),
		text(&s.ClusterCIDR, "10.42.0.0/16", "cluster-cidr", "(networking) IPv4 network CIDR to use for pod IPs"),
		text(&s.ServiceCIDR, "10.43.0.0/16", "service-cidr", "(networking) IPv4 network CIDR to use for service IPs"),
		text(&s.NodePortRange, "30000-32767", "service-node-port-range", "(networking) Port range to reserve for services with NodePort visibility"),
		text(&s.ClusterDNS, "", "cluster-dns", "(networking) IPv4 Cluster IP for coredns service (default: the tenth of service-cidr)"),
		text(&s.ClusterDomain, "cluster.local", "cluster-domain", "(networking) Cluster Domain"),
		text(&s.FlannelBackend, "vxlan", "flannel-backend", "(networking) Backend: vxlan or none"),
	}
}

func componentFlags(s *config.Server) []cli.Flag {
	return []cli.Flag{
		commaList(&s.Disable, "disable", "(components) Do not deploy packaged components and delete any deployed components"),
		boolean(&s.NoKubeProxy, "disable-kube-proxy", "(components) Disable running kube-proxy"),
		boolean(&s.NoCloudProvider, "disable-cloud-controller", "(components) Disable k3s default cloud controller manager"),
		boolean(&s.NoNetworkPolicy, "disable-network-policy", "(components) Disable k3s default network policy controller"),
		boolean(&s.NoHelm, "disable-helm-controller", "(components) Disable Helm controller"),
		list(&s.APIServerArgs, "kube-apiserver-arg", "(flags) Customized flag for kube-apiserver process"),
		list(&s.ControllerManagerArgs, "kube-controller-manager-arg", "(flags) Customized flag for kube-controller-manager process"),
		list(&s.SchedulerArgs, "kube-scheduler-arg", "(flags) Customized flag for kube-scheduler process"),
	}
}

func refuseOpenSANs(_ *cli.Context, on bool) error {
	if on {
		return nil
	}
	return fmt.Errorf("--tls-san-security=false: the lab's k3s never adds names to its certificate by itself - name them with --tls-san")
}
