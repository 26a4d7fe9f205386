#!/bin/sh
# Test of progress output: on a terminal, long work shows a bar, and removes it at the end. In a log, a line is printed
# now and then, and lines on stdout appear at once.
. "$(dirname "$0")/common.sh"
make_data
long="train --features x.npy --labels y.npy $small --epochs 10000000 --threads 1"
cat >log.py <<'END'
"""Train for ever with a file as stdout and a pipe as stderr: both get lines while the work goes on."""
import os, re, signal, subprocess, sys

signal.alarm(60)
with open("log", "w") as log:
    work = subprocess.Popen(sys.argv[1:], stdout=log, stderr=subprocess.PIPE, text=True,
                            env=os.environ | {"DKVB_PROGRESS": "1"},
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
for _ in range(2):
    line = work.stderr.readline()
    assert re.fullmatch(r"dkvb: values: \d+ % done, \d+ seconds after the command began\n", line), line
lines = open("log").read().splitlines()
assert lines[0].startswith("read ") and any("epoch   1 of" in line for line in lines), lines[:5]
assert work.poll() is None
work.send_signal(signal.SIGINT)
assert work.communicate()[1].endswith("dkvb: interrupted; nothing was written\n")
assert work.returncode == 130
END
# shellcheck disable=SC2086 # $long is unquoted, as it holds several arguments
check "$python" log.py "$dkvb" $long -o m.dkvb
DKVB_PROGRESS=soon refused 1 "DKVB_PROGRESS 'soon': must be a whole number of seconds" "$dkvb" inspect m.dkvb
DKVB_PROGRESS=86400 "$dkvb" bench forget --codebooks 4 --keys 16 --key-dim 3 --rows 2000 2>err >/dev/null ||
    fail "bench forget: $(cat err)"
[ ! -s err ] || fail "text on stderr before the first line is due: $(cat err)"

"$python" -c "import pty; pty.openpty()" 2>/dev/null || { echo "skipped: there are no pseudo-terminals here"; exit 77; }
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
# The output ends with the last bar, blanks over it, and the final message; a terminal turns \n into \r\n.
assert "[" in parts[-4] and parts[-3] == " " * len(parts[-4]), parts[-4:]
assert parts[-2:] == ["dkvb: interrupted; nothing was written", "\n"], parts[-4:]
END
# shellcheck disable=SC2086
check "$python" terminal.py "$dkvb" $long -o m.dkvb
