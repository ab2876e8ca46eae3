// Package process runs the components that are processes of their own: containerd and parts of this binary.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// stopGrace is how long a component may take to end before it is killed.
const stopGrace = 5 * time.Second

// Group runs components; the first that ends is the end of all, as k3s's components share one process.
type Group struct {
	ended chan error
}

// NewGroup is an empty group.
func NewGroup() *Group { return &Group{ended: make(chan error, 16)} }

// Failed reports the end of a component that is no process.
func (g *Group) Failed(name string, err error) { g.ended <- fmt.Errorf("%s ended: %w", name, err) }

// Ended gives the first component's end.
func (g *Group) Ended() <-chan error { return g.ended }

// StartSelf runs a component of this binary: its name, then its flags.
func (g *Group) StartSelf(ctx context.Context, name string, flags []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logrus.Infof("Running %s %s", name, strings.Join(flags, " "))
	return g.Start(ctx, name, self, append([]string{name}, flags...), nil)
}

// Start runs a program until the context ends. The program dies with this process, however that ends:
// the unit has KillMode=process, which spares pods but would spare components too.
func (g *Group) Start(ctx context.Context, name, program string, args, environment []string) error {
	started := make(chan error)
	go func() {
		// The death signal is tied to the thread that forked, not to the process.
		runtime.LockOSThread()
		command := exec.CommandContext(ctx, program, args...)
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		command.Env = append(os.Environ(), environment...)
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
		command.WaitDelay = stopGrace
		if err := command.Start(); err != nil {
			started <- fmt.Errorf("%s: %w", name, err)
			return
		}
		started <- nil
		err := command.Wait()
		if err == nil {
			err = fmt.Errorf("without an error")
		}
		g.Failed(name, err)
	}()
	return <-started
}
