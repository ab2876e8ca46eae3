// Package manifests applies the YAML files of server/manifests, the packaged CoreDNS among them.
package manifests

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the packaged manifests
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/utils/ptr"

	"k3s.lab/internal/files"
)

//go:embed coredns.yaml
var coreDNS []byte

//go:embed rbac.yaml
var rbac []byte

//go:embed definitions.yaml
var definitions []byte

// poll is how often the folder is looked at, as k3s does.
const poll = 15 * time.Second

const fieldManager = "deploy@k3s"

// Deployer keeps the folder's objects applied.
type Deployer struct {
	Folder    string
	Disabled  []string          // packaged components that are not wanted
	Variables map[string]string // %{NAME}% in the packaged manifests

	client  dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	applied map[string][sha256.Size]byte
}

// Connect prepares the clients.
func (d *Deployer) Connect(config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	d.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	d.client, err = dynamic.NewForConfig(config)
	d.applied = map[string][sha256.Size]byte{}
	return err
}

// Package writes the packaged manifests to the folder, and takes away those of disabled components.
// Definitions are no component's, and in no file.
func (d *Deployer) Package(ctx context.Context) error {
	if err := d.each(definitions, func(o *unstructured.Unstructured, on dynamic.ResourceInterface) error { return apply(ctx, o, on) }); err != nil {
		return err
	}
	packaged := map[string][]byte{"rbac.yaml": rbac, "coredns.yaml": d.expand(coreDNS)}
	for name, content := range packaged {
		file := filepath.Join(d.Folder, name)
		if !slices.Contains(d.Disabled, strings.TrimSuffix(name, ".yaml")) {
			if err := files.Write(file, content, 0o600); err != nil {
				return err
			}
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := d.each(content, func(o *unstructured.Unstructured, on dynamic.ResourceInterface) error { return remove(ctx, o, on) }); err != nil {
			return err
		}
	}
	return nil
}

// Run applies what is new or changed, until the context ends; what fails is tried again.
func (d *Deployer) Run(ctx context.Context) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if err := d.Apply(ctx); err != nil {
			logrus.Errorf("Applying manifests: %v", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Apply applies the files that changed since they were last applied.
func (d *Deployer) Apply(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(d.Folder, "*.y*ml"))
	if err != nil {
		return err
	}
	var failures []error
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if hash := sha256.Sum256(content); d.applied[file] != hash {
			if err := d.each(content, func(o *unstructured.Unstructured, on dynamic.ResourceInterface) error { return apply(ctx, o, on) }); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", file, err))
				continue
			}
			d.applied[file] = hash
			logrus.Infof("Applied manifest at %q", file)
		}
	}
	return errors.Join(failures...)
}

func (d *Deployer) expand(content []byte) []byte {
	text := string(content)
	for name, value := range d.Variables {
		text = strings.ReplaceAll(text, "%{"+name+"}%", value)
	}
	return []byte(text)
}

// each calls action with every object of a YAML stream and the client of its resource.
func (d *Deployer) each(content []byte, action func(*unstructured.Unstructured, dynamic.ResourceInterface) error) error {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		resource, err := d.resource(object)
		if err != nil {
			return err
		}
		if err := action(object, resource); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
}

func (d *Deployer) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) { // a definition may have come since
		d.mapper.Reset()
		mapping, err = d.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return d.client.Resource(mapping.Resource), nil
	}
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return d.client.Resource(mapping.Resource).Namespace(namespace), nil
}

func apply(ctx context.Context, object *unstructured.Unstructured, on dynamic.ResourceInterface) error {
	_, err := on.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	return err
}

func remove(ctx context.Context, object *unstructured.Unstructured, on dynamic.ResourceInterface) error {
	err := on.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
