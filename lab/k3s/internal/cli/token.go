package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/urfave/cli/v2"
)

// tokenCommand is `k3s token`; of k3s's subcommands the lab has generate.
func tokenCommand() *cli.Command {
	command := &cli.Command{Name: "token", Usage: "Manage tokens"}
	command.Subcommands = []*cli.Command{{Name: "generate", Usage: "Generate and print a token, but do not create it on the server", Action: generateToken}}
	for _, name := range []string{"create", "delete", "list", "rotate"} {
		command.Subcommands = append(command.Subcommands, &cli.Command{
			Name: name, SkipFlagParsing: true, Usage: "(not carried by the lab)",
			Action: func(*cli.Context) error {
				return fmt.Errorf("k3s token %s: the lab's k3s has the server token and the agent token only - set them with --token and --agent-token", name)
			},
		})
	}
	return command
}

// generateToken prints a bootstrap token: six characters, a dot, sixteen characters, as kubeadm and k3s do.
func generateToken(c *cli.Context) error {
	random := make([]byte, 11)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	digits := hex.EncodeToString(random)
	_, err := fmt.Fprintf(c.App.Writer, "%s.%s\n", digits[:6], digits[6:])
	return err
}
