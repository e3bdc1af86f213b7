#!/usr/bin/env bash
# Builds common.bin from the password lists of three packages; README.md names them. Wants npm, pip, node and python3.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm pack --silent @zxcvbn-ts/language-common@4.1.3 >/dev/null
pip download --quiet --no-deps --only-binary :all: django==5.2.19
cat >sums <<'TEXT'
bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9  zxcvbn-ts-language-common-4.1.3.tgz
5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00  django-5.2.19-py3-none-any.whl
TEXT
sha256sum --check --quiet sums
tar xzf zxcvbn-ts-language-common-4.1.3.tgz package/src/passwords.json
crate=$(cd "$here" && cargo metadata --format-version 1 --locked |
    python3 -c 'import json,sys; print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "zxcvbn"))')

python3 - "$(dirname "$crate")/src/frequency_lists.rs" >list <<'TEXT'
import gzip, json, re, sys, zipfile

rust = open(sys.argv[1], encoding="utf-8").read()
lists = [
    json.load(open("package/src/passwords.json", encoding="utf-8")),
    re.search(r'const PASSWORDS: &str = "((?:[^"\\]|\\.)*)"', rust).group(1).split(","),
    gzip.decompress(
        zipfile.ZipFile("django-5.2.19-py3-none-any.whl").read("django/contrib/auth/common-passwords.txt.gz")
    ).decode().split("\n"),
]
for one in lists:
    for password in one:
        print(password)
TEXT
cd "$here" && cargo run --quiet --example common_passwords <"$work/list" >"$work/common.bin"
mv "$work/common.bin" "$here/common.bin"
