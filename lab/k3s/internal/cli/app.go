// Package cli is k3s's command line: its subcommands, flags, variables and configuration file.
package cli

import (
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"

	"k3s.lab/internal/agent"
	"k3s.lab/internal/config"
	"k3s.lab/internal/notify"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/server"
	"k3s.lab/internal/version"
)

const defaultConfigFile = paths.DefaultConfigFile

// Run carries out the command line and gives the exit code.
func Run(args []string) int {
	serverConfig, agentConfig := &config.Server{}, &config.Agent{}
	withFile := map[string][]cli.Flag{"server": serverFlags(serverConfig), "agent": agentFlags(agentConfig)}
	app := newApp()
	app.Commands = append([]*cli.Command{
		{Name: "server", Usage: "Run management server", UsageText: "k3s server [OPTIONS]", Flags: withFile["server"], HideHelpCommand: true,
			Action: func(c *cli.Context) error { return runServer(c, serverConfig) }},
		{Name: "agent", Usage: "Run node agent", UsageText: "k3s agent [OPTIONS]", Flags: withFile["agent"], HideHelpCommand: true,
			Action: func(c *cli.Context) error { return runAgent(c, agentConfig) }},
		tokenCommand(),
		secretsEncryptCommand(),
	}, missingCommands()...)
	if err := runApp(app, args, withFile); err != nil {
		logrus.StandardLogger().Log(logrus.FatalLevel, err) // as k3s writes it
		return 1
	}
	return 0
}

func runApp(app *cli.App, args []string, withFile map[string][]cli.Flag) error {
	if len(args) > 1 && withFile[args[1]] != nil {
		var err error
		if args, err = withConfigFile(args, withFile[args[1]]); err != nil {
			return err
		}
	}
	return app.Run(args)
}

func newApp() *cli.App {
	cli.VersionPrinter = func(c *cli.Context) { _, _ = fmt.Fprintln(c.App.Writer, version.Text()) }
	app := cli.NewApp()
	app.Name = "k3s"
	app.Usage = "Kubernetes, but small and simple (the lab's build around upstream Kubernetes, not a release of k3s)"
	app.Version = version.Version
	app.DisableSliceFlagSeparator = true
	app.ExitErrHandler = func(*cli.Context, error) {} // Run reports errors, once
	return app
}

// missingCommands are subcommands of k3s that the lab does not carry; kubectl and ctr are taken before (see cmd/k3s).
func missingCommands() []*cli.Command {
	names := []string{"crictl", "check-config", "certificate", "completion", "etcd-snapshot"}
	var commands []*cli.Command
	for _, name := range names {
		commands = append(commands, &cli.Command{
			Name: name, SkipFlagParsing: true, Usage: "(not carried by the lab)",
			Action: func(*cli.Context) error {
				return fmt.Errorf("k3s %s: k3s has this command, but the lab's k3s does not carry it - use the official release", name)
			},
		})
	}
	return commands
}

func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("k3s %s takes no arguments, only flags: got %q", c.Command.Name, c.Args().First())
	}
	return nil
}

func runServer(c *cli.Context, s *config.Server) error {
	if err := prepare(c, &s.Agent); err != nil {
		return err
	}
	if err := tokenFromFile(&s.AgentToken, s.AgentTokenFile); err != nil {
		return err
	}
	if err := completeServer(s); err != nil {
		return err
	}
	return server.Run(c.Context, s)
}

func runAgent(c *cli.Context, a *config.Agent) error {
	if err := prepare(c, a); err != nil {
		return err
	}
	if a.Token == "" {
		return fmt.Errorf("--token is required")
	}
	if a.Server == "" {
		return fmt.Errorf("--server is required")
	}
	return agent.Run(c.Context, a)
}

// prepare is what a server and an agent have in common before they start.
func prepare(c *cli.Context, a *config.Agent) error {
	if a.Debug {
		logrus.SetLevel(logrus.DebugLevel)
	}
	if err := noArguments(c); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("must run as root: the lab's k3s has no rootless mode")
	}
	if err := notify.Take(); err != nil {
		return err
	}
	if err := tokenFromFile(&a.Token, a.TokenFile); err != nil {
		return err
	}
	return completeAgent(a)
}
