package cli

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// list is a flag that may be given several times.
func list(to *[]string, name, usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Usage: usage, Action: func(_ *cli.Context, values []string) error {
		*to = values
		return nil
	}}
}

// commaList also splits each value at its commas.
func commaList(to *[]string, name, usage string, aliases ...string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Aliases: aliases, Usage: usage, Action: func(_ *cli.Context, values []string) error {
		*to = nil
		for _, part := range strings.Split(strings.Join(values, ","), ",") {
			if part = strings.TrimSpace(part); part != "" {
				*to = append(*to, part)
			}
		}
		return nil
	}}
}
