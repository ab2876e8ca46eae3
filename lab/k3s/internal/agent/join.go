package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"k3s.lab/internal/files"
	"k3s.lab/internal/kubeconfig"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/pki"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
)

// retryEvery is how often a node that is not admitted tries again; k3s does so for ever, and logs why.
const retryEvery = 5 * time.Second

// issued are the certificates that a server signs for this node, below agent/.
var issued = []struct {
	path, file, kubeconfig string
}{
	{protocol.ServingKubelet, "serving-kubelet", ""},
	{protocol.ClientKubelet, "client-kubelet", "kubelet.kubeconfig"},
	{protocol.ClientProxy, "client-kube-proxy", "kubeproxy.kubeconfig"},
	{protocol.ClientK3s, "client-k3s-controller", "k3scontroller.kubeconfig"},
}

// join gets the cluster's settings and this node's certificates.
func (n *node) join(ctx context.Context) error {
	password, err := nodePassword()
	if err != nil {
		return err
	}
	return n.until(ctx, retryEvery, func(ctx context.Context) (bool, error) {
		client, err := Connect(ctx, n.Server, n.Token, token.NodeUser)
		if err == nil {
			err = client.Get(ctx, protocol.Config, &n.cluster)
		}
		if err != nil {
			logrus.Errorf("Failed to validate connection to cluster at %s: %v", n.Server, err)
			return false, nil
		}
		if err := n.useAPI(ctx, client); err != nil {
			return false, err
		}
		if err := n.fetchCertificates(ctx, client, password); err != nil {
			logrus.Infof("Waiting to retrieve agent configuration; server is not ready: %v", err)
			return false, nil
		}
		return true, nil
	})
}

func (n *node) fetchCertificates(ctx context.Context, client *Client, password string) error {
	headers := map[string]string{
		protocol.NodeName:     n.NodeName,
		protocol.NodePassword: password,
		protocol.NodeIP:       strings.Join(append(append([]string{}, n.NodeIPs...), n.NodeExternalIPs...), ","),
	}
	clientCA, err := client.do(ctx, http.MethodGet, protocol.ClientCA, nil, nil, true)
	if err != nil {
		return err
	}
	if err := files.Write(n.data.Agent("client-ca.crt"), clientCA, 0o644); err != nil {
		return err
	}
	if err := files.Write(n.data.Agent("server-ca.crt"), client.ca, 0o644); err != nil {
		return err
	}
	for _, certificate := range issued {
		cert, key := n.data.Agent(certificate.file+".crt"), n.data.Agent(certificate.file+".key")
		if err := fetchCertificate(ctx, client, certificate.path, headers, cert, key); err != nil {
			return err
		}
		if certificate.kubeconfig == "" {
			continue
		}
		file := kubeconfig.File{Server: n.apiURL, CAFile: n.data.Agent("server-ca.crt"), CertFile: cert, KeyFile: key}
		if err := file.Write(n.data.Agent(certificate.kubeconfig), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fetchCertificate sends a signing request: the key is made here and stays here.
func fetchCertificate(ctx context.Context, client *Client, path string, headers map[string]string, certFile, keyFile string) error {
	key, err := pki.LoadOrCreateKey(keyFile)
	if err != nil {
		return err
	}
	request, err := pki.Request(key)
	if err != nil {
		return err
	}
	signed, err := client.do(ctx, http.MethodPost, path, headers, request, true)
	if err != nil {
		return err
	}
	return files.Write(certFile, signed, 0o644)
}

// nodePassword is this machine's proof that the node's name is its own, made at its first start.
func nodePassword() (string, error) {
	content, err := os.ReadFile(paths.NodePassword)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	password := hex.EncodeToString(random)
	return password, files.Write(paths.NodePassword, []byte(password+"\n"), 0o600)
}
