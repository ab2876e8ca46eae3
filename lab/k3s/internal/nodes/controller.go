// Package nodes does on a server what k3s's embedded cloud controller and node controllers do: it sets the addresses
// that a node asks for by its annotations, and holds a deleted Node back until what belongs to it is gone.
package nodes

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
	"k8s.io/client-go/util/workqueue"
	cloudapi "k8s.io/cloud-provider/api"
)

// Annotations by which k3s's agents ask for addresses.
const (
	InternalIP = "k3s.io/internal-ip"
	ExternalIP = "k3s.io/external-ip"
	Hostname   = "k3s.io/hostname"
)

const (
	providerPrefix = "k3s://"
	instanceType   = "k3s"
	workers        = 2
	resync         = 10 * time.Minute
	// What fails is tried again after retryFirst, then ever later, up to retryLast: etcd refuses to let a member go for
	// some seconds after another one's restart.
	retryFirst = 200 * time.Millisecond
	retryLast  = 2 * time.Second
)

// Controller reconciles Nodes. One runs on each server: whatever they do may be done twice.
type Controller struct {
	Client kubernetes.Interface
	// ServerName is this server's own node, which gets ServerRoles as labels, and ServerAnnotations.
	ServerName        string
	ServerRoles       []string
	ServerAnnotations map[string]string
	// CloudProvider is false with --disable-cloud-controller: then addresses are left alone.
	CloudProvider bool
	// Members are those of etcd; nil where the datastore is one server's own.
	Members Members

	queue workqueue.TypedRateLimitingInterface[string]
	nodes cache.Store
}

// Run reconciles until the context ends.
func (c *Controller) Run(ctx context.Context) error {
	c.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryLast))
	factory := informers.NewSharedInformerFactory(c.Client, resync)
	informer := factory.Core().V1().Nodes().Informer()
	c.nodes = informer.GetStore()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, node any) { c.enqueue(node) },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	for range workers {
		go func() {
			for c.next(ctx) {
			}
		}()
	}
	<-ctx.Done()
	c.queue.ShutDown()
	return ctx.Err()
}

func (c *Controller) enqueue(object any) {
	if node, ok := object.(*corev1.Node); ok {
		c.queue.Add(node.Name)
	}
}

func (c *Controller) next(ctx context.Context) bool {
	name, stop := c.queue.Get()
	if stop {
		return false
	}
	defer c.queue.Done(name)
	switch err := c.reconcile(ctx, name); {
	case errors.Is(err, errOthersDo):
		c.queue.AddAfter(name, retryLast)
	case err != nil:
		logrus.Warnf("Node %s: %v", name, err)
		c.queue.AddRateLimited(name)
	default:
		c.queue.Forget(name)
	}
	return true
}

func (c *Controller) reconcile(ctx context.Context, name string) error {
	object, exists, err := c.nodes.GetByKey(name)
	if err != nil || !exists {
		return err
	}
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil
	}
	if node.DeletionTimestamp != nil {
		return c.release(ctx, name)
	}
	if asksToLeave(node) {
		return c.leave(ctx, node)
	}
	member, err := c.memberOf(ctx, node)
	if err != nil {
		return err
	}
	wanted := node.DeepCopy()
	if c.CloudProvider && node.Annotations[InternalIP] != "" {
		wanted.Status.Addresses = addresses(node)
		if !slices.Equal(wanted.Status.Addresses, node.Status.Addresses) {
			return c.update(ctx, name, func(n *corev1.Node) error { n.Status.Addresses = addresses(n); return nil }, true)
		}
	}
	change := func(n *corev1.Node) bool {
		held := hold(n, member)
		return c.complete(n) || held
	}
	if !change(wanted) {
		return nil
	}
	return c.update(ctx, name, func(n *corev1.Node) error {
		if n.DeletionTimestamp == nil {
			change(n)
		}
		return nil
	}, false)
}

func (c *Controller) update(ctx context.Context, name string, change func(*corev1.Node) error, status bool) error {
	nodes := c.Client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		node, err := nodes.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := change(node); err != nil {
			return err
		}
		if status {
			_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
		} else {
			_, err = nodes.Update(ctx, node, metav1.UpdateOptions{})
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// complete sets the node's provider, labels and taints, and says whether anything was changed. The taint of nodes
// without addresses goes last, in a reconciliation that finds the addresses in place.
func (c *Controller) complete(node *corev1.Node) bool {
	changed := false
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	label := func(name, value string) {
		if node.Labels[name] != value {
			node.Labels[name], changed = value, true
		}
	}
	if node.Name == c.ServerName {
		for _, role := range c.ServerRoles {
			label("node-role.kubernetes.io/"+role, "true")
		}
		changed = setAnnotations(node, c.ServerAnnotations) || changed
	}
	if !c.CloudProvider || node.Annotations[InternalIP] == "" {
		return changed
	}
	label(corev1.LabelInstanceTypeStable, instanceType)
	label(corev1.LabelInstanceType, instanceType)
	if node.Spec.ProviderID == "" {
		node.Spec.ProviderID, changed = providerPrefix+node.Name, true
	}
	before := len(node.Spec.Taints)
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == cloudapi.TaintExternalCloudProvider })
	return changed || len(node.Spec.Taints) != before
}
