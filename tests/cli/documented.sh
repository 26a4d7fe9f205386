#!/bin/sh
# Every command and every option that help knows is in docs/cli.md, under its command, and in the man page; and what
# the tables of docs/cli.md list, help knows.
. "$(dirname "$0")/common.sh"
check "$python" - "$dkvb" "$here/../../docs" <<'END'
import re, subprocess, sys

dkvb, docs = sys.argv[1:]


def run(*words):
    return subprocess.run([dkvb, *words], check=True, capture_output=True, text=True).stdout


page = open(f"{docs}/cli.md", encoding="utf-8").read()
man = open(f"{docs}/dkvb.1", encoding="utf-8").read().replace("\\-", "-")
commands = re.findall(r"^  ([a-z]+) ", run("help"), re.M)
assert len(commands) == 14 and run("help") == run("--help"), commands
sections = dict(re.findall(r"^## ([a-z]+)\n(.*?)(?=^## |\Z)", page, re.S | re.M))
commands.remove("help")
assert set(sections) == set(commands), set(sections) ^ set(commands)
for command in commands:
    text = run("help", command)
    assert text == run(command, "--help") == run(command, "-h"), command
    options = set(re.findall(r"^  (?:-[a-z], )?(--[a-z-]+)", text, re.M))
    rows = re.findall(r"^\| (`-.*?`) \|", sections[command], re.M)
    documented = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    assert options - {"--help"} == documented, (command, options ^ documented)
    assert f'"{command} ' in man or f"{command} " in man, command
    assert all(option in man for option in options), [option for option in options if option not in man]
    for line in text.splitlines():
        assert len(line) <= 120, line
    synopsis = re.search(r"^usage: (.*)$", text, re.M).group(1)
    assert synopsis.startswith(f"dkvb {command} "), synopsis
assert re.fullmatch(r"dkvb \d+\.\d+\.\d+\n", run("--version"))
END
