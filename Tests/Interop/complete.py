#!/usr/bin/env python3
"""complete.py SHELL LINE...: what an interactive SHELL (bash, zsh, fish) makes of each LINE after one press of the tab key.

A real shell in a terminal of its own, with the completion file of this package and nothing of the user's. The line as it
then stands is written by a key binding of the shell, so that prompts and redrawing do not matter.
"""
import os
import pty
import select
import sys
import tempfile
import time

shell, *lines = sys.argv[1:]
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "completions")
work = tempfile.mkdtemp()
ready, answer = os.path.join(work, "ready"), os.path.join(work, "answer")

START = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f"""bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set show-all-if-ambiguous off'
show() {{ printf '%s' "$READLINE_LINE" >{answer}.part; mv {answer}.part {answer}; }}
bind -x '"\\C-g": show'
. {folder}/wgctl.bash
""",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        # Without the completions of a thousand other programs, which it would look through first.
        f"""fpath=({folder} ${{(M)fpath:#*/Completion(/Base|)}}); autoload -Uz compinit; compinit -u -D
unsetopt beep list_beep; _files() {{ compadd -f -- *(N) }}
show() {{ printf '%s' "$BUFFER" >{answer}.part; mv {answer}.part {answer} }}
zle -N show; bindkey '^G' show; bindkey '^I' complete-word
""",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        f"""source {folder}/wgctl.fish
function show; commandline | string join '' >{answer}.part; mv {answer}.part {answer}; end
bind \\cg show
""",
    ),
}


def wait_for(path, seconds):
    """Lets the shell write to its terminal until the file is there."""
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > end:
            sys.exit(f"{shell}: no {os.path.basename(path)} after {seconds} s")
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 65536)


command, setup = START[shell]
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm", PS1="> ", HOME=work, XDG_CONFIG_HOME=work, XDG_DATA_HOME=work)
    os.execvp(command[0], command)
os.write(terminal, (setup + f"touch {ready}\n").encode())
wait_for(ready, 120)
for line in lines:
    os.write(terminal, line.encode() + b"\t\x07")
    wait_for(answer, 60)
    print(open(answer).read().rstrip("\n"), flush=True)
    os.remove(answer)
    os.write(terminal, b"\x15")  # kills the line
os.kill(child, 9)
