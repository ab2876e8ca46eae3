package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"
)

// withConfigFile puts the configuration file's entries, as flags, between the subcommand and its own arguments.
// A flag given on the command line replaces the file's entry, lists included (docs.k3s.io/installation/configuration).
// Unlike k3s, which skips them with a warning on servers, keys that are no flags always fail.
func withConfigFile(args []string, flags []cli.Flag) ([]string, error) {
	own := args[2:]
	file, explicit := configFileOf(own)
	entries, err := readConfig(file, explicit)
	if err != nil {
		return nil, err
	}
	given := namesGiven(own, flags)
	result := append([]string{}, args[:2]...)
	for _, entry := range entries {
		if given[canonical(entry.name, flags)] {
			continue
		}
		for _, value := range entry.values {
			result = append(result, "--"+entry.name+"="+value)
		}
	}
	return append(result, own...), nil
}

// configFileOf finds --config among the arguments, or its variable.
func configFileOf(args []string) (file string, explicit bool) {
	for i, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if name != "--config" && name != "-config" && name != "-c" {
			continue
		}
		if hasValue {
			return value, true
		}
		if i+1 < len(args) {
			return args[i+1], true
		}
	}
	if file = os.Getenv("K3S_CONFIG_FILE"); file != "" {
		return file, true
	}
	return defaultConfigFile, false
}

// entry is one key of the configuration with its values; a scalar has one.
type entry struct {
	name   string
	values []string
}

// readConfig reads the file and, in alphabetical order, the files of its `.d` folder. The last value of a key counts,
// unless the key ends in `+`: then it is appended.
func readConfig(file string, explicit bool) ([]entry, error) {
	files, err := filepath.Glob(file + ".d/*.y*ml")
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	if _, err := os.Stat(file); err == nil {
		files = append([]string{file}, files...)
	} else if explicit && len(files) == 0 {
		return nil, err
	}
	merged := map[string][]string{}
	for _, name := range files {
		if err := mergeFile(name, merged); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	entries := make([]entry, 0, len(merged))
	for name, values := range merged {
		entries = append(entries, entry{name, values})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].name < entries[j].name })
	return entries, nil
}

func mergeFile(file string, merged map[string][]string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	document := map[string]any{}
	if err := yaml.UnmarshalStrict(content, &document); err != nil {
		return err
	}
	for key, value := range document {
		name, appended := strings.CutSuffix(key, "+")
		values, err := asStrings(value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if appended {
			values = append(merged[name], values...)
		}
		merged[name] = values
	}
	return nil
}

func asStrings(value any) ([]string, error) {
	switch typed := value.(type) {
	case nil:
		return nil, nil
	case []any:
		var values []string
		for _, item := range typed {
			one, err := asStrings(item)
			if err != nil {
				return nil, err
			}
			values = append(values, one...)
		}
		return values, nil
	case map[string]any:
		return nil, fmt.Errorf("a mapping cannot become a flag - give a value or a list")
	case float64:
		return []string{strings.TrimSuffix(fmt.Sprintf("%f", typed), ".000000")}, nil
	default:
		return []string{fmt.Sprint(typed)}, nil
	}
}

// namesGiven are the first names of the flags on the command line.
func namesGiven(args []string, flags []cli.Flag) map[string]bool {
	given := map[string]bool{}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			given[canonical(name, flags)] = true
		}
	}
	return given
}

// canonical is the first name of the flag that has this name or shorthand.
func canonical(name string, flags []cli.Flag) string {
	for _, flag := range flags {
		for _, known := range flag.Names() {
			if known == name {
				return flag.Names()[0]
			}
		}
	}
	return name
}
