"""The files of deploy/ and the Containerfile agree with the server and with each other: commands, names of the
environment, paths, ports, and who waits how long for whom."""

from __future__ import annotations

import re
import shlex
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from moonbase.server.operations import OPERATIONS
from moonbase.server.settings import Settings, load_settings, with_default_engine
from tests.docs.commands import moonbase_complaint
from tests.docs.pages import ROOT

DEPLOY = ROOT / "deploy"
PORT = Settings().server.port
DATA, CONFIG = "/data", "/etc/moonbase/moonbase.toml"
(HEALTH,) = [operation.path for operation in OPERATIONS if operation.id == "health"]
CLOSING_S = 10
"""What a server may take after `drain_s` to write its books and to close."""
FLAVOURS = {
    "gateway": {"serve", "mcp", "postgres", "upstream"},
    "full": {"serve", "mcp", "postgres", "upstream", "llama"},
}
KNOWN = {
    name
    for path in (ROOT / "src" / "moonbase").rglob("*.py")
    for name in re.findall(r'"(MOONBASE_[A-Z_]+)"', path.read_text())
}
"""The names of the environment that the program reads."""


def pins(file: str) -> set[str]:
    """The lines of a file of requirements: a name, its version, and for which machines."""
    return set((ROOT / "requirements" / f"{file}.txt").read_text().splitlines())


def settings_of(text: str) -> Settings:
    return with_default_engine(msgspec.toml.decode(text, type=Settings))


def leaving(settings: Settings) -> float:
    """For how many seconds whoever stops a server must wait for it."""
    return settings.server.linger_s + settings.server.drain_s + CLOSING_S


def environment_of(words: dict[str, Any]) -> set[str]:
    return {name for name in words if name.startswith("MOONBASE_")}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


# The image


def instructions() -> list[tuple[str, str]]:
    """(its name, its words) of each instruction of the Containerfile, lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(name, " ".join(words.split())) for name, _, words in found]


def last(name: str) -> str:
    return [words for instruction, words in instructions() if instruction == name][-1]


def image_environment() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(last("ENV")))


def test_the_image_starts_commands_that_there_are() -> None:
    entry, command = msgspec.json.decode(last("ENTRYPOINT")), msgspec.json.decode(last("CMD"))
    assert entry == ["moonbase"]
    assert moonbase_complaint(command) is None
    check = msgspec.json.decode(last("HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "moonbase"
    assert moonbase_complaint(check[1:]) is None


def test_the_image_listens_where_it_says_and_keeps_what_lasts_in_its_volume() -> None:
    environment = image_environment()
    assert environment_of(environment) <= KNOWN
    assert {environment["HOME"], environment["MOONBASE_DATA_DIR"], last("VOLUME"), last("WORKDIR")} == {DATA}
    assert last("EXPOSE") == str(PORT)


def test_the_image_is_made_of_files_that_reach_the_build() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word
        for name, words in instructions()
        if name == "COPY" and "--from" not in words
        for word in words.split()[:-1]
    }
    assert copied == sent
    assert [path for path in sent if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_flavour_has_what_its_extras_need_in_the_versions_that_are_tested(flavour: str) -> None:
    found = pins(flavour)
    assert found - pins("dev") == set()
    pinned = {pin.partition("==")[0] for pin in found}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(need for extra in FLAVOURS[flavour] for need in project["optional-dependencies"][extra]),
    ]
    names = {re.split(r"[\[><=; ]", need)[0] for need in wanted} - {"moonbase"}
    assert names - pinned == set()
    assert ("xllamacpp" in pinned) == (flavour == "full")
    assert flavour in (ROOT / "Containerfile").read_text()


# Compose


def compose(name: str) -> dict[str, Any]:
    """The file with those that it includes."""
    whole = yaml.safe_load((DEPLOY / name).read_text())
    for other in whole.get("include", []):
        for part, entries in compose(other).items():
            whole[part] = {**entries, **whole.get(part, {})}
    return whole


COMPOSE = ["compose.yaml", "compose-postgres.yaml"]
SERVERS = [
    (name, service) for name in COMPOSE for service in compose(name)["services"] if service.startswith("moonbase")
]


@pytest.mark.parametrize(("name", "service"), SERVERS)
def test_a_server_of_a_compose_file(name: str, service: str) -> None:
    whole = compose(name)
    found = whole["services"][service]
    assert moonbase_complaint(found["command"]) is None
    assert environment_of(found["environment"]) <= KNOWN
    mounts = dict(mount.split(":")[:2][::-1] for mount in found["volumes"])
    assert set(mounts) == {CONFIG, DATA}
    assert CONFIG in found["command"]
    settings = load_settings(DEPLOY / mounts[CONFIG])
    assert seconds(found["stop_grace_period"]) >= leaving(settings)
    hosts = {
        upstream.url.split("/")[2].split(":")[0]
        for engine in settings.engines.values()
        for upstream in engine.upstreams
    }
    assert hosts <= set(whole["services"])
    assert all(port.endswith(f":{PORT}:{PORT}") for port in found.get("ports", ()))


@pytest.mark.parametrize("name", COMPOSE)
def test_the_volumes_of_a_compose_file_are_there(name: str) -> None:
    whole = compose(name)
    sources = [mount.split(":")[0] for service in whole["services"].values() for mount in service.get("volumes", ())]
    assert {source for source in sources if "/" not in source} == set(whole["volumes"])
    assert [source for source in sources if "/" in source and not (DEPLOY / source).exists()] == []
    build = next(service["build"] for service in whole["services"].values() if "build" in service)
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()


def test_the_balancer_asks_both_servers_for_their_health() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text()
    asked = re.findall(r"(moonbase-\d):(\d+)", caddy)
    assert asked == [(service, str(PORT)) for name, service in SERVERS if name == "compose-postgres.yaml"]
    assert re.findall(r"health_uri (\S+)", caddy) == [HEALTH]


def test_nginx_passes_on_what_the_server_takes() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text()
    (size,) = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(size) > Settings().server.max_body_mb
    assert f"server 127.0.0.1:{PORT} " in nginx


# systemd


def test_the_unit() -> None:
    unit = ConfigParser(interpolation=None, strict=False, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "moonbase.service")
    service = unit["Service"]
    (program, *words) = shlex.split(service["ExecStart"])
    assert program.endswith("/moonbase")
    assert moonbase_complaint(words) is None
    assert environment_of(dict(word.split("=") for word in service["Environment"].split())) <= KNOWN
    assert f"/{service['LoadCredential'].split(':')[0]}" in service["ExecStart"]
    assert float(service["TimeoutStopSec"]) >= leaving(load_settings(DEPLOY / "moonbase.toml"))
    assert f"/var/lib/{service['StateDirectory']}" in service["Environment"]


# Kubernetes


def manifests() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def pod() -> dict[str, Any]:
    return manifests()["Deployment"]["spec"]["template"]["spec"]


def test_the_pods_run_the_server_as_the_image_has_it() -> None:
    (container,) = pod()["containers"]
    assert moonbase_complaint(container["args"]) is None
    assert {entry["name"] for entry in container["env"]} <= KNOWN
    assert [port["containerPort"] for port in container["ports"]] == [PORT]
    assert str(pod()["securityContext"]["runAsUser"]) == last("USER")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod()["volumes"]}
    assert mounts["data"] == DATA
    files = [word for word in container["args"] if word.startswith("/")]
    assert [file for file in files if str(Path(file).parent) not in mounts.values()] == []


def test_the_probes_ask_what_the_server_answers() -> None:
    (container,) = pod()["containers"]
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert [probe["path"] for probe in probes] == [HEALTH] * 3
    assert {probe["port"] for probe in probes} == {port["name"] for port in container["ports"]}


def test_a_pod_has_time_to_leave() -> None:
    settings = settings_of(manifests()["ConfigMap"]["data"]["moonbase.toml"])
    assert settings.server.linger_s
    assert pod()["terminationGracePeriodSeconds"] >= leaving(settings)


def test_what_belongs_together_has_the_same_labels_and_names() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [found["Service"]["spec"]["selector"]]
    selectors += [found[kind]["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")]
    assert all(selector == labels for selector in selectors)
    (container,) = pod()["containers"]
    assert [port["targetPort"] for port in found["Service"]["spec"]["ports"]] == [
        port["name"] for port in container["ports"]
    ]
    header = (DEPLOY / "kubernetes.yaml").read_text()
    (secret,) = re.findall(r"create secret generic (\S+)", header)
    wanted = [entry["valueFrom"]["secretKeyRef"] for entry in container["env"]]
    (keys,) = [volume["secret"] for volume in pod()["volumes"] if "secret" in volume]
    assert {keys["secretName"], *(entry["name"] for entry in wanted)} == {secret}
    assert all(
        re.search(rf"--from-\w+={key}=", header)
        for key in [*(e["key"] for e in wanted), *(i["key"] for i in keys["items"])]
    )
