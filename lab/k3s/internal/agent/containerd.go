package agent

import (
	"bytes"
	"context"
	_ "embed" // containerd's configuration
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"text/template"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/wait"

	"k3s.lab/internal/files"
	"k3s.lab/internal/manifests"
	"k3s.lab/internal/paths"
)

//go:embed containerd.toml
var containerdConfig string

// containerdTimeout bounds the wait for containerd's socket.
const containerdTimeout = time.Minute

// startContainerd runs the containerd on the PATH with folders of k3s's own. Its shims, and so the pods, outlive it.
func (n *node) startContainerd(ctx context.Context) error {
	file := n.data.Agent("etc/containerd/config.toml")
	config, err := n.renderContainerd()
	if err != nil {
		return err
	}
	if err := files.Write(file, config, 0o600); err != nil {
		return err
	}
	program, err := exec.LookPath("containerd")
	if err != nil {
		return fmt.Errorf("%w - the lab's k3s brings none of its own: install Debian's containerd, runc and containernetworking-plugins", err)
	}
	args := []string{"-c", file, "-a", paths.ContainerdSocket, "--state", paths.ContainerdState, "--root", n.data.ContainerdRoot(), "--log-level", "warn"}
	logrus.Infof("Running containerd %s", strings.Join(args, " "))
	if err := n.group.Start(ctx, "containerd", program, args, nil); err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, containerdTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-n.group.Ended():
			return false, err
		default:
		}
		return n.ctr(ctx, nil, "version") == nil, nil
	})
	if err != nil {
		return err
	}
	return n.checkCRI(ctx)
}

// checkCRI fails when containerd runs without its part for Kubernetes, which it would do unnoticed.
func (n *node) checkCRI(ctx context.Context) error {
	output, err := ctrCommand(ctx, "plugins", "list").Output()
	if err != nil {
		return fmt.Errorf("ctr plugins list: %w", err)
	}
	for _, line := range strings.Split(string(output), "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "io.containerd.grpc.v1" && fields[1] == "cri" && fields[len(fields)-1] == "ok" {
			return nil
		}
	}
	return errors.New("containerd's CRI plugin did not start, its reason is above - when that is fsnotify or \"too many open files\", " +
		"all nodes on this host together use up fs.inotify.max_user_instances: raise it on the host, or run fewer nodes")
}

func (n *node) renderContainerd() ([]byte, error) {
	pause := n.PauseImage
	if pause == "" {
		pause = manifests.PauseImage
	}
	plugins, conf := paths.CNIPlugins, n.data.CNIConf()
	if n.cluster.FlannelBackend == "none" {
		plugins, conf = paths.OthersCNIPlugins, paths.OthersCNIConf
	}
	var rendered bytes.Buffer
	err := template.Must(template.New("containerd").Parse(containerdConfig)).Execute(&rendered, map[string]string{
		"Pause": pause, "Snapshotter": n.Snapshotter, "CNIPlugins": plugins, "CNIConf": conf,
	})
	return rendered.Bytes(), err
}

func (n *node) ctr(ctx context.Context, input io.Reader, args ...string) error {
	command := ctrCommand(ctx, args...)
	command.Stdin = input
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

func ctrCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ctr", append([]string{"--address", paths.ContainerdSocket, "--namespace", "k8s.io"}, args...)...)
}
