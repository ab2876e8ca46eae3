// Package notify tells systemd that a server or an agent is up.
package notify

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
)

const variable = "NOTIFY_SOCKET"

var socket string

// Take keeps the socket for this package: upstream's components would tell systemd of themselves through it.
func Take() error {
	socket = os.Getenv(variable)
	return os.Unsetenv(variable)
}

// Ready tells systemd that the unit is up; without systemd it does nothing.
func Ready() error {
	if socket == "" {
		return nil
	}
	if err := os.Setenv(variable, socket); err != nil {
		return err
	}
	if _, err := daemon.SdNotify(true, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}
