package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"

	"k3s.lab/internal/config"
	"k3s.lab/internal/files"
	"k3s.lab/internal/paths"
)

// packaged are the components that k3s packages; the lab carries CoreDNS of them.
var packaged = []string{"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"}

func tokenFromFile(token *string, file string) error {
	if *token != "" || file == "" {
		return nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	*token = strings.TrimSpace(string(content))
	return nil
}

// completeAgent fills in what depends on the machine: the node's name and address.
func completeAgent(a *config.Agent) error {
	if a.NodeName == "" {
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		a.NodeName = host
	}
	a.NodeName = strings.ToLower(a.NodeName)
	if a.WithNodeID {
		id, err := nodeID()
		if err != nil {
			return err
		}
		a.NodeName += "-" + id
	}
	if len(a.NodeIPs) == 0 {
		address, err := utilnet.ChooseHostInterface()
		if err != nil {
			return fmt.Errorf("no address for this node was found: %w - give one with --node-ip", err)
		}
		a.NodeIPs = []string{address.String()}
	}
	for flag, addresses := range map[string][]string{"node-ip": a.NodeIPs, "node-external-ip": a.NodeExternalIPs} {
		if err := checkAddresses(flag, addresses); err != nil {
			return err
		}
	}
	return nil
}

// checkAddresses wants IPv4 addresses: the lab's pod network has that family only.
func checkAddresses(flag string, addresses []string) error {
	for _, address := range addresses {
		ip := net.ParseIP(address)
		if ip == nil {
			return fmt.Errorf("invalid %s: %q is not an IP address", flag, address)
		}
		if ip.To4() == nil {
			return fmt.Errorf("--%s=%s: k3s carries IPv6, the lab's k3s IPv4 only - give an IPv4 address", flag, address)
		}
	}
	return nil
}

func nodeID() (string, error) {
	content, err := os.ReadFile(paths.NodeID)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !os.IsNotExist(err) {
		return "", err
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	id := hex.EncodeToString(random)
	return id, files.Write(paths.NodeID, []byte(id+"\n"), 0o644)
}

// completeServer fills in the server's defaults and refuses values that the lab cannot carry out.
func completeServer(s *config.Server) error {
	if s.AdvertiseAddress == "" { // k3s: the external address wins, see --advertise-address
		s.AdvertiseAddress = append(slices.Clone(s.Agent.NodeExternalIPs), s.Agent.NodeIPs...)[0]
	}
	for flag, addresses := range map[string]string{"advertise-address": s.AdvertiseAddress, "bind-address": s.BindAddress} {
		if addresses != "" {
			if err := checkAddresses(flag, []string{addresses}); err != nil {
				return err
			}
		}
	}
	if _, err := strconv.ParseUint(s.KubeconfigMode, 8, 32); err != nil {
		return fmt.Errorf("--write-kubeconfig-mode=%s: not an octal file mode - write one such as 0600", s.KubeconfigMode)
	}
	if s.FlannelBackend != "vxlan" && s.FlannelBackend != "none" {
		return fmt.Errorf("--flannel-backend=%s: the lab's k3s carries vxlan and none - use one of them, or the official release", s.FlannelBackend)
	}
	if s.EncryptionProvider != "aescbc" && s.EncryptionProvider != "secretbox" {
		return fmt.Errorf("unsupported secrets-encryption-provider %s: write aescbc or secretbox", s.EncryptionProvider)
	}
	for _, name := range s.Disable {
		if !slices.Contains(packaged, name) {
			return fmt.Errorf("invalid --disable %q: the packaged components are %s", name, strings.Join(packaged, ", "))
		}
	}
	return completeNetworks(s)
}

func completeNetworks(s *config.Server) error {
	for flag, cidr := range map[string]string{"cluster-cidr": s.ClusterCIDR, "service-cidr": s.ServiceCIDR} {
		ip, _, err := net.ParseCIDR(cidr)
		if err != nil || ip.To4() == nil {
			return fmt.Errorf("--%s=%s: the lab's k3s takes one IPv4 network, such as 10.42.0.0/16", flag, cidr)
		}
	}
	if s.ClusterDNS == "" {
		s.ClusterDNS = nthAddress(s.ServiceCIDR, 10)
	}
	return checkAddresses("cluster-dns", []string{s.ClusterDNS})
}

// nthAddress is the network's address plus n; the network is known to be IPv4.
func nthAddress(cidr string, n byte) string {
	_, network, _ := net.ParseCIDR(cidr)
	ip := slices.Clone(network.IP.To4())
	ip[3] += n
	return ip.String()
}
