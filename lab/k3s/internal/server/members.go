package server

import (
	"net/http"
	"os"

	"k3s.lab/internal/paths"
	"k3s.lab/internal/pki"
	"k3s.lab/internal/protocol"
)

// datastore is what joining servers need of this server's etcd.
type datastore struct {
	clustered bool // started with --cluster-init, or joined
}

// sharedFiles are the keys and certificates, below server/tls, that all servers of a cluster have.
func sharedFiles() []string {
	files := []string{serviceAccountKey}
	for _, authority := range authorities {
		files = append(files, authority.file+".crt", authority.file+".key")
	}
	return files
}

func (v *supervisor) sendBootstrap(w http.ResponseWriter, _ *http.Request) {
	if !v.datastore.clustered {
		http.Error(w, "this server was not started with --cluster-init, and takes no further servers", http.StatusBadRequest)
		return
	}
	answerBootstrap := protocol.BootstrapData{Files: map[string][]byte{}}
	for _, name := range sharedFiles() {
		content, err := os.ReadFile(v.certificates.data.TLS(name))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answerBootstrap.Files[name] = content
	}
	answerJSON(w, answerBootstrap)
}

// storeBootstrap writes what another server sent, private keys readable by root alone.
func storeBootstrap(data paths.Data, bootstrap protocol.BootstrapData) error {
	for _, name := range sharedFiles() {
		if err := pki.WriteFile(data.TLS(name), bootstrap.Files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}
