"""keys_in_memory.py PID FILE: how often the base64 key in FILE stands in the writable memory of a process.

One JSON object: raw (its 32 bytes) and text (its base64), each over heap, mappings and stacks.
"""

import base64
import json
import sys


def main():
    pid, path = sys.argv[1:]
    with open(path, "rb") as file:
        text = file.read().strip()
    wanted = {"raw": base64.b64decode(text, validate=True), "text": text}
    found = dict.fromkeys(wanted, 0)
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            place, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            start, end = (int(number, 16) for number in place.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:  # such as [vvar]
                continue
            for name, needle in wanted.items():
                found[name] += content.count(needle)
    print(json.dumps(found))


main()
