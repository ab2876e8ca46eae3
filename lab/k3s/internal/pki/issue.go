package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sort"
	"time"

	"k3s.lab/internal/files"
)

// Usages of certificates.
var (
	ClientUse = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	ServerUse = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	BothUses  = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// Issue keeps the certificate in the file when it still says what it should, and makes it anew otherwise.
func (ca *CA) Issue(certFile, keyFile string, subject Subject) error {
	key, err := LoadOrCreateKey(keyFile)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(certFile)
	if err == nil && ca.stillGood(content, key.Public(), subject) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	signed, err := ca.Sign(subject, key.Public())
	if err != nil {
		return err
	}
	return files.Write(certFile, signed, 0o644)
}

func (ca *CA) stillGood(content []byte, public crypto.PublicKey, subject Subject) bool {
	cert, err := ParseCert(content)
	if err != nil || cert.CheckSignatureFrom(ca.Cert) != nil {
		return false
	}
	return publicEqual(cert.PublicKey, public) &&
		time.Now().Add(RenewBefore).Before(cert.NotAfter) &&
		cert.Subject.CommonName == subject.Name &&
		slices.Equal(cert.Subject.Organization, subject.Groups) &&
		slices.Equal(sansOf(cert), sorted(subject.SANs))
}

func publicEqual(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}

func sansOf(cert *x509.Certificate) []string {
	sans := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		sans = append(sans, ip.String())
	}
	return sorted(sans)
}

func sorted(names []string) []string {
	names = slices.Clone(names)
	sort.Strings(names)
	return slices.Compact(names)
}

// Request is a signing request for the key, which never leaves its node.
func Request(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	return encode("CERTIFICATE REQUEST", der), nil
}

// RequestKey is the public key of a signing request, whose signature proves that the sender has the private one.
func RequestKey(content []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(bytes.TrimSpace(content))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("no PEM certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	return request.PublicKey, request.CheckSignature()
}
