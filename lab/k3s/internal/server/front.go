package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"k3s.lab/internal/config"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/protocol"
)

// front is the one TLS port of a server: the supervisor's paths, and all others to the apiserver.
type front struct {
	supervisor http.Handler
	api        atomic.Pointer[http.Handler]
}

// serveAPI passes requests on to the apiserver from now on.
func (f *front) serveAPI(handler http.Handler) { f.api.Store(&handler) }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isSupervisor(r.URL.Path) {
		f.supervisor.ServeHTTP(w, r)
		return
	}
	if handler := f.api.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	http.Error(w, "apiserver not ready", http.StatusServiceUnavailable)
}

func isSupervisor(path string) bool {
	return path == protocol.CACerts || path == protocol.Ping || strings.HasPrefix(path, protocol.Prefix+"/")
}

// listen opens the port; requests are answered from the return on.
func (f *front) listen(ctx context.Context, s *config.Server, failed func(error)) error {
	data := paths.Data(s.Agent.DataDir)
	settings, err := tlsSettings(data)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listenAddress(s))
	if err != nil {
		return err
	}
	debug := logrus.StandardLogger().WriterLevel(logrus.DebugLevel)                                     // broken connections of clients
	server := &http.Server{Handler: f, TLSConfig: settings, ErrorLog: log.New(io.Writer(debug), "", 0)} //nolint:gosec // watches have no end
	go func() { failed(server.ServeTLS(listener, "", "")) }()
	return nil
}

// tlsSettings asks for client certificates and leaves their verification to who authenticates the request.
func tlsSettings(data paths.Data) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(data.TLS("serving-kube-apiserver.crt"), data.TLS("serving-kube-apiserver.key"))
	if err != nil {
		return nil, err
	}
	clientCAs := x509.NewCertPool()
	for _, name := range []string{"client-ca.crt", "request-header-ca.crt"} {
		content, err := os.ReadFile(data.TLS(name))
		if err != nil {
			return nil, err
		}
		clientCAs.AppendCertsFromPEM(content)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequestClientCert,
		ClientCAs:    clientCAs,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}
