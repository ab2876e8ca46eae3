package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/util/wait"
)

// promoteTimeout bounds how long a learner may take to catch up with the others.
const promoteTimeout = 2 * time.Minute

// promote makes this member a voter. The leader refuses until it has caught up.
func promote(ctx context.Context, member *Running) error {
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

// NotYet says whether a join was refused for a while only: etcd takes one learner at a time, and none while members
// have not been connected with each other for some seconds. k3s waits then, too.
func NotYet(err error) bool {
	return errors.Is(err, rpctypes.ErrTooManyLearners) || errors.Is(err, rpctypes.ErrUnhealthy)
}

// Add lets a member join as a learner and gives the initial cluster to start it with. A join that was begun and
// not ended is taken up again.
func Add(ctx context.Context, client *clientv3.Client, name, peerURL string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	members, err := list(ctx, client)
	if err != nil {
		return "", err
	}
	if members, err = withoutFormer(ctx, client, members, name, peerURL); err != nil {
		return "", err
	}
	if at(members, peerURL) == nil {
		added, err := client.MemberAddAsLearner(ctx, []string{peerURL})
		if err != nil {
			return "", err
		}
		members = added.Members
	}
	return initialCluster(members, name, peerURL), nil
}

// withoutFormer looks for members that the joiner's node name or address had before. A voter is not replaced: it counts
// for the quorum until its Node is deleted. A learner is what an earlier join left that did not end, and gives way.
func withoutFormer(
	ctx context.Context, client *clientv3.Client, members []*etcdserverpb.Member, name, peerURL string,
) ([]*etcdserverpb.Member, error) {
	var others []*etcdserverpb.Member
	for _, member := range members {
		former := member.Name != "" && member.Name != name &&
			(slices.Contains(member.PeerURLs, peerURL) || nodeOf(member.Name) == nodeOf(name))
		switch {
		case !former:
			others = append(others, member)
		case member.IsLearner:
			logrus.Infof("Removing learner %s, whose join did not end: %s joins in its place", member.Name, name)
			if err := remove(ctx, client, member); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("etcd: duplicate node name found, please use a unique name for this node: member %s is still at %s - delete its Node first",
				member.Name, strings.Join(member.PeerURLs, ","))
		}
	}
	return others, nil
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
