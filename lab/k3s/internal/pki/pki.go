// Package pki makes the cluster's keys and certificates: ECDSA P-256, PEM files, CAs of ten years and
// certificates of one, as k3s does.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"k3s.lab/internal/files"
)

const (
	caLife   = 3650 * 24 * time.Hour
	certLife = 365 * 24 * time.Hour
	// RenewBefore is how long before its end a certificate is made anew when k3s starts.
	RenewBefore = 120 * 24 * time.Hour
	// clockSkew lets nodes whose clocks are behind accept a fresh certificate.
	clockSkew = time.Hour
)

// Subject is whom a certificate is for.
type Subject struct {
	Name   string
	Groups []string
	SANs   []string // host names and addresses
	Usages []x509.ExtKeyUsage
}

// CA signs certificates.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	PEM  []byte
}

// LoadOrCreateCA reads <name>.crt and .key, or makes a self-signed authority there.
func LoadOrCreateCA(certFile, keyFile, name string) (*CA, error) {
	if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
		if err := createCA(certFile, keyFile, name); err != nil {
			return nil, err
		}
	}
	return LoadCA(certFile, keyFile)
}

// LoadCA reads an authority.
func LoadCA(certFile, keyFile string) (*CA, error) {
	content, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	cert, err := ParseCert(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	key, err := LoadOrCreateKey(keyFile)
	if err != nil {
		return nil, err
	}
	return &CA{Cert: cert, Key: key, PEM: content}, nil
}

func createCA(certFile, keyFile, name string) error {
	key, err := LoadOrCreateKey(keyFile)
	if err != nil {
		return err
	}
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return files.Write(certFile, encode("CERTIFICATE", der), 0o644)
}

// Sign gives a PEM certificate of the subject for the public key, followed by the authority's own.
func (ca *CA) Sign(subject Subject, public crypto.PublicKey) ([]byte, error) {
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject.Name, Organization: subject.Groups},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(certLife),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  subject.Usages,
	}
	for _, san := range subject.SANs {
		if ip := net.ParseIP(san); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, san)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, public, ca.Key)
	if err != nil {
		return nil, err
	}
	return append(encode("CERTIFICATE", der), ca.PEM...), nil
}

// LoadOrCreateKey reads a private key, or makes one (0600).
func LoadOrCreateKey(file string) (crypto.Signer, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", file)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func createKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, files.Write(file, encode("EC PRIVATE KEY", der), 0o600)
}

// ParseCert is the first certificate of a PEM file.
func ParseCert(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
