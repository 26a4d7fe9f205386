#!/bin/sh
# Test that every command and option in help is in docs/cli.md, under its command, that each option in a table of
# docs/cli.md is in help, and that both name the same defaults.
. "$(dirname "$0")/common.sh"
check "$python" - "$dkvb" "$here/../../docs" <<'END'
import re, subprocess, sys

dkvb, docs = sys.argv[1:]


def run(*words):
    return subprocess.run([dkvb, *words], check=True, capture_output=True, text=True).stdout


def defaults_in_help(command):
    found = re.findall(r"^  (?:-[a-z], )?(--[a-z-]+).*\(default ([^)]*)\)$", run("help", command), re.M)
    return dict(found)


def check_defaults(command, rows):
    """`rows`: the cells of each line of a table. A row that says no default is about an option that has none."""
    shown, documented = defaults_in_help(command), {}
    for options, meaning in rows:
        said = re.findall(r"\bdefaults? (as for|`?[\w.]+`?)", meaning)
        for option in re.findall(r"--[a-z-]+", options):
            if said == ["as for"]:
                documented[option] = defaults_in_help("train")[option]
            elif option in shown or len(said) == 1 and said[0].isdigit():
                documented[option] = " ".join(said).strip("`")
    # The default of --key-batch depends on the method, so help cannot show a single number.
    documented.pop("--key-batch", None)
    assert documented == shown, (command, documented, shown)


page = open(f"{docs}/cli.md", encoding="utf-8").read()
commands = re.findall(r"^  ([a-z]+) ", run("help"), re.M)
assert len(commands) >= 20 and run("help") == run("--help"), commands
sections = dict(re.findall(r"^## ([a-z]+)\n(.*?)(?=^## |\Z)", page, re.S | re.M))
commands.remove("help")
assert set(sections) == set(commands), set(sections) ^ set(commands)
for command in commands:
    text = run("help", command)
    assert text == run(command, "--help") == run(command, "-h"), command
    options = set(re.findall(r"^  (?:-[a-z], )?(--[a-z-]+)", text, re.M))
    rows = re.findall(r"^\| (`-.*?`) \| (.*) \|$", sections[command], re.M)
    documented = {option for row, _ in rows for option in re.findall(r"--[a-z-]+", row)}
    assert options - {"--help"} == documented, (command, options ^ documented)
    check_defaults(command, rows)
    for line in text.splitlines():
        assert len(line) <= 120, line
    synopsis = re.search(r"^usage: (.*)$", text, re.M).group(1)
    assert synopsis.startswith(f"dkvb {command} "), synopsis
assert re.fullmatch(r"dkvb \d+\.\d+\.\d+(-rc\d+)?\n", run("--version"))
END
