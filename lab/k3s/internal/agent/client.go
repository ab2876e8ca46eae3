package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"k3s.lab/internal/protocol"
	"k3s.lab/internal/token"
)

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20 // bytes
)

// Client speaks the join protocol with a server whose CA it has checked.
type Client struct {
	base   *url.URL
	user   string
	secret string
	ca     []byte
	http   *http.Client
}

// Connect fetches the cluster's CA, compares it with the token's hash, and proves that the token is accepted.
func Connect(ctx context.Context, server, text, user string) (*Client, error) {
	base, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	parsed, err := token.Parse(text)
	if err != nil {
		return nil, err
	}
	unverified := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // the CA is what is fetched; its hash is checked
	c := &Client{base: base, user: user, secret: parsed.Secret, http: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{TLSClientConfig: unverified}}}
	if c.ca, err = c.do(ctx, http.MethodGet, protocol.CACerts, nil, nil, false); err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	if err := checkHash(c.ca, parsed.CAHash); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.ca) {
		return nil, fmt.Errorf("%s%s: no PEM certificate", server, protocol.CACerts)
	}
	c.http = &http.Client{Timeout: requestTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return c, nil
}

func checkHash(ca []byte, wanted string) error {
	if wanted == "" {
		logrus.Warn("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation.")
		return nil
	}
	if hash := token.Hash(ca); hash != wanted {
		return fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", wanted, hash)
	}
	return nil
}

// Get fetches a JSON answer.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	content, err := c.do(ctx, http.MethodGet, path, nil, nil, true)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

// PostJSON sends one value and fetches another.
func (c *Client) PostJSON(ctx context.Context, path string, send, into any) error {
	body, err := json.Marshal(send)
	if err != nil {
		return err
	}
	content, err := c.do(ctx, http.MethodPost, path, nil, body, true)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

// do makes a request; an answer other than 200 is an error that carries the server's own words.
func (c *Client) do(ctx context.Context, method, path string, headers map[string]string, body []byte, authenticated bool) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if authenticated {
		request.SetBasicAuth(c.user, c.secret)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("token is not valid: %s: %s (%s)", request.URL, strings.TrimSpace(string(content)), response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s (%s: %s)", strings.TrimSpace(string(content)), request.URL, response.Status)
	}
	return content, nil
}
