package nodes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// addresses are those that the node's annotations ask for, in k3s's order.
func addresses(node *corev1.Node) []corev1.NodeAddress {
	var result []corev1.NodeAddress
	for _, wanted := range []struct {
		annotation string
		kind       corev1.NodeAddressType
	}{
		{InternalIP, corev1.NodeInternalIP},
		{ExternalIP, corev1.NodeExternalIP},
		{Hostname, corev1.NodeHostName},
	} {
		for _, address := range strings.Split(node.Annotations[wanted.annotation], ",") {
			if address != "" {
				result = append(result, corev1.NodeAddress{Type: wanted.kind, Address: address})
			}
		}
	}
	return result
}
