"""aioice_peers.py DRIVER: our ICE agent and that of the Python package `aioice`, which shares no code with us, over loopback UDP.

DRIVER is the program ICEDriver: our agent behind lines on its standard input and output. Each case is one session: they
agree on a pair, user data goes there and back, keepalives hold it, and when aioice goes our side notices. Prints a PASS or
FAIL line a case; all run at once, in some ten seconds.
"""

import asyncio
import dataclasses
import secrets
import sys

import aioice
import aioice.ice

# Longer than the 6 s after which our side gives a silent path up.
HOLD_SECONDS = 7


@dataclasses.dataclass
class Case:
    name: str
    aioice_controls: bool
    ours_controls: bool
    address: str = "127.0.0.1"
    # Whether our agent is told aioice's candidate; else it learns it from aioice's checks.
    is_told: bool = True
    # Whether that has an id, so that our checks end in the attribute 0x8100, behind FINGERPRINT.
    has_id: bool = False


CASES = [
    Case("aioice controls", True, False),
    Case("aioice follows", False, True),
    Case("aioice controls, with ids", True, False, has_id=True),
    Case("aioice follows, with ids", False, True, has_id=True),
    Case("aioice controls, and is known by its checks alone", True, False, is_told=False),
    Case("aioice follows, and is known by its checks alone", False, True, is_told=False),
    Case("both control", True, True),
    Case("both follow", False, False),
    Case("aioice controls, IPv6", True, False, address="::1"),
    Case("aioice follows, IPv6", False, True, address="::1"),
]


class Ours:
    """Our agent: the driver and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def expect(self, word: str, seconds: float) -> str:
        """What follows `word` on the next line that begins with it."""
        assert self.process.stdout
        async with asyncio.timeout(seconds):
            while line := (await self.process.stdout.readline()).decode().strip():
                self.said.append(line)
                if line.split()[0] == word:
                    return line.removeprefix(word).strip()
        raise RuntimeError(f"no '{word}' of {self.said}")

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")


async def run(case: Case, driver: str) -> None:
    role = "controls" if case.ours_controls else "follows"
    pipe = asyncio.subprocess.PIPE
    ours = Ours(await asyncio.create_subprocess_exec(driver, role, case.address, stdin=pipe, stdout=pipe))
    theirs = aioice.Connection(case.aioice_controls, use_ipv4=":" not in case.address, use_ipv6=":" in case.address)
    try:
        theirs.remote_username, theirs.remote_password = (await ours.expect("local", 10)).split()
        await theirs.add_remote_candidate(aioice.Candidate.from_sdp(await ours.expect("candidate", 10)))
        await theirs.add_remote_candidate(None)
        await theirs.gather_candidates()
        [candidate] = theirs.local_candidates
        ours.tell(f"remote {theirs.local_username} {theirs.local_password}")
        if case.is_told:
            cid = f" cid {secrets.token_hex(16)}" if case.has_id else ""
            ours.tell(f"candidate {candidate.to_sdp()}{cid}")
        await asyncio.wait_for(theirs.connect(), 10)
        _, remote, kind = (await ours.expect("selected", 10)).split()
        expected = f"[{candidate.host}]" if ":" in candidate.host else candidate.host
        assert remote == f"{expected}:{candidate.port}", f"we chose {remote}"
        assert kind == ("host" if case.is_told else "prflx"), kind
        for _ in range(HOLD_SECONDS):
            await theirs.send(b"echo")
            assert await asyncio.wait_for(theirs.recv(), 2) == b"echo"
            await asyncio.sleep(1)
        await theirs.close()
        reason = await ours.expect("failed", 10)
        assert "stopped for 6 s" in reason, reason
        assert sum(line.startswith("selected") for line in ours.said) == 1, ours.said
    except BaseException as error:
        raise RuntimeError(f"{error!r}; our side said {ours.said[2:]}") from error
    finally:
        await theirs.close()
        ours.process.stdin.close()
        await ours.process.wait()


async def main() -> int:
    # It offers no loopback addresses by itself.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] * use_ipv4 + ["::1"] * use_ipv6
    results = await asyncio.gather(*(run(case, sys.argv[1]) for case in CASES), return_exceptions=True)
    for case, result in zip(CASES, results, strict=True):
        print(f"PASS {case.name}" if result is None else f"FAIL {case.name} ({result})")
    failed = sum(result is not None for result in results)
    print(f"aioice: {len(CASES) - failed} checks passed, {failed} failed")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
