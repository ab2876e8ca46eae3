// Package apiserver runs upstream's kube-apiserver inside this process, behind k3s's own listener.
package apiserver

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/spf13/pflag"
	basecompatibility "k8s.io/component-base/compatibility"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"k8s.io/client-go/rest"
)

// APIServer is a prepared kube-apiserver.
type APIServer struct {
	// Handler answers requests; authentication looks at the client certificate of the connection they came over.
	Handler http.Handler
	run     func(context.Context) error
}

// Run serves until the context ends; the handler answers from then on.
func (a *APIServer) Run(ctx context.Context) error { return a.run(ctx) }

// New prepares kube-apiserver from its flags. It listens on its own --secure-port, for its own loopback client, but
// makes the `kubernetes` Service point to advertisePort, where k3s's listener passes requests to Handler.
func New(ctx context.Context, flags []string, advertisePort int) (*APIServer, error) {
	opts := options.NewServerRunOptions()
	set := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, named := range opts.Flags().FlagSets {
		set.AddFlagSet(named)
	}
	if err := set.Parse(flags); err != nil {
		return nil, err
	}
	registry := opts.GenericServerRunOptions.ComponentGlobalsRegistry
	if err := registry.Set(); err != nil {
		return nil, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := logsapi.ValidateAndApply(opts.Logs, registry.FeatureGateFor(basecompatibility.DefaultKubeComponent)); err != nil {
		return nil, err
	}
	completed, err := opts.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, errors.Join(errs...)
	}
	return prepare(completed, advertisePort)
}

func prepare(opts options.CompletedOptions, advertisePort int) (*APIServer, error) {
	config, err := app.NewConfig(opts)
	if err != nil {
		return nil, err
	}
	serving := *config.KubeAPIs.ControlPlane.Generic.SecureServing
	serving.Listener = advertised{serving.Listener, advertisePort}
	config.KubeAPIs.ControlPlane.Generic.SecureServing = &serving
	completed, err := config.Complete()
	if err != nil {
		return nil, err
	}
	chain, err := app.CreateServerChain(completed)
	if err != nil {
		return nil, err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, err
	}
	return &APIServer{Handler: chain.GenericAPIServer.Handler, run: prepared.Run}, nil
}

// advertised is a listener that names another port than its own: upstream has no flag for the advertised port.
type advertised struct {
	net.Listener
	port int
}

// Addr is what the endpoints of the `kubernetes` Service are made from.
func (a advertised) Addr() net.Addr {
	address, ok := a.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return a.Listener.Addr()
	}
	return &net.TCPAddr{IP: address.IP, Port: a.port, Zone: address.Zone}
}
