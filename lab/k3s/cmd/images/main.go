// Command images writes the release's image archive: each image one static binary in an otherwise empty file system,
// in the format of `docker save`, compressed with zstd. `images ARCH OUT name=binary...`
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// epoch is the time of all files, so that the same binaries make the same archive.
var epoch = time.Unix(0, 0).UTC()

// manifest is an entry of the archive's manifest.json.
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: images ARCH OUT.tar.zst NAME=BINARY...")
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func write(arch, file string, images []string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	compressed, err := zstd.NewWriter(out)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	var manifests []manifest
	for _, image := range images {
		name, binary, _ := strings.Cut(image, "=")
		entry, err := addImage(archive, arch, name, binary)
		if err != nil {
			return fmt.Errorf("%s: %w", image, err)
		}
		manifests = append(manifests, entry)
	}
	if err := addJSON(archive, "manifest.json", manifests); err != nil {
		return err
	}
	for _, closer := range []io.Closer{archive, compressed, out} {
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return nil
}

func addImage(archive *tar.Writer, arch, name, binary string) (manifest, error) {
	layer, err := layerOf(binary)
	if err != nil {
		return manifest{}, err
	}
	diffID := hash(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": arch,
		"os":           "linux",
		"created":      epoch,
		"config":       map[string]any{"Entrypoint": []string{"/" + filepath.Base(binary)}, "WorkingDir": "/"},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diffID}},
		"history":      []map[string]any{{"created": epoch, "created_by": "lab/k3s"}},
	})
	if err != nil {
		return manifest{}, err
	}
	entry := manifest{Config: hash(config) + ".json", RepoTags: []string{name}, Layers: []string{diffID + "/layer.tar"}}
	if err := addFile(archive, entry.Layers[0], layer, 0o644); err != nil {
		return entry, err
	}
	return entry, addFile(archive, entry.Config, config, 0o644)
}

// layerOf is a tar archive with the binary at its root.
func layerOf(binary string) ([]byte, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	if err := addFile(archive, filepath.Base(binary), content, 0o755); err != nil {
		return nil, err
	}
	return layer.Bytes(), archive.Close()
}

func addFile(archive *tar.Writer, name string, content []byte, mode int64) error {
	header := &tar.Header{Name: name, Mode: mode, Size: int64(len(content)), ModTime: epoch, Typeflag: tar.TypeReg}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

func addJSON(archive *tar.Writer, name string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return addFile(archive, name, content, 0o644)
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
