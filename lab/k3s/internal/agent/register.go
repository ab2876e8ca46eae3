package agent

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"k3s.lab/internal/files"
	"k3s.lab/internal/kubeconfig"
	"k3s.lab/internal/nodes"
	"k3s.lab/internal/vxlan"
)

// register waits until the kubelet has registered the Node, and asks for its addresses by annotations.
func (n *node) register(ctx context.Context) error {
	client, _, err := kubeconfig.Client(n.data.Agent("kubelet.kubeconfig"))
	if err != nil {
		return err
	}
	annotations := map[string]string{
		nodes.InternalIP: strings.Join(n.NodeIPs, ","),
		nodes.ExternalIP: strings.Join(n.NodeExternalIPs, ","),
		nodes.Hostname:   n.NodeName,
	}
	return n.until(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		if _, err := client.CoreV1().Nodes().Get(ctx, n.NodeName, metav1.GetOptions{}); err != nil {
			return false, nil //nolint:nilerr // not registered yet, or the server is not reached: tried again
		}
		if err := annotate(ctx, client, n.NodeName, annotations); err != nil {
			logrus.Warnf("Annotations of node %s: %v", n.NodeName, err)
			return false, nil
		}
		return true, nil
	})
}

// annotate sets annotations; an empty value takes one away.
func annotate(ctx context.Context, client kubernetes.Interface, name string, annotations map[string]string) error {
	values := map[string]any{}
	for key, value := range annotations {
		values[key] = value
		if value == "" {
			values[key] = nil
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": values}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// startNetwork waits for the node's pod network, writes containerd's configuration of it, and connects it with others'.
func (n *node) startNetwork(ctx context.Context) error {
	if n.cluster.FlannelBackend == "none" {
		return nil
	}
	kubelet, _, err := kubeconfig.Client(n.data.Agent("kubelet.kubeconfig"))
	if err != nil {
		return err
	}
	watcher, _, err := kubeconfig.Client(n.data.Agent("k3scontroller.kubeconfig"))
	if err != nil {
		return err
	}
	podCIDR, err := n.waitForPodCIDR(ctx, kubelet)
	if err != nil {
		return err
	}
	network := &vxlan.Network{
		Client: watcher, NodeName: n.NodeName, NodeIP: n.NodeIPs[0], Interface: n.FlannelIface,
		PodCIDR: podCIDR, ClusterCIDR: n.cluster.ClusterCIDR,
	}
	annotations, err := network.Setup()
	if err != nil {
		return err
	}
	if err := annotate(ctx, kubelet, n.NodeName, annotations); err != nil {
		return err
	}
	if err := n.writeCNI(podCIDR, network.MTU()); err != nil {
		return err
	}
	go func() { n.group.Failed("pod network", network.Run(ctx)) }()
	return nil
}

func (n *node) waitForPodCIDR(ctx context.Context, client kubernetes.Interface) (string, error) {
	var object *corev1.Node
	err := n.until(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		var err error
		object, err = client.CoreV1().Nodes().Get(ctx, n.NodeName, metav1.GetOptions{})
		return err == nil && object.Spec.PodCIDR != "", nil
	})
	if err != nil {
		return "", err
	}
	return object.Spec.PodCIDR, nil
}

// writeCNI tells containerd how pods of this node are connected: the bridge cni0 with the node's own pod network.
func (n *node) writeCNI(podCIDR string, mtu int) error {
	content, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "cbr0",
		"plugins": []map[string]any{
			{
				"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false, "mtu": mtu,
				"ipam": map[string]any{
					"type":   "host-local",
					"ranges": [][]map[string]string{{{"subnet": podCIDR}}},
					"routes": []map[string]string{{"dst": n.cluster.ClusterCIDR}},
				},
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	return files.Write(filepath.Join(n.data.CNIConf(), "10-flannel.conflist"), append(content, '\n'), 0o644)
}
