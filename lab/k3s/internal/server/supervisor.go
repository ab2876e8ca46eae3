package server

import (
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"

	"k3s.lab/internal/nodepassword"
	"k3s.lab/internal/pki"
	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
)

const maxBody = 64 << 10 // bytes; a signing request has some 500

// supervisor answers joiners.
type supervisor struct {
	certificates *certificates
	secrets      secrets
	agentConfig  protocol.AgentConfig
	client       atomic.Pointer[kubernetes.Clientset] // set when the apiserver is ready
	datastore    datastore
}

var errNotReady = errors.New("apiserver not ready")

func (v *supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+protocol.Ping, func(w http.ResponseWriter, _ *http.Request) { answer(w, "text/plain", []byte("pong")) })
	mux.HandleFunc("GET "+protocol.CACerts, func(w http.ResponseWriter, _ *http.Request) { v.sendCA(w, "server-ca") })
	mux.HandleFunc("GET "+protocol.ClientCA, v.forNodes(func(w http.ResponseWriter, _ *http.Request) { v.sendCA(w, "client-ca") }))
	mux.HandleFunc("GET "+protocol.Config, v.forNodes(func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, v.agentConfig) }))
	mux.HandleFunc("GET "+protocol.APIServers, v.forNodes(v.sendAPIServers))
	mux.HandleFunc("POST "+protocol.ServingKubelet, v.forNodes(v.withPassword(v.signServing)))
	mux.HandleFunc("POST "+protocol.ClientKubelet, v.forNodes(v.withPassword(v.signKubelet)))
	mux.HandleFunc("POST "+protocol.ClientProxy, v.forNodes(v.signAs("system:kube-proxy")))
	mux.HandleFunc("POST "+protocol.ClientK3s, v.forNodes(v.signAs("system:k3s-controller")))
	mux.HandleFunc("GET "+protocol.Bootstrap, v.allow([]string{token.ServerUser}, v.sendBootstrap))
	mux.HandleFunc("GET "+protocol.EncryptStatus, v.allow([]string{token.ServerUser}, v.sendEncryptionStatus))
	mux.HandleFunc("POST "+protocol.EtcdMember, v.allow([]string{token.ServerUser}, v.addMember))
	return mux
}

// forNodes admits joiners with either token; allow admits the named users.
func (v *supervisor) forNodes(next http.HandlerFunc) http.HandlerFunc {
	return v.allow([]string{token.NodeUser, token.ServerUser}, next)
}

func (v *supervisor) allow(users []string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, secret, given := r.BasicAuth()
		for _, allowed := range users {
			if given && user == allowed && subtle.ConstantTimeCompare([]byte(secret), []byte(v.secrets[user])) == 1 {
				next(w, r)
				return
			}
		}
		logrus.Warnf("Refused %s from %s: not authorized", r.URL.Path, r.RemoteAddr)
		http.Error(w, "not authorized", http.StatusUnauthorized)
	}
}

// withPassword admits a node that owns its name.
func (v *supervisor) withPassword(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		node, password := r.Header.Get(protocol.NodeName), r.Header.Get(protocol.NodePassword)
		if problems := validation.IsDNS1123Subdomain(node); len(problems) > 0 || password == "" {
			http.Error(w, fmt.Sprintf("node name %q or its password is not valid: %s", node, strings.Join(problems, "; ")), http.StatusBadRequest)
			return
		}
		err := errNotReady
		if client := v.client.Load(); client != nil {
			err = nodepassword.Ensure(r.Context(), client, node, password)
		}
		switch {
		case err == nil:
			next(w, r)
		case errors.Is(err, nodepassword.ErrRejected):
			logrus.Warnf("Refused node %s from %s: %v", node, r.RemoteAddr, err)
			http.Error(w, err.Error(), http.StatusForbidden)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
}

func (v *supervisor) signServing(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(protocol.NodeName)
	sans := []string{node, "localhost", "127.0.0.1"}
	for _, address := range strings.Split(r.Header.Get(protocol.NodeIP), ",") {
		if net.ParseIP(address) == nil {
			http.Error(w, fmt.Sprintf("%s: %q is not an IP address", protocol.NodeIP, address), http.StatusBadRequest)
			return
		}
		sans = append(sans, address)
	}
	v.sign(w, r, "server-ca", pki.Subject{Name: node, SANs: sans, Usages: pki.ServerUse})
}

func (v *supervisor) signKubelet(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(protocol.NodeName)
	v.sign(w, r, "client-ca", pki.Subject{Name: "system:node:" + node, Groups: []string{"system:nodes"}, Usages: pki.ClientUse})
}

func (v *supervisor) signAs(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v.sign(w, r, "client-ca", pki.Subject{Name: name, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	}
}

func (v *supervisor) sign(w http.ResponseWriter, r *http.Request, ca string, subject pki.Subject) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	public, err := pki.RequestKey(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	signed, err := v.certificates.byName[ca].Sign(subject, public)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, "text/plain", signed)
}

func (v *supervisor) sendCA(w http.ResponseWriter, name string) {
	answer(w, "text/plain", v.certificates.byName[name].PEM)
}

func answerJSON(w http.ResponseWriter, value any) {
	content, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, "application/json", content)
}

func answer(w http.ResponseWriter, kind string, content []byte) {
	w.Header().Set("Content-Type", kind)
	if _, err := w.Write(content); err != nil {
		logrus.Debugf("answer not sent: %v", err)
	}
}
