// Package token reads and writes k3s's tokens: a bare secret, or K10<SHA-256 of the CA>::<user>:<secret>
// (docs.k3s.io/cli/token).
package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The users of tokens: a server token joins servers, an agent token agents.
const (
	ServerUser = "server"
	NodeUser   = "node"
)

const prefix = "K10"

// Token is a parsed token; CAHash and User are empty for a bare secret.
type Token struct {
	CAHash string
	User   string
	Secret string
}

// Parse reads a token of either form.
func Parse(text string) (Token, error) {
	if text == "" {
		return Token{}, fmt.Errorf("token must not be empty")
	}
	rest, full := strings.CutPrefix(text, prefix)
	if !full {
		return Token{Secret: text}, nil
	}
	hash, credentials, found := strings.Cut(rest, "::")
	if !found || len(hash) != hex.EncodedLen(sha256.Size) {
		return Token{}, fmt.Errorf("invalid token format: it begins with K10 but is not K10<SHA-256 of the CA>::<user>:<secret>")
	}
	user, secret, found := strings.Cut(credentials, ":")
	if !found || secret == "" {
		return Token{}, fmt.Errorf("invalid token format: no <user>:<secret> after ::")
	}
	return Token{CAHash: hash, User: user, Secret: secret}, nil
}

// Format is the full form of a token.
func Format(caPEM []byte, user, secret string) string {
	return fmt.Sprintf("%s%s::%s:%s", prefix, Hash(caPEM), user, secret)
}

// Hash is the SHA-256 of the CA certificate's file, in hexadecimal.
func Hash(caPEM []byte) string {
	sum := sha256.Sum256(caPEM)
	return hex.EncodeToString(sum[:])
}
