// Package etcd runs this server's member of the embedded etcd.
package etcd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"k3s.lab/internal/paths"
)

// startTimeout bounds the wait for a leader; a member that rejoins waits for a quorum of the others.
const startTimeout = 2 * time.Minute

// Endpoint is where this server's own clients reach etcd.
const Endpoint = "https://127.0.0.1:2379"

// Member is one etcd member.
type Member struct {
	Name           string
	Data           paths.Data
	Address        string // of the node, for its peers
	InitialCluster string // name=peer URL, comma-separated; empty for a new cluster
	ExposeMetrics  bool
}

// Initialised says whether the data directory holds a member already.
func Initialised(data paths.Data) bool {
	_, err := os.Stat(filepath.Join(data.Etcd(), "member", "wal"))
	return err == nil
}

// PeerURL is where other members reach the member at this address.
func PeerURL(address string) string { return "https://" + address + ":2380" }

// Start runs the member and waits until it serves; one that joined as a learner is then made a voter. The error is
// ErrRemoved when the others say that the member is none of theirs any more.
func (m Member) Start(ctx context.Context) (*Running, error) {
	config, err := m.config()
	if err != nil {
		return nil, err
	}
	embedded, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	member := &Running{Etcd: embedded}
	select {
	case <-member.Server.ReadyNotify():
		if err := promote(ctx, member); err != nil {
			member.Close()
			return nil, err
		}
		return member, nil
	case <-member.Server.StoppingNotify():
		return nil, member.failed(nil)
	case <-ctx.Done():
		member.Close()
		return nil, ctx.Err()
	case err := <-member.Err():
		return nil, member.failed(err)
	case <-time.After(startTimeout):
		member.Close()
		return nil, fmt.Errorf("etcd: no leader within %v - a quorum of the members must be running", startTimeout)
	}
}

// failed ends a member that does not serve yet, and says why it does not.
func (r *Running) failed(err error) error {
	reason := r.reason(err)
	r.Close()
	return fmt.Errorf("etcd: %w", reason)
}

func (m Member) config() (*embed.Config, error) {
	config := embed.NewConfig()
	config.Name, config.Dir = m.Name, m.Data.Etcd()
	config.LogLevel = "warn"
	config.WarningUnaryRequestDuration = time.Second
	config.ListenClientUrls = urls(Endpoint, "https://"+m.Address+":2379")
	config.AdvertiseClientUrls = urls("https://" + m.Address + ":2379")
	config.ListenPeerUrls = urls("https://127.0.0.1:2380", PeerURL(m.Address))
	config.AdvertisePeerUrls = urls(PeerURL(m.Address))
	config.ListenMetricsUrls = urls("http://127.0.0.1:2381")
	if m.ExposeMetrics {
		config.ListenMetricsUrls = urls("http://127.0.0.1:2381", "http://"+m.Address+":2381")
	}
	config.InitialCluster = m.Name + "=" + PeerURL(m.Address)
	if m.InitialCluster != "" {
		config.InitialCluster, config.ClusterState = m.InitialCluster, embed.ClusterStateFlagExisting
	}
	config.ClientTLSInfo = m.tls("server-client", "server-ca.crt")
	config.PeerTLSInfo = m.tls("peer-server-client", "peer-ca.crt")
	return config, os.MkdirAll(config.Dir, 0o700)
}

func (m Member) tls(name, ca string) transport.TLSInfo {
	return transport.TLSInfo{
		CertFile:       m.Data.TLS("etcd/" + name + ".crt"),
		KeyFile:        m.Data.TLS("etcd/" + name + ".key"),
		TrustedCAFile:  m.Data.TLS("etcd/" + ca),
		ClientCertAuth: true,
	}
}

func urls(texts ...string) []url.URL {
	var parsed []url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			panic(err) // built above from addresses that were checked
		}
		parsed = append(parsed, *u)
	}
	return parsed
}
