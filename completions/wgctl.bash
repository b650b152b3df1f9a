# Completion of wgctl for bash; goes to /usr/share/bash-completion/completions/wgctl.
_wgctl() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]:-} words='' interfaces
    local fields='public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes
        transfer persistent-keepalive dump'
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        words='show showconf set setconf addconf syncconf genkey genpsk pubkey plan diff monitor status history why doctor routes exit drain undrain up down help'
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    interfaces=$(wgctl show interfaces 2>/dev/null)
    case $verb:$COMP_CWORD in
        show:2) words="$interfaces all interfaces --json --watch" ;;
        show:3) words="$fields --json --watch" ;;
        show:*) words='--json --watch --interval' ;;
        showconf:2) words="$interfaces --json" ;;
        set:2 | setconf:2 | addconf:2 | syncconf:2) words=$interfaces ;;
        setconf:3 | addconf:3 | syncconf:3) compopt -o default; return ;;
        plan:2 | plan:3 | diff:2 | diff:3) words="$interfaces --json"; compopt -o default ;;
        monitor:*) words='--json --interval' ;;
        drain:*) words='--json --wait --socket --instance' ;;
        status:*) words='--why --json --socket --instance' ;;
        history:* | undrain:*) words='--json --socket --instance' ;;
        routes:2) words='list select deselect' ;;
        routes:*) words='all -a --json --socket --instance' ;;
        exit:2) words='list use auto off' ;;
        exit:*) words='--json --socket --instance' ;;
        why:*) words='--from --mark --json --socket --instance' ;;
        doctor:*) words='--json --state-dir --socket --instance' ;;
        up:*) words='--socket --instance' ;;
        down:*) words='--socket --instance --interface --state-dir' ;;
        set:*)
            case ${COMP_WORDS[COMP_CWORD - 1]} in
                peer) words=$(wgctl show "${COMP_WORDS[2]}" peers 2>/dev/null) ;;
                private-key | preshared-key) compopt -o default; return ;;
                fwmark | persistent-keepalive) words=off ;;
                listen-port | endpoint | allowed-ips) return ;;
                *)
                    words='listen-port fwmark private-key peer'
                    [[ " ${COMP_WORDS[*]:3:COMP_CWORD-3} " != *' peer '* ]] ||
                        words='peer remove preshared-key endpoint persistent-keepalive allowed-ips'
                    ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _wgctl wgctl
