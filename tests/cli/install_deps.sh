#!/bin/sh
# Test of cmake/install-deps.sh, which looks before it installs: if nothing is missing, it prints nothing on any system;
# otherwise it names what is missing. The package managers of this test are made up, and nothing is installed.
. "$(dirname "$0")/common.sh"
script=$here/../../cmake/install-deps.sh
sh=$(command -v sh)

# Makes a folder with all commands of this system except package managers and sudo, as PATH of the script.
mkdir everything
for folder in /usr/local/bin /usr/bin /bin; do
    ln -s $folder/* everything 2>/dev/null || true # some are in two folders
done
rm -f everything/apt-get everything/dnf everything/apk everything/pacman everything/sudo
alone() {
    env PATH="$PWD/everything" "$sh" "$script" "$@"
}
[ -z "$(alone 2>&1)" ] || fail "$(alone 2>&1)"
check alone

# Case: CMake is missing, and there is no package manager.
mv everything/cmake .
code=0
alone >out 2>err || code=$?
[ "$code" -eq 1 ] || fail "exit code $code"
grep -q '^install-deps: missing here: CMake 3.25\.$' err || fail "$(cat err)"
grep -q 'no package manager' err || fail "$(cat err)"

# Case: pacman finds no package installed, and installs CMake at once.
cat >everything/pacman <<END
#!$sh
echo "\$*" >>$PWD/log
case \$1 in
  -Qi) false ;;
  -S) ln -s $PWD/cmake $PWD/everything/cmake ;;
esac
END
printf '#!%s\necho 0\n' "$sh" >id
chmod +x everything/pacman id
mv -f id everything/id
check alone >out 2>&1
grep -q '^install-deps: installing gcc cmake ' out || fail "$(cat out)"
grep -q '^-S --needed --noconfirm gcc cmake ninja ' log || fail "$(cat log)"
grep -q -e '-Sy' log && fail "a partial upgrade: $(cat log)"

# Case: one package manager fails, another one installs nothing.
rm everything/cmake
printf '#!%s\nfalse\n' "$sh" >everything/pacman
alone >out 2>err && fail "a failed installation went unnoticed"
grep -q "this failed: pacman -S .* cmake" err || fail "$(cat err)"
cat >everything/pacman <<END
#!$sh
[ "\$1" = -S ]
END
alone >out 2>err && fail "CMake is still missing, and nobody says so"
grep -q '^install-deps: still missing here: CMake 3.25\.$' err || fail "$(cat err)"
printf '#!%s\n' "$sh" >everything/pacman
alone >out 2>err && fail "CMake does not work, and nobody says so"
grep -q 'missing here: CMake 3.25; yet all packages' err || fail "$(cat err)"

# Case: the emulator for aarch64 is missing. On Debian the script first adds the architecture, on other systems it
# refuses and installs nothing. Packages for this machine do not count as packages for aarch64.
rm -f everything/qemu-aarch64 everything/dpkg everything/dpkg-query log
cat >everything/pacman <<END
#!$sh
echo "\$*" >>$PWD/log
END
cp everything/pacman everything/apt-get
cat >everything/dpkg <<END
#!$sh
case \$1 in
  --print-architecture) echo amd64 ;;
  --add-architecture) echo "\$*" >>$PWD/log ;;
esac
END
printf '#!%s\necho install ok installed amd64\n' "$sh" >everything/dpkg-query
chmod +x everything/dpkg everything/dpkg-query
if grep -qx ID=debian /etc/os-release; then
    alone --cross >out 2>err && fail "nothing emulates aarch64, and nobody says so"
    grep -q '^install-deps: still missing here: .*qemu-aarch64' err || fail "$(cat err)"
    printf '%s\n' '--add-architecture arm64' update >wanted
    head -n 2 log | cmp - wanted || fail "$(cat log)"
    grep -q '^install .* libc6-dev:arm64 .* libcmocka-dev:arm64$' log || fail "$(cat log)"
    grep -q ' cmake ' log && fail "installed again: $(cat log)"
    rm log
fi

# Case: programs for --ci are missing; the script names a program of each kind.
rm -f everything/cppcheck everything/mpirun everything/mandoc
alone --ci >out 2>err && fail "programs of --ci are missing, and nobody says so"
for named in cppcheck "Open MPI" mandoc; do
    grep -q "^install-deps: missing here: .*$named" err || fail "no word of $named: $(cat err)"
done
rm everything/apt-get
alone --cross >out 2>err && fail "nothing emulates aarch64, and nobody says so"
grep -q '^install-deps: missing here: .*qemu-aarch64' err || fail "$(cat err)"
grep -q 'The preset aarch64 is for Debian' err || fail "$(cat err)"
[ ! -e log ] || fail "installed for aarch64: $(cat log)"
