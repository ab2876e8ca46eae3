// Command http-echo is a small web application for tests: it answers which pod and node it runs on. Scratch images
// hold no other program, so it is a client too: `http-echo get URL`, `http-echo resolve NAME`; and what stands in for
// a chart's admission webhook: `http-echo webhook -certificate FILE -key FILE [-after SECONDS]`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	defaultPort    = "8080"
	requestTimeout = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		err = serve(ctx)
	case len(args) == 2 && args[0] == "get":
		err = get(ctx, args[1])
	case len(args) == 2 && args[0] == "resolve":
		err = resolve(ctx, args[1])
	case args[0] == "webhook":
		err = webhook(ctx, args[1:])
	default:
		err = errors.New("usage: http-echo | http-echo get URL | http-echo resolve NAME | http-echo webhook FLAGS")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// serve answers every request with the pod's name and addresses, one `key: value` a line. PORT chooses the port,
// NODE_NAME (from the downward API) is told as the node.
func serve(ctx context.Context) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = defaultPort
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s from %s", r.Method, r.URL, r.RemoteAddr)
		_, _ = fmt.Fprintf(w, "pod: %s\nnode: %s\nclient: %s\nhost: %s\n", name, os.Getenv("NODE_NAME"), r.RemoteAddr, r.Host) // the client may be gone
	})
	server := &http.Server{Addr: ":" + port, Handler: handler, ReadHeaderTimeout: requestTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// get prints the body; a status other than 200 is an error.
func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func resolve(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, "\n"))
	return nil
}
