// Package vxlan connects the nodes' pod networks as flannel's vxlan backend does: a device flannel.1 (VNI 1, UDP 8472)
// with a route, a neighbour and a forwarding entry for each other node, and masquerading of what leaves the cluster.
package vxlan

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"k8s.io/client-go/kubernetes"
)

const (
	device   = "flannel.1"
	bridge   = "cni0" // the CNI plugin's
	vni      = 1
	port     = 8472 // Linux's own; flannel's default
	overhead = 50   // bytes of the outer headers: IPv4 20, UDP 8, VXLAN 8, Ethernet 14
)

// Annotations by which nodes tell each other where their ends of the tunnels are; flannel's.
const (
	backendType = "flannel.alpha.coreos.com/backend-type"
	backendData = "flannel.alpha.coreos.com/backend-data"
	publicIP    = "flannel.alpha.coreos.com/public-ip"
	subnetKube  = "flannel.alpha.coreos.com/kube-subnet-manager"
)

// endpoint is the value of backendData.
type endpoint struct {
	VNI     int
	VtepMAC string
}

// Network is this node's end of the pod network.
type Network struct {
	Client      kubernetes.Interface // may list Nodes
	NodeName    string
	NodeIP      string
	Interface   string // name; empty for the one that has NodeIP
	PodCIDR     string // this node's
	ClusterCIDR string // all nodes'

	link  netlink.Link
	mtu   int
	local net.IP
}

// MTU is what pods may send at most.
func (n *Network) MTU() int { return n.mtu }

// Setup makes the device and the masquerading rules, and gives the annotations for this node.
func (n *Network) Setup() (map[string]string, error) {
	under, err := n.underlay()
	if err != nil {
		return nil, err
	}
	n.mtu = under.Attrs().MTU - overhead
	if err := n.makeDevice(under); err != nil {
		return nil, fmt.Errorf("%s: %w", device, err)
	}
	if err := n.dropOldBridge(); err != nil {
		return nil, fmt.Errorf("%s: %w", bridge, err)
	}
	if err := n.masquerade(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(endpoint{VNI: vni, VtepMAC: n.link.Attrs().HardwareAddr.String()})
	if err != nil {
		return nil, err
	}
	return map[string]string{
		backendType: "vxlan", backendData: string(data), publicIP: n.local.String(), subnetKube: "true",
	}, nil
}

// underlay is the interface that carries the tunnels, and sets the address at their end.
func (n *Network) underlay() (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return nil, err
		}
		for _, address := range addresses {
			if n.Interface == link.Attrs().Name || n.Interface == "" && address.IP.String() == n.NodeIP {
				n.local = address.IP
				return link, nil
			}
		}
	}
	if n.Interface != "" {
		return nil, fmt.Errorf("no interface %s with an IPv4 address - see --flannel-iface", n.Interface)
	}
	return nil, fmt.Errorf("no interface has the node's address %s - see --node-ip", n.NodeIP)
}

// makeDevice makes flannel.1 anew when it is missing or not as it should be.
func (n *Network) makeDevice(under netlink.Link) error {
	wanted := &netlink.Vxlan{
		LinkAttrs:    netlink.LinkAttrs{Name: device, MTU: n.mtu},
		VxlanId:      vni,
		VtepDevIndex: under.Attrs().Index,
		SrcAddr:      n.local,
		Port:         port,
	}
	existing, err := netlink.LinkByName(device)
	if err == nil && !sameDevice(existing, wanted) {
		if err := netlink.LinkDel(existing); err != nil {
			return err
		}
		existing = nil
	}
	if existing == nil {
		if err := netlink.LinkAdd(wanted); err != nil {
			return err
		}
	}
	if n.link, err = netlink.LinkByName(device); err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(n.PodCIDR)
	if err != nil {
		return err
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: network.IP, Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(n.link, own); err != nil {
		return err
	}
	return netlink.LinkSetUp(n.link)
}

// dropOldBridge takes away a bridge of another pod network, which the node has after it was deleted and registered
// anew: the CNI plugin would refuse it.
func (n *Network) dropOldBridge() error {
	link, err := netlink.LinkByName(bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	_, pods, err := net.ParseCIDR(n.PodCIDR)
	if err != nil {
		return err
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if !pods.Contains(address.IP) {
			return netlink.LinkDel(link)
		}
	}
	return nil
}

func sameDevice(link netlink.Link, wanted *netlink.Vxlan) bool {
	existing, ok := link.(*netlink.Vxlan)
	return ok && existing.VxlanId == wanted.VxlanId && existing.Port == wanted.Port && existing.MTU == wanted.MTU &&
		existing.VtepDevIndex == wanted.VtepDevIndex && existing.SrcAddr.Equal(wanted.SrcAddr)
}
