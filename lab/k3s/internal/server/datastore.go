package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"k3s.lab/internal/etcd"
	"k3s.lab/internal/pki"
)

// clusteredMark is a file that says that the datastore is etcd for all, not this server's own. k3s keeps a single
// server's data in sqlite then, and takes no further servers.
func (r *running) clusteredMark() string { return filepath.Join(r.data.Etcd(), "clustered") }

func (r *running) clustered() bool {
	_, err := os.Stat(r.clusteredMark())
	return err == nil || r.ClusterInit || r.Agent.Server != ""
}

// takeOver fetches the cluster's keys when this server is to join others; one that is a member already does not.
func (r *running) takeOver(context.Context) error {
	if r.Agent.Server == "" || etcd.Initialised(r.data) {
		return nil
	}
	return errors.New("--server: joining as a further server is not built yet")
}

// startEtcd runs this server's member and gives the function that stops it.
func (r *running) startEtcd(context.Context) (func(), error) {
	name, err := r.memberName()
	if err != nil {
		return func() {}, err
	}
	member := etcd.Member{Name: name, Data: r.data, Address: r.Agent.NodeIPs[0], ExposeMetrics: r.EtcdExposeMetrics}
	started, err := member.Start()
	if err != nil {
		return func() {}, err
	}
	go func() { r.group.Failed("etcd", <-started.Err()) }()
	if r.clustered() {
		err = pki.WriteFile(r.clusteredMark(), nil, 0o600)
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
	return name, pki.WriteFile(file, []byte(name), 0o600)
}

func (r *running) memberGone(context.Context, *corev1.Node) error { return nil }

func (v *supervisor) addMember(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "joining as a further server is not built yet", http.StatusNotImplemented)
}

func (v *supervisor) sendAPIServers(w http.ResponseWriter, r *http.Request) {
	client := v.client.Load()
	if client == nil {
		http.Error(w, errNotReady.Error(), http.StatusServiceUnavailable)
		return
	}
	addresses, err := apiServers(r.Context(), client)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, addresses)
}
