#!/bin/bash
# By hand: a device of 10,000 peers and 200,000 allowed IPs, written and read by wgctl, with Debian's wg as the witness.
# Needs some minutes in the guest: scripts/vm --mem 3072 -- Tests/Interop/large.sh
. "$(dirname "$0")/lib.sh"

ours=$work/wgctl
cp "$programs/wgctl" "$ours" # in memory: the files of the host are slow to reach from the guest
python3 - >"$work/large.conf" <<'END'
import base64, hashlib

print("[Interface]\nPrivateKey = " + base64.b64encode(hashlib.sha256(b"device").digest()).decode())
for peer in range(10_000):
    key = base64.b64encode(hashlib.sha256(b"%d" % peer).digest()).decode()
    numbers = range(peer * 20, peer * 20 + 20)
    ips = ", ".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in numbers)
    print(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {ips}")
END
ip link add large type wireguard
check "setconf takes it" "$ours" setconf large "$work/large.conf"
wg show large dump >"$work/theirs"
check "show dump equals wg's" diff -q "$work/theirs" <("$ours" show large dump)
check_equal "wg counts the peers" "$(wg show large peers | wc -l)" 10000
check_equal "wg counts the allowed IPs" "$(wg show large allowed-ips | grep -o '/32' | wc -l)" 200000
check "plan finds nothing to change" "$ours" plan large "$work/large.conf"
check "showconf, read again by syncconf, changes nothing" eval \
    '"$ours" showconf large >"$work/again.conf" && "$ours" syncconf large "$work/again.conf" && wg show large dump | cmp - "$work/theirs"'
# All of them to one peer: the list is cut in requests and in replies.
key=$(sed -n 's/^PublicKey = //p' "$work/large.conf" | sed -n 1p)
{
    printf '[Peer]\nPublicKey = %s\nAllowedIPs = ' "$key"
    sed -n 's/^AllowedIPs = //p' "$work/large.conf" | paste -sd,
} >"$work/one.conf"
check "addconf moves every allowed IP to one peer" "$ours" addconf large "$work/one.conf"
check_equal "wg sees them there" "$(wg show large allowed-ips | grep -F "$key" | grep -o '/32' | wc -l)" 200000
check "show dump equals wg's again" diff -q <(wg show large dump) <("$ours" show large dump)
finish
