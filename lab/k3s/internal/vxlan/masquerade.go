package vxlan

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// Chains of flannel's names.
const (
	postChain    = "FLANNEL-POSTRTG"
	forwardChain = "FLANNEL-FWD"
)

// masquerade hides pods behind the node's address outside the cluster's networks, and lets their packets be forwarded.
func (n *Network) masquerade() error {
	tables := map[string][]string{
		"nat": {
			"-A " + postChain + " -s " + n.PodCIDR + " -d " + n.ClusterCIDR + " -j RETURN",
			"-A " + postChain + " -s " + n.ClusterCIDR + " -d " + n.PodCIDR + " -j RETURN",
			"-A " + postChain + " -s " + n.ClusterCIDR + " ! -d 224.0.0.0/4 -j MASQUERADE",
			"-A " + postChain + " ! -s " + n.ClusterCIDR + " -d " + n.PodCIDR + " -j RETURN",
			"-A " + postChain + " ! -s " + n.ClusterCIDR + " -d " + n.ClusterCIDR + " -j MASQUERADE",
		},
		"filter": {
			"-A " + forwardChain + " -s " + n.ClusterCIDR + " -j ACCEPT",
			"-A " + forwardChain + " -d " + n.ClusterCIDR + " -j ACCEPT",
		},
	}
	chains := map[string]string{"nat": postChain, "filter": forwardChain}
	for table, rules := range tables {
		if err := restore(table, chains[table], rules); err != nil {
			return err
		}
	}
	if err := ensureJump("nat", "POSTROUTING", postChain); err != nil {
		return err
	}
	return ensureJump("filter", "FORWARD", forwardChain)
}

// restore replaces the chain's rules in one step.
func restore(table, chain string, rules []string) error {
	input := fmt.Sprintf("*%s\n:%s - [0:0]\n%s\nCOMMIT\n", table, chain, strings.Join(rules, "\n"))
	command := exec.Command("iptables-restore", "--wait", "--noflush")
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("iptables-restore: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

func ensureJump(table, from, to string) error {
	rule := []string{from, "-m", "comment", "--comment", "flanneld", "-j", to}
	if iptables(append([]string{"--table", table, "--check"}, rule...)) == nil {
		return nil
	}
	return iptables(append([]string{"--table", table, "--append"}, rule...))
}

func iptables(args []string) error {
	if output, err := exec.Command("iptables", append([]string{"--wait"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("iptables %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}
