package server

import (
	"context"
	"net"
	"net/http"
	"strconv"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// apiServers are the addresses (host:port) behind the `kubernetes` Service, which each apiserver keeps its own among.
func apiServers(ctx context.Context, client kubernetes.Interface) ([]string, error) {
	slices, err := client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).List(ctx,
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=kubernetes"})
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			for _, endpoint := range slice.Endpoints {
				for _, address := range endpoint.Addresses {
					addresses = append(addresses, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	return addresses, nil
}

// sendAPIServers tells agents' load balancers where the servers are.
func (v *supervisor) sendAPIServers(w http.ResponseWriter, r *http.Request) {
	client := v.client.Load()
	if client == nil {
		http.Error(w, errNotReady.Error(), http.StatusServiceUnavailable)
		return
	}
	addresses, err := apiServers(r.Context(), client)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, addresses)
}
