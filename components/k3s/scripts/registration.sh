# shellcheck shell=sh disable=SC2154
# Runs on a server, about the node NODE: waits until it is Ready with its addresses, and sets labels
# and taints.
# Uses INTERNAL_IPS, EXTERNAL_IPS, LABELS and TAINTS, each a list, one entry a line; EXTERNAL_CLOUD
# (empty: k3s tells the node's addresses itself, not a cloud's controller that comes later); and what
# is_ready of nodes.sh and removal.sh use.

# The names that were set here, so that one which is no longer wanted can be told from one of k3s's.
ANNOTATION=k3s-pulumi/managed

addresses() {
    node_field "{range .status.addresses[?(@.type==\"$1\")]}{.address}{\"\\n\"}{end}" | sort
}

has_addresses() {
    [ "$(addresses InternalIP)" = "$(printf '%s\n' "$INTERNAL_IPS" | sort)" ] &&
        { [ -n "$EXTERNAL_CLOUD" ] || [ "$(addresses ExternalIP)" = "$(printf '%s\n' "$EXTERNAL_IPS" | sort)" ]; }
}

one_line() { printf '%s' "$1" | tr '\n' ' '; }

wait_until_registered() {
    wait_closely_for 300 is_ready || {
        show_conditions
        fail "node is not Ready after 300 s — see its conditions above, and the journal of k3s on it"
    }
    wait_closely_for 60 has_addresses || fail "node has InternalIP '$(one_line "$(addresses InternalIP)")' and \
ExternalIP '$(one_line "$(addresses ExternalIP)")' — they should be '$(one_line "$INTERNAL_IPS")' and \
'$(one_line "$EXTERNAL_IPS")' — see node-ip and node-external-ip in $CONFIG_FILE on it"
}

# keys_of LIST SEPARATORS: what stands before the first of them in each line.
keys_of() { printf '%s\n' "$1" | sed -e '/^$/d' -e "s/[$2].*//"; }

# A taint is told by its key and effect together.
taint_names() { printf '%s\n' "$1" | sed -n 's/^\([^=:]*\)[^:]*:\(.*\)$/\1:\2/p'; }

managed() {
    {
        keys_of "$LABELS" = | sed 's/^/label /'
        taint_names "$TAINTS" | sed 's/^/taint /'
    } | sort
}

remove_what_is_no_longer_wanted() {
    wanted=$(managed)
    node_field "{.metadata.annotations.k3s-pulumi/managed}" | tr ',' '\n' | while read -r kind name; do
        [ -n "$kind" ] || continue
        if printf '%s\n' "$wanted" | grep -qxF "$kind $name"; then continue; fi
        kubectl "$kind" node "$NODE" "$name-" >/dev/null
    done
}

reconcile() {
    remove_what_is_no_longer_wanted
    printf '%s\n' "$LABELS" | sed '/^$/d' | while read -r label; do
        kubectl label node "$NODE" --overwrite "$label" >/dev/null
    done
    printf '%s\n' "$TAINTS" | sed '/^$/d' | while read -r taint; do
        kubectl taint node "$NODE" --overwrite "$taint" >/dev/null
    done
    kubectl annotate node "$NODE" --overwrite "$ANNOTATION=$(managed | paste -sd , -)" >/dev/null
}

main() {
    wait_for_api
    wait_until_registered
    reconcile
    if [ "$(ready_condition status)" = True ]; then
        say "node is Ready"
    else
        say "node has joined, and lacks a pod network alone"
    fi
    printf '%s registered\n' "$NODE"
}

main "$@" </dev/null
