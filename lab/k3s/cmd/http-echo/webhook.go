package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"
)

const (
	webhookAddress = ":9443"
	largestReview  = 8 << 20 // bytes; the API server takes objects of 3 MiB, and a review may hold two
)

// review is what of an AdmissionReview is read and answered.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
type review struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Request    *reviewRequest `json:"request,omitempty"`
	Response   *reviewAnswer  `json:"response,omitempty"`
}

type reviewRequest struct {
	UID       string `json:"uid"`
	Operation string `json:"operation"`
	Name      string `json:"name"`
	Kind      struct {
		Kind string `json:"kind"`
	} `json:"kind"`
}

type reviewAnswer struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

// webhook allows everything that the API server asks it, from `-after` on: until then nobody listens, as while a real
// controller is still waiting for its certificate.
func webhook(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("http-echo webhook", flag.ContinueOnError)
	certificate := flags.String("certificate", "", "file with the certificate, PEM")
	key := flags.String("key", "", "file with its key, PEM")
	after := flags.Float64("after", 0, "seconds until it listens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *certificate == "" || *key == "" || flags.NArg() > 0 {
		return errors.New("usage: http-echo webhook -certificate FILE -key FILE [-after SECONDS]")
	}
	log.Printf("listening on %s in %g s", webhookAddress, *after)
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(time.Duration(*after * float64(time.Second))):
	}
	server := &http.Server{Addr: webhookAddress, Handler: http.HandlerFunc(admit), ReadHeaderTimeout: requestTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServeTLS(*certificate, *key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func admit(w http.ResponseWriter, r *http.Request) {
	answer, err := allowed(http.MaxBytesReader(w, r.Body, largestReview))
	if err != nil {
		log.Printf("%s %s: %v", r.Method, r.URL, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Printf("%s: %v", r.URL, err) // the API server is gone; it asks again
	}
}

// allowed is the answer to the review in the body.
func allowed(body io.Reader) (*review, error) {
	var asked review
	if err := json.NewDecoder(body).Decode(&asked); err != nil {
		return nil, fmt.Errorf("not an AdmissionReview: %w", err)
	}
	if asked.Kind != "AdmissionReview" || asked.Request == nil || asked.Request.UID == "" {
		return nil, fmt.Errorf("not an AdmissionReview with a request: %q", asked.Kind)
	}
	log.Printf("%s of %s %s: allowed", asked.Request.Operation, asked.Request.Kind.Kind, asked.Request.Name)
	return &review{
		APIVersion: asked.APIVersion,
		Kind:       asked.Kind,
		Response:   &reviewAnswer{UID: asked.Request.UID, Allowed: true},
	}, nil
}
