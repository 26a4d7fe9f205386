#!/bin/sh
# Test of commands that change the same model file at the same time: they run one after the other, and no change is
# lost.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
cat >together.py <<'END_OF_PYTHON'
"""Hold the lock of a model until every command waits for it; then let them go."""
import fcntl, json, os, signal, subprocess, sys, time

dkvb, model = sys.argv[1:]
forget = [dkvb, "forget", model, "--method", "examples", "--examples", "2", "--features", "x.npy", "--labels", "y.npy"]


def start(*command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def says_it_waits(command):
    assert command.stderr.readline() == f"dkvb: {model}: waiting for another command that is changing it\n"


signal.alarm(60)
held = open(model, "rb")
fcntl.flock(held, fcntl.LOCK_EX)
forgets = [start(*forget, "--class", str(label), "--reason", f"request {label}") for label in range(4)]
others = [start(dkvb, "train", "--continue", model, "--features", "x.npy", "--labels", "y.npy"),
          start(dkvb, "undo", model), start(dkvb, "purge", model),
          start(dkvb, "forget", "copy.dkvb", "-o", model, *forget[3:], "--class", "1")]
for command in forgets + others:
    says_it_waits(command)
for command in others:  # waiting can be interrupted
    command.send_signal(signal.SIGINT)
    assert command.communicate()[1] == "dkvb: interrupted; nothing was written\n" and command.returncode == 130
held.close()
for command in forgets:
    assert command.communicate() == (None, "") and command.returncode == 0, command.returncode

journal = json.loads(subprocess.check_output([dkvb, "masks", model, "--json"]))["journal"]
assert sorted(entry["reason"] for entry in journal) == [f"request {label}" for label in range(4)], journal

# Commands that only read a model do not wait for its lock.
held = open(model, "rb")
fcntl.flock(held, fcntl.LOCK_EX)
subprocess.run([dkvb, "predict", model, "--features", "test_x.npy"], check=True, stdout=subprocess.DEVNULL, timeout=30)
subprocess.run([*forget, "--class", "1", "-o", "new.dkvb"], check=True, stdout=subprocess.DEVNULL, timeout=30)
END_OF_PYTHON
cp m.dkvb copy.dkvb
check "$python" together.py "$dkvb" m.dkvb
check "$dkvb" verify m.dkvb >/dev/null

# The test itself holds no lock here: so many forgettings run at once that some of them must wait for others.
for request in 1 2 3 4 5 6; do
    "$dkvb" forget copy.dkvb --method activations --pairs 3 --features x.npy --reason $request >/dev/null 2>&1 &
done
wait
"$dkvb" masks copy.dkvb --json >masks.json
claim masks.json 'sorted(e["reason"] for e in d["journal"]) == list("123456")'
