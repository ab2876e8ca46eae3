# shellcheck shell=sh disable=SC2154
# Waits until a webhook answers for the objects that it will be asked about, and for that alone: any
# other refusal is one that waiting does not mend.
# Uses OBJECTS, in YAML.

WEBHOOK_SECONDS=60

tried() {
    said=$(printf '%s\n' "$OBJECTS" | "$K3S" kubectl create --dry-run=server --filename - 2>&1) && return 0
    case $said in
        # Of an object that stands already the webhook has been asked.
        *AlreadyExists* | *'already exists'*) only_already_there ;;
        *'failed calling webhook'*) return 1 ;;
        *) fail "the API refuses what is to be made — $said" ;;
    esac
}

only_already_there() {
    others=$(printf '%s\n' "$said" | grep -v -e 'already exists' -e '(server dry run)$' || true)
    case $others in
        '') return 0 ;;
        *'failed calling webhook'*) return 1 ;;
        *) fail "the API refuses what is to be made — $others" ;;
    esac
}

main() {
    wait_closely_for "$WEBHOOK_SECONDS" tried ||
        fail "the webhook does not answer after $WEBHOOK_SECONDS s — its last words: $said"
    say "the webhook answers"
}

main "$@" </dev/null
