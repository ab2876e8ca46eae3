package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"

	"k3s.lab/internal/agent"
	"k3s.lab/internal/etcd"
	"k3s.lab/internal/files"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
)

// clusteredMark is a file that says that the datastore is etcd for all, not this server's own. k3s keeps a single
// server's data in sqlite then, and takes no further servers.
func (r *running) clusteredMark() string { return filepath.Join(r.data.Etcd(), "clustered") }

func (r *running) clustered() bool {
	_, err := os.Stat(r.clusteredMark())
	return err == nil || r.ClusterInit || r.Agent.Server != ""
}

// takeOver fetches the cluster's keys when this server is to join others; one that is a member already does not.
func (r *running) takeOver(ctx context.Context) error {
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
	var bootstrap protocol.BootstrapData
	if err := r.join.Get(ctx, protocol.Bootstrap, &bootstrap); err != nil {
		return err
	}
	return storeBootstrap(r.data, bootstrap)
}

// startEtcd runs this server's member and gives the function that stops it.
func (r *running) startEtcd(ctx context.Context) (func(), error) {
	name, err := r.memberName()
	if err != nil {
		return func() {}, err
	}
	member := etcd.Member{Name: name, Data: r.data, Address: r.Agent.NodeIPs[0], ExposeMetrics: r.EtcdExposeMetrics}
	if r.join != nil {
		request := protocol.MemberRequest{Name: name, PeerURL: etcd.PeerURL(member.Address)}
		var joined protocol.MemberAnswer
		if err := r.join.PostJSON(ctx, protocol.EtcdMember, request, &joined); err != nil {
			return func() {}, err
		}
		member.InitialCluster = joined.InitialCluster
	}
	started, err := member.Start(ctx)
	if err != nil {
		return func() {}, err
	}
	go func() {
		select {
		case err := <-started.Err():
			r.group.Failed("etcd", err)
		case <-started.Server.StopNotify():
			r.group.Failed("etcd", errors.New("stopped, or removed from the cluster"))
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

// memberGone removes a deleted server's member, as k3s does; a server never removes its own.
func (r *running) memberGone(ctx context.Context, node *corev1.Node) error {
	if node.Name == r.Agent.NodeName {
		return nil
	}
	return etcd.Remove(ctx, r.supervisor.datastore.client, node.Name)
}
