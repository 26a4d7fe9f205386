#!/bin/sh
# Long work shows a bar on a terminal, and takes it away when it ends; anything else than a terminal gets nothing.
. "$(dirname "$0")/common.sh"
"$python" -c "import pty; pty.openpty()" 2>/dev/null || { echo "skipped: there are no pseudo-terminals here"; exit 77; }
make_data
cat >terminal.py <<'END'
"""Train for ever with a terminal as stderr; when bars have been seen, interrupt, and look at what the terminal got."""
import os, pty, signal, subprocess, sys

ours, theirs = pty.openpty()
work = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=theirs,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in background jobs
os.close(theirs)
signal.alarm(60)
text, interrupted = b"", False
while True:
    try:
        part = os.read(ours, 4096)
    except OSError:  # Linux says EIO when the other side is closed
        part = b""
    if not part:
        break
    text += part
    if text.count(b"[") >= 3 and not interrupted:
        work.send_signal(signal.SIGINT)
        interrupted = True
assert work.wait() == 130, text

parts = text.decode().split("\r")
for bar in (part for part in parts if "[" in part):
    label, rest = bar.split(" [")
    cells, percent = rest.split("] ")
    assert label.strip() == "values" and len(cells) == 40 and set(cells) <= set("#."), bar
    assert percent.endswith("%") and 0 <= int(percent[:-1]) <= 100, bar
# The last bar, blanks over it, the message; a terminal turns \n into \r\n.
assert "[" in parts[-4] and parts[-3] == " " * len(parts[-4]), parts[-4:]
assert parts[-2:] == ["dkvb: interrupted; nothing was written", "\n"], parts[-4:]
END
# shellcheck disable=SC2086 # $small is several words
check "$python" terminal.py "$dkvb" train --features x.npy --labels y.npy $small --epochs 10000000 --threads 1 -o m.dkvb

check "$dkvb" bench forget --codebooks 4 --keys 16 --key-dim 3 --rows 20000 --repeats 10 2>err >/dev/null
[ ! -s err ] || fail "text on stderr: $(cat err)"
