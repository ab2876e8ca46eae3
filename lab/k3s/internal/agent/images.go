package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/sirupsen/logrus"
)

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
