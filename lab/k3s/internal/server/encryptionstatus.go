package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"k3s.lab/internal/protocol"
)

// sendEncryptionStatus answers `k3s secrets-encrypt status`.
func (v *supervisor) sendEncryptionStatus(w http.ResponseWriter, r *http.Request) {
	client := v.client.Load()
	if client == nil {
		http.Error(w, errNotReady.Error(), http.StatusServiceUnavailable)
		return
	}
	status, err := v.encryptionStatus(r.Context(), client)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, status)
}

func (v *supervisor) encryptionStatus(ctx context.Context, client kubernetes.Interface) (protocol.EncryptionStatus, error) {
	if !v.agentConfig.SecretsEncryption {
		return protocol.EncryptionStatus{}, nil
	}
	data := v.certificates.data
	content, err := os.ReadFile(data.Cred(encryptionConfig))
	if err != nil {
		return protocol.EncryptionStatus{}, err
	}
	state, err := os.ReadFile(data.Cred(encryptionState))
	if err != nil {
		return protocol.EncryptionStatus{}, err
	}
	stage, _, _ := strings.Cut(string(state), "-")
	status := protocol.EncryptionStatus{Stage: stage, Enable: ptr.To(true)}
	if status.ActiveKey, err = activeKey(content); err != nil {
		return protocol.EncryptionStatus{}, err
	}
	status.HashError, err = differentHashes(ctx, client)
	status.HashMatch = status.HashError == ""
	return status, err
}

// differentHashes names two servers whose configurations differ, in k3s's words; empty when there are none.
func differentHashes(ctx context.Context, client kubernetes.Interface) (string, error) {
	servers, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "node-role.kubernetes.io/control-plane=true"})
	if err != nil {
		return "", err
	}
	first, firstName := "", ""
	for _, server := range servers.Items {
		hash, told := server.Annotations[encryptionHash]
		switch {
		case told && firstName == "":
			first, firstName = hash, server.Name
		case told && hash != first:
			return fmt.Sprintf("hash does not match between %s and %s", firstName, server.Name), nil
		}
	}
	return "", nil
}
