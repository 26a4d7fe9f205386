#!/bin/sh
# Test of help: the example at the head of each command's help works as printed. Each command has a man page with every
# option, which mandoc and groff read without a warning. The exit codes in help equal those in src/tool.h and
# docs/errors.md.
. "$(dirname "$0")/common.sh"

commands=$("$dkvb" help | sed -n 's/^  \([a-z]*\)  *.*/\1/p' | grep -vx help)
for command in $commands; do
    "$dkvb" help "$command" | head -n 1 | grep -q "^example: dkvb $command " || fail "$command: help begins with no example"
done

# One thread: with so few rows, more threads would only wait for each other.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

# Makes what the examples need: rows, a model with its codes file, pictures, and the tool under the name dkvb.
mkdir bin start
ln -s "$dkvb" bin/dkvb
PATH=$PWD/bin:$PATH
export PATH
example() { dkvb help "$1" | sed -n '1s/^example: //p'; }
cd start
check "$python" "$here/../docs/data.py" .
check sh -c "$(example train) --codebooks 8 --keys 32 --key-dim 6" >/dev/null
cp m.dkvb m.mask.dkvb
mkdir -p photos/cat photos/dog
check "$python" - <<'END'
import numpy as np
random = np.random.default_rng(1)
np.save("photos.npy", random.integers(0, 256, size=(6, 8, 8), dtype=np.uint8))
try:
    from PIL import Image
    for i, picture in enumerate(np.load("photos.npy")):
        Image.fromarray(picture).save(f"photos/{'cat' if i % 2 else 'dog'}/{i}.png")
except ImportError:
    print("skipped: encode has no pictures without Pillow")
END
cd ..
for command in $commands; do
    # The examples of audit, sweep and bench would take minutes on an emulated processor.
    case $command-$dkvb in audit-*-emulated | sweep-*-emulated | bench-*-emulated) continue ;; esac
    rm -rf work
    cp -r start work
    cd work
    case $command in
    encode) [ -n "$(ls photos/cat)" ] && dkvb encode --input photos -o p.npy >/dev/null 2>&1 || { cd ..; continue; } ;;
    report) "$python" -c 'import dkvb, matplotlib' 2>/dev/null || { cd ..; continue; } ;;
    esac
    case $command in
    apply) check dkvb forget m.dkvb --class bird --codes m.codes --plan-out request17.plan >/dev/null ;;
    undo | purge | audit | receipt | report) check sh -c "$(example forget)" >/dev/null ;;
    esac
    check sh -c "$(example "$command")" >out 2>err || fail "$command: $(cat err)"
    cd ..
done

# Checks of the man pages
mkdir man
dkvb help --man >man/dkvb.1
for command in $commands; do
    check dkvb help --man "$command" >"man/dkvb-$command.1"
done
check "$python" - "$here/../.." $commands <<'END'
import re, subprocess, sys

source, *commands = sys.argv[1:]


def run(*words):
    return subprocess.run(["dkvb", "help", *words], check=True, capture_output=True, text=True).stdout


main = open("man/dkvb.1", encoding="ascii").read()
for command in commands:
    page = open(f"man/dkvb-{command}.1", encoding="ascii").read()
    assert f"dkvb\\-{command} (1)" in main, command
    assert page.startswith(f".TH DKVB-{command.upper()} 1 "), page[:40]
    page = re.sub(r"\\f[BRI]", "", page).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
    lines = page.splitlines()
    for letter, option, rest in re.findall(r"^  (-[a-z], )?(--[a-z0-9-]+)( \S+)?", run(command), re.M):
        assert any(line.startswith(f"{letter}{option}") for line in lines), (command, option)
    for default in re.findall(r"\(default [^)]*\)", run(command)):
        assert default in page, (command, default)

# The enum in src/tool.h, help, docs/errors.md and the man page must have the same exit codes.
text = open(f"{source}/src/tool.h", encoding="utf-8").read()
codes = {0: "EXIT_SUCCESS", 1: "EXIT_FAILURE"}
codes.update({int(value): name for name, value in re.findall(r"\b(EXIT_[A-Z]+) = (\d+)", text)})
shown = dict(re.findall(r"^ *(\d+)  (.+)$", run("exit-codes"), re.M))
assert {int(code) for code in shown} == set(codes), (shown, codes)
page = open(f"{source}/docs/errors.md", encoding="utf-8").read()
table = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.M))
assert table == shown, (table, shown)
plain = main.replace("\\-", "-")
for code, meaning in shown.items():
    assert f".B {code}\n{meaning}\n" in plain, code
END
if command -v mandoc >/dev/null; then
    mandoc -Tlint -W warning man/*.1 >lint.txt || true
    [ ! -s lint.txt ] || fail "mandoc: $(head -n 3 lint.txt)"
fi
if command -v groff >/dev/null; then
    groff -man -ww -z man/*.1 2>lint.txt || true
    [ ! -s lint.txt ] || fail "groff: $(head -n 3 lint.txt)"
fi

refused 2 "unknown command 'nothing'" dkvb help --man nothing
refused 2 'bash, zsh or fish must follow' dkvb help --completion tcsh
refused 2 'bash, zsh or fish must follow' dkvb help --completion
