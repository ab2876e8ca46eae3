package process

import (
	"slices"
	"sort"
	"strings"
)

// Flags turns k3s's own settings of a component and the user's --<component>-arg values (name=value, or a bare name
// for true) into command line flags. The user's win; a flag that the user gives twice is passed twice.
func Flags(own map[string]string, given []string) []string {
	var flags, overridden []string
	for _, argument := range given {
		argument = strings.TrimLeft(argument, "-")
		name, value, hasValue := strings.Cut(argument, "=")
		if !hasValue {
			value = "true"
		}
		overridden = append(overridden, name)
		flags = append(flags, "--"+name+"="+value)
	}
	for name, value := range own {
		if !slices.Contains(overridden, name) {
			flags = append(flags, "--"+name+"="+value)
		}
	}
	sort.Strings(flags)
	return flags
}
