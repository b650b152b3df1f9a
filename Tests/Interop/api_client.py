"""Drives the API with the package `netbird`, resource by resource, beside a peer that joined over gRPC.

Environment: API_ENDPOINT (host:port), API_TOKEN (of the owner). Prints one line for each check; exit status 0 only if
all passed.
"""

import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import grpc
import httpx
import nacl.public
from netbird import APIClient
from netbird.exceptions import (
    NetBirdAPIError,
    NetBirdAuthenticationError,
    NetBirdNotFoundError,
    NetBirdValidationError,
)
from netbird.models.dns_zone import DNSRecordCreate, DNSRecordUpdate, DNSZone, DNSZoneCreate, DNSZoneUpdate
from netbird.models import (
    Account,
    AccountSettings,
    Group,
    GroupCreate,
    GroupUpdate,
    NetworkCreate,
    NetworkUpdate,
    Peer,
    PeerUpdate,
    Policy,
    PolicyCreate,
    PolicyRule,
    PolicyUpdate,
    Route,
    RouteCreate,
    RouteUpdate,
    SetupKey,
    SetupKeyCreate,
    SetupKeyUpdate,
    TokenCreate,
    User,
    UserCreate,
    UserUpdate,
)

ENDPOINT = os.environ["API_ENDPOINT"]
TOKEN = os.environ["API_TOKEN"]
URL = f"http://{ENDPOINT}"
warnings.simplefilter("ignore", DeprecationWarning)  # of routes, which the package would not make any more
client = APIClient(host=URL, api_token=TOKEN)
failures = 0


def check(description, condition, seen=""):
    global failures
    failures += not condition
    print(f"{'PASS' if condition else 'FAIL'} {description}{'' if condition else f': {seen}'}", flush=True)


def refused(description, error, call, *arguments, **named):
    try:
        seen = call(*arguments, **named)
    except error:
        check(description, True)
    except Exception as other:  # another error than the one expected
        check(description, False, repr(other))
    else:
        check(description, False, seen)


# --- a peer ----------------------------------------------------------------------------------------------------------
# Just enough of the protocol to join and to listen, written from its specification: fields of protobuf by hand.


def field(number, content):
    """A length-delimited field."""
    content = content.encode() if isinstance(content, str) else content
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def first_text(message):
    """Field 1 of a message that begins with a short text."""
    assert message[0] == 10 and message[1] < 128
    return message[2 : 2 + message[1]].decode()


class AgentOfTests:
    """Joins with a setup key and counts what its Sync stream brings."""

    def __init__(self, name, setup_key):
        self.channel = grpc.insecure_channel(ENDPOINT, options=[("grpc.enable_http_proxy", 0)])
        self.key = nacl.public.PrivateKey.generate()
        answer = self.call("GetServerKey", b"")
        server = nacl.public.PublicKey(first_text(answer), nacl.encoding.Base64Encoder)
        self.box = nacl.public.Box(self.key, server)
        meta = field(1, name) + field(2, "linux") + field(7, "0.60.0")
        self.call("Login", self.seal(field(1, setup_key) + field(2, meta)))
        self.updates = queue.Queue()
        self.stream = self.channel.unary_stream("/management.ManagementService/Sync")(self.seal(field(1, meta)))
        threading.Thread(target=self.listen, daemon=True).start()
        self.updates.get(timeout=10)

    def call(self, method, message):
        return self.channel.unary_unary(f"/management.ManagementService/{method}")(message, timeout=10)

    def seal(self, message):
        public = self.key.public_key.encode(nacl.encoding.Base64Encoder)
        return field(1, public) + field(2, bytes(self.box.encrypt(message)))

    def listen(self):
        try:
            for message in self.stream:
                self.updates.put(message)
        except grpc.RpcError:
            pass
        self.updates.put(None)

    def hears(self, description, change):
        """Runs the change; a message must come within a second."""
        while not self.updates.empty():
            self.updates.get()
        result = change()
        since = time.monotonic()
        try:
            check(description, self.updates.get(timeout=1) is not None, "the stream ended")
        except queue.Empty:
            check(description, False, "nothing within a second")
        # What is still under way belongs to this change: maps follow each other by at least 100 ms.
        while True:
            try:
                self.updates.get(timeout=max(0.3 - (time.monotonic() - since), 0.01))
            except queue.Empty:
                return result


# --- resources -------------------------------------------------------------------------------------------------------


def instance_and_users():
    check("the mesh is set up", client.instance.get_status() == {"setup_required": False})
    check("it has a version", client.instance.get_version()["management_current_version"])
    me = User(**client.users.get_current())
    check("the token is the owner's", me.role == "owner" and me.is_current)
    robot = client.users.create(UserCreate(email="robot@example.org", name="robot", is_service_user=True))
    user = User(**client.users.get(robot["id"]))
    check("a service user is a user of its own", user.is_service_user and user.role == "user" and not user.is_blocked)
    changed = client.users.update(robot["id"], UserUpdate(role="admin"))
    check("its role changes, its groups stay", changed["role"] == "admin" and changed["auto_groups"] == [])
    made = client.tokens.create(robot["id"], TokenCreate(name="ci", expires_in=7))
    other = APIClient(host=URL, api_token=made["plain_token"])
    check("its token works", len(other.users.list()) == 2)
    row = made["personal_access_token"]
    check("tokens are listed", [t["id"] for t in client.tokens.list(robot["id"])] == [row["id"]])
    check("a token is shown", client.tokens.get(robot["id"], row["id"])["name"] == "ci")
    refused("a service user is nobody's session", NetBirdAPIError, other.users.get_current)
    client.tokens.delete(robot["id"], row["id"])
    refused("a deleted token is refused", NetBirdAuthenticationError, other.users.list)
    client.users.delete(robot["id"])
    refused("a deleted user is gone", NetBirdNotFoundError, client.users.get, robot["id"])
    refused("a wrong token is refused", NetBirdAuthenticationError, APIClient(host=URL, api_token="x").users.list)


def groups():
    made = Group(**client.groups.create(GroupCreate(name="staff")))
    check("a group is made", made.name == "staff" and made.peers_count == 0)
    refused("a name is taken once", NetBirdValidationError, client.groups.create, GroupCreate(name="staff"))
    check("a group is renamed", client.groups.update(made.id, GroupUpdate(name="crew"))["name"] == "crew")
    check("groups are listed", {g["name"] for g in client.groups.list()} == {"All", "crew"})
    check("a group is shown", client.groups.get(made.id)["name"] == "crew")
    return made.id, next(g["id"] for g in client.groups.list() if g["name"] == "All")


def setup_keys(group):
    made = client.setup_keys.create(SetupKeyCreate(name="laptops", type="reusable", expires_in=86400))
    key = SetupKey(**made)
    check("a key is made with the least that can be said", key.valid and key.state == "valid" and key.auto_groups == [])
    changed = client.setup_keys.update(key.id, SetupKeyUpdate(auto_groups=[group]))
    check("its groups change, the key is masked", changed["auto_groups"] == [group] and "****" in changed["key"])
    other = client.setup_keys.create(SetupKeyCreate(name="x", type="one-off", expires_in=0, auto_groups=[group]))
    revoked = client.setup_keys.update(other["id"], SetupKeyUpdate(revoked=True))
    check("revoking keeps its groups", revoked["revoked"] and revoked["auto_groups"] == [group])
    check("keys are listed", len(client.setup_keys.list()) == 2)
    client.setup_keys.delete(other["id"])
    refused("a deleted key is gone", NetBirdNotFoundError, client.setup_keys.get, other["id"])
    return key.key


def peers(agents, group):
    listed = [Peer(**peer) for peer in client.peers.list()]
    check("peers joined over gRPC are listed", [p.name for p in listed] == ["one", "two"])
    check("a connected peer is so", all(p.connected for p in listed))
    check("a filter finds one", [p["name"] for p in client.peers.list(name="tw")] == ["two"])
    one, two = listed
    renamed = agents[1].hears(
        "a new name reaches the other peer", lambda: client.peers.update(one.id, PeerUpdate(name="first"))
    )
    check("the name is new, all else as before", renamed["name"] == "first" and renamed["ip"] == str(one.ip))
    check("who it reaches", [p["id"] for p in client.peers.get_accessible_peers(one.id)] == [two.id])
    check("the key's group has them", {p["id"] for p in client.groups.get(group)["peers"]} == {one.id, two.id})
    kept = client.groups.update(group, GroupUpdate(name="crew"))
    check("a change of the name keeps members", kept["peers_count"] == 2)
    return one.id, two.id


def policies(agents, group, everybody):
    standard = client.policies.list()[0]
    check("a new mesh has a policy", Policy(**standard).name == "Default")
    agents[0].hears(
        "a policy switched off reaches the peers",
        lambda: client.policies.update(standard["id"], PolicyUpdate(enabled=False)),
    )
    rule = PolicyRule(
        name="web", action="accept", protocol="tcp", ports=["443", "80"], sources=[group], destinations=[everybody]
    )
    made = agents[0].hears(
        "a new policy reaches the peers", lambda: client.policies.create(PolicyCreate(name="web", rules=[rule]))
    )
    parsed = Policy(**made)
    check("its rule is on, both ways", parsed.rules[0].enabled and parsed.rules[0].bidirectional)
    check("ports come back as they were", parsed.rules[0].ports == ["443", "80"])
    check("sources come back as groups", [s["id"] for s in made["rules"][0]["sources"]] == [group])
    check("a name alone changes the name alone", client.policies.update(made["id"], PolicyUpdate(name="www"))["rules"] == made["rules"])
    empty = PolicyRule(name="e", action="drop", protocol="all", sources=[], destinations=[])
    client.policies.delete(client.policies.create(PolicyCreate(name="empty", rules=[empty]))["id"])
    bad = PolicyRule(name="b", action="accept", protocol="icmp", ports=["1"], sources=[group], destinations=[group])
    refused("a rule that cannot be is refused", NetBirdValidationError, client.policies.create, PolicyCreate(name="b", rules=[bad]))
    client.policies.update(standard["id"], PolicyUpdate(enabled=True))
    client.policies.delete(made["id"])
    refused("a deleted policy is gone", NetBirdNotFoundError, client.policies.get, made["id"])


def routes(agents, router, everybody):
    wish = RouteCreate(
        network_id="office", network="10.1.0.0/16", network_type="ipv4", peer=router, metric=100, masquerade=True,
        enabled=True, groups=[everybody], keep_route=True, description="",
    )  # fmt: skip
    made = agents[1].hears("a route reaches its clients", lambda: client.routes.create(wish))
    check("it comes back as it was", made["network"] == "10.1.0.0/16" and made["groups"] == [everybody])
    changed = client.routes.update(made["id"], RouteUpdate(metric=7))
    check("a metric alone changes the metric alone", changed == {**made, "metric": 7})
    check("routes are listed", [r["id"] for r in client.routes.list()] == [made["id"]])
    refused("the same again is refused", NetBirdValidationError, client.routes.create, wish)
    client.routes.delete(made["id"])
    refused("a deleted route is gone", NetBirdNotFoundError, client.routes.get, made["id"])


def networks(agents, router, everybody):
    made = client.networks.create(NetworkCreate(name="lab", description="upstairs"))
    resource = {"name": "db", "address": "10.2.0.5", "enabled": True, "groups": [everybody], "description": ""}
    client.networks.create_router(made["id"], {"peer": router, "metric": 9999, "masquerade": True, "enabled": True})
    added = agents[1].hears("a resource reaches its clients", lambda: client.networks.create_resource(made["id"], resource))
    check("a host is a prefix", added["address"] == "10.2.0.5/32" and added["type"] == "host")
    full = client.networks.get(made["id"])
    check("the network names all it has", full["resources"] == [added["id"]] and full["routing_peers_count"] == 1)
    check("and the policies that lead there", [client.policies.get(p)["name"] for p in full["policies"]] == ["Default"])
    check("routers are listed", client.networks.list_routers(made["id"]) == client.networks.list_all_routers())
    refused("a router of a network stays", NetBirdAPIError, client.peers.delete, router)
    changed = client.networks.update_resource(made["id"], added["id"], {**resource, "enabled": False})
    check("a resource is switched off", changed == {**added, "enabled": False})
    check("a new name keeps the rest", client.networks.update(made["id"], NetworkUpdate(name="labs"))["description"] == "upstairs")
    client.networks.delete(made["id"])
    refused("a deleted network is gone", NetBirdNotFoundError, client.networks.get, made["id"])


def names(agents, everybody):
    wish = {
        "name": "corp", "description": "", "nameservers": [{"ip": "10.0.0.53", "ns_type": "udp", "port": 53}],
        "enabled": True, "groups": [everybody], "primary": False, "domains": ["corp.example"],
        "search_domains_enabled": False,
    }  # fmt: skip
    made = agents[0].hears("name servers reach their clients", lambda: client.dns.create_nameserver_group(wish))
    check("they come back as they were", {k: v for k, v in made.items() if k != "id"} == wish)
    check("they are listed", client.dns.list_nameserver_groups() == [made])
    changed = client.dns.update_nameserver_group(made["id"], {**wish, "enabled": False})
    check("they are switched off", changed == {**made, "enabled": False})
    client.dns.delete_nameserver_group(made["id"])
    check("nobody's resolver is left alone", client.dns.get_settings() == {"disabled_management_groups": []})
    settings = {"disabled_management_groups": [everybody]}
    check("then everybody's is", client.dns.update_settings(settings) == settings)
    client.dns.update_settings({"disabled_management_groups": []})


def zones(agents, everybody):
    wish = DNSZoneCreate(
        name="lab", domain="lab.example", enable_search_domain=False, distribution_groups=[everybody]
    )  # fmt: skip
    zone = DNSZone(**client.dns_zones.create(wish))
    check("a zone is on", zone.enabled and zone.distribution_groups == [everybody])
    record = DNSRecordCreate(name="db.lab.example", type="A", content="10.0.0.5", ttl=300)
    made = agents[0].hears("a record reaches the peers", lambda: client.dns_zones.create_record(zone.id, record))
    changed = client.dns_zones.update_record(zone.id, made["id"], DNSRecordUpdate(ttl=60))
    check("a time alone changes the time alone", changed == {**made, "ttl": 60})
    check("records are listed", client.dns_zones.list_records(zone.id) == [changed])
    refused("the same again is refused", NetBirdValidationError, client.dns_zones.create_record, zone.id, record)
    renamed = client.dns_zones.update(zone.id, DNSZoneUpdate(name="labs"))
    check("a new name keeps the rest", renamed["records"] == [changed] and renamed["domain"] == "lab.example")
    client.dns_zones.delete_record(zone.id, made["id"])
    refused("a deleted record is gone", NetBirdNotFoundError, client.dns_zones.get_record, zone.id, made["id"])
    client.dns_zones.delete(zone.id)
    refused("a deleted zone is gone", NetBirdNotFoundError, client.dns_zones.get, zone.id)


def account():
    before = client.accounts.list()
    check("there is one account", len(before) == 1 and Account(**before[0]).id)
    settings = AccountSettings(**before[0]["settings"])
    settings.peer_login_expiration = 7200
    after = client.accounts.update(before[0]["id"], settings)
    expected = {**before[0]["settings"], "peer_login_expiration": 7200}
    check("one setting changes", after["settings"] == expected, after["settings"])


def events():
    listed = client.events.get_audit_events()
    codes = {event["activity_code"] for event in listed}
    wanted = {
        "account.create", "service.user.create", "group.add", "setupkey.add", "peer.setupkey.add", "peer.rename",
        "policy.add", "route.add", "network.create", "nameserver.group.add", "setupkey.revoke",
        "account.setting.peer.login.expiration.update",
    }  # fmt: skip
    check("the audit log has all of it", wanted <= codes, wanted - codes)
    check("newest first, each once", len({e["id"] for e in listed}) == len(listed) and listed[-1]["id"] == "1")


def exporter():
    """`netbirdexport` writes what is there."""
    expected = {
        "peers": {"first", "two"}, "groups": {"All", "crew"}, "users": {"Olga"}, "setup-keys": {"laptops"},
        "policies": {"Default"}, "routes": set(), "nameservers": set(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "netbirdexport", "--url", URL, "--format", "json", "--out", folder]
        command += ["--resources", ",".join(expected)]
        environment = {**os.environ, "NETBIRD_TOKEN": TOKEN}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        check("the exporter ends well", result.returncode == 0, result.stderr + result.stdout)
        for resource, names in expected.items():
            path = pathlib.Path(folder, f"{resource}.json")
            rows = json.loads(path.read_text()) if path.exists() else None
            check(f"it exports {resource}", rows is not None and {row["name"] for row in rows} == names, rows)


def raw():
    """What the package does not ask: errors are JSON everywhere, and a body is bounded."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for path, status in [("/api/nothing", 404), ("/api/groups/x", 404), ("/api/reverse-proxies/services", 404)]:
        answer = httpx.get(URL + path, headers=headers)
        check(f"{path} is a refusal in JSON", answer.status_code == status and "not found" in answer.json()["message"])
    big = httpx.post(URL + "/api/groups", headers=headers, content=b'{"name":"' + b"a" * (1 << 20) + b'"}')
    check("a body over 1 MiB is refused", big.status_code == 413 and big.json()["code"] == 413)
    deep = httpx.post(URL + "/api/groups", headers=headers, content=b"[" * 1_000_000)
    check("a deep one, too", deep.status_code == 400 and deep.json()["code"] == 400)
    setup = httpx.post(URL + "/api/setup", json={"email": "m@example.org", "password": "mallory-1", "name": "M"})
    check("nobody sets it up again", setup.status_code == 412)


def main():
    instance_and_users()
    group, everybody = groups()
    key = setup_keys(group)
    agents = [AgentOfTests(name, key) for name in ("one", "two")]
    one, two = peers(agents, group)
    policies(agents, group, everybody)
    routes(agents, one, everybody)
    networks(agents, one, everybody)
    names(agents, everybody)
    zones(agents, everybody)
    account()
    exporter()
    raw()
    client.peers.delete(two)
    try:
        while agents[1].updates.get(timeout=5) is not None:
            pass
        check("a deleted peer's stream ends", True)
    except queue.Empty:
        check("a deleted peer's stream ends", False, "not within 5 s")
    events()
    print(f"api: {failures} failed")
    os._exit(failures > 0)  # streams of the peers are still open


main()
