// Package agent makes this machine a node: containerd, kubelet, kube-proxy and the pod network.
package agent

import (
	"context"
	"fmt"
	"net/url"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"

	"k3s.lab/internal/config"
	"k3s.lab/internal/notify"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/process"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/version"
)

// Role says whether the agent is a server's own.
type Role int

// OnServer agents reach the API of their own server; others one of the servers, through a load balancer.
const (
	OnServer Role = iota
	AgentOnly
)

// node is an agent that is being started, step by step.
type node struct {
	*config.Agent
	data    paths.Data
	group   *process.Group
	role    Role
	cluster protocol.AgentConfig
	apiURL  string // where kubelet and kube-proxy reach the API
}

// Run is `k3s agent`.
func Run(ctx context.Context, a *config.Agent) error {
	logrus.Infof("Starting k3s agent %s (%s)", version.Version, version.InputHash)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	group := process.NewGroup()
	if err := Start(ctx, a, group, AgentOnly); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	logrus.Info("k3s agent is up and running")
	if err := notify.Ready(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		logrus.Info("Stopping k3s; pods keep running")
		return nil
	case err := <-group.Ended():
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

// Start starts the agent's components in the group and returns when the node is registered.
func Start(ctx context.Context, a *config.Agent, group *process.Group, role Role) error {
	n := &node{Agent: a, data: paths.Data(a.DataDir), group: group, role: role}
	server, err := url.Parse(a.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" {
		return fmt.Errorf("invalid server URL %q: write https://<address>:6443", a.Server)
	}
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"joining", n.join},
		{"starting containerd", n.startContainerd},
		{"importing images", n.importImages},
		{"starting kubelet", n.startKubelet},
		{"registering node", n.register},
		{"starting pod network", n.startNetwork},
		{"starting kube-proxy", n.startProxy},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	return nil
}

// until waits for the condition without an end of its own: a node waits for its cluster as long as it must. It ends
// with the context, or when a component ends.
func (n *node) until(ctx context.Context, every time.Duration, condition func(context.Context) (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, every, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-n.group.Ended():
			return false, err
		default:
		}
		return condition(ctx)
	})
}
