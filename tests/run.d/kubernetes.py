"""What no schema says about the manifests in deploy/kubernetes: that they fit each other, and that pods are confined.

Prints each problem and ends with 1 if there is one.
"""

import pathlib
import sys

import yaml

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/kubernetes")
EXAMPLE = "secrets.example.yaml"
SECRETS = "/run/secrets/backline/"
# Notice, connections, calls and what runs beside them: see Server::run.
DRAIN_SECONDS = 5 + 3 * 30

problems = []


def want(fact, problem):
    if not fact:
        problems.append(problem)


def documents(name):
    return [one for one in yaml.safe_load_all((FOLDER / name).read_text()) if one]


def fits(selector, labels):
    return selector.items() <= labels.items()


def check_pod(name, pod, known):
    spec, labels = pod["spec"], pod["metadata"]["labels"]
    context = spec.get("securityContext", {})
    want(context.get("runAsNonRoot") and context.get("runAsUser", 0) > 0, f"{name}: may run as root")
    want(context.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{name}: has no seccomp profile")
    want(spec.get("automountServiceAccountToken") is False, f"{name}: holds a token of the cluster")
    want(spec.get("enableServiceLinks") is False, f"{name}: gets BACKLINE_… variables of the Service")
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        want(not spec.get(host), f"{name}: {host} is set")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for volume in volumes.values():
        asked = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
        want("emptyDir" in volume or asked in known, f"{name}: there is no {asked}")
        if "secret" in volume:
            want(volume["secret"].get("defaultMode") == 0o440, f"{name}: others can read {asked}")
    for container in spec["containers"]:
        check_container(name, container, volumes, known)
    return labels


def check_container(name, container, volumes, known):
    context = container.get("securityContext", {})
    want(container["image"] == "backline", f"{name}: its image is not the one of kustomization.yaml")
    want(context.get("readOnlyRootFilesystem") is True, f"{name}: its root can be written")
    want(context.get("allowPrivilegeEscalation") is False, f"{name}: may gain rights")
    want(context.get("capabilities") == {"drop": ["ALL"]}, f"{name}: keeps capabilities")
    resources = container.get("resources", {})
    want("memory" in resources.get("limits", {}), f"{name}: has no limit of memory")
    want({"cpu", "memory"} <= resources.get("requests", {}).keys(), f"{name}: requests nothing")
    for mount in container["volumeMounts"]:
        want(mount["name"] in volumes, f"{name}: mounts {mount['name']}, which is no volume")
        writable = not mount.get("readOnly", False)
        want(writable == (mount["mountPath"] == "/var/lib/backline"), f"{name}: {mount['mountPath']} must be read only")
    for source in container.get("envFrom", []):
        want(source["configMapRef"]["name"] in known, f"{name}: there is no {source['configMapRef']['name']}")


def check_servers(deployment):
    spec = deployment["spec"]
    want(spec["replicas"] >= 3, "the servers are fewer than three")
    want(spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, "a roll-out takes servers away first")
    container = spec["template"]["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        asked = container.get(probe, {}).get("httpGet", {})
        want(asked == {"path": path, "port": "admin"} and "admin" in ports, f"the servers' {probe} must ask {path} of admin")


def check_all():
    kustomization = documents("kustomization.yaml")[0]
    files = set(kustomization["resources"])
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", EXAMPLE}
    want(files == there, f"kustomization.yaml names {sorted(files)}, but there are {sorted(there)}")

    generated = kustomization["configMapGenerator"]
    for source in generated:
        for file in source.get("files", []) + source.get("envs", []):
            want((FOLDER / file).is_file(), f"kustomization.yaml wants {file}")
    secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in documents(EXAMPLE)}
    want(not any(value for values in secrets.values() for value in values.values()), f"{EXAMPLE} holds a secret")
    known = {source["name"] for source in generated} | secrets.keys()

    lines = (FOLDER / "backline.env").read_text().split()
    named = {line.split(SECRETS)[1] for line in lines if SECRETS in line}
    want(named == secrets["backline-secrets"].keys(), f"backline.env and {EXAMPLE} name different secrets")

    objects = [one for name in sorted(files & there) for one in documents(name)]
    pods = []
    for one in objects:
        name = f"{one['kind']} {one['metadata']['name']}"
        want("namespace" not in one["metadata"], f"{name}: the namespace is the caller's to choose")
        if one["kind"] in ("Deployment", "Job"):
            template = one["spec"]["template"]
            labels = check_pod(name, template, known)
            pods.append(labels)
            if one["kind"] == "Deployment":
                want(fits(one["spec"]["selector"]["matchLabels"], labels), f"{name}: selects other pods")
                grace = template["spec"].get("terminationGracePeriodSeconds", 30)
                want(grace > DRAIN_SECONDS, f"{name}: is killed after {grace} s, a drain may take {DRAIN_SECONDS} s")
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "backline":
            check_servers(one)
    for one in objects:
        name, spec = f"{one['kind']} {one['metadata']['name']}", one.get("spec", {})
        if one["kind"] == "Service":
            selector = spec["selector"]
        elif one["kind"] == "PodDisruptionBudget":
            selector = spec["selector"]["matchLabels"]
        else:
            continue
        want(any(fits(selector, labels) for labels in pods), f"{name}: selects no pod")
    for one in (one for one in objects if one["kind"] == "NetworkPolicy"):
        for rule in one["spec"].get("ingress", []):
            open_to_all = "from" not in rule
            ports = {port["port"] for port in rule.get("ports", [])}
            want(not open_to_all or ports == {"grpc"}, f"NetworkPolicy {one['metadata']['name']}: more than gRPC is open")


check_all()
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
