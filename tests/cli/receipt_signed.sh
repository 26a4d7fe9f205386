#!/bin/sh
# Test of signed receipts: the format DSSE as other programs check it, and changes that only the signature reveals. The
# keys are made by openssl.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb --seed 1 --codes-out m.codes
check "$dkvb" forget m.dkvb --codes m.codes --class 1 --pairs 20 --force --salt $salt >/dev/null
command -v openssl >/dev/null || {
    echo "skipped: no openssl"
    exit 77
}
check openssl genpkey -algorithm ed25519 -out key.pem 2>/dev/null
check openssl pkey -in key.pem -pubout -out pub.pem
if ! "$dkvb" receipt m.dkvb --codes m.codes -o s.json --key key.pem --command 'dkvb forget' >/dev/null 2>err; then
    grep -q 'built without OpenSSL.*libssl-dev' err || fail "$(cat err)"
    [ ! -e s.json ] || fail "a receipt was written without its signature"
    echo "skipped: this dkvb was built without OpenSSL"
    exit 77
fi
check "$dkvb" verify m.dkvb --codes m.codes --receipt s.json --key pub.pem >lines
grep -q '^checked .* signature ' lines || fail "no signature: $(cat lines)"
"$dkvb" verify m.dkvb --receipt s.json | grep -q '^not checked .* no public key was given' || fail "the key was not missed"

# differs RECEIPT KEY TEXT: fails the test unless the check exits with 1 and its line about the signature contains TEXT.
differs() {
    got=0
    "$dkvb" verify m.dkvb --codes m.codes --receipt "$1" --key "$2" >lines 2>err || got=$?
    [ $got -eq 1 ] && grep -q "^differs .* signature .*$3" lines || fail "not found: $1: $(cat lines err)"
}
check openssl genpkey -algorithm ed25519 -out other.pem
check openssl pkey -in other.pem -pubout -out otherpub.pem
check "$dkvb" receipt m.dkvb --codes m.codes -o r.json >/dev/null
differs s.json otherpub.pem 'another key'
differs r.json pub.pem 'not signed'

# A forged command line is found only by the signature, also if the forger writes another key id.
"$python" - <<'END'
import base64, hashlib, json, subprocess
form = lambda d: json.dumps(d, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
d = json.load(open("s.json"))
t = d["payloadType"].encode()
pae = lambda p: b"DSSEv1 %d %s %d " % (len(t), t, len(p)) + p
payload = base64.b64decode(d["payload"])
open("pae", "wb").write(pae(payload))
open("sig", "wb").write(base64.b64decode(d["signatures"][0]["sig"]))
changed = payload.replace(b"dkvb forget", b"dkvb report")
assert changed != payload
d["payload"] = base64.b64encode(changed).decode()
open("command.json", "w").write(form(d))
open("pae2", "wb").write(pae(changed))
subprocess.check_call(["openssl", "pkeyutl", "-sign", "-inkey", "other.pem", "-rawin", "-in", "pae2", "-out", "sig2"])
d["signatures"][0]["sig"] = base64.b64encode(open("sig2", "rb").read()).decode()
open("resigned.json", "w").write(form(d))
raw = subprocess.check_output(["openssl", "pkey", "-pubin", "-in", "pub.pem", "-outform", "DER"])[-32:]
assert d["signatures"][0]["keyid"] == hashlib.sha256(raw).hexdigest()
END
differs command.json pub.pem 'was changed'
differs resigned.json pub.pem 'was changed'
check openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in pae -sigfile sig >/dev/null

check openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
refused 1 'another algorithm' "$dkvb" receipt m.dkvb -o ec.json --key ec.pem
refused 1 'not a private key in PEM' "$dkvb" receipt m.dkvb -o ec.json --key pub.pem
refused 1 'not a public key in PEM' "$dkvb" verify m.dkvb --receipt s.json --key key.pem
refused 1 'cannot be opened' "$dkvb" receipt m.dkvb -o ec.json --key missing.pem
[ ! -e ec.json ] || fail "a receipt was written without its signature"
