// Package version says what this program is. The values are set by the linker (see lab/k3s/build.py).
package version

import (
	"fmt"
	"runtime"
)

// Version is Kubernetes' version with the suffix that tells the lab's build from a release of k3s.
var Version = "v0.0.0+lab"

// InputHash identifies the sources that the binary was built from; k3s prints its commit there.
var InputHash = "unknown"

// Text is what `k3s --version` prints: the two lines of k3s itself.
func Text() string {
	return fmt.Sprintf("k3s version %s (%s)\ngo version %s", Version, InputHash, runtime.Version())
}
