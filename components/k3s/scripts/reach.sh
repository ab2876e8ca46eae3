# shellcheck shell=sh disable=SC2154
# Looks at the registration address before a node joins: k3s itself would ask there for ever.
# Uses ROLE, CONFIG and REACH_SECONDS, which is how long the address may take until it answers, and
# clock.sh.

REGISTRATION_CA=/run/k3s-pulumi/registration-ca

registration_url() { printf '%s\n' "$CONFIG" | sed -n 's/^server: //p'; }

# ask_registration PATH: as a stranger, who is shown the cluster's CA and no more. What else a
# joiner says to that CA comes after the comparison with its token. Told in such detail, what was
# answered has the clock there in it.
ask_registration() {
    "$K3S" kubectl --kubeconfig /dev/null --token none --insecure-skip-tls-verify \
        --request-timeout 5s --server "$(registration_url)" --v 8 get --raw "$1"
}

shows_its_ca() { ask_registration /cacerts >"$REGISTRATION_CA" 2>"$REGISTRATION_CA.words"; }

# Nobody can bring back what a cluster of one server had on its machine; that of several is whole.
without_answer() {
    if [ "$ROLE" = server ]; then
        printf '%s' ' — if this was the only server, the cluster went with its machine, and this one cannot bring it back: restore a backup into a new cluster (destroy, then up)'
    fi
}

check_registration() {
    url=$(registration_url)
    # A member has its datastore, and joins nobody.
    if [ -z "$url" ] || is_member; then return 0; fi
    mkdir -p "$(dirname "$REGISTRATION_CA")"
    wait_closely_for "$REACH_SECONDS" shows_its_ca || fail "$url has not answered within $REACH_SECONDS s: \
$(tail -n 1 "$REGISTRATION_CA.words") — this $ROLE joins there — see that k3s runs on another server, and that \
nothing closes port 6443 between the two; then run up again$(without_answer)"
    compare_clocks "$url" "$(sed -n 's/^[[:space:]]*Date: //p' "$REGISTRATION_CA.words" | tail -n 1)" "$(date +%s)"
    expected=$(printf '%s\n' "$CONFIG" | sed -n 's/^token: .*K10\([0-9a-f]\{64\}\)::.*/\1/p')
    found=$(sha256sum "$REGISTRATION_CA" | cut -d ' ' -f 1)
    [ "$found" = "$expected" ] || fail "$url belongs to another cluster: the CA there has SHA-256 $found, this stack's \
has $expected — this $ROLE would not join it — see who has that address"
    rm -f "$REGISTRATION_CA" "$REGISTRATION_CA.words"
}
