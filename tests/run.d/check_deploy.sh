#!/usr/bin/env bash
# Checks one kind of file in deploy/: services | proxy | manifests FOLDER-OF-KUBERNETES-VALIDATE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# `systemd-analyze security` rates from 0 (nothing may be done) to 100.
MOST_EXPOSURE=20
# The oldest release of Kubernetes that is still looked after, and the newest.
KUBERNETES_VERSIONS=(1.34 1.37)

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# Both units, with the drop-in of secrets, as systemd loads them; for that their program must be there.
services() {
    local unit
    for unit in backline backline-work; do
        mkdir "$folder/$unit.service.d"
        cp deploy/systemd/secrets.conf "$folder/$unit.service.d/"
        sed 's|^ExecStart=/usr/bin/backline|ExecStart=/bin/true|' "deploy/systemd/$unit.service" >"$folder/$unit.service"
        # What it does not understand it only mentions.
        systemd-analyze verify --man=no "$folder/$unit.service" 2>&1 | tee "$folder/said"
        [[ ! -s "$folder/said" ]]
        systemd-analyze security --offline=true --no-pager --threshold="$MOST_EXPOSURE" "deploy/systemd/$unit.service"
    done
    # An absolute path, or it looks among the machine's own.
    systemd-sysusers --dry-run "$PWD/deploy/systemd/sysusers.conf"
}

# With what is the operator's own replaced, and nothing else.
proxy() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=api.example.org \
        -keyout "$folder/key.pem" -out "$folder/chain.pem"
    sed -e 's|/run/nginx.pid|nginx.pid|; s|/var/log/nginx/||; s|/var/lib/nginx/||; s|listen 443 |listen 127.0.0.1:7443 |' \
        -e "s|/etc/ssl/backline/fullchain.pem|$folder/chain.pem|; s|/etc/ssl/private/backline.pem|$folder/key.pem|" \
        deploy/nginx.conf >"$folder/nginx.conf"
    nginx -t -p "$folder/" -c "$folder/nginx.conf"
}

manifests() {
    local version file
    for version in "${KUBERNETES_VERSIONS[@]}"; do
        for file in deploy/kubernetes/*.yaml; do
            [[ "$file" == */kustomization.yaml ]] ||
                "$1/kubernetes-validate" --strict --kubernetes-version "$version" "$file"
        done
    done
    "$1/python" tests/run.d/kubernetes.py
}

"$@"
