// Package server runs a k3s server: etcd, the control plane, the supervisor that nodes join through, and an agent.
package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"k3s.lab/internal/agent"
	"k3s.lab/internal/apiserver"
	"k3s.lab/internal/config"
	"k3s.lab/internal/manifests"
	"k3s.lab/internal/nodes"
	"k3s.lab/internal/notify"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/process"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
	"k3s.lab/internal/version"
)

// apiTimeout bounds the wait for the apiserver, which is some 3 s on two cores.
const apiTimeout = 2 * time.Minute

// running is a server that is being started, step by step.
type running struct {
	*config.Server
	data         paths.Data
	secrets      secrets
	certificates *certificates
	supervisor   *supervisor
	front        *front
	group        *process.Group
	join         *agent.Client // of the server that this one joins; nil otherwise
	member       nodes.Member  // this server's, of etcd
}

// Run is `k3s server`: it returns when a component ends or a signal asks to stop.
func Run(ctx context.Context, s *config.Server) error {
	logrus.Infof("Starting k3s %s (%s)", version.Version, version.InputHash)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	r := &running{Server: s, data: paths.Data(s.Agent.DataDir), group: process.NewGroup()}
	closeEtcd := func() {}
	defer func() { closeEtcd() }()
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"starting kubernetes: preparing server", r.prepare},
		{"listening", r.listen},
		{"starting etcd", func(ctx context.Context) (err error) { closeEtcd, err = r.startEtcd(ctx); return err }},
		{"starting kubernetes", r.startControlPlane},
		{"starting controllers", r.startControllers},
		{"starting agent", r.startAgent},
	} {
		if err := step.run(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // asked to stop while starting
			}
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	select {
	case <-ctx.Done():
		logrus.Info("Stopping k3s; pods keep running")
		return nil
	case err := <-r.group.Ended():
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// prepare makes or takes over the cluster's keys, and writes tokens and kubeconfigs.
func (r *running) prepare(ctx context.Context) (err error) {
	if r.secrets, err = loadSecrets(r.Server); err != nil {
		return err
	}
	if err = r.takeOver(ctx); err != nil {
		return err
	}
	if err = r.prepareEncryption(); err != nil {
		return err
	}
	if r.certificates, err = newCertificates(r.Server); err != nil {
		return err
	}
	if err = r.secrets.write(r.data, r.certificates.byName["server-ca"].PEM); err != nil {
		return err
	}
	mode, err := strconv.ParseUint(r.KubeconfigMode, 8, 32)
	if err != nil {
		return err
	}
	return r.certificates.writeAdminKubeconfig(r.Server, os.FileMode(mode))
}

// listen opens the port, so that joiners find the CA while the rest starts.
func (r *running) listen(ctx context.Context) error {
	r.supervisor = &supervisor{
		certificates: r.certificates,
		secrets:      r.secrets,
		datastore:    datastore{clustered: r.clustered()},
		agentConfig:  protocol.AgentConfig{Version: version.Version, Cluster: r.cluster()},
	}
	r.front = &front{supervisor: r.supervisor.handler()}
	return r.front.listen(ctx, r.Server, func(err error) { r.group.Failed("listener", err) })
}

func (r *running) startControlPlane(ctx context.Context) error {
	api, err := apiserver.New(ctx, apiserverFlags(r.Server), r.HTTPSListenPort)
	if err != nil {
		return err
	}
	go func() { r.group.Failed("kube-apiserver", errors.Join(api.Run(ctx), ctx.Err())) }()
	r.front.serveAPI(api.Handler)
	if err := r.waitForAPI(ctx); err != nil {
		return err
	}
	logrus.Info("Kube API server is now running")
	if err := r.group.StartSelf(ctx, "kube-scheduler", schedulerFlags(r.Server)); err != nil {
		return err
	}
	return r.group.StartSelf(ctx, "kube-controller-manager", controllerManagerFlags(r.Server))
}

// waitForAPI waits until the apiserver says that it is ready, and gives the supervisor its client.
func (r *running) waitForAPI(ctx context.Context) error {
	client, err := r.clientset()
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, apiTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-r.group.Ended():
			return false, err
		default:
		}
		last = client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("apiserver not ready: %w", errors.Join(err, last))
	}
	r.supervisor.client.Store(client)
	return nil
}

func (r *running) clientset() (*kubernetes.Clientset, error) {
	rest, err := clientcmd.BuildConfigFromFlags("", r.data.Cred("supervisor.kubeconfig"))
	if err != nil {
		return nil, err
	}
	rest.QPS, rest.Burst = 50, 100
	return kubernetes.NewForConfig(rest)
}

func (r *running) startControllers(ctx context.Context) error {
	rest, err := clientcmd.BuildConfigFromFlags("", r.data.Cred("supervisor.kubeconfig"))
	if err != nil {
		return err
	}
	deployer := &manifests.Deployer{
		Folder: r.data.Manifests(), Disabled: r.Disable,
		Variables: map[string]string{
			"CLUSTER_DNS": r.ClusterDNS, "CLUSTER_DOMAIN": r.ClusterDomain, "COREDNS_IMAGE": manifests.CoreDNSImage,
		},
	}
	if err := deployer.Connect(rest); err != nil {
		return err
	}
	if err := deployer.Package(ctx); err != nil {
		return err
	}
	controller := &nodes.Controller{
		Client: r.supervisor.client.Load(), ServerName: r.Agent.NodeName, ServerRoles: r.roles(),
		CloudProvider: !r.NoCloudProvider,
	}
	if r.clustered() {
		controller.Members = members{r.member, r.supervisor.datastore.client}
	}
	if controller.ServerAnnotations, err = r.encryptionAnnotations(); err != nil {
		return err
	}
	go func() { r.group.Failed("manifests", deployer.Run(ctx)) }()
	go func() { r.group.Failed("node controller", controller.Run(ctx)) }()
	logrus.Info("k3s is up and running")
	return notify.Ready()
}

// roles are the labels that k3s gives a server since 1.34; etcd only where the datastore is meant to be shared.
func (r *running) roles() []string {
	if r.clustered() {
		return []string{"control-plane", "etcd"}
	}
	return []string{"control-plane"}
}

// startAgent makes this server a node of its own cluster.
func (r *running) startAgent(ctx context.Context) error {
	local := r.Agent
	local.Server = localURL(r.Server)
	local.Token = token.Format(r.certificates.byName["server-ca"].PEM, token.NodeUser, r.secrets[token.NodeUser])
	return agent.Start(ctx, &local, r.group, agent.OnServer)
}
