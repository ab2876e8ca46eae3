// Package kubeconfig writes the kubeconfig files of people and components.
package kubeconfig

import (
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"

	"k3s.lab/internal/files"
)

const name = "default" // of the cluster, the user and the context, as in k3s.yaml

// File says whom a kubeconfig is for: files are PEM.
type File struct {
	Server   string // https://host:port
	CAFile   string
	CertFile string
	KeyFile  string
	Embed    bool // the certificates' content rather than their file names
}

// Write writes the kubeconfig with the mode.
func (f File) Write(file string, mode os.FileMode) error {
	cluster := &api.Cluster{Server: f.Server, CertificateAuthority: f.CAFile}
	user := &api.AuthInfo{ClientCertificate: f.CertFile, ClientKey: f.KeyFile}
	config := api.NewConfig()
	config.Clusters[name], config.AuthInfos[name] = cluster, user
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if f.Embed {
		if err := api.FlattenConfig(config); err != nil {
			return err
		}
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	return files.Write(file, content, mode)
}

// Client is a client and its configuration of the kubeconfig file.
func Client(file string) (kubernetes.Interface, *rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	return client, config, err
}
