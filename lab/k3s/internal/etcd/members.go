package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apimachinery/pkg/util/wait"

	"k3s.lab/internal/paths"
)

const (
	requestTimeout = 10 * time.Second
	// promoteTimeout bounds how long a learner may take to catch up with the others.
	promoteTimeout = 2 * time.Minute
	suffixLength   = 9 // of a member's name: <node>-<8 hex>
)

// promote makes this member a voter. The leader refuses until it has caught up.
func promote(ctx context.Context, member *embed.Etcd) error {
	if !member.Server.IsLearner() {
		return nil
	}
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second, promoteTimeout, true, func(ctx context.Context) (bool, error) {
		_, last = member.Server.PromoteMember(ctx, uint64(member.Server.MemberID()))
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("etcd: this member did not catch up with the others: %w", errors.Join(err, last))
	}
	return nil
}

// Client is a client of this server's own member.
func Client(data paths.Data) (*clientv3.Client, error) {
	tls, err := Member{Data: data}.tls("client", "server-ca.crt").ClientConfig()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{Endpoints: []string{Endpoint}, TLS: tls, DialTimeout: requestTimeout})
}

// Add lets a member join as a learner and gives the initial cluster to start it with. A join that was begun and
// not ended is taken up again.
func Add(ctx context.Context, client *clientv3.Client, name, peerURL string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := client.MemberList(ctx)
	if err != nil {
		return "", err
	}
	members := listed.Members
	if found := at(members, peerURL); found == nil {
		added, err := client.MemberAddAsLearner(ctx, []string{peerURL})
		if err != nil {
			return "", err
		}
		members = added.Members
	} else if found.Name != "" && found.Name != name {
		return "", fmt.Errorf("etcd: duplicate node name found, please use a unique name for this node: member %s is still at %s - delete its Node first", found.Name, peerURL)
	}
	return initialCluster(members, name, peerURL), nil
}

func at(members []*etcdserverpb.Member, peerURL string) *etcdserverpb.Member {
	i := slices.IndexFunc(members, func(m *etcdserverpb.Member) bool { return slices.Contains(m.PeerURLs, peerURL) })
	if i < 0 {
		return nil
	}
	return members[i]
}

func initialCluster(members []*etcdserverpb.Member, name, peerURL string) string {
	var entries []string
	for _, member := range members {
		memberName := member.Name
		if slices.Contains(member.PeerURLs, peerURL) {
			memberName = name
		}
		for _, url := range member.PeerURLs {
			entries = append(entries, memberName+"="+url)
		}
	}
	return strings.Join(entries, ",")
}

// Remove takes the node's member out of the cluster; none is no error.
func Remove(ctx context.Context, client *clientv3.Client, node string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	for _, member := range listed.Members {
		if len(member.Name) != len(node)+suffixLength || !strings.HasPrefix(member.Name, node+"-") {
			continue
		}
		_, err := client.MemberRemove(ctx, member.ID)
		if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return fmt.Errorf("member %s (%s): %w", member.Name, types.ID(member.ID), err)
		}
	}
	return nil
}
