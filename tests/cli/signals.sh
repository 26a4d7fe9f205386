#!/bin/sh
# Test of signals: a signal that ends a command leaves no half written file beside an output, except SIGKILL, whose file
# the next command reports.
. "$(dirname "$0")/common.sh"
[ -n "${DKVB_FAULTS:-}" ] || { echo "skipped: calls of the C library cannot be made to wait here"; exit 77; }
ulimit -c 0
make_data
train_small m.dkvb
check "$dkvb" forget m.dkvb --class 3 --pairs 1 >/dev/null # so that there is something to purge
cp m.dkvb kept.dkvb
cat >killed.py <<'END'
"""killed.py NUMBER... -- OUTPUT COMMAND...: send signals when OUTPUT is being written, and look at what is left."""
import glob, os, signal, subprocess, sys, time

at = sys.argv.index("--")
numbers, output, command = [int(n) for n in sys.argv[1:at]], sys.argv[at + 1], sys.argv[at + 2:]


def parts():
    return glob.glob(glob.escape(output) + ".tmp-*")


def defaults():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)


for number in numbers:
    faults = {"LD_PRELOAD": os.environ["DKVB_FAULTS"], "FAULT": "fsync 1 1 0"}
    work = subprocess.Popen(command, env=os.environ | faults, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, preexec_fn=defaults)
    for _ in range(3000):
        if parts():
            break
        time.sleep(0.01)
    assert parts() and work.poll() is None, (number, command, work.communicate())
    work.send_signal(number)
    if number in (signal.SIGINT, signal.SIGTERM):  # the first is a wish, the second a second later is not
        time.sleep(1.1)
        assert work.poll() is None, number
        work.send_signal(number)
    err = work.communicate(timeout=60)[1]
    assert work.returncode == -number, (number, work.returncode, err)
    assert bool(parts()) == (number == signal.SIGKILL), (number, parts())
END
# Lists all signals that end a process that has no handler.
ends=$(check "$python" - <<'END'
import signal
stay = "SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGWINCH".split()
ignored = "SIGPIPE SIGXFSZ".split()  # writes fail instead, and are told
print(*sorted(signal.valid_signals() - {getattr(signal, name) for name in stay + ignored} - {signal.SIGKILL}))
END
)
# shellcheck disable=SC2086 # unquoted variables hold several arguments
check "$python" killed.py $ends -- m.dkvb "$dkvb" purge m.dkvb
check "$python" killed.py 1 -- new.npy "$dkvb" predict m.dkvb --features x.npy -o new.npy
check "$python" killed.py 1 -- new.mask "$dkvb" forget m.dkvb --method activations --pairs 5 --features x.npy \
    --mask-out new.mask
check "$python" killed.py 1 -- tables/classes.csv "$dkvb" separation m.dkvb --features x.npy --labels y.npy --csv tables
rmdir tables
same m.dkvb kept.dkvb

# If a file must not grow, a write fails with an error line, even if SIGXFSZ is not ignored.
refused 1 'm.dkvb: cannot write' sh -c 'trap - XFSZ; ulimit -f 8; exec "$@"' sh "$dkvb" purge m.dkvb
same m.dkvb kept.dkvb
[ ! -e m.dkvb.tmp-* ] || fail "files were left: $(ls)"

# A file left by SIGKILL is reported by the next command that writes there, and by 'verify', until it is deleted.
check "$python" killed.py 9 -- m.dkvb "$dkvb" purge m.dkvb
left=$(ls m.dkvb.tmp-*)
check "$dkvb" verify m.dkvb >/dev/null 2>err
grep -qF "$left: was left by a command that was killed" err || fail "not told: $(cat err)"
check "$dkvb" purge m.dkvb -o ./m.dkvb >/dev/null 2>err
[ "$(grep -cF "$left: was left by a command that was killed" err)" = 1 ] || fail "not told once: $(cat err)"
rm "$left"
check "$dkvb" forget m.dkvb --class 2 --pairs 1 >/dev/null 2>err
[ ! -s err ] || fail "told of nothing: $(cat err)"
