package server

import (
	"os"

	"k8s.io/apimachinery/pkg/util/sets"

	"k3s.lab/internal/config"
	"k3s.lab/internal/kubeconfig"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/pki"
)

// authorities are the cluster's CAs, the same on all servers: <file stem below server/tls> and common name.
var authorities = []struct{ file, name string }{
	{"server-ca", "k3s-server-ca"},
	{"client-ca", "k3s-client-ca"},
	{"request-header-ca", "k3s-request-header-ca"},
	{"etcd/server-ca", "etcd-server-ca"},
	{"etcd/peer-ca", "etcd-peer-ca"},
}

const serviceAccountKey = "service.key"

// clients are the certificates of the server's own components.
var clients = []struct {
	file, ca, name string
	groups         []string
	kubeconfig     string // below server/cred; empty when none is needed
}{
	{"client-admin", "client-ca", "system:admin", []string{"system:masters"}, "admin.kubeconfig"},
	{"client-supervisor", "client-ca", "system:k3s-supervisor", []string{"system:masters"}, "supervisor.kubeconfig"},
	{"client-controller", "client-ca", "system:kube-controller-manager", nil, "controller.kubeconfig"},
	{"client-scheduler", "client-ca", "system:kube-scheduler", nil, "scheduler.kubeconfig"},
	{"client-kube-apiserver", "client-ca", "system:apiserver", []string{"system:masters"}, ""},
	{"client-auth-proxy", "request-header-ca", "system:auth-proxy", nil, ""},
	{"etcd/client", "etcd/server-ca", "etcd-client", nil, ""},
}

// certificates holds the authorities that sign while the server runs.
type certificates struct {
	data   paths.Data
	byName map[string]*pki.CA
}

// newCertificates makes what is missing below server/tls; what is there is kept.
func newCertificates(s *config.Server) (*certificates, error) {
	c := &certificates{data: paths.Data(s.Agent.DataDir), byName: map[string]*pki.CA{}}
	for _, authority := range authorities {
		ca, err := pki.LoadOrCreateCA(c.data.TLS(authority.file+".crt"), c.data.TLS(authority.file+".key"), authority.name)
		if err != nil {
			return nil, err
		}
		c.byName[authority.file] = ca
	}
	if _, err := pki.LoadOrCreateKey(c.data.TLS(serviceAccountKey)); err != nil {
		return nil, err
	}
	if err := c.issueServing(s); err != nil {
		return nil, err
	}
	return c, c.issueClients(s)
}

func (c *certificates) issue(file, ca string, subject pki.Subject) error {
	return c.byName[ca].Issue(c.data.TLS(file+".crt"), c.data.TLS(file+".key"), subject)
}

func (c *certificates) issueServing(s *config.Server) error {
	sans := serverNames(s)
	service := []string{nthService(s), "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + s.ClusterDomain}
	if err := c.issue("serving-kube-apiserver", "server-ca",
		pki.Subject{Name: "kube-apiserver", SANs: append(service, sans...), Usages: pki.ServerUse}); err != nil {
		return err
	}
	if err := c.issue("etcd/server-client", "etcd/server-ca",
		pki.Subject{Name: "etcd-server", SANs: sans, Usages: pki.BothUses}); err != nil {
		return err
	}
	return c.issue("etcd/peer-server-client", "etcd/peer-ca",
		pki.Subject{Name: "etcd-peer", SANs: sans, Usages: pki.BothUses})
}

// serverNames are the names that this server answers to.
func serverNames(s *config.Server) []string {
	names := sets.New("127.0.0.1", "::1", "localhost", s.Agent.NodeName, s.AdvertiseAddress)
	names.Insert(s.Agent.NodeIPs...)
	names.Insert(s.Agent.NodeExternalIPs...)
	names.Insert(s.TLSSANs...)
	return sets.List(names)
}

func (c *certificates) issueClients(s *config.Server) error {
	for _, client := range clients {
		if err := c.issue(client.file, client.ca, pki.Subject{Name: client.name, Groups: client.groups, Usages: pki.ClientUse}); err != nil {
			return err
		}
		if client.kubeconfig == "" {
			continue
		}
		if err := c.kubeconfig(s, client.file).Write(c.data.Cred(client.kubeconfig), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *certificates) kubeconfig(s *config.Server, client string) kubeconfig.File {
	return kubeconfig.File{
		Server:   localURL(s),
		CAFile:   c.data.TLS("server-ca.crt"),
		CertFile: c.data.TLS(client + ".crt"),
		KeyFile:  c.data.TLS(client + ".key"),
	}
}

// writeAdminKubeconfig writes what people use: /etc/rancher/k3s/k3s.yaml.
func (c *certificates) writeAdminKubeconfig(s *config.Server, mode os.FileMode) error {
	admin := c.kubeconfig(s, "client-admin")
	admin.Embed = true
	return admin.Write(s.Kubeconfig, mode)
}
