# shellcheck shell=sh disable=SC2154
# This machine's clock, held against the one that answers at the registration address.

# Certificates are valid from the moment on at which a server has made them, and tokens for a time:
# clocks that are kept right differ by parts of a second.
CLOCK_SECONDS=300

# seconds_of DATE: of the form that HTTP has, `Sat, 21 Nov 2026 10:11:43 GMT`
# (https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats), in seconds since 1970; nothing
# for another form. Not every `date` reads it.
seconds_of() {
    printf '%s\n' "$1" | awk '
        NF == 6 && $6 == "GMT" && split($5, time, ":") == 3 {
            month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $3) + 2) / 3
            # A year that begins in March has its odd day at its end.
            year = $4 - (month < 3)
            days = int((153 * (month + (month < 3 ? 9 : -3)) + 2) / 5) + $2 - 1
            days += 365 * year + int(year / 4) - int(year / 100) + int(year / 400) - 719468
            printf "%.0f\n", ((days * 24 + time[1]) * 60 + time[2]) * 60 + time[3]
        }'
}

# compare_clocks URL DATE NOW: what was said there, and this machine's seconds since 1970 at that time.
compare_clocks() {
    there=$(seconds_of "$2")
    if [ -z "$there" ]; then return 0; fi
    off=$(($3 - there))
    way='ahead of'
    if [ "$off" -lt 0 ]; then way='behind' off=$((-off)); fi
    [ "$off" -le "$CLOCK_SECONDS" ] || fail "this machine's clock is $((off / 60)) min $((off % 60)) s $way \
that of $1, which says $2 — certificates and tokens of the cluster would not be valid here — \
set the wrong one of the two right (timedatectl set-ntp true, or chrony), then run up again"
}
