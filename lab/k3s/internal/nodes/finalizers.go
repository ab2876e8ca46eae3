package nodes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k3s.lab/internal/nodepassword"
)

// k3s's finalizers: a deleted Node stays until its password and, for a server, its etcd member are gone.
const (
	passwordFinalizer = "wrangler.cattle.io/node"
	memberFinalizer   = "wrangler.cattle.io/managed-etcd-controller"
)

// k3s's annotations of a server's Node: its member, the wish that the member leaves, and the one that has left.
const (
	EtcdName    = "etcd.k3s.cattle.io/node-name"
	EtcdAddress = "etcd.k3s.cattle.io/node-address"
	etcdRemove  = "etcd.k3s.cattle.io/remove"
	etcdRemoved = "etcd.k3s.cattle.io/removed-node-name"
)

var (
	errOnlyMember = errors.New("the only etcd member cannot be removed")
	errOthersDo   = errors.New("another server removes this one's etcd member")
)

// Member is a member of etcd; both are empty for none.
type Member struct{ Name, Address string }

// Members is the etcd cluster of the servers.
type Members interface {
	// Own is this server's member.
	Own() Member
	// Of finds the member of a node.
	Of(ctx context.Context, node string) (Member, error)
	// Remove takes a member out; one that is gone is no error.
	Remove(ctx context.Context, member Member) error
	// Alone says whether this server's member is the only one.
	Alone(ctx context.Context) (bool, error)
}

// memberOf is the member to write down on a Node. Any server does so for another, lest a server that dies before its
// own controller has run leaves a Node that could go without its member.
func (c *Controller) memberOf(ctx context.Context, node *corev1.Node) (Member, error) {
	switch {
	case c.Members == nil:
		return Member{}, nil
	case node.Name == c.ServerName:
		return c.Members.Own(), nil
	case slices.Contains(node.Finalizers, memberFinalizer):
		return Member{}, nil
	default:
		return c.Members.Of(ctx, node.Name)
	}
}

// hold sets the Node's finalizers and the annotations of its member, and says whether anything was changed.
func hold(node *corev1.Node, member Member) bool {
	changed := addFinalizer(node, passwordFinalizer)
	if member.Name == "" || node.Annotations[etcdRemoved] == member.Name {
		return changed
	}
	if node.Annotations[etcdRemoved] != "" {
		logrus.Infof("Resetting removed node flag as removed node name did not match current node name")
		delete(node.Annotations, etcdRemoved)
		changed = setAnnotations(node, map[string]string{etcdRemove: "false"}) || changed
	}
	changed = addFinalizer(node, memberFinalizer) || changed
	return setAnnotations(node, map[string]string{EtcdName: member.Name, EtcdAddress: member.Address}) || changed
}

// release lets a deleted Node go. What the cache has may be a Node of the same name that is gone already.
func (c *Controller) release(ctx context.Context, name string) error {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && node.DeletionTimestamp == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if slices.Contains(node.Finalizers, memberFinalizer) {
		switch err := c.removeMember(ctx, node); {
		case errors.Is(err, errOnlyMember):
			logrus.Infof("Node %s is deleted, its etcd member stays: it is the only one", name)
		case err != nil:
			return err
		}
	}
	if err := nodepassword.Delete(ctx, c.Client, name); err != nil {
		return fmt.Errorf("deleting its password: %w", err)
	}
	return c.update(ctx, name, func(n *corev1.Node) error {
		if n.UID == node.UID {
			n.Finalizers = slices.DeleteFunc(n.Finalizers, func(f string) bool { return f == memberFinalizer || f == passwordFinalizer })
		}
		return nil
	}, false)
}

// asksToLeave is true while the annotation for it has not been followed.
func asksToLeave(node *corev1.Node) bool {
	return strings.EqualFold(node.Annotations[etcdRemove], "true") && node.Annotations[etcdRemoved] == "" &&
		slices.Contains(node.Finalizers, memberFinalizer)
}

// leave removes the member of a Node that stays.
func (c *Controller) leave(ctx context.Context, node *corev1.Node) error {
	if err := c.removeMember(ctx, node); err != nil {
		return err
	}
	return c.update(ctx, node.Name, func(n *corev1.Node) error {
		if asksToLeave(n) {
			n.Annotations[etcdRemoved] = node.Annotations[EtcdName]
			delete(n.Annotations, EtcdName)
			delete(n.Annotations, EtcdAddress)
		}
		return nil
	}, false)
}

// removeMember removes the member that the Node's annotations name. A server leaves its own to the others: without its
// member it could not tell the API that it is done.
func (c *Controller) removeMember(ctx context.Context, node *corev1.Node) error {
	if c.Members == nil {
		return nil
	}
	if node.Name == c.ServerName {
		alone, err := c.Members.Alone(ctx)
		if err == nil && alone {
			err = errOnlyMember
		} else if err == nil {
			err = errOthersDo
		}
		return err
	}
	member := Member{node.Annotations[EtcdName], node.Annotations[EtcdAddress]}
	if err := c.Members.Remove(ctx, member); err != nil {
		return fmt.Errorf("removing its etcd member, will try again: %w", err)
	}
	return nil
}

func addFinalizer(node *corev1.Node, finalizer string) bool {
	if slices.Contains(node.Finalizers, finalizer) {
		return false
	}
	node.Finalizers = append(node.Finalizers, finalizer)
	return true
}

func setAnnotations(node *corev1.Node, annotations map[string]string) bool {
	changed := false
	for name, value := range annotations {
		if node.Annotations == nil {
			node.Annotations = map[string]string{}
		}
		if node.Annotations[name] != value {
			node.Annotations[name], changed = value, true
		}
	}
	return changed
}
