package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"k3s.lab/internal/agent"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/protocol"
	tokens "k3s.lab/internal/token"
)

// secretsEncryptCommand is `k3s secrets-encrypt`; of k3s's subcommands the lab has status.
func secretsEncryptCommand() *cli.Command {
	var dataDir, server, token, output string
	command := &cli.Command{Name: "secrets-encrypt", Usage: "Control secrets encryption and keys rotation"}
	command.Subcommands = []*cli.Command{{
		Name: "status", Usage: "Print current status of secrets encryption",
		Flags: []cli.Flag{
			text(&dataDir, paths.DefaultDataDir, "data-dir", "(data) Folder to hold state", "d", "K3S_DATA_DIR"),
			text(&token, "", "token", "(cluster) Token to use for authentication", "t", "K3S_TOKEN"),
			text(&server, "https://127.0.0.1:6443", "server", "(cluster) Server to connect to", "s", "K3S_URL"),
			text(&output, "text", "output", "Status format: text or json", "o"),
		},
		Action: func(c *cli.Context) error {
			if err := tokenFromFile(&token, paths.Data(dataDir).ServerToken()); err != nil {
				return err
			}
			status, err := encryptionStatus(c.Context, server, token)
			if err != nil {
				return err
			}
			return printStatus(c.App.Writer, status, output)
		},
	}}
	for _, name := range []string{"enable", "disable", "prepare", "rotate", "reencrypt", "rotate-keys"} {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name: name, SkipFlagParsing: true, Usage: "(not carried by the lab)",
			Action: func(*cli.Context) error {
				return fmt.Errorf("k3s secrets-encrypt %s: the lab's k3s chooses encryption when a cluster is made, and keeps its key - use the official release", name)
			},
		})
	}
	return command
}

func encryptionStatus(ctx context.Context, server, token string) (status protocol.EncryptionStatus, err error) {
	client, err := agent.Connect(ctx, server, token, tokens.ServerUser)
	if err == nil {
		err = client.Get(ctx, protocol.EncryptStatus, &status)
	}
	return status, err
}

// printStatus writes what k3s writes.
func printStatus(to io.Writer, status protocol.EncryptionStatus, output string) error {
	if strings.EqualFold(output, "json") {
		content, err := json.MarshalIndent(status, "", "\t")
		if err == nil {
			_, err = fmt.Fprintln(to, string(content))
		}
		return err
	}
	if status.Enable == nil {
		_, err := fmt.Fprintln(to, "Encryption Status: Disabled, no configuration file found")
		return err
	}
	hashes := status.HashError
	if status.HashMatch {
		hashes = "All hashes match"
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	kind, name, _ := strings.Cut(status.ActiveKey, " ")
	_, err := fmt.Fprintf(table, "Encryption Status: Enabled\nCurrent Rotation Stage: %s\nServer Encryption Hashes: %s\n\n"+
		"Active\tKey Type\tName\n------\t--------\t----\n *\t%s\t%s\n", status.Stage, hashes, kind, name)
	if err != nil {
		return err
	}
	return table.Flush()
}
