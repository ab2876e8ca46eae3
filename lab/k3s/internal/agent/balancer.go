package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"k3s.lab/internal/protocol"
)

const (
	balancerAddress = "127.0.0.1:6444"
	dialTimeout     = 5 * time.Second
	refreshEvery    = 30 * time.Second
)

// balancer passes connections on to one of the servers: the first that answers, beginning with the last that did.
type balancer struct {
	fixed string // the address that the agent was started with; always tried too

	mutex   sync.Mutex
	servers []string
}

func newBalancer(server string) *balancer { return &balancer{fixed: server, servers: []string{server}} }

func (b *balancer) serve(ctx context.Context, listener net.Listener) error {
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	for {
		connection, err := listener.Accept()
		if err != nil {
			return errors.Join(err, ctx.Err())
		}
		go b.pass(ctx, connection)
	}
}

func (b *balancer) pass(ctx context.Context, from net.Conn) {
	defer from.Close()
	to, err := b.dial(ctx)
	if err != nil {
		logrus.Warnf("No server can be reached: %v", err)
		return
	}
	defer to.Close()
	done := make(chan error, 2)
	go func() { _, err := io.Copy(to, from); done <- err }()
	go func() { _, err := io.Copy(from, to); done <- err }()
	select { // either end that closes closes both: TLS has no use for half a connection
	case <-done:
	case <-ctx.Done():
	}
}

func (b *balancer) dial(ctx context.Context) (net.Conn, error) {
	b.mutex.Lock()
	servers := slices.Clone(b.servers)
	b.mutex.Unlock()
	dialer := &net.Dialer{Timeout: dialTimeout}
	var failures []error
	for _, server := range servers {
		connection, err := dialer.DialContext(ctx, "tcp", server)
		if err == nil {
			b.prefer(server)
			return connection, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// prefer moves a server to the front.
func (b *balancer) prefer(server string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	others := slices.DeleteFunc(slices.Clone(b.servers), func(s string) bool { return s == server })
	b.servers = append([]string{server}, others...)
}

// refresh asks the servers, through the balancer itself, which servers there are.
func (b *balancer) refresh(ctx context.Context, client *Client) {
	through := *client
	base := *client.base
	base.Host = balancerAddress
	through.base = &base
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		var servers []string
		if err := through.Get(ctx, protocol.APIServers, &servers); err != nil {
			logrus.Debugf("Servers not listed: %v", err)
		} else {
			b.set(servers)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// set replaces the servers, keeping the present one first while it is still listed.
func (b *balancer) set(servers []string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	current := b.servers[0]
	servers = append(servers, b.fixed)
	if slices.Contains(servers, current) {
		servers = append([]string{current}, servers...)
	}
	var unique []string
	for _, server := range servers {
		if !slices.Contains(unique, server) {
			unique = append(unique, server)
		}
	}
	b.servers = unique
}

// useAPI decides where kubelet and kube-proxy reach the API.
func (n *node) useAPI(ctx context.Context, client *Client) error {
	if n.role == OnServer {
		n.apiURL = n.Server
		return nil
	}
	if n.apiURL != "" {
		return nil
	}
	balancer := newBalancer(client.base.Host)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", balancerAddress)
	if err != nil {
		return err
	}
	go func() { n.group.Failed("load balancer", balancer.serve(ctx, listener)) }()
	go balancer.refresh(ctx, client)
	n.apiURL = "https://" + balancerAddress
	return nil
}
