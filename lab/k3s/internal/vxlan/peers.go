package vxlan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// resync is how often all peers are set again, which mends what was changed by hand.
const resync = time.Minute

// peer is another node's end.
type peer struct {
	pods   *net.IPNet
	mac    net.HardwareAddr
	public net.IP
}

// peerOf reads a Node's annotations; nil when it has no end of a tunnel yet.
func peerOf(node *corev1.Node) (*peer, error) {
	if node.Spec.PodCIDR == "" || node.Annotations[backendType] != "vxlan" {
		return nil, nil
	}
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return nil, err
	}
	var data endpoint
	if err := json.Unmarshal([]byte(node.Annotations[backendData]), &data); err != nil {
		return nil, fmt.Errorf("%s: %w", backendData, err)
	}
	mac, err := net.ParseMAC(data.VtepMAC)
	if err != nil {
		return nil, err
	}
	public := net.ParseIP(node.Annotations[publicIP])
	if public == nil {
		return nil, fmt.Errorf("%s: %q is not an IP address", publicIP, node.Annotations[publicIP])
	}
	return &peer{pods: pods, mac: mac, public: public}, nil
}

// Run keeps the entries of the other nodes until the context ends.
func (n *Network) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(n.Client, resync)
	informer := factory.Core().V1().Nodes().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { n.handle(object, n.add) },
		UpdateFunc: func(before, object any) {
			n.handle(before, func(old *peer) error { return n.removeChanged(old, object) })
			n.handle(object, n.add)
		},
		DeleteFunc: func(object any) {
			if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = unknown.Obj
			}
			n.handle(object, n.remove)
		},
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		if err := n.removeStale(informer.GetStore()); err != nil {
			logrus.Warnf("Pod network: %v", err)
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (n *Network) handle(object any, action func(*peer) error) {
	node, ok := object.(*corev1.Node)
	if !ok || node.Name == n.NodeName {
		return
	}
	other, err := peerOf(node)
	if err == nil && other != nil {
		err = action(other)
	}
	if err != nil {
		logrus.Warnf("Pod network: node %s: %v", node.Name, err)
	}
}

func (n *Network) neighbours(p *peer) []*netlink.Neigh {
	return []*netlink.Neigh{
		{LinkIndex: n.link.Attrs().Index, State: netlink.NUD_PERMANENT, Type: syscall.RTN_UNICAST, IP: p.pods.IP, HardwareAddr: p.mac},
		{LinkIndex: n.link.Attrs().Index, State: netlink.NUD_PERMANENT, Family: syscall.AF_BRIDGE, Flags: netlink.NTF_SELF, IP: p.public, HardwareAddr: p.mac},
	}
}

func (n *Network) route(p *peer) *netlink.Route {
	return &netlink.Route{LinkIndex: n.link.Attrs().Index, Scope: netlink.SCOPE_UNIVERSE, Dst: p.pods, Gw: p.pods.IP, Flags: int(netlink.FLAG_ONLINK)}
}

func (n *Network) add(p *peer) error {
	for _, neighbour := range n.neighbours(p) {
		if err := netlink.NeighSet(neighbour); err != nil {
			return err
		}
	}
	return netlink.RouteReplace(n.route(p))
}

func (n *Network) remove(p *peer) error {
	failures := []error{ignoreGone(netlink.RouteDel(n.route(p)))}
	for _, neighbour := range n.neighbours(p) {
		failures = append(failures, ignoreGone(netlink.NeighDel(neighbour)))
	}
	return errors.Join(failures...)
}

// removeChanged takes away the entries of a node whose end is another now.
func (n *Network) removeChanged(old *peer, object any) error {
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil
	}
	now, err := peerOf(node)
	if err == nil && now != nil && now.pods.String() == old.pods.String() && now.mac.String() == old.mac.String() && now.public.Equal(old.public) {
		return nil
	}
	return n.remove(old)
}

// removeStale takes away the routes of nodes that went while this one was not looking.
func (n *Network) removeStale(store cache.Store) error {
	known := map[string]bool{}
	for _, object := range store.List() {
		if node, ok := object.(*corev1.Node); ok {
			known[node.Spec.PodCIDR] = true
		}
	}
	routes, err := netlink.RouteList(n.link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	var failures []error
	for _, route := range routes {
		if route.Gw != nil && route.Dst != nil && !known[route.Dst.String()] {
			failures = append(failures, ignoreGone(netlink.RouteDel(&route)))
		}
	}
	return errors.Join(failures...)
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}
