package agent

import (
	"bytes"
	"context"
	_ "embed" // containerd's configuration
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
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
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, containerdTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-n.group.Ended():
			return false, err
		default:
		}
		return n.ctr(ctx, nil, "version") == nil, nil
	})
}

func (n *node) renderContainerd() ([]byte, error) {
	pause := n.PauseImage
	if pause == "" {
		pause = manifests.PauseImage
	}
	var rendered bytes.Buffer
	err := template.Must(template.New("containerd").Parse(containerdConfig)).Execute(&rendered, map[string]string{
		"Pause": pause, "Snapshotter": n.Snapshotter, "CNIPlugins": paths.CNIPlugins, "CNIConf": n.data.CNIConf(),
	})
	return rendered.Bytes(), err
}

func (n *node) ctr(ctx context.Context, input io.Reader, args ...string) error {
	command := exec.CommandContext(ctx, "ctr", append([]string{"--address", paths.ContainerdSocket, "--namespace", "k8s.io"}, args...)...)
	command.Stdin = input
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// importImages imports the archives in agent/images, as k3s does whenever it starts.
func (n *node) importImages(ctx context.Context) error {
	entries, err := os.ReadDir(n.data.Images())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		open := opener(entry.Name())
		if entry.IsDir() || open == nil {
			continue
		}
		started := time.Now()
		if err := n.importArchive(ctx, filepath.Join(n.data.Images(), entry.Name()), open); err != nil {
			return err
		}
		logrus.Infof("Imported images from %s in %v", entry.Name(), time.Since(started).Round(time.Millisecond))
	}
	return nil
}

func (n *node) importArchive(ctx context.Context, file string, open func(io.Reader) (io.ReadCloser, error)) error {
	compressed, err := os.Open(file)
	if err != nil {
		return err
	}
	defer compressed.Close()
	archive, err := open(compressed)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer archive.Close()
	if err := n.ctr(ctx, archive, "images", "import", "--all-platforms", "-"); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// opener chooses by the file's name how to read an archive; nil for what is none.
func opener(name string) func(io.Reader) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(name, ".tar"):
		return func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
	case strings.HasSuffix(name, ".tar.zst"):
		return func(r io.Reader) (io.ReadCloser, error) {
			decoder, err := zstd.NewReader(r)
			if err != nil {
				return nil, err
			}
			return decoder.IOReadCloser(), nil
		}
	}
	return nil
}

// useAPI decides where kubelet and kube-proxy reach the API.
func (n *node) useAPI(ctx context.Context, client *Client) error {
	if n.role == OnServer {
		n.apiURL = n.Server
		return nil
	}
	if n.apiURL != "" {
		return nil
	}
	balancer := newBalancer(client.base.Host)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", balancerAddress)
	if err != nil {
		return err
	}
	go func() { n.group.Failed("load balancer", balancer.serve(ctx, listener)) }()
	go balancer.refresh(ctx, client)
	n.apiURL = "https://" + balancerAddress
	return nil
}
