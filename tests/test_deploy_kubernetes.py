"""The manifests in ``docs/deploy/kubernetes`` agree with each other and with the program."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from plugins.gpt2.cli.serve import ROUTER_PORT, configure_engine, configure_router
from plugins.gpt2.engine_host.host import OPEN as ENGINE_PAGES
from plugins.gpt2.router.server import OPEN as ROUTER_PAGES
from plugins.gpt2.settings import GPT2Settings
from tests.test_deploy import CHECKOUT, DEFAULTS, DEPLOY, SLOWEST_STOP
from townhall_bot.settings import Settings, env_names
from townhall_bot.shard_range import ShardRange

FOLDER = DEPLOY / "kubernetes"
DOCUMENTS = [one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]
WORKLOADS = {one["metadata"]["name"]: one for one in DOCUMENTS if one["kind"] in ("Deployment", "StatefulSet")}
OURS = {"router": ROUTER_PAGES, "engine-gpt2": ENGINE_PAGES, "bot": ROUTER_PAGES}


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    only: dict[str, Any]
    (only,) = pod(name)["containers"]
    return only


def environment(name: str) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container(name)["env"]}


def parsed(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command, *arguments = container(name)["args"]
    {"router": configure_router, "engine": configure_engine}[command](parser)
    return parser.parse_args(arguments)


def secret_keys(what: object) -> Iterator[tuple[str, str]]:
    if isinstance(what, dict):
        if "secretKeyRef" in what:
            yield what["secretKeyRef"]["name"], what["secretKeyRef"]["key"]
        what = list(what.values())
    if isinstance(what, list):
        for one in what:
            yield from secret_keys(one)


def test_the_kustomization_has_every_file_but_those_it_says_it_has_not() -> None:
    said = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in FOLDER.glob("*.yaml")}
    assert there - set(said) == {"kustomization.yaml", "secret.example.yaml", "autoscaler.yaml"}
    assert set(said) <= there


def test_every_setting_that_is_named_is_one() -> None:
    known = env_names(Settings).keys() | env_names(GPT2Settings).keys()
    for path in FOLDER.iterdir():
        assert set(re.findall(r"TOWNHALL_[A-Z0-9_]+", path.read_text())) <= known, path.name


def test_every_key_of_a_secret_is_in_the_example_and_none_has_a_value() -> None:
    (secret,) = [one for one in DOCUMENTS if one["kind"] == "Secret"]
    wanted = set(secret_keys(list(WORKLOADS.values())))
    assert wanted == {(secret["metadata"]["name"], key) for key in secret["stringData"]}
    assert set(secret["stringData"].values()) == {""}


@pytest.mark.parametrize("name", OURS)
def test_probes_ask_for_pages_that_the_program_has_on_the_port_it_listens_on(name: str) -> None:
    (port,) = container(name)["ports"]
    listens = int(environment(name)["TOWNHALL_HEALTH_PORT"]) if name == "bot" else parsed(name).listen[1]
    assert port["containerPort"] == listens
    for probe, path in {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}.items():
        get = container(name)[f"{probe}Probe"]["httpGet"]
        assert (get["path"], get["port"]) == (path, port["name"])
        assert path in OURS[name]


def test_bots_and_engines_name_every_router_by_the_address_that_it_keeps() -> None:
    router = WORKLOADS["router"]["spec"]
    expected = [f"http://router-{n}.{router['serviceName']}:{ROUTER_PORT}" for n in range(router["replicas"])]
    assert environment("bot")["TOWNHALL_GPT2_ROUTER"].split(",") == expected
    assert environment("engine-gpt2")["TOWNHALL_GPT2_ROUTER"].split(",") == expected
    assert parsed("router").listen == ("0.0.0.0", ROUTER_PORT)
    (service,) = [one["spec"] for one in DOCUMENTS if one["kind"] == "Service" and one["metadata"]["name"] == "router"]
    # A router is ready once an engine has registered: its name must be there before.
    assert service["publishNotReadyAddresses"]
    assert (service["clusterIP"], router["podManagementPolicy"]) == ("None", "Parallel")


def test_each_model_that_admins_may_choose_has_engines() -> None:
    engines = [one for name, one in WORKLOADS.items() if name.startswith("engine-")]
    models = {one["spec"]["template"]["metadata"]["labels"]["model"] for one in engines}
    assert set(environment("bot")["TOWNHALL_GPT2_ALLOWED_MODELS"].split(",")) == models
    for model in models:
        said = environment(f"engine-{model}")
        assert (said["TOWNHALL_GPT2_MODEL"], said["TOWNHALL_GPT2_ALLOWED_MODELS"]) == (model, model)


def test_nobody_is_killed_while_draining() -> None:
    assert pod("engine-gpt2")["terminationGracePeriodSeconds"] > parsed("engine-gpt2").drain
    assert pod("bot")["terminationGracePeriodSeconds"] > SLOWEST_STOP


def test_the_pods_of_bots_run_every_shard_once() -> None:
    """The shell's arithmetic is run as Kubernetes hands it on, with ``townhall run`` put by."""
    shell, flag, script = container("bot")["command"]
    script = script.replace("$$", "$").replace("exec townhall run", 'echo "$TOWNHALL_SHARDS"')
    pods, variables = WORKLOADS["bot"]["spec"]["replicas"], environment("bot")
    assert int(variables["BOT_PODS"]) == pods
    ranges = []
    for index in range(pods):
        env = {"BOT_PODS": variables["BOT_PODS"], "SHARDS_EACH": variables["SHARDS_EACH"], "POD_INDEX": str(index)}
        said = subprocess.run([f"/bin/{shell}", flag, script], env=env, capture_output=True, text=True, check=True)
        ranges.append(ShardRange.parse(said.stdout))
    count = pods * int(variables["SHARDS_EACH"])
    assert [shard for one in ranges if one for shard in one.ids] == list(range(count))
    assert {one.count for one in ranges if one} == {count}


def test_bots_have_one_database_which_keeps_their_shards_apart() -> None:
    database = [each for each in container("bot")["env"] if each["name"] == "TOWNHALL_DATABASE"]
    assert database[0]["valueFrom"]["secretKeyRef"]["key"] == "TOWNHALL_DATABASE"
    assert not any("persistentVolumeClaim" in volume for volume in pod("bot")["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_a_pod_may_write_only_where_the_image_expects_it(name: str) -> None:
    security = container(name)["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert f"--uid {pod(name)['securityContext']['runAsUser']}" in (DEPLOY / "Dockerfile").read_text()
    assert {"/data", "/cache", "/tmp"} <= {mount["mountPath"] for mount in container(name)["volumeMounts"]}


def test_every_budget_and_policy_is_for_pods_that_there_are() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"].items() for one in WORKLOADS.values()]
    for one in DOCUMENTS:
        if one["kind"] in ("PodDisruptionBudget", "NetworkPolicy"):
            selector = one["spec"].get("selector") or one["spec"]["podSelector"]
            assert any(selector.get("matchLabels", {}).items() <= has for has in labels), one["metadata"]["name"]


def test_the_autoscaler_asks_for_gauges_that_routers_have_and_scales_a_deployment_there_is() -> None:
    (scaler,) = [one["spec"] for one in DOCUMENTS if one["kind"] == "ScaledObject"]
    target, query = WORKLOADS[scaler["scaleTargetRef"]["name"]], scaler["triggers"][0]["metadata"]["query"]
    assert target["kind"] == "Deployment"
    asked = set(re.findall(r"townhall_\w+", query))
    model = target["spec"]["template"]["metadata"]["labels"]["model"]
    assert re.findall(r"townhall_\w+({[^}]*})?", query) == [f'{{model="{model}"}}'] * 4  # of its own pool alone
    source = (CHECKOUT / "plugins" / "gpt2" / "router" / "metrics.py").read_text()
    assert asked
    assert all(f'"{gauge}"' in source for gauge in asked)


def test_the_image_can_be_built_with_what_bots_need_for_postgresql() -> None:
    assert 'pip install --no-cache-dir ".${EXTRAS}"' in (DEPLOY / "Dockerfile").read_text()
    assert "EXTRAS=[postgres]" in (FOLDER / "README.md").read_text()
    assert f"port: {DEFAULTS['health_port']}" in (FOLDER / "network.yaml").read_text()
