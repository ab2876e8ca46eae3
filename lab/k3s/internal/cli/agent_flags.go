package cli

import (
	"github.com/urfave/cli/v2"

	"k3s.lab/internal/config"
	"k3s.lab/internal/paths"
)

// The flags below have the names, shorthands and variables of k3s; those that it has and the lab lacks are in missing.go.

func text(to *string, value, name, usage string, aliasesAndEnv ...string) cli.Flag {
	flag := &cli.StringFlag{Name: name, Usage: usage, Destination: to, Value: value}
	for _, other := range aliasesAndEnv {
		if isEnv(other) {
			flag.EnvVars = append(flag.EnvVars, other)
		} else {
			flag.Aliases = append(flag.Aliases, other)
		}
	}
	return flag
}

func boolean(to *bool, name, usage string) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: to}
}

func isEnv(name string) bool { return name[0] >= 'A' && name[0] <= 'Z' }

// commonFlags are those of servers and agents both.
func commonFlags(a *config.Agent) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Aliases: []string{"c"}, EnvVars: []string{"K3S_CONFIG_FILE"},
			Value: paths.DefaultConfigFile, Usage: "(config) Load configuration from `FILE`"},
		&cli.BoolFlag{Name: "debug", EnvVars: []string{"K3S_DEBUG"}, Destination: &a.Debug, Usage: "(logging) Turn on debug logs"},
		text(&a.Server, "", "server", "(cluster) Server to connect to", "s", "K3S_URL"),
		text(&a.Token, "", "token", "(cluster) Token to use for authentication", "t", "K3S_TOKEN"),
		text(&a.TokenFile, "", "token-file", "(cluster) Token file to use for authentication", "K3S_TOKEN_FILE"),
		text(&a.DataDir, paths.DefaultDataDir, "data-dir", "(data) Folder to hold state", "d", "K3S_DATA_DIR"),
		text(&a.NodeName, "", "node-name", "(agent/node) Node name", "K3S_NODE_NAME"),
		boolean(&a.WithNodeID, "with-node-id", "(agent/node) Append id to node name"),
		commaList(&a.NodeIPs, "node-ip", "(agent/networking) IPv4/IPv6 addresses to advertise for node", "i"),
		commaList(&a.NodeExternalIPs, "node-external-ip", "(agent/networking) IPv4/IPv6 external IP addresses to advertise for node"),
		list(&a.NodeLabels, "node-label", "(agent/node) Registering and starting kubelet with set of labels"),
		list(&a.NodeTaints, "node-taint", "(agent/node) Registering kubelet with set of taints"),
		text(&a.FlannelIface, "", "flannel-iface", "(agent/networking) Override default flannel interface"),
		text(&a.ResolvConf, "", "resolv-conf", "(agent/networking) Kubelet resolv.conf file", "K3S_RESOLV_CONF"),
		text(&a.PauseImage, "", "pause-image", "(agent/runtime) Customized pause image for containerd sandbox"),
		text(&a.Snapshotter, "overlayfs", "snapshotter", "(agent/runtime) Override default containerd snapshotter"),
		boolean(&a.ProtectKernelDefaults, "protect-kernel-defaults", "(agent/node) Kernel tuning behavior. If set, error if kernel tunables are different than kubelet defaults."),
		list(&a.KubeletArgs, "kubelet-arg", "(agent/flags) Customized flag for kubelet process"),
		list(&a.KubeProxyArgs, "kube-proxy-arg", "(agent/flags) Customized flag for kube-proxy process"),
	}
}

// agentFlags are those of `k3s agent`.
func agentFlags(a *config.Agent) []cli.Flag {
	return append(commonFlags(a), missingFlags(missingFromAgent)...)
}
