package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"

	"k3s.lab/internal/agent"
	"k3s.lab/internal/etcd"
	"k3s.lab/internal/files"
	"k3s.lab/internal/nodes"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
)

// joinTimeout bounds the wait for other members that are joining, or are not connected with each other yet.
const joinTimeout = 2 * time.Minute

// clusteredMark is a file that says that the datastore is etcd for all, not this server's own. k3s keeps a single
// server's data in sqlite then, and takes no further servers.
func (r *running) clusteredMark() string { return filepath.Join(r.data.Etcd(), "clustered") }

func (r *running) clustered() bool {
	_, err := os.Stat(r.clusteredMark())
	return err == nil || r.ClusterInit || r.Agent.Server != ""
}

// takeOver fetches the cluster's keys when this server is to join others; one that is a member already does not.
func (r *running) takeOver(ctx context.Context) error {
	if err := r.leaveFormer(); err != nil {
		return err
	}
	if r.Agent.Server == "" {
		return nil
	}
	if etcd.Initialised(r.data) {
		logrus.Infof("Managed etcd cluster bootstrap already complete and initialized; --server is not used")
		return nil
	}
	if r.Agent.Token == "" {
		return errors.New("--token is required to join a cluster")
	}
	var err error
	if r.join, err = agent.Connect(ctx, r.Agent.Server, r.Agent.Token, token.ServerUser); err != nil {
		return err
	}
	var others protocol.AgentConfig
	if err := r.join.Get(ctx, protocol.Config, &others); err != nil {
		return err
	}
	if err := checkCritical(others.Cluster, r.cluster()); err != nil {
		return err
	}
	var bootstrap protocol.BootstrapData
	if err := r.join.Get(ctx, protocol.Bootstrap, &bootstrap); err != nil {
		return err
	}
	return storeBootstrap(r.data, bootstrap, r.SecretsEncryption)
}

// leaveFormer puts the data of a removed member aside: it can join again, but begins no cluster of its own.
func (r *running) leaveFormer() error {
	buried, err := etcd.Buried(r.data)
	if err != nil || !buried {
		return err
	}
	if r.Agent.Server == "" {
		return errors.New("tombstone file has been detected but --server is empty: backup and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin")
	}
	logrus.Info("tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster")
	return etcd.PutAside(r.data)
}

// startEtcd runs this server's member and gives the function that stops it.
func (r *running) startEtcd(ctx context.Context) (func(), error) {
	member := etcd.Member{Data: r.data, Address: r.Agent.NodeIPs[0], ExposeMetrics: r.EtcdExposeMetrics}
	var err error
	if member.Name, err = r.memberName(); err != nil {
		return func() {}, err
	}
	r.member = nodes.Member{Name: member.Name, Address: member.Address}
	if r.join != nil {
		if member.InitialCluster, err = r.joinEtcd(ctx, member); err != nil {
			return func() {}, err
		}
	}
	started, err := member.Start(ctx)
	if err != nil {
		return func() {}, r.buryIfRemoved(err)
	}
	go func() {
		if err := r.buryIfRemoved(started.Ended()); err != nil {
			r.group.Failed("etcd", err)
		}
	}()
	if r.supervisor.datastore.client, err = etcd.Client(r.data); err != nil {
		return started.Close, err
	}
	if r.clustered() {
		err = files.Write(r.clusteredMark(), nil, 0o600)
	}
	return started.Close, err
}

// joinEtcd asks the others to add this member, for as long as they put it off.
func (r *running) joinEtcd(ctx context.Context, member etcd.Member) (string, error) {
	request := protocol.MemberRequest{Name: member.Name, PeerURL: etcd.PeerURL(member.Address)}
	var answer protocol.MemberAnswer
	err := wait.PollUntilContextTimeout(ctx, time.Second, joinTimeout, true, func(ctx context.Context) (bool, error) {
		if err := r.join.PostJSON(ctx, protocol.EtcdMember, request, &answer); err != nil {
			return false, err
		}
		if answer.NotYet != "" {
			logrus.Infof("Waiting for other members to finish joining etcd cluster: %s", answer.NotYet)
		}
		return answer.NotYet == "", nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		err = fmt.Errorf("etcd: not added within %v: %s", joinTimeout, answer.NotYet)
	}
	return answer.InitialCluster, err
}

// buryIfRemoved leaves the tombstone when the error says that the others have removed this member.
func (r *running) buryIfRemoved(err error) error {
	if !errors.Is(err, etcd.ErrRemoved) {
		return err
	}
	logrus.Info("This node has been removed from the cluster - please restart k3s to rejoin the cluster")
	return errors.Join(err, etcd.Bury(r.data))
}

// memberName is <node>-<8 hex>, kept in a file, as k3s names its members.
func (r *running) memberName() (string, error) {
	file := filepath.Join(r.data.Etcd(), "name")
	content, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	name := r.Agent.NodeName + "-" + hex.EncodeToString(random)
	return name, files.Write(file, []byte(name), 0o600)
}
