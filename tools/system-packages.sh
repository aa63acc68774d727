#!/bin/sh
# Installs the programs that the tests run beside the package: other people's servers and clients, real ones.
#   tools/system-packages.sh            what the tests need
#   tools/system-packages.sh clients    what `make clients` needs too
# Quick when nothing is missing. Without root (or sudo that asks no password) it says what is missing and fails:
# a test is never skipped because a program is not there.
set -eu

more=${1:-}

# A line each: what must exist (a file pattern or a command), the Debian package, who needs it.
needs() {
    cat <<'END'
/usr/lib/postgresql/*/bin/postgres|postgresql|tests/fixtures/debian.py: TLS, client certificates, an older server
/usr/share/postgresql/*/extension/hstore.control|postgresql-contrib|types that the embedded server has not
/usr/share/postgresql/*/extension/postgis.control|postgresql-postgis|tests/formats/test_geometry.py: geometries
psql|postgresql-client|the oracle of the benchmark where a server is given
nginx|nginx-light|tests/service: a real proxy in front of a download
/usr/bin/chromium*|chromium-headless-shell|tests/formats: what a browser decodes, and what it sees of a cut download
openssl|openssl|tests/library/test_parameters.py: keys as other people write them
zstd|zstd|tests/formats: another decoder of zstd
xmllint|libxml2-utils|tests/formats: another strict reader of XML
soffice|libreoffice-calc-nogui|tests/formats: a spreadsheet that opens a workbook
redis-server|redis-server|tests/fixtures/redis.py: the store of several replicas
pgbouncer|pgbouncer|tests/service/test_pgbouncer.py: a real pool between service and database
node|nodejs|tests/integrations: what its fetch sees of a cut download
curl|curl|tests/service, tests/clients: what clients see of a cut download
wget|wget|tests/service, tests/clients: the same
/usr/lib/*/faketime/libfaketimeMT.so.1|libfaketime|tests/faults: a clock that jumps
jq|jq|tests/meta: how the pages read the audit log
logrotate|logrotate|tests/service/test_audit_rotation.py: the rotation of docs/howto/audit.md
ip|iproute2|tests/dumps: workers with a network of their own
END
    [ "$more" = clients ] || return 0
    cat <<'END'
go|golang-go|tests/clients: net/http
javac|default-jdk-headless|tests/clients: HttpClient and HttpURLConnection
haproxy|haproxy|tests/clients: a proxy in front of a download
caddy|caddy|tests/clients: another one
END
}

exists() {
    case $1 in
    /*) for file in $1; do [ -e "$file" ] && return 0; done; return 1 ;;
    *) command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] ;;
    esac
}

packages=$(needs | while IFS='|' read -r what package reason; do
    exists "$what" || printf '%s ' "$package"
done)
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root=none
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Programs that the tests need are missing. On Debian or Ubuntu:" >&2
    echo "  apt-get install $packages" >&2
    needs | while IFS='|' read -r what package reason; do
        exists "$what" || echo "  $what  ($package)  $reason" >&2
    done
    exit 1
fi

echo "installing: $packages"
export DEBIAN_FRONTEND=noninteractive
# The lists of a fresh machine are empty or old; an unreachable mirror is told by the installation itself.
$as_root apt-get update -qq || true
# shellcheck disable=SC2086  # several packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
needs | while IFS='|' read -r what package reason; do
    if ! exists "$what"; then
        echo "$what is still missing after $package was installed" >&2
        exit 1
    fi
done
