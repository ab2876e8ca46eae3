package etcd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"k3s.lab/internal/files"
	"k3s.lab/internal/paths"
)

// keptAside is how many folders of former members are kept, as k3s does.
const keptAside = 5

// ErrRemoved is why a member ends when the others have taken it out of the cluster, in etcd's words.
var ErrRemoved = errors.New("the member has been permanently removed from the cluster")

// Running is a member that runs.
type Running struct {
	*embed.Etcd
	closing atomic.Bool
}

// Close stops the member, which stays one of the cluster's.
func (r *Running) Close() {
	r.closing.Store(true)
	r.Etcd.Close()
}

// Ended waits for the member's end and gives the reason; nil after Close.
func (r *Running) Ended() error {
	select {
	case err := <-r.Err():
		return r.reason(err)
	case <-r.Server.StoppingNotify():
		return r.reason(nil)
	}
}

// reason tells a removal from other errors: etcd stops by itself for no other reason, and its listeners may say so first.
func (r *Running) reason(err error) error {
	select {
	case <-r.Server.StoppingNotify():
		if !r.closing.Load() {
			return ErrRemoved
		}
	default:
	}
	if r.closing.Load() {
		return nil
	}
	return err
}

// Bury leaves k3s's tombstone: at the next start, this member's data is put aside.
func Bury(data paths.Data) error { return files.Write(tombstone(data), nil, 0o600) }

// Buried says whether this server's member was removed from its cluster.
func Buried(data paths.Data) (bool, error) {
	_, err := os.Stat(tombstone(data))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// PutAside moves a removed member's data away, so that this server can join as a new member.
func PutAside(data paths.Data) error {
	if err := os.Rename(data.Etcd(), aside(data, strconv.FormatInt(time.Now().UnixNano(), 10))); err != nil {
		return err
	}
	former, err := filepath.Glob(aside(data, "*"))
	if err != nil {
		return err
	}
	sort.Strings(former)
	for len(former) > keptAside {
		if err := os.RemoveAll(former[0]); err != nil {
			return err
		}
		former = former[1:]
	}
	return nil
}

func aside(data paths.Data, suffix string) string { return data.Etcd() + "-old-" + suffix }

func tombstone(data paths.Data) string { return filepath.Join(data.Etcd(), "tombstone") }
