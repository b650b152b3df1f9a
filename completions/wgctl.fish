# Completion of wgctl for fish; goes to /usr/share/fish/vendor_completions.d/wgctl.fish.
function __wgctl_interfaces
    wgctl show interfaces 2>/dev/null | string split ' '
end
function __wgctl_is -a verb count
    set -l words (commandline -opc)
    test (count $words) -eq $count; and test "$words[2]" = $verb
end
function __wgctl_after
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end
function __wgctl_peers
    set -l words (commandline -opc)
    wgctl show $words[3] peers 2>/dev/null
end

complete -c wgctl -f
for entry in 'show:show configuration and state' 'showconf:show the configuration for setconf' \
        'set:change an interface and its peers' 'setconf:apply a configuration' 'addconf:append a configuration' \
        'syncconf:apply the changes of a configuration' 'genkey:generate a private key' \
        'genpsk:generate a preshared key' 'pubkey:derive a public key' 'plan:what syncconf would change' \
        'diff:what turns one configuration into another' 'monitor:follow links, peers, addresses, routes and rules' \
        'status:how the agent is' 'history:what the agent changed in the kernel' \
        'routes:networks behind other peers' 'exit:exit nodes' \
        'drain:ask clients to go elsewhere' 'undrain:serve clients again' \
        'why:where packets to an address go' 'doctor:what is wrong with this host' \
        'up:tell the agent to connect' 'down:take the tunnel down'
    set -l parts (string split -m 1 : $entry)
    complete -c wgctl -n __fish_use_subcommand -a $parts[1] -d $parts[2]
end
for verb in show showconf set setconf addconf syncconf plan diff
    complete -c wgctl -n "__wgctl_is $verb 2" -a '(__wgctl_interfaces)'
end
complete -c wgctl -n '__wgctl_is routes 2' -a 'list select deselect'
complete -c wgctl -n '__wgctl_is exit 2' -a 'list use auto off'
complete -c wgctl -n '__wgctl_is diff 3' -a '(__wgctl_interfaces)' -F
complete -c wgctl -n '__wgctl_is diff 2' -F
complete -c wgctl -n '__wgctl_is plan 2' -F
complete -c wgctl -n '__wgctl_is show 2' -a 'all interfaces'
complete -c wgctl -n '__wgctl_is show 3' -a 'public-key private-key listen-port fwmark peers preshared-keys endpoints \
    allowed-ips latest-handshakes transfer persistent-keepalive dump'
for verb in setconf addconf syncconf plan
    complete -c wgctl -n "__wgctl_is $verb 3" -F
end
set -l in_set '__fish_seen_subcommand_from set; and not __wgctl_is set 2'
complete -c wgctl -n "$in_set; and not __fish_seen_subcommand_from peer" -a 'listen-port fwmark private-key peer'
complete -c wgctl -n "$in_set; and __fish_seen_subcommand_from peer; and not __wgctl_after peer" \
    -a 'peer remove preshared-key endpoint persistent-keepalive allowed-ips'
complete -c wgctl -n "$in_set; and __wgctl_after peer" -a '(__wgctl_peers)'
complete -c wgctl -n "$in_set; and __wgctl_after private-key preshared-key" -F
complete -c wgctl -n '__fish_seen_subcommand_from show showconf plan diff monitor status history routes exit drain undrain why doctor' -l json -d 'print JSON'
complete -c wgctl -n '__fish_seen_subcommand_from status' -l why -d 'why the way to a peer is the one it is'
complete -c wgctl -n '__fish_seen_subcommand_from show' -l watch -d 'keep showing, with rates'
complete -c wgctl -n '__fish_seen_subcommand_from show monitor' -l interval -x -d 'seconds between two looks'
complete -c wgctl -n '__fish_seen_subcommand_from status history routes exit drain undrain why doctor up down' -l socket -r -F -d "the agent's socket"
complete -c wgctl -n '__fish_seen_subcommand_from status history routes exit drain undrain why doctor up down' -l instance -x -d 'name of the agent'
complete -c wgctl -n '__fish_seen_subcommand_from down' -l interface -x -d 'link to remove when no agent runs'
complete -c wgctl -n '__fish_seen_subcommand_from drain' -l wait -x -d 'seconds to wait for the last client'
