package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"

	"k3s.lab/internal/etcd"
	"k3s.lab/internal/files"
)

// What Secrets are encrypted with, below server/cred: the apiserver's EncryptionConfiguration, and k3s's
// "<stage of a rotation>-<SHA-256 of that file>". All servers have the same.
const (
	encryptionConfig = "encryption-config.json"
	encryptionState  = "encryption-state.json"

	stageStart = "start" // the only stage here: the lab's k3s rotates no keys
	keyLength  = 32      // bytes; of both providers
	// encryptionHash is the annotation by which servers tell others which configuration they have.
	encryptionHash = "k3s.io/encryption-config-hash"
)

// encryptionProviders are k3s's, with the names that it gives keys and their kinds.
var encryptionProviders = map[string]struct {
	key, kind string
	with      func([]apiserverv1.Key) apiserverv1.ProviderConfiguration
}{
	"aescbc": {"aescbckey", "AES-CBC", func(keys []apiserverv1.Key) apiserverv1.ProviderConfiguration {
		return apiserverv1.ProviderConfiguration{AESCBC: &apiserverv1.AESConfiguration{Keys: keys}}
	}},
	"secretbox": {"secretboxkey", "XSalsa20-POLY1305", func(keys []apiserverv1.Key) apiserverv1.ProviderConfiguration {
		return apiserverv1.ProviderConfiguration{Secretbox: &apiserverv1.SecretboxConfiguration{Keys: keys}}
	}},
}

// prepareEncryption makes the configuration with the cluster's first server. Encryption is chosen once: turning it on or
// off later would leave Secrets that are not as the setting says, or cannot be read.
func (r *running) prepareEncryption() error {
	_, err := os.Stat(r.data.Cred(encryptionConfig))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	encrypted, initialised := err == nil, etcd.Initialised(r.data)
	switch {
	case initialised && encrypted && !r.SecretsEncryption:
		return errors.New("Secrets of this cluster are encrypted, but --secrets-encryption is not set: set it again, the lab's k3s has no `k3s secrets-encrypt disable`") //nolint:staticcheck // Secrets are a kind
	case initialised && !encrypted && r.SecretsEncryption:
		return errors.New("--secrets-encryption: this cluster was made without it, and the lab's k3s has no `k3s secrets-encrypt enable`: leave it out, or make the cluster anew")
	case !initialised && encrypted && !r.SecretsEncryption:
		return errors.Join(os.Remove(r.data.Cred(encryptionConfig)), os.RemoveAll(r.data.Cred(encryptionState)))
	case !encrypted && r.SecretsEncryption:
		return r.writeEncryption()
	}
	return nil
}

func (r *running) writeEncryption() error {
	key := make([]byte, keyLength)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	provider := encryptionProviders[r.EncryptionProvider]
	content, err := json.Marshal(apiserverv1.EncryptionConfiguration{
		TypeMeta: metav1.TypeMeta{Kind: "EncryptionConfiguration", APIVersion: apiserverv1.SchemeGroupVersion.String()},
		Resources: []apiserverv1.ResourceConfiguration{{
			Resources: []string{"secrets"},
			Providers: []apiserverv1.ProviderConfiguration{
				provider.with([]apiserverv1.Key{{Name: provider.key, Secret: base64.StdEncoding.EncodeToString(key)}}),
				{Identity: &apiserverv1.IdentityConfiguration{}},
			},
		}},
	})
	if err != nil {
		return err
	}
	hash := sha256.Sum256(content)
	state := []byte(stageStart + "-" + hex.EncodeToString(hash[:]))
	if err := files.Write(r.data.Cred(encryptionState), state, 0o600); err != nil {
		return err
	}
	return files.Write(r.data.Cred(encryptionConfig), content, 0o600)
}

// encryptionAnnotations tell the other servers which configuration this one has.
func (r *running) encryptionAnnotations() (map[string]string, error) {
	if !r.SecretsEncryption {
		return nil, nil
	}
	state, err := os.ReadFile(r.data.Cred(encryptionState))
	if err != nil {
		return nil, err
	}
	return map[string]string{encryptionHash: strings.TrimSpace(string(state))}, nil
}

// activeKey gives the kind and name of the key that Secrets are written with.
func activeKey(content []byte) (string, error) {
	var configuration apiserverv1.EncryptionConfiguration
	if err := json.Unmarshal(content, &configuration); err != nil {
		return "", err
	}
	for _, resource := range configuration.Resources {
		for _, provider := range resource.Providers {
			switch {
			case provider.AESCBC != nil:
				return encryptionProviders["aescbc"].kind + " " + provider.AESCBC.Keys[0].Name, nil
			case provider.Secretbox != nil:
				return encryptionProviders["secretbox"].kind + " " + provider.Secretbox.Keys[0].Name, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no key", encryptionConfig)
}
