package server

import (
	"errors"
	"reflect"

	"github.com/sirupsen/logrus"

	"k3s.lab/internal/config"
)

// cluster is what all nodes of this server's cluster go by.
func (r *running) cluster() config.Cluster {
	return config.Cluster{
		ClusterCIDR: r.ClusterCIDR, ServiceCIDR: r.ServiceCIDR, ClusterDNS: r.ClusterDNS, ClusterDomain: r.ClusterDomain,
		FlannelBackend: r.FlannelBackend, NoKubeProxy: r.NoKubeProxy, NoCloudProvider: r.NoCloudProvider,
		SecretsEncryption: r.SecretsEncryption,
	}
}

// checkCritical refuses to join servers whose settings differ from this one's, naming the flags.
func checkCritical(others, own config.Cluster) error {
	if others == own {
		return nil
	}
	theirs, ours := reflect.ValueOf(others), reflect.ValueOf(own)
	for i := range ours.NumField() {
		if !theirs.Field(i).Equal(ours.Field(i)) {
			flag := ours.Type().Field(i).Tag.Get("flag")
			logrus.Errorf("critical configuration mismatched: --%s is %v here, %v in the cluster", flag, ours.Field(i), theirs.Field(i))
		}
	}
	return errors.New("failed to validate server configuration: critical configuration value mismatch between servers")
}
