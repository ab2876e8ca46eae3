// Command k3s has k3s's command line around upstream Kubernetes. It is the lab's, not a release of k3s.
package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	componentcli "k8s.io/component-base/cli"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	ksched "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric of the version

	"k3s.lab/internal/cli"
	"k3s.lab/internal/paths"
)

// components are processes of this binary that a server or an agent starts.
var components = map[string]func() *cobra.Command{
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-proxy":              kproxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return ksched.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	called := filepath.Base(os.Args[0])
	if called == "k3s" && len(os.Args) > 1 {
		if _, isComponent := components[os.Args[1]]; isComponent || os.Args[1] == "kubectl" || os.Args[1] == "ctr" {
			called, os.Args = os.Args[1], os.Args[1:]
		}
	}
	switch {
	case called == "kubectl":
		kubectl()
	case called == "ctr":
		ctr()
	case components[called] != nil:
		os.Exit(componentcli.Run(components[called]()))
	default:
		os.Exit(cli.Run(os.Args))
	}
}

// kubectl uses k3s's own kubeconfig unless told otherwise.
func kubectl() {
	if os.Getenv("KUBECONFIG") == "" {
		if _, err := os.Stat(paths.Kubeconfig); err == nil {
			if err := os.Setenv("KUBECONFIG", paths.Kubeconfig); err != nil {
				logrus.Fatal(err)
			}
		}
	}
	if err := componentcli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		cmdutil.CheckErr(err)
	}
}

// ctr is containerd's own, pointed at k3s's containerd.
func ctr() {
	program, err := exec.LookPath("ctr")
	if err != nil {
		logrus.Fatal(err)
	}
	args := append([]string{"ctr", "--address", paths.ContainerdSocket, "--namespace", "k8s.io"}, os.Args[1:]...)
	logrus.Fatal(syscall.Exec(program, args, os.Environ()))
}
