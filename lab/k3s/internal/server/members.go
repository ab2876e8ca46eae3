package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"k3s.lab/internal/etcd"
	"k3s.lab/internal/files"
	"k3s.lab/internal/nodes"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/protocol"
)

// datastore is what joining servers need of this server's etcd.
type datastore struct {
	clustered bool             // started with --cluster-init, or joined
	client    *clientv3.Client // set when this server's member runs, before the apiserver does
}

// sharedFiles are the keys and certificates, below server/, that all servers of a cluster have.
func sharedFiles(encrypted bool) []string {
	files := []string{"tls/" + serviceAccountKey}
	for _, authority := range authorities {
		files = append(files, "tls/"+authority.file+".crt", "tls/"+authority.file+".key")
	}
	if encrypted {
		files = append(files, "cred/"+encryptionConfig, "cred/"+encryptionState)
	}
	return files
}

func (v *supervisor) sendBootstrap(w http.ResponseWriter, _ *http.Request) {
	if !v.datastore.clustered {
		http.Error(w, "this server was not started with --cluster-init, and takes no further servers", http.StatusBadRequest)
		return
	}
	answerBootstrap := protocol.BootstrapData{Files: map[string][]byte{}}
	for _, name := range sharedFiles(v.agentConfig.SecretsEncryption) {
		content, err := os.ReadFile(v.certificates.data.Server(name))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answerBootstrap.Files[name] = content
	}
	answerJSON(w, answerBootstrap)
}

// addMember lets a joining server's etcd in. It is asked only while this server's API answers, and so its member runs.
func (v *supervisor) addMember(w http.ResponseWriter, r *http.Request) {
	if v.client.Load() == nil {
		http.Error(w, errNotReady.Error(), http.StatusServiceUnavailable)
		return
	}
	var request protocol.MemberRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	initial, err := etcd.Add(r.Context(), v.datastore.client, request.Name, request.PeerURL)
	if etcd.NotYet(err) {
		answerJSON(w, protocol.MemberAnswer{NotYet: err.Error()})
		return
	}
	if err != nil {
		logrus.Warnf("Refused etcd member %s: %v", request.Name, err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	logrus.Infof("Added etcd member %s at %s", request.Name, request.PeerURL)
	answerJSON(w, protocol.MemberAnswer{InitialCluster: initial})
}

// storeBootstrap writes what another server sent, private keys readable by root alone.
func storeBootstrap(data paths.Data, bootstrap protocol.BootstrapData, encrypted bool) error {
	for _, name := range sharedFiles(encrypted) {
		if len(bootstrap.Files[name]) == 0 {
			return fmt.Errorf("the server sent no %s", name)
		}
		if err := files.Write(data.Server(name), bootstrap.Files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// members is etcd's cluster as the controller of Nodes sees it.
type members struct {
	own    nodes.Member
	client *clientv3.Client
}

func (m members) Own() nodes.Member { return m.own }

func (m members) Of(ctx context.Context, node string) (nodes.Member, error) {
	name, address, err := etcd.Find(ctx, m.client, node)
	return nodes.Member{Name: name, Address: address}, err
}

func (m members) Remove(ctx context.Context, member nodes.Member) error {
	return etcd.Remove(ctx, m.client, member.Name, member.Address)
}

func (m members) Alone(ctx context.Context) (bool, error) { return etcd.Alone(ctx, m.client) }
