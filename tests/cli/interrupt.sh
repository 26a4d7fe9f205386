#!/bin/sh
# Test of interrupts: SIGINT and SIGTERM end long work with exit code 130, one line on stderr, and no output file.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
cp m.dkvb kept.dkvb
files=$(ls)
cat >interrupt.py <<'END'
"""Run a command, send a signal when it is at work, and look at what it leaves."""
import signal, subprocess, sys, time

number, *command = sys.argv[1:]
number = getattr(signal, number)


def catches(pid):
    """Whether the process has its handler in place; before that the signal would kill it, as it should."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (number - 1) & 1


work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # ignored in background jobs
while not catches(work.pid):
    time.sleep(0.01)
time.sleep(0.5)
assert work.poll() is None, ("over too soon", command, work.communicate())
work.send_signal(number)
out, err = work.communicate(timeout=60)
assert work.returncode == 130, (command, work.returncode, err)
assert err == "dkvb: interrupted; nothing was written\n", (command, err)
assert "--json" not in command or not out, out
END
check "$python" interrupt.py SIGINT "$dkvb" train --features x.npy --labels y.npy --codebooks 8 --keys 32 \
    --key-dim 6 --epochs 10000000 -o new.dkvb
check "$python" interrupt.py SIGTERM "$dkvb" train --continue m.dkvb --features x.npy --labels y.npy --epochs 10000000
check "$python" interrupt.py SIGINT "$dkvb" train --features x.npy --labels y.npy --codebooks 30000 --keys 300 \
    --key-dim 8 --passes 300 --key-batch 64 -o new.dkvb --json
check "$python" interrupt.py SIGINT "$dkvb" bench forget --codebooks 8 --keys 32 --repeats 10000000 --json

# A second signal soon after the first counts as the same request to stop. A later signal ends the process at once, with
# a message. The test reads names from a pipe that nobody writes to, which cannot be interrupted otherwise.
mkfifo names
cat >twice.py <<'END'
import signal, subprocess, sys, time

pause, *command = sys.argv[1:]
work = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while not any(line.startswith("SigCgt:") and int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1
              for line in open(f"/proc/{work.pid}/status")):  # its handler is not in place yet
    time.sleep(0.01)
time.sleep(0.2)
work.send_signal(signal.SIGINT)
time.sleep(float(pause))
work.send_signal(signal.SIGINT)
if float(pause) < 1:
    time.sleep(0.2)
    open("names", "w").write("a\nb\nc\nd\n")
    wanted = 130, "dkvb: interrupted; nothing was written\n"
else:
    wanted = -signal.SIGINT, "dkvb: killed by a second signal; half-written files are removed\n"
try:
    err = work.communicate(timeout=60)[1]
finally:
    work.kill()
assert (work.returncode, err) == wanted, (work.returncode, err)
END
pauses="0.1 1.2"
if grep -q __tsan_init "$dkvb"; then # ThreadSanitizer keeps signals back while a system call waits
    pauses=0.1
fi
for pause in $pauses; do
    check "$python" twice.py "$pause" "$dkvb" train --features x.npy --labels y.npy --class-names names -o new.dkvb
done
rm interrupt.py twice.py names
same m.dkvb kept.dkvb
[ "$(ls)" = "$files" ] || fail "files were left: $(ls)"
