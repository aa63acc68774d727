#!/bin/sh
# Makes the certificates of the tests in src/wire: public halves only, valid for a hundred years where a test does not say
# otherwise. Kept in the repository, because certificates of version 1 and of some signatures are hard to make in a test.
# Needs OpenSSL 3.0 or 3.1 (later ones no longer make version 1).
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" 2>/dev/null
}
# leaf NAME AUTHORITY SUBJECT EXTENSIONS [OPTIONS of x509 -req]
leaf() {
    name=$1 authority=$2 subject=$3 extensions=$4
    shift 4
    openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "$subject" 2>/dev/null
    if [ -n "$extensions" ]; then
        printf '%b' "$extensions" >"$name.ext"
        set -- "$@" -extfile "$name.ext"
    fi
    openssl x509 -req -in "$name.csr" -CA "$authority.pem" -CAkey "$authority.key" -CAcreateserial -days 36500 -out "$name.pem" "$@" 2>/dev/null
}

authority root
authority other
leaf names root '/O=Example/CN=common.example' 'subjectAltName=DNS:localhost,DNS:*.example.com,IP:127.0.0.1,IP:::1'
leaf dns_only root '/CN=127.0.0.1' 'subjectAltName=DNS:db.example.com'
leaf common_name root '/O=Example/CN=localhost' 'basicConstraints=CA:FALSE'
leaf version_1 root '/CN=localhost' ''
leaf version_1_other other '/CN=localhost' ''
leaf sha384 root '/CN=localhost' 'basicConstraints=CA:FALSE' -sha384
leaf sha512 root '/CN=localhost' 'basicConstraints=CA:FALSE' -sha512
leaf pss384 root '/CN=localhost' 'basicConstraints=CA:FALSE' -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1
leaf clients_only root '/CN=localhost' 'extendedKeyUsage=clientAuth'
openssl req -newkey rsa:2048 -nodes -keyout between.key -out between.csr -subj /CN=between 2>/dev/null
echo 'basicConstraints=CA:TRUE' >between.ext
openssl x509 -req -in between.csr -CA root.pem -CAkey root.key -CAcreateserial -days 36500 -extfile between.ext -out between.pem 2>/dev/null
leaf chained between '/CN=localhost' 'basicConstraints=CA:FALSE'
openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -keyout self.key -out self_signed.pem -subj /CN=localhost 2>/dev/null
openssl req -x509 -newkey ed25519 -nodes -days 36500 -keyout ed.key -out ed25519.pem -subj /CN=localhost 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -sha384 -nodes -days 36500 -keyout ec.key -out ecdsa384.pem -subj /CN=localhost 2>/dev/null

# Valid for the year 2020 only.
mkdir ca
: >ca/index.txt
echo 01 >ca/serial
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=ca/index.txt\nserial=ca/serial\nnew_certs_dir=ca\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.cnf
openssl req -newkey rsa:2048 -nodes -keyout expired.key -out expired.csr -subj /CN=localhost 2>/dev/null
echo 'basicConstraints=CA:FALSE' >expired.ext
openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -in expired.csr -out expired.pem -notext \
    -startdate 20200101000000Z -enddate 20201231235959Z -extfile expired.ext 2>/dev/null

cp ./*.pem "$out"
