package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"k3s.lab/internal/config"
	"k3s.lab/internal/files"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/token"
)

// secrets are what joiners authenticate with, by user.
type secrets map[string]string

// loadSecrets takes the tokens from the settings, else those of the last start, else makes new ones. A server token
// that differs from the stored one is refused: k3s encrypts its bootstrap data with it.
func loadSecrets(s *config.Server) (secrets, error) {
	data := paths.Data(s.Agent.DataDir)
	server, err := secretOf(s.Agent.Token)
	if err != nil {
		return nil, err
	}
	stored, err := storedSecret(data.ServerToken())
	if err != nil {
		return nil, err
	}
	switch {
	case server == "" && stored == "":
		if server, err = randomSecret(); err != nil {
			return nil, err
		}
	case server == "":
		server = stored
	case stored != "" && server != stored:
		return nil, errors.New("bootstrap data already found and encrypted with different token")
	}
	agent, err := secretOf(s.AgentToken)
	if err != nil {
		return nil, fmt.Errorf("--agent-token: %w", err)
	}
	if agent == "" {
		agent = server
	}
	return secrets{token.ServerUser: server, token.NodeUser: agent}, nil
}

func secretOf(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	parsed, err := token.Parse(text)
	return parsed.Secret, err
}

func storedSecret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return secretOf(strings.TrimSpace(string(content)))
}

func randomSecret() (string, error) {
	random := make([]byte, 16)
	_, err := rand.Read(random)
	return hex.EncodeToString(random), err
}

// write stores the full tokens where k3s keeps them, readable by root alone.
func (s secrets) write(data paths.Data, caPEM []byte) error {
	server := []byte(token.Format(caPEM, token.ServerUser, s[token.ServerUser]) + "\n")
	if err := files.Write(data.ServerToken(), server, 0o600); err != nil {
		return err
	}
	if err := linkTo("token", data.NodeToken()); err != nil {
		return err
	}
	if s[token.NodeUser] == s[token.ServerUser] {
		return linkTo("token", data.AgentToken())
	}
	if err := removeLink(data.AgentToken()); err != nil {
		return err
	}
	agent := []byte(token.Format(caPEM, token.NodeUser, s[token.NodeUser]) + "\n")
	return files.Write(data.AgentToken(), agent, 0o600)
}

func linkTo(target, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, link)
}

func removeLink(file string) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(file)
}
