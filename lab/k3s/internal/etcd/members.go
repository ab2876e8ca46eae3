package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"

	"k3s.lab/internal/paths"
)

const (
	requestTimeout = 10 * time.Second
	suffixLength   = 9 // of a member's name: <node>-<8 hex>
)

// Client is a client of this server's own member.
func Client(data paths.Data) (*clientv3.Client, error) {
	tls, err := Member{Data: data}.tls("client", "server-ca.crt").ClientConfig()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{Endpoints: []string{Endpoint}, TLS: tls, DialTimeout: requestTimeout})
}

func list(ctx context.Context, client *clientv3.Client) ([]*etcdserverpb.Member, error) {
	listed, err := client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	return listed.Members, nil
}

// nodeOf is the node of a member's name, <node>-<8 hex>; empty when it is none.
func nodeOf(member string) string {
	if cut := len(member) - suffixLength; cut > 0 && member[cut] == '-' {
		return member[:cut]
	}
	return ""
}

// Find gives the name and address of the node's member; both are empty when it has none.
func Find(ctx context.Context, client *clientv3.Client, node string) (name, address string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	members, err := list(ctx, client)
	if err != nil {
		return "", "", err
	}
	for _, member := range members {
		if nodeOf(member.Name) == node {
			return member.Name, addressOf(member), nil
		}
	}
	return "", "", nil
}

func addressOf(member *etcdserverpb.Member) string {
	for _, text := range member.PeerURLs {
		if parsed, err := url.Parse(text); err == nil {
			return parsed.Hostname()
		}
	}
	return ""
}

// Alone says whether there is only one voter left.
func Alone(ctx context.Context, client *clientv3.Client) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	members, err := list(ctx, client)
	voters := slices.DeleteFunc(members, func(m *etcdserverpb.Member) bool { return m.IsLearner })
	return len(voters) == 1, err
}

// Remove takes the member of this name and address out of the cluster; none is no error.
func Remove(ctx context.Context, client *clientv3.Client, name, address string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	members, err := list(ctx, client)
	if err != nil {
		return err
	}
	for _, member := range members {
		if member.Name != name || addressOf(member) != address {
			continue
		}
		logrus.Infof("Removing name=%s id=%s address=%s from etcd", member.Name, types.ID(member.ID), address)
		if err := remove(ctx, client, member); err != nil {
			return err
		}
	}
	return nil
}

// remove is no error when another server was faster.
func remove(ctx context.Context, client *clientv3.Client, member *etcdserverpb.Member) error {
	_, err := client.MemberRemove(ctx, member.ID)
	if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
		return fmt.Errorf("member %s (%s): %w", member.Name, types.ID(member.ID), err)
	}
	return nil
}
