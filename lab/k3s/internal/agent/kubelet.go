package agent

import (
	"context"
	"net"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"k3s.lab/internal/files"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/process"
)

func (n *node) startKubelet(ctx context.Context) error {
	resolvConf, err := n.resolvConf()
	if err != nil {
		return err
	}
	file := n.data.Agent("etc/kubelet.yaml")
	content, err := yaml.Marshal(n.kubeletConfig(resolvConf))
	if err != nil {
		return err
	}
	if err := files.Write(file, content, 0o600); err != nil {
		return err
	}
	flags := map[string]string{
		"config":            file,
		"hostname-override": n.NodeName,
		"kubeconfig":        n.data.Agent("kubelet.kubeconfig"),
		"node-ip":           n.NodeIPs[0],
		"node-labels":       strings.Join(n.NodeLabels, ","),
	}
	if !n.cluster.NoCloudProvider {
		flags["cloud-provider"] = "external"
	}
	if len(n.NodeTaints) > 0 {
		flags["register-with-taints"] = strings.Join(n.NodeTaints, ",")
	}
	return n.group.StartSelf(ctx, "kubelet", process.Flags(flags, n.KubeletArgs))
}

func (n *node) kubeletConfig(resolvConf string) *kubeletv1beta1.KubeletConfiguration {
	return &kubeletv1beta1.KubeletConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration"},
		Authentication: kubeletv1beta1.KubeletAuthentication{
			Anonymous: kubeletv1beta1.KubeletAnonymousAuthentication{Enabled: ptr.To(false)},
			Webhook:   kubeletv1beta1.KubeletWebhookAuthentication{Enabled: ptr.To(true)},
			X509:      kubeletv1beta1.KubeletX509Authentication{ClientCAFile: n.data.Agent("client-ca.crt")},
		},
		Authorization:            kubeletv1beta1.KubeletAuthorization{Mode: kubeletv1beta1.KubeletAuthorizationModeWebhook},
		ClusterDNS:               []string{n.cluster.ClusterDNS},
		ClusterDomain:            n.cluster.ClusterDomain,
		CgroupDriver:             "cgroupfs",
		ContainerRuntimeEndpoint: "unix://" + paths.ContainerdSocket,
		FailSwapOn:               ptr.To(false),
		FailCgroupV1:             ptr.To(false), // since 1.35 the kubelet refuses hosts with cgroup v1 otherwise
		OOMScoreAdj:              ptr.To[int32](0),
		ProtectKernelDefaults:    n.ProtectKernelDefaults,
		ResolverConfig:           ptr.To(resolvConf),
		SerializeImagePulls:      ptr.To(false),
		TLSCertFile:              n.data.Agent("serving-kubelet.crt"),
		TLSPrivateKeyFile:        n.data.Agent("serving-kubelet.key"),
		// A node's images are those that it was installed with: nothing could pull them again.
		ImageGCHighThresholdPercent: ptr.To[int32](100),
		EvictionHard:                map[string]string{"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
	}
}

// resolvConf is the node's own resolver configuration, unless that leads pods to their own loopback; k3s writes
// a public resolver then.
func (n *node) resolvConf() (string, error) {
	if n.ResolvConf != "" {
		return n.ResolvConf, nil
	}
	const host = "/etc/resolv.conf"
	content, err := os.ReadFile(host)
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	if usableResolver(string(content)) {
		return host, nil
	}
	file := n.data.Agent("etc/resolv.conf")
	return file, files.Write(file, []byte("nameserver 8.8.8.8\n"), 0o644)
}

func usableResolver(resolvConf string) bool {
	usable := false
	for _, line := range strings.Split(resolvConf, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		ip := net.ParseIP(fields[1])
		if ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
			return false
		}
		usable = true
	}
	return usable
}

func (n *node) startProxy(ctx context.Context) error {
	if n.cluster.NoKubeProxy {
		return nil
	}
	return n.group.StartSelf(ctx, "kube-proxy", process.Flags(map[string]string{
		"cluster-cidr": n.cluster.ClusterCIDR,
		// Settings of the host's kernel, which is not this node's to change.
		"conntrack-max-per-core":            "0",
		"conntrack-min":                     "0",
		"conntrack-tcp-timeout-established": "0s",
		"conntrack-tcp-timeout-close-wait":  "0s",
		"healthz-bind-address":              "127.0.0.1",
		"hostname-override":                 n.NodeName,
		"kubeconfig":                        n.data.Agent("kubeproxy.kubeconfig"),
		"oom-score-adj":                     "0",
		"proxy-mode":                        "iptables",
	}, n.KubeProxyArgs))
}
