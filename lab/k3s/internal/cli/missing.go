package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// missing is a flag of k3s that the lab does not carry: it is known, so that the message can say who lacks it.
type missing struct {
	name   string
	toggle bool   // takes no value
	why    string // completes "the lab's k3s ..."
}

const (
	noSnapshots = "takes no etcd snapshots"
	noKine      = "keeps its data in embedded etcd only"
	noRegistry  = "imports images from archives and pulls from no registry of its own configuration"
	noVPN       = "carries pod traffic over plain VXLAN only"
	noSELinux   = "runs on Debian nodes without SELinux"
	noSplit     = "always runs the control plane, etcd and the agent together on a server"
)

var missingFromAgent = []missing{
	{"selinux", true, noSELinux},
	{"rootless", true, "runs as root only"},
	{"docker", true, "runs containerd only"},
	{"private-registry", false, noRegistry},
	{"system-default-registry", false, noRegistry},
	{"disable-default-registry-endpoint", true, noRegistry},
	{"embedded-registry", true, noRegistry},
	{"container-runtime-endpoint", false, "starts a containerd of its own"},
	{"default-runtime", false, "knows runc only"},
	{"nonroot-devices", true, "does not configure device ownership"},
	{"flannel-conf", false, "writes the pod network's configuration itself"},
	{"flannel-cni-conf", false, "writes the pod network's configuration itself"},
	{"flannel-external-ip", true, "carries pod traffic between internal addresses only"},
	{"vpn-auth", false, noVPN},
	{"vpn-auth-file", false, noVPN},
	{"node-internal-dns", false, "registers addresses only"},
	{"node-external-dns", false, "registers addresses only"},
	{"lb-server-port", false, "always uses port 6444 for its load balancer"},
	{"prefer-bundled-bin", true, "bundles no host utilities"},
	{"image-credential-provider-config", false, noRegistry},
	{"image-credential-provider-bin-dir", false, noRegistry},
	{"kubelet-root-dir", false, "keeps the kubelet's data in /var/lib/kubelet"},
}

var missingFromServer = []missing{
	{"datastore-endpoint", false, noKine},
	{"datastore-cafile", false, noKine},
	{"datastore-certfile", false, noKine},
	{"datastore-keyfile", false, noKine},
	{"cluster-reset", true, "cannot reset a cluster"},
	{"cluster-reset-restore-path", false, noSnapshots},
	{"etcd-snapshot-schedule-cron", false, noSnapshots},
	{"etcd-snapshot-retention", false, noSnapshots},
	{"etcd-snapshot-dir", false, noSnapshots},
	{"etcd-snapshot-name", false, noSnapshots},
	{"etcd-snapshot-compress", true, noSnapshots},
	{"etcd-s3", true, noSnapshots},
	{"etcd-s3-endpoint", false, noSnapshots},
	{"etcd-s3-bucket", false, noSnapshots},
	{"etcd-s3-region", false, noSnapshots},
	{"etcd-s3-folder", false, noSnapshots},
	{"etcd-s3-access-key", false, noSnapshots},
	{"etcd-s3-secret-key", false, noSnapshots},
	{"etcd-s3-config-secret", false, noSnapshots},
	{"etcd-arg", false, "does not pass arguments to etcd"},
	{"kube-cloud-controller-manager-arg", false, "has no separate cloud controller manager"},
	{"disable-agent", true, noSplit},
	{"disable-apiserver", true, noSplit},
	{"disable-etcd", true, noSplit},
	{"disable-scheduler", true, noSplit},
	{"disable-controller-manager", true, noSplit},
	{"egress-selector-mode", false, "reaches kubelets directly, without a tunnel"},
	{"enable-pprof", true, "serves no profiles"},
	{"servicelb-namespace", false, "packages no load balancer"},
	{"default-local-storage-path", false, "packages no storage class"},
	{"helm-job-image", false, "has no Helm controller"},
	{"flannel-ipv6-masq", true, "carries IPv4 pods only"},
	{"multi-cluster-cidr", true, "has one pod network"},
	{"supervisor-metrics", true, "serves no metrics of the supervisor"},
	{"kine-tls", true, noKine},
	{"write-kubeconfig-group", false, "writes the kubeconfig as root"},
}

// missingFlags accepts the flags in order to refuse them by name when one is used.
func missingFlags(table []missing) []cli.Flag {
	var flags []cli.Flag
	for _, entry := range table {
		refuse := func() error {
			return fmt.Errorf("--%s: k3s has this flag, but the lab's k3s %s - leave it out here, or use the official release", entry.name, entry.why)
		}
		if entry.toggle {
			flags = append(flags, &cli.BoolFlag{Name: entry.name, Hidden: true,
				Action: func(_ *cli.Context, on bool) error {
					if !on {
						return nil
					}
					return refuse()
				}})
			continue
		}
		flags = append(flags, &cli.StringFlag{Name: entry.name, Hidden: true,
			Action: func(*cli.Context, string) error { return refuse() }})
	}
	return flags
}
