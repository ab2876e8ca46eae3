// Package nodepassword keeps the name of a node to whoever registered it first: k3s's
// <node>.node-password.k3s Secrets in kube-system, which hold a salted hash.
package nodepassword

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// The cost of the hash: 2^15 rounds (golang.org/x/crypto/scrypt's recommendation for logins), some 0.1 s.
const (
	scryptN, scryptR, scryptP = 1 << 15, 8, 1
	hashLength, saltLength    = 32, 8
	key                       = "hash"
)

// ErrRejected is told to the joiner, in k3s's words.
var ErrRejected = errors.New("Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag") //nolint:staticcheck // k3s's words

func secretName(node string) string { return node + ".node-password.k3s" }

// Ensure accepts the password of a name that is new or has the same password, and returns ErrRejected otherwise.
func Ensure(ctx context.Context, client kubernetes.Interface, node, password string) error {
	secrets := client.CoreV1().Secrets(metav1.NamespaceSystem)
	secret, err := secrets.Get(ctx, secretName(node), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if err = create(ctx, client, node, password); !apierrors.IsAlreadyExists(err) {
			return err
		}
		secret, err = secrets.Get(ctx, secretName(node), metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	matches, err := verify(string(secret.Data[key]), password)
	if err != nil {
		return fmt.Errorf("secret %s: %w", secretName(node), err)
	}
	if !matches {
		return ErrRejected
	}
	return nil
}

// Delete lets the name be used again; k3s does it when the Node is deleted.
func Delete(ctx context.Context, client kubernetes.Interface, node string) error {
	err := client.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, secretName(node), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func create(ctx context.Context, client kubernetes.Interface, node, password string) error {
	salt := make([]byte, saltLength)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	hash, err := derive(password, salt)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Secrets(metav1.NamespaceSystem).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secretName(node), Namespace: metav1.NamespaceSystem},
		Immutable:  ptr.To(true),
		Data:       map[string][]byte{key: []byte("$1:" + hex.EncodeToString(salt) + ":" + hex.EncodeToString(hash))},
	}, metav1.CreateOptions{})
	return err
}

func verify(stored, password string) (bool, error) {
	parts := strings.Split(stored, ":")
	if len(parts) != 3 || parts[0] != "$1" {
		return false, fmt.Errorf("not of the form $1:<salt>:<hash>")
	}
	salt, err := hex.DecodeString(parts[1])
	if err != nil {
		return false, err
	}
	want, err := hex.DecodeString(parts[2])
	if err != nil {
		return false, err
	}
	hash, err := derive(password, salt)
	return subtle.ConstantTimeCompare(hash, want) == 1, err
}

func derive(password string, salt []byte) ([]byte, error) {
	return scrypt.Key([]byte(password), salt, scryptN, scryptR, scryptP, hashLength)
}
