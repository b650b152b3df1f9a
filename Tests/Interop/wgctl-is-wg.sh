#!/bin/bash
# wgctl under the name `wg` against Debian's wg: every reading form on devices that neither made, byte for byte with
# standard error and exit status; every writing form on twins, compared by what Debian's wg then reads; the messages of
# every bad argument and bad configuration; and wg-quick with ours in its PATH.
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/bin" "$work/theirs" "$work/out" "$work/conf"
# In memory: the files of the host are slow to reach from the guest, and this starts both a thousand times.
cp "$programs/wgctl" "$work/bin/wg"
cp /usr/bin/wg "$work/theirs/wg"
theirs=$work/theirs/wg ours=$work/bin/wg
# Retries of name resolution last minutes.
export WG_ENDPOINT_RESOLUTION_RETRIES=0

# run SIDE INPUT ARGUMENTS...: runs one of the two under the name wg; its outputs and status go to files.
run() {
    local side=$1 input=$2 status=0
    shift 2
    local program=$theirs
    [ "$side" = theirs ] || program=$ours
    (exec -a wg "$program" "$@") <"$input" >"$work/out/$side.out" 2>"$work/out/$side.err" || status=$?
    echo "$status" >"$work/out/$side.status"
}

# without_ages SIDE: the age of a handshake made equal, in what SIDE printed. Its text has unit tests with a clock of theirs.
without_ages() { sed -i '/latest handshake/s/[0-9][0-9]*/N/g' "$work/out/$1.out"; }

# differences: of the last two runs.
differences() {
    local part
    for part in status out err; do
        cmp -s "$work/out/theirs.$part" "$work/out/ours.$part" || {
            # diff fails because they differ; that is what we are here to tell.
            diff --text -u "$work/out/theirs.$part" "$work/out/ours.$part" | sed 1,2d | head -n 6 | cat -v || true
            return 0
        }
    done
}

# same_with INPUT ARGUMENTS...: both print the same. At the same time, since the age of a handshake changes every second;
# and again if one passes between them.
same_with() {
    local found=''
    for _ in 1 2 3 4 5 6 7 8; do
        run theirs "$@" &
        run ours "$@"
        wait $!
        found=$(differences)
        [ -n "$found" ] || break
        [[ $found == *' ago'* ]] || break
    done
    # Where one of the two needs a second longer to start, every pair of runs lies across one.
    if [[ $found == *' ago'* ]]; then
        without_ages theirs
        without_ages ours
        found=$(differences)
    fi
    shift
    [ -z "$found" ] && pass "wg ${*@Q}" || fail "wg ${*@Q}: ${found//$'\n'/ | }"
}
same() { same_with /dev/null "$@"; }

# --- devices made by neither -----------------------------------------------------------------------------------------

key() { printf '%s' "$1" | sha256sum | cut -c 1-64 | xxd -r -p | base64; }
key_file() { key "$1" >"$work/conf/key-$1"; printf '%s' "$work/conf/key-$1"; }
device() { ip link add "$1" type wireguard; }

fields=(public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes transfer
    persistent-keepalive dump)
show_everything() {
    local field name
    same
    same show
    same show all
    same show interfaces
    for field in "${fields[@]}" nonsense; do same show all "$field"; done
    for name in "$@"; do
        same show "$name"
        same showconf "$name"
        for field in "${fields[@]}" nonsense; do same show "$name" "$field"; done
    done
    WG_COLOR_MODE=always same show
    WG_COLOR_MODE=always WG_HIDE_KEYS=never same show
    WG_HIDE_KEYS=never same show
    WG_HIDE_KEYS=always WG_COLOR_MODE=never same show
}

show_everything # none at all
device empty
show_everything empty

device rich
$theirs set rich listen-port 51871 fwmark 0xca6c private-key "$(key_file rich)" \
    peer "$(key none)" \
    peer "$(key v4)" endpoint 192.0.2.1:51820 allowed-ips 10.1.0.0/16,10.2.0.1/32,0.0.0.0/0 persistent-keepalive 25 \
    peer "$(key v6)" endpoint '[2001:db8::1]:65535' allowed-ips 2001:db8::/32,::/0,::1.2.3.4/128,::ffff:1.2.3.4/128 \
    preshared-key "$(key_file psk)" \
    peer "$(key scoped)" endpoint '[fe80::1%lo]:1' allowed-ips ::1/128,::0.1.0.0/112,::1:0/127 persistent-keepalive 1 \
    peer "$(key numbered)" endpoint '[fe80::1%4711]:1' persistent-keepalive 65535 \
    peer "$(key multicast)" endpoint '[ff02::1%lo]:1' peer "$(key mapped)" endpoint '[::ffff:192.0.2.1]:1'
show_everything rich

# Two that talk: handshakes and counters. Both ends in namespaces, so that the address of one is not local to the other.
ip netns add far
device near
ip -n far link add distant type wireguard # its packets belong to the namespace it is made in
ip link add pipe type veth peer name pipe netns far
ip addr add 198.51.100.1/24 dev pipe
ip link set pipe up
ip -n far addr add 198.51.100.2/24 dev pipe
ip -n far link set pipe up
$theirs set near listen-port 51872 private-key "$(key_file near)"
in_host far $theirs set distant listen-port 51873 private-key "$(key_file distant)" \
    peer "$($theirs show near public-key)" allowed-ips 10.7.0.1/32
$theirs set near peer "$(in_host far $theirs show distant public-key)" endpoint 198.51.100.2:51873 \
    allowed-ips 10.7.0.2/32 peer "$(key silent)" allowed-ips 10.7.0.3/32
ip addr add 10.7.0.1/24 dev near
ip link set near up
ip -n far addr add 10.7.0.2/24 dev distant
ip -n far link set distant up
check 'the two talk' eventually 20 ping -c 1 -W 1 10.7.0.2
show_everything near

device many
python3 - >"$work/conf/many" <<'EOF'
import base64, hashlib
def key(name): return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
print("[Interface]", "ListenPort = 51874", sep="\n")
for n in range(1, 501):
    print("[Peer]", f"PublicKey = {key(f'many{n}')}", sep="\n")
    print(f"AllowedIPs = 10.{n // 250}.{n % 250}.0/24, fd00:{n:x}::/64")
    if n % 3 == 0: print(f"Endpoint = 203.0.113.{n % 250}:{n}")
    if n % 5 == 0: print(f"PresharedKey = {key(f'psk{n}')}")
EOF
$theirs setconf many "$work/conf/many"
same show many
same showconf many
same show many dump
same show all dump
ip link del many

for name in '' lo nonsense near/ aaaaaaaaaaaaaaa aaaaaaaaaaaaaaaa 'a b' -h; do
    same show "$name"
    same show "$name" dump
    same show "$name" nonsense
    same showconf "$name"
    same set "$name" fwmark 1
    same setconf "$name" /dev/null
    same syncconf "$name" /dev/null
done
setpriv --reuid 65534 --regid 65534 --clear-groups "$ours" show rich >"$work/out/ours.out" 2>"$work/out/ours.err" &&
    fail 'another user may not read' || pass 'another user may not read'
setpriv --reuid 65534 --regid 65534 --clear-groups "$theirs" show rich >"$work/out/theirs.out" \
    2>"$work/out/theirs.err" || true # the comparison judges
check_equal 'another user is told the same' "$(cat "$work/out/ours.err")" "$(cat "$work/out/theirs.err")"

# --- usage and bad arguments -----------------------------------------------------------------------------------------

for arguments in '-h' '--help' 'help' '-v' '--version' 'version' 'nonsense' '-V' '' 'show -h' 'show --help' 'show help' \
    'show interfaces x' 'show all dump x' 'showconf' 'showconf near x' 'set' 'set near' 'set near peer' 'set near x' \
    'setconf' 'setconf near' 'setconf near /dev/null x' 'addconf near' 'syncconf' 'addconf lo /dev/null' \
    'syncconf lo /dev/null' 'addconf nonsense /dev/null' 'addconf near /dev/null' 'set lo' 'setconf near /nonsense' \
    'genkey x' 'genpsk x' 'pubkey x' 'set near remove' 'set near --help' 'help x' 'genkey -h'; do
    # shellcheck disable=SC2086
    same $arguments
done
same ''
for value in 08 010 0x10 0X10 off OFF 0 -1 +5 ' 5' '5 ' 0xffffffff 4294967295 0x100000000 0x 00 '' x 0x1g; do
    same set rich fwmark "$value"
done
$theirs set rich fwmark 0xca6c
for value in x '' '5 ' http -1 0x10 18446744073709551617; do same set rich listen-port "$value"; done
for value in 010 off OFF 25 -1 +5 '5 ' 65535 65536 0x19 '' 025; do
    same set rich peer "$(key v4)" persistent-keepalive "$value"
done
for value in 1.2.3 1.2.3.4/33 1.2.3.4/ 1.2.3.4/a '1.2.3.4,,5.6.7.8' '1.2.3.4,' ',' / /8 1.2.3.4/-1 ::1/129 1.2.3.4/4294967304 \
    1.2.3.4/32/5 '(none)' 01.2.3.4 1.2.3.4/+4 foo/99 ::ffff:01.2.3.4 1.2.3.4/0x8 1::2::3 1:2:3:4:5:6:7:8:9 1.2.3.4/0000024; do
    same set rich peer "$(key none)" allowed-ips "$value"
done
for value in 1.2.3.4 '[::1:5' '' :5 '[]:5' a: '[::1]' '[::1]5' '[::1]x:5' '(none)' 1.2.3.4:http 1.2.3.4:-1 \
    '[fe80::1%nonsense]:5' nonsense.invalid:5 '['; do
    same set rich peer "$(key none)" endpoint "$value"
done
for value in abc '' "$(key a) " "$(key a | tr -d '=')" "$(key a | tr '=' x)"; do same set rich peer "$value"; done
for retries in x '' 5x 08 -1 infinity INFINITY 99999999999 ' 5' +5 '+' ' '; do
    WG_ENDPOINT_RESOLUTION_RETRIES=$retries same set rich peer "$(key none)" endpoint 192.0.2.9:5
done
k=$(key text)
for content in '' "$k" "$k\n" "$k\n\n \t\n" " $k" "${k}x" abc "$k\nx" "${k%=}" "${k%=} " '\n' "$k\0" "${k%?=}" "$k\xc3"; do
    # shellcheck disable=SC2059
    printf "$content" >"$work/conf/key"
    same set empty private-key "$work/conf/key"
    same set rich peer "$(key none)" preshared-key "$work/conf/key"
    same_with "$work/conf/key" pubkey
    check_equal "showconf after key file ${content@Q}" "$($ours showconf empty)" "$($theirs showconf empty)"
done
same set empty private-key /nonsense
same set empty private-key /tmp
same_with "$(key_file rich)" pubkey

# --- configurations: the grammar, on twins ---------------------------------------------------------------------------

ip link del empty
ip link del rich
device rich
device twin-a
device twin-b
base=$work/conf/base
{
    printf '[Interface]\nPrivateKey = %s\nListenPort = 51880\nFwMark = 3\n' "$(key base)"
    for n in 1 2 3 4; do
        printf '[Peer]\nPublicKey = %s\nPresharedKey = %s\n' "$(key "p$n")" "$(key "s$n")"
        printf 'AllowedIPs = 10.0.%d.0/24, 10.1.%d.0/24, fd00:%d::/64\nEndpoint = 192.0.2.%d:%d\n' $n $n $n $n $n
        printf 'PersistentKeepalive = %d\n' "$n"
    done
} >"$base"

# twins VERB TEXT: applied by theirs to one and by ours to the other, both made from the same base.
twins() {
    local verb=$1 text=$2 status_a=0 status_b=0 a b
    # shellcheck disable=SC2059
    printf "$text" >"$work/conf/text"
    $theirs setconf twin-a "$base"
    $theirs setconf twin-b "$base"
    (exec -a wg $theirs "$verb" twin-a /dev/stdin) <"$work/conf/text" >"$work/out/a" 2>&1 || status_a=$?
    (exec -a wg "$ours" "$verb" twin-b /dev/stdin) <"$work/conf/text" >"$work/out/b" 2>&1 || status_b=$?
    a="$status_a $(cat -v "$work/out/a") $($theirs showconf twin-a)"
    b="$status_b $(cat -v "$work/out/b") $($theirs showconf twin-b)"
    [ "$a" = "$b" ] && pass "$verb ${text@Q}" ||
        fail "$verb ${text@Q}: $(diff <(printf '%s' "$a") <(printf '%s' "$b") | head -n 6 | tr '\n' '|')"
}

I='[Interface]\n' P="[Peer]\nPublicKey=$(key p1)\n" Q="[Peer]\nPublicKey=$(key q)\n" K=$(key other)
texts=(
    '' "$I" '\n\n# c\n[interface] # x\nprivatekey=\n' "${I}PrivateKey = $K\nListenPort=0051\nFwMark= 0x10 # c\n"
    "${I}PrivateKey = \n" "${I}PrivateKey = (none)\n" "${I}PrivateKey\n" "${I}Private Key = $K\n" "${I}Foo = 1\n"
    "${I}PrivateKey : 1\n" "${I}PrivateKey = abc\n" 'Foo\n' '[Foo]\n' '[Interface\n' '[Peer]\n' '[Peer]\n[Peer]\n'
    "${I}[Peer]\nPublicKey=abc\n" "PrivateKey=$K\n" "${I}PublicKey=$K\n" '[Peer]\nListenPort=5\n'
    '[ I n t e r f a c e ]\nListenPort = 5 1 8\n' "$P$P" "$P${I}ListenPort=5188\n${I}FwMark=6\n$P"
    "[Peer]\nAllowedIPs=1.2.3.4\n$P" "$P\nPublicKey=$(key p2)\n"
    "[Peer]\nAllowedIPs=1.2.3.4/24, ::1/64\n \tPUBLICKEY=$(key p1)#x\nAllowedIPs = 5.6.7.8\n"
    "${P}AllowedIPs=\n" "${P}AllowedIPs=   \n" "${P}AllowedIPs=,\n" "${P}AllowedIPs=(none)\n" "${P}AllowedIPs=foo\n"
    "${P}AllowedIPs=1.2.3.4/99\n" "${P}Endpoint=\n" "${P}Endpoint=(none)\n" "${P}Endpoint=1.2.3.4\n"
    "${P}Endpoint= [ ::1 ] : 5 \n" "${P}Endpoint=1.2.3.4:5\nEndpoint=1.2.3.4:6\n" "${P}PersistentKeepalive=off\n"
    "${P}PersistentKeepalive=70000\n" "${P}PersistentKeepalive=\n" "${P}PersistentKeepalive=(none)\n"
    "${P}PresharedKey=$K\n" "${P}PresharedKey=(none)\n" "${P}PresharedKey=\n"
    "${P}PresharedKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" "${I}ListenPort=\n" "${I}ListenPort=x\n"
    "${I}ListenPort=70000\n" "${I}ListenPort=domain\n" "${I}FwMark=x\n" "${I}FwMark=\n" "${I}FwMark=off\n"
    "${P}Endpoint=a b.invalid:5\n" "${I}ListenPort=5188\r\nFwMark=1\r\n" "${I}ListenPort=5\rFwMark=1\n"
    "${I}ListenPort=5188" "${I}ListenPort=5188\0FwMark=1\n" "\xef\xbb\xbf${I}ListenPort=5\n" "${I}\xff\xfe=5\n"
    '; comment\n' "${I}ListenPort=5 ; c\n" '[Interface]ListenPort=5\n' '[Peer]x\n' '[#Peer]\n' "${P}Remove=true\n"
    "${P}AllowedIPs=1.2.3.4\nAllowedIPs=5.6.7.8,9.9.9.9\n" "${P}PersistentKeepalive=5\nPersistentKeepalive=6\n"
    "${P}AllowedIPs=1.2.3.4, 5.6.7.8, 1.2.3.4\nAllowedIPs=9.9.9.9\n" "${I}PrivateKey=${K%=}\n" "${I}Listen\tPort=5188\n"
    "${I}=5\n" '=\n' "${P}AllowedIPs=10.0.0.0/ 8 , 11.0.0.0 /8\n" '[Peer]\n[Interface]\n' "[Peer]\n$P" '[Peer]\nFoo\n'
    "${I}PrivateKey=$K\nListenPort=5188\n${P}AllowedIPs=10.0.2.0/24\n[Peer]\nPublicKey=$(key p2)\nAllowedIPs=10.0.1.0/24\n"
    "$Q" "${Q}AllowedIPs=10.0.1.0/24,10.0.2.0/24\n$P" "${P}AllowedIPs=10.1.1.0/24,10.0.1.0/24,fd00:1::/64\n"
    "${P}AllowedIPs=10.0.9.0/24\n${Q}AllowedIPs=10.0.9.0/24\n" "${Q}AllowedIPs=10.0.9.0/24\n${P}AllowedIPs=10.0.9.0/24\n$Q"
    "${P}AllowedIPs=10.0.1.0/24,10.1.1.0/24,fd00:1::/64,10.9.0.0/16\n" "${P}Endpoint=192.0.2.1:1\nPersistentKeepalive=1\n"
)
for verb in setconf addconf syncconf; do
    for text in "${texts[@]}"; do twins "$verb" "$text"; done
done
twins setconf "$(sed 's/$/\\n/' "$work/conf/many" | tr -d '\n')"
twins syncconf "$(sed 's/$/\\n/' "$work/conf/many" | tr -d '\n')"
twins addconf "$(sed 's/$/\\n/' "$work/conf/many" | tr -d '\n')"

# set_twins ARGUMENTS...
set_twins() {
    local status_a=0 status_b=0
    (exec -a wg $theirs set twin-a "$@") >"$work/out/a" 2>&1 || status_a=$?
    (exec -a wg "$ours" set twin-b "$@") >"$work/out/b" 2>&1 || status_b=$?
    check_equal "set ${*@Q}" "$status_b $(cat "$work/out/b") $($theirs showconf twin-b)" \
        "$status_a $(cat "$work/out/a") $($theirs showconf twin-a)"
}
$theirs setconf twin-a "$base"
$theirs setconf twin-b "$base"
set_twins fwmark 010
set_twins listen-port 5199 fwmark 0x7 private-key "$(key_file set)"
set_twins listen-port domain
set_twins listen-port 5200 listen-port 5201
set_twins private-key /dev/null
set_twins peer "$(key p1)" allowed-ips 10.0.2.0/24,10.44.0.0/16
set_twins peer "$(key p1)" allowed-ips ''
set_twins peer "$(key p1)" allowed-ips ' 1.2.3.4 , 5.6.7.8/16'
set_twins peer "$(key p1)" allowed-ips 1.2.3.4 allowed-ips 2.2.2.2 endpoint '[::1]:5' persistent-keepalive off
set_twins peer "$(key p1)" endpoint '[fe80::1%lo]:5' peer "$(key p2)" endpoint localhost:7
set_twins peer "$(key p1)" endpoint ::1:9 peer "$(key p2)" endpoint 1.2:7 peer "$(key p3)" endpoint '[1.2.3.4]:domain'
set_twins peer "$(key p2)" preshared-key /dev/null peer "$(key p3)" preshared-key "$(key_file psk)"
set_twins peer "$(key new)" remove peer "$(key p4)" remove peer "$(key p3)" allowed-ips 1.1.1.1 remove
set_twins peer "$(key new)" peer "$(key new)" allowed-ips 9.9.9.9
set_twins peer "$(key new)" endpoint 1.2.3.4:65536

# --- beyond Debian's wg: single allowed IPs, also where the kernel cannot remove them --------------------------------

$theirs setconf twin-a "$base"
$ours set twin-a peer "$(key p1)" allowed-ips +10.44.0.0/16,-10.1.1.0/24
check_equal 'single allowed IPs' "$($theirs show twin-a allowed-ips | grep -F "$(key p1)" | cut -f 2)" \
    '10.0.1.0/24 fd00:1::/64 10.44.0.0/16'
$ours set twin-a peer "$(key p1)" allowed-ips -10.44.0.0/16 peer "$(key p2)" allowed-ips +10.0.1.0/24
check_equal 'single allowed IPs of two peers' \
    "$($theirs show twin-a allowed-ips | grep -F -e "$(key p1)" -e "$(key p2)" | cut -f 2 | tr '\n' ' ')" \
    'fd00:1::/64 10.0.2.0/24 10.1.2.0/24 fd00:2::/64 10.0.1.0/24 '

# --- keys ------------------------------------------------------------------------------------------------------------

for verb in genkey genpsk; do
    check "$verb is 44 characters" grep -qE '^[A-Za-z0-9+/]{43}=$' <("$ours" $verb)
done
for n in 1 2 3 4 5; do
    "$ours" genkey >"$work/conf/secret" 2>/dev/null
    check_equal "pubkey $n" "$("$ours" pubkey <"$work/conf/secret")" "$($theirs pubkey <"$work/conf/secret")"
done
for mask in 022 077 027; do
    for side in ours theirs; do
        rm -f "$work/conf/secret"
        (umask $mask && "${!side}" genkey >"$work/conf/secret") 2>"$work/out/$side.err"
    done
    check_equal "genkey with umask $mask" "$(cat "$work/out/ours.err")" "$(cat "$work/out/theirs.err")"
done

# --- wg-quick, which calls wg ----------------------------------------------------------------------------------------

mkdir -p "$work/etc"
cat >"$work/etc/quick.conf" <<EOF
[Interface]
Address = 10.55.0.1/24, fd55::1/64
PrivateKey = $(key quick)
ListenPort = 51899
MTU = 1400
PostUp = wg set %i fwmark 0x9

[Peer]
PublicKey = $(key quickpeer)
AllowedIPs = 10.56.0.0/16, fd56::/32
Endpoint = 192.0.2.77:4242
PersistentKeepalive = 21
EOF
chmod 600 "$work/etc/quick.conf"
quick_picture() {
    ip -o -d link show quick | sed 's/^[0-9]*: //; s/qlen [0-9]*//'
    ip -o addr show quick | awk '{ print $3, $4 }'
    ip route show dev quick
    ip -6 route show dev quick | grep -v fe80
    $theirs showconf quick
}
wg-quick up "$work/etc/quick.conf" >/dev/null 2>"$work/out/theirs.err"
picture=$(quick_picture)
wg-quick down "$work/etc/quick.conf" >/dev/null 2>&1
PATH="$work/bin:$PATH" wg-quick up "$work/etc/quick.conf" >/dev/null 2>"$work/out/ours.err"
check_equal 'wg-quick up makes the same' "$(quick_picture)" "$picture"
check_equal 'wg-quick up says the same' "$(cat "$work/out/ours.err")" "$(cat "$work/out/theirs.err")"
check_equal 'wg-quick strip' "$(PATH="$work/bin:$PATH" wg-quick strip "$work/etc/quick.conf")" \
    "$(wg-quick strip "$work/etc/quick.conf")"
PATH="$work/bin:$PATH" wg-quick save "$work/etc/quick.conf" >/dev/null 2>&1
check 'wg-quick save keeps the peer' grep -qF "$(key quickpeer)" "$work/etc/quick.conf"
check 'wg-quick down' env PATH="$work/bin:$PATH" wg-quick down "$work/etc/quick.conf"
check_equal 'wg-quick down leaves nothing' "$(ip -o link show quick 2>/dev/null)" ''

# --- beyond wg: under its own name -----------------------------------------------------------------------------------

tool=$work/bin/wgctl
cp "$programs/wgctl" "$tool"
$theirs setconf twin-a "$base"
$theirs setconf twin-b "$base"
status_of() { local status=0; "$@" >"$work/out/ours.out" 2>"$work/out/ours.err" || status=$?; echo "$status"; }
check_equal 'plan of what is so' "$(status_of "$tool" plan twin-a "$base") $(cat "$work/out/ours.out")" '0 '
check_equal 'diff of twins' "$(status_of "$tool" diff twin-a twin-b)$(cat "$work/out/ours.out")" 0
check_equal 'diff of an interface and its file' "$(status_of "$tool" diff twin-a "$base")$(cat "$work/out/ours.out")" 0
$theirs set twin-a fwmark 9 peer "$(key p1)" allowed-ips 10.0.1.0/24 peer "$(key p2)" remove
before=$($theirs showconf twin-a)
check_equal 'plan of a change' "$(status_of "$tool" plan twin-a "$base")" 1
check_equal 'plan touches nothing' "$($theirs showconf twin-a)" "$before"
check 'plan says what' grep -qxF 'wg set twin-a fwmark 0x3' "$work/out/ours.out"
check 'plan hides keys' grep -qF "peer $(key p2) preshared-key (hidden) endpoint 192.0.2.2:2" "$work/out/ours.out"
check 'plan in JSON' python3 -m json.tool <("$tool" plan twin-a "$base" --json)
"$tool" syncconf twin-a "$base"
check_equal 'syncconf does what was planned' "$(status_of "$tool" plan twin-a "$base")" 0
check_equal 'plan of nonsense' "$(status_of "$tool" plan nonsense "$base")" 2
printf '[Interface]\n\n  FwMark = x\n' >"$work/conf/wrong"
check_equal 'an error names file, line and column' "$(status_of "$tool" setconf twin-a "$work/conf/wrong") $(head -n 1 \
    "$work/out/ours.err")" "1 $work/conf/wrong:3:12: Fwmark is neither 0/off nor 0-0xffffffff: \`x'"
check_equal 'a folder is no configuration' "$(status_of "$tool" setconf twin-a /tmp) $(cat "$work/out/ours.err")" \
    '1 /tmp: Is a directory'
for arguments in 'show' 'show near' 'show near dump' 'show all endpoints' 'show interfaces' 'showconf twin-a'; do
    # shellcheck disable=SC2086
    check "$arguments --json" python3 -m json.tool <("$tool" $arguments --json)
done
check 'help of a verb' grep -q '^Usage: .* plan ' <("$tool" plan --help)

"$tool" monitor >"$work/out/monitor" 2>&1 & monitor=$!
watching() { grep -qs 0000 "/proc/$monitor/net/netlink" && [ "$(ls "/proc/$monitor/fd" | wc -l)" -gt 5 ]; }
check 'monitor starts' eventually 10 watching
# The first look must be over: a change that it saw would not be told.
seen() { ip link set twin-a mtu $((1300 + RANDOM % 100)); grep -q ' + link twin-a ' "$work/out/monitor"; }
check 'monitor tells of a link' eventually 10 seen
ip addr add 10.66.0.1/24 dev twin-a
ip link set twin-a up
tells() { grep -q -- "$1" "$work/out/monitor"; }
check 'monitor tells of an address' eventually 10 tells ' + address 10.66.0.1/24 dev twin-a'
check 'monitor tells of a route' eventually 10 tells ' + route 10.66.0.0/24 dev twin-a table 254'
ip rule add priority 4242 fwmark 0x9 lookup 42
check 'monitor tells of a rule' eventually 10 tells ' + rule inet priority 4242 from all fwmark 0x9 .*lookup 42'
ip -6 rule add priority 4243 lookup 42
check 'monitor tells of a rule of IPv6' eventually 10 tells ' + rule inet6 priority 4243 '
ip rule del priority 4242
check 'monitor tells of the end of a rule' eventually 10 tells ' - rule inet priority 4242 '
# Of these the kernel tells nobody.
$theirs set twin-a listen-port 5311 fwmark 0x77
check 'monitor tells of a device' eventually 10 tells ' + device twin-a .* listen-port 5311 fwmark 0x77$'
$theirs set twin-a peer "$(key mon)" allowed-ips 10.67.0.0/16,fd67::/64 endpoint 192.0.2.67:67 persistent-keepalive 7
check 'monitor tells of a peer' eventually 10 tells \
    " + peer twin-a $(key mon) endpoint 192.0.2.67:67 allowed-ips 10.67.0.0/16,fd67::/64 persistent-keepalive 7$"
$theirs set twin-a peer "$(key mon)" preshared-key "$(key_file psk)"
check 'monitor tells of a preshared key' eventually 10 tells " + peer twin-a $(key mon) preshared-key (hidden) endpoint "
peer_lines() { grep -cF " + peer twin-a $(key mon) " "$work/out/monitor"; }
lines=$(peer_lines)
more_lines() { [ "$(peer_lines)" -gt "$lines" ]; }
$theirs set twin-a peer "$(key mon)" preshared-key "$(key_file otherpsk)"
check 'monitor tells of another preshared key' eventually 10 more_lines
tells_secret() { grep -qF -e "$(key psk)" -e "$(key otherpsk)" -e "$(key base)" "$work/out/monitor"; }
tells_secret && fail 'monitor tells no secret' || pass 'monitor tells no secret'
$theirs set twin-a peer "$(key mon)" remove
check 'monitor tells of a removed peer' eventually 10 tells " - peer twin-a $(key mon) "
ip link del twin-a
check 'monitor tells of the end' eventually 10 tells ' - link twin-a '
check 'monitor tells of the end of a device' eventually 10 tells ' - device twin-a '
kill -TERM $monitor
wait $monitor || true # by the signal

"$tool" monitor --json >"$work/out/monitor" 2>&1 & monitor=$!
seen() { ip link set twin-b mtu $((1300 + RANDOM % 100)); grep -q '"kind":"link"' "$work/out/monitor"; }
check 'monitor in JSON tells of a link' eventually 10 seen
$theirs set twin-b peer "$(key mon)" allowed-ips 10.68.0.0/16
check 'monitor in JSON tells of a peer' eventually 10 tells \
    "\"change\":\"added\",\"kind\":\"peer\",\"text\":\"twin-b $(key mon) allowed-ips 10.68.0.0/16\"}"
ip rule add priority 4244 lookup 42
check 'monitor in JSON tells of a rule' eventually 10 tells '"kind":"rule","text":"inet priority 4244 '
kill -TERM $monitor
wait $monitor || true # by the signal
check 'monitor in JSON is an object a line' python3 -c \
    'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$work/out/monitor"

# Without the interval, and without the privilege, it goes on with what it may see.
chmod 755 "$work" "$work/bin"
"$tool" monitor --interval 0 >"$work/out/monitor" 2>&1 & monitor=$!
setpriv --reuid 65534 --regid 65534 --clear-groups "$tool" monitor >"$work/out/monitor-nobody" 2>&1 & nobody=$!
seen() {
    ip link set twin-b mtu $((1300 + RANDOM % 100))
    grep -q ' + link twin-b' "$work/out/monitor" && grep -q ' + link twin-b' "$work/out/monitor-nobody"
}
check 'monitor without peers tells of a link' eventually 10 seen
check 'monitor without privilege says what it leaves out' grep -q \
    'wgctl: devices and peers are not followed: read [a-z-]*: Operation not permitted' "$work/out/monitor-nobody"
check_equal 'monitor without peers tells of none' \
    "$(cat "$work/out/monitor" "$work/out/monitor-nobody" | grep -c -e ' [+-] peer ' -e ' [+-] device ')" 0
kill -TERM $monitor $nobody
wait $monitor || true # by the signal
wait $nobody || true # by the signal
for interval in -1 x 3601 ''; do
    check_equal "monitor --interval ${interval@Q}" "$(status_of "$tool" monitor --interval "$interval")" 1
done

"$tool" show near --watch >"$work/out/watch" 2>&1 & watch=$!
pages() { [ "$(grep -c '^interface: near' "$work/out/watch")" -ge 3 ]; }
check 'watch shows page after page' eventually 15 pages
check 'watch tells rates' grep -q '^  rate: .*/s received, .*/s sent$' "$work/out/watch"
kill -TERM $watch
status=0
wait $watch || status=$?
check_equal 'watch ends well' "$status" 0
script -qec "timeout --foreground -s INT 3 $tool show near --watch" /dev/null >"$work/out/watch" </dev/null || true # timeout's status
check 'watch gives the terminal back' grep -q $'\e\[?25h\e\[?1049l' "$work/out/watch"

# --- completion: the tab key in each shell ---------------------------------------------------------------------------

$theirs set twin-b peer "$(key mon)" allowed-ips 10.68.0.0/16
export PATH="$work/bin:$PATH"
whole=$(key mon)
# What is typed, and what the tab key makes of it.
typed=('wgctl setc' 'wgctl show ne' 'wgctl show near trans' 'wgctl set ne' 'wgctl set twin-b fw'
    "wgctl set twin-b peer ${whole:0:6}" "wgctl set twin-b peer $whole allo" 'wgctl diff ne' 'wgctl monitor --int'
    'wgctl down --interf')
wanted=('wgctl setconf' 'wgctl show near' 'wgctl show near transfer' 'wgctl set near' 'wgctl set twin-b fwmark'
    "wgctl set twin-b peer $whole" "wgctl set twin-b peer $whole allowed-ips" 'wgctl diff near'
    'wgctl monitor --interval' 'wgctl down --interface')
for shell in bash zsh fish; do
    # Its message, if it fails, is a line that is compared.
    mapfile -t completed < <(Tests/Interop/complete.py "$shell" "${typed[@]}" 2>&1)
    for index in "${!typed[@]}"; do
        # fish sets no space after what ends in =.
        got=${completed[index]:-}
        check_equal "$shell completes '${typed[index]}'" "${got% }" "${wanted[index]}"
    done
done

finish
