"""WordPress: what is put into the cluster for which settings, whose secrets, what is refused."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.problems import SettingsError
from stacks.settings import parse
from tests.unit import sdk
from tests.unit.program import run_dev
from tests.unit.recorder import Recording, Registration, Secret, record
from tests.unit.stackfiles import ROOT, raw
from workloads import mysql, site
from workloads.wordpress import WordPress
from workloads.wordpress_settings import WordPressSettings

# Without the parts that dev is left without: Traefik answers.
K3S = {"version": "v1.35.6+k3s1"}
SITE: dict[str, Any] = {
    "admin": {"email": "ops@company.tld"},
    "ingress": {"host": "blog.company.tld", "issuer": "self-signed"},
}
ON_PORT = {"admin": SITE["admin"], "nodePort": {"host": "10.121.0.20"}}
PASSWORDS = ("admin", "mysql", "mysql-root", "keys")


def run(**wordpress: Any) -> Recording:
    """dev with such a site, and with add-ons where it has an issuer."""
    return _run(json.dumps(wordpress))


@cache
def _run(written: str) -> Recording:
    wordpress = json.loads(written)
    addons = {"certManager": {}} if wordpress.get("ingress", {}).get("issuer") else {}
    return run_dev({"k3s": K3S, "addons": addons, "workloads": {"wordpress": wordpress}})


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run(**SITE)


def of_the_site(recording: Recording) -> list[Registration]:
    return [r for r in recording.registrations if r.name.startswith("dev-wordpress-")]


def the(recording: Recording, kind: str, name: str = "wordpress") -> Registration:
    return recording.resources[f"dev-wordpress-{name}-{kind}"]


def pod(recording: Recording, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = the(recording, kind, name).inputs["spec"]["template"]["spec"]
    return found


def pods(recording: Recording) -> list[dict[str, Any]]:
    found = [("statefulset", "mysql"), ("deployment", "wordpress")]
    return [pod(recording, kind, name) for kind, name in found]


def containers(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [*found.get("initContainers", ()), *found["containers"]]


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {pair["name"]: pair["value"] for pair in container["env"]}


def lines(wordpress: dict[str, Any], **others: Any) -> list[str]:
    given = {"k3s": K3S, "addons": {"certManager": {}}, **others}
    with pytest.raises(SettingsError) as caught:
        parse("dev", raw("dev", {**given, "workloads": {"wordpress": wordpress}}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_every_input_is_a_property_of_the_pinned_sdk(dev: Recording) -> None:
    made = [*of_the_site(dev), *of_the_site(run(**ON_PORT))]
    assert len(made) > 30
    assert [s for r in made for s in sdk.strangers(r.type, r.inputs)] == []


def test_the_site_comes_after_the_cluster_and_its_add_ons_and_goes_with_them(
    dev: Recording,
) -> None:
    first = dev.resources["dev-wordpress-namespace"]
    assert {"dev-server-1-registration", "dev-cert-manager", "dev-issuer-self-signed"} <= (
        first.dependencies
    )
    for made in of_the_site(dev):
        if made.type.startswith("kubernetes:"):
            assert made.request.deletedWith.endswith("K3sCluster::dev"), made.name
            assert "::dev-kubernetes::" in made.request.provider, made.name
            assert made is first or "dev-wordpress-namespace" in made.dependencies, made.name


def test_without_the_key_nothing_is_made_and_nothing_is_told() -> None:
    recording = run_dev({"addons": {}})
    assert [r.name for r in recording.registrations if "wordpress" in r.name] == []
    assert "dev-kubernetes" not in recording.resources
    assert [name for name in recording.outputs if "ordpress" in name] == []


def test_without_add_ons_the_cluster_still_has_a_provider_for_it() -> None:
    recording = run(**ON_PORT)
    assert recording.resources["dev-kubernetes"].inputs["clusterIdentifier"] == "dev"


def test_passwords_are_made_by_the_stack_and_are_in_secrets_alone(dev: Recording) -> None:
    for what in PASSWORDS:
        made = f"dev-wordpress-{what}-password-made-by-the-stack"
        holders = {r.type for r in dev.registrations if made in json.dumps(r.inputs)}
        assert holders <= {"kubernetes:core/v1:Secret"}, what
    for made in dev.registrations:
        if made.type == "kubernetes:core/v1:Secret":
            assert isinstance(made.marked["stringData"], Secret), made.name
    assert dev.outputs["wordpressPassword"] == "dev-wordpress-admin-password-made-by-the-stack"
    assert "wordpressPassword" in dev.secret_outputs


def test_a_database_password_is_the_same_on_both_sides(dev: Recording) -> None:
    server = the(dev, "secret", "mysql").inputs["stringData"]
    client = the(dev, "secret").inputs["stringData"]
    assert server["password"] == client["mysql-password"]
    assert f"user=wordpress\npassword={server['password']}\n" in server["client.cnf"]
    assert f"user=root\npassword={server['root-password']}\n" in server["root.cnf"]


def test_each_key_of_the_site_is_a_piece_of_its_own() -> None:
    letters = "".join(chr(ord("a") + n) * site.KEY_LENGTH for n in range(len(site.KEYS)))
    files = site.secret("password", letters)
    assert {len(files[key]) for key in site.KEYS} == {64}
    assert len({files[key] for key in site.KEYS}) == 8


def test_what_a_pod_reads_as_a_file_is_mounted_and_in_its_secret(dev: Recording) -> None:
    held = {
        r.inputs["metadata"]["name"]: set(r.inputs["stringData"])
        for r in of_the_site(dev)
        if r.type == "kubernetes:core/v1:Secret"
    }
    for found in pods(dev):
        volumes = {v["name"]: v.get("secret", {}).get("secretName") for v in found["volumes"]}
        for container in containers(found):
            at = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
            files = [v for k, v in variables(container).items() if k.endswith("_FILE")]
            assert files, container["name"]
            for file in files:
                folder, _, name = file.rpartition("/")
                assert name in held[at[folder]], file


def test_the_admins_password_is_where_the_site_is_set_up_and_nowhere_else(dev: Recording) -> None:
    readers = [
        container["name"]
        for found in pods(dev)
        for container in containers(found)
        if any(mount["name"] == site.ADMIN for mount in container["volumeMounts"])
    ]
    assert readers == ["setup"]


def test_no_variable_and_no_argument_holds_a_password(dev: Recording) -> None:
    for found in pods(dev):
        assert "made-by-the-stack" not in json.dumps(found)
        for container in containers(found):
            bare = [k for k in variables(container) if k.endswith(("PASSWORD", "KEY", "SALT"))]
            assert bare == [], container["name"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_mysql_is_asked_with_a_password_from_a_file(dev: Recording, probe: str) -> None:
    (server,) = pod(dev, "statefulset", "mysql")["containers"]
    command = server[probe]["exec"]["command"]
    assert command[1] == "--defaults-file=/run/secrets/mysql/client.cnf"
    assert "client.cnf" in the(dev, "secret", "mysql").inputs["stringData"]
    # Over a socket, the first start's temporary server would answer too.
    assert "protocol=tcp" in mysql.secret("root", "password")["client.cnf"]


def test_pods_are_confined(dev: Recording) -> None:
    enforced = dev.resources["dev-wordpress-namespace"].inputs["metadata"]["labels"]
    assert enforced == {"pod-security.kubernetes.io/enforce": "restricted"}
    for found in pods(dev):
        assert found["automountServiceAccountToken"] is False
        assert found["enableServiceLinks"] is False
        own = found["securityContext"]
        assert own["runAsNonRoot"] is True
        assert own["runAsUser"] > 0
        assert own["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(found):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])


def test_mysql_is_reached_by_wordpress_alone(dev: Recording) -> None:
    spec = the(dev, "networkpolicy", "mysql").inputs["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert "egress" not in spec
    (rule,) = spec["ingress"]
    assert [port["port"] for port in rule["ports"]] == [3306]
    (who,) = rule["from"]
    for selector, kind, name in (
        (spec["podSelector"], "statefulset", "mysql"),
        (who["podSelector"], "deployment", "wordpress"),
    ):
        template = the(dev, kind, name).inputs["spec"]["template"]
        assert selector["matchLabels"] == template["metadata"]["labels"]
    assert the(dev, "service", "mysql").inputs["spec"]["clusterIP"] == "None"


def test_images_are_pinned_and_can_come_from_a_mirror() -> None:
    images = {"wordpress": "mirror.tld:5000/wordpress:7.1.0", "mysql": f"m@sha256:{'a' * 64}"}
    recording = run(**SITE, images=images)
    used = [[c["image"] for c in containers(found)] for found in pods(recording)]
    assert used == [[images["mysql"]], [images["wordpress"]] * 2]


def test_volumes_are_of_the_size_and_class_that_are_asked_for() -> None:
    recording = run(**SITE, storage={"storageClass": "longhorn", "content": 20, "mysql": 5})
    for name, gib in (("mysql", 5), ("wordpress", 20)):
        spec = the(recording, "persistentvolumeclaim", name).inputs["spec"]
        assert spec["storageClassName"] == "longhorn"
        assert spec["resources"] == {"requests": {"storage": f"{gib}Gi"}}
    used = [
        v["persistentVolumeClaim"]["claimName"]
        for f in pods(recording)
        for v in f["volumes"]
        if "persistentVolumeClaim" in v
    ]
    assert used == ["mysql", "wordpress"]


def test_the_clusters_default_class_is_not_named(dev: Recording) -> None:
    assert "storageClassName" not in the(dev, "persistentvolumeclaim").inputs["spec"]


def test_an_ingress_answers_by_name_with_a_certificate(dev: Recording) -> None:
    made = the(dev, "ingress").inputs
    assert made["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "self-signed"}
    assert made["spec"]["ingressClassName"] == "traefik"
    assert [tls["hosts"] for tls in made["spec"]["tls"]] == [["blog.company.tld"]]
    assert dev.outputs["wordpressUrl"] == "https://blog.company.tld"
    assert the(dev, "service").inputs["spec"]["type"] == "ClusterIP"


def test_without_an_issuer_it_is_http_and_no_certificate_is_asked_for() -> None:
    recording = run(**SITE | {"ingress": {"host": "blog.company.tld"}})
    made = the(recording, "ingress").inputs
    assert "tls" not in made["spec"]
    assert "annotations" not in made["metadata"]
    assert recording.outputs["wordpressUrl"] == "http://blog.company.tld"


@pytest.mark.parametrize(
    ("host", "url"),
    [("10.121.0.20", "http://10.121.0.20:30080"), ("2001:db8::1", "http://[2001:db8::1]:30080")],
)
def test_a_port_of_the_nodes_is_an_address_too(host: str, url: str) -> None:
    recording = run(**ON_PORT | {"nodePort": {"host": host}})
    spec = the(recording, "service").inputs["spec"]
    assert (spec["type"], spec["ports"][0]["nodePort"]) == ("NodePort", 30080)
    assert recording.outputs["wordpressUrl"] == url
    assert "dev-wordpress-wordpress-ingress" not in recording.resources


def test_wordpress_is_asked_as_visitors_ask_and_knows_its_address(dev: Recording) -> None:
    (server,) = pod(dev, "deployment", "wordpress")["containers"]
    headers = server["readinessProbe"]["httpGet"]["httpHeaders"]
    assert {pair["name"]: pair["value"] for pair in headers} == {
        "Host": "blog.company.tld",
        "X-Forwarded-Proto": "https",
    }
    extra = variables(server)["WORDPRESS_CONFIG_EXTRA"]
    assert "define('WP_SITEURL', 'https://blog.company.tld');" in extra


def test_the_site_is_set_up_before_anybody_reaches_it(dev: Recording) -> None:
    (setup,) = pod(dev, "deployment", "wordpress")["initContainers"]
    scripts = the(dev, "configmap", "wordpress-scripts").inputs["data"]
    assert setup["command"] == ["sh", "/run/scripts/setup.sh"]
    assert set(scripts) == {"setup.sh", "install.php"}
    assert scripts["setup.sh"].endswith("php /run/scripts/install.php\n")
    told = variables(setup)
    assert (told["ADMIN_USER"], told["ADMIN_EMAIL"]) == ("admin", "ops@company.tld")


def test_files_come_from_the_image_and_what_is_on_the_volume_stays(tmp_path: Path) -> None:
    image, served = tmp_path / "image", tmp_path / "served"
    files = {
        "index.php": "new",
        ".htaccess": "new",
        "wp-content/themes/one/style.css": "new",
        "wp-content/plugins/one.php": "new",
    }
    for name, text in files.items():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text(text)
    (served / "wp-content" / "plugins").mkdir(parents=True)
    (served / "wp-content" / "plugins" / "own.php").write_text("own")
    (served / "index.php").write_text("old")
    program = tmp_path / "bin" / "docker-ensure-installed.sh"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)

    script = site.scripts()["setup.sh"].replace("/usr/src/wordpress", str(image))
    run = subprocess.run(
        ["sh", "-s"],
        input=script.replace("/var/www/html", str(served)),
        env={"PATH": f"{program.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "php /run/scripts/install.php\n"
    found = {str(f.relative_to(served)): f.read_text() for f in served.rglob("*") if f.is_file()}
    assert found == {
        "index.php": "new",
        ".htaccess": "new",
        "wp-content/themes/one/style.css": "new",
        "wp-content/plugins/own.php": "own",
    }


def test_each_object_waits_for_what_it_needs(dev: Recording) -> None:
    before = the(dev, "statefulset", "mysql").dependencies
    assert {
        "dev-wordpress-mysql-secret",
        "dev-wordpress-mysql-persistentvolumeclaim",
        "dev-wordpress-mysql-networkpolicy",
    } <= before
    # A Service waits for the pods behind it: they must not wait for it.
    assert "dev-wordpress-mysql-service" not in before
    assert "dev-wordpress-mysql-statefulset" in the(dev, "deployment").dependencies
    assert "dev-wordpress-wordpress-service" in the(dev, "ingress").dependencies


AWAITED = ("persistentvolumeclaim", "service", "statefulset", "deployment", "ingress")


@pytest.mark.parametrize("wait", [True, False])
def test_waiting_is_a_choice_but_for_what_must_be_gone(wait: bool) -> None:
    for made in of_the_site(run(**SITE, wait=wait)):
        marks = made.inputs.get("metadata", {}).get("annotations", {})
        skipped = marks.get("pulumi.com/skipAwait") == "true"
        assert skipped is (made.name.endswith(AWAITED) and not wait), made.name


def test_what_is_protected_is_the_namespace_and_its_volumes() -> None:
    made = [r.name for r in of_the_site(run(**SITE, protect=True)) if r.request.protect]
    assert sorted(made) == [
        "dev-wordpress-mysql-persistentvolumeclaim",
        "dev-wordpress-namespace",
        "dev-wordpress-wordpress-persistentvolumeclaim",
    ]


def test_it_is_a_component_for_any_program() -> None:
    from pulumi_kubernetes import Provider

    def program() -> None:
        settings = WordPressSettings.model_validate(ON_PORT)
        blog = WordPress("blog", settings=settings, provider=Provider("mine"))
        pulumi.export("url", blog.url)
        pulumi.export("password", blog.admin_password)
        pulumi.export("database", blog.database_password)

    recording = record(program, {})
    assert recording.outputs["url"] == "http://10.121.0.20:30080"
    assert recording.secret_outputs == {"password", "database"}
    assert recording.resources["blog-namespace"].dependencies == set()


def blocks(language: str) -> list[str]:
    """The page's examples."""
    text = (ROOT / "docs" / "wordpress.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_pages_program_runs_as_it_stands() -> None:
    (example,) = blocks("python")
    recording = record(lambda: exec(example, {}), {})  # noqa: S102 - the page's own
    assert recording.outputs["url"] == "https://blog.company.tld"
    assert recording.secret_outputs == {"password"}


def test_the_pages_settings_are_taken() -> None:
    (example,) = blocks("yaml")
    written = {key.removeprefix("k3s:"): part for key, part in yaml.safe_load(example).items()}
    written |= {"network": {"profiles": ["ingress"]}}
    site = parse("staging", raw("staging", written)).workloads.wordpress
    assert site is not None
    assert site.url() == "https://blog.company.tld"


def test_a_mistake_of_such_a_program_is_told_before_anything_is_made() -> None:
    recording_of: list[str] = []

    def program() -> None:
        from pulumi_kubernetes import Provider

        provider = Provider("mine")
        settings = WordPressSettings.model_validate({"admin": SITE["admin"]})
        try:
            WordPress("blog", settings=settings, provider=provider)
        except SettingsError as error:
            recording_of.append(str(error))

    recording = record(program, {})
    assert [r.name for r in recording.registrations] == ["mine"]
    assert "blog: nothing — a site has one address" in recording_of[0]


WHERE = "workloads.wordpress"


@pytest.mark.parametrize(
    ("wordpress", "start"),
    [
        ({"admin": SITE["admin"]}, f"{WHERE}: nothing — a site has one address"),
        (SITE | ON_PORT, f"{WHERE}: ingress and nodePort — a site has one address"),
        ({"ingress": SITE["ingress"]}, f"{WHERE}.admin: nothing — it is needed"),
        (SITE | {"admin": {"email": "ops"}}, f"{WHERE}.admin.email: ops — WordPress takes it"),
        (
            SITE | {"admin": {"email": "a@b.tld", "user": "the boss"}},
            f"{WHERE}.admin.user: the boss — WordPress makes another name of it",
        ),
        (
            SITE | {"ingress": {"host": "https://blog.company.tld"}},
            f"{WHERE}.ingress.host: https://blog.company.tld — no name that an Ingress takes",
        ),
        (
            SITE | {"ingress": {"host": "x'); system('id"}},
            f"{WHERE}.ingress.host: x'); system('id — no name",
        ),
        (
            ON_PORT | {"nodePort": {"host": "10.121.0.20:30080"}},
            f"{WHERE}.nodePort.host: 10.121.0.20:30080 — neither a name nor an address",
        ),
        (ON_PORT | {"nodePort": {"host": "a", "port": 80}}, f"{WHERE}.nodePort.port: 80 — "),
        (SITE | {"namespace": "kube-system"}, f"{WHERE}.namespace: kube-system — the site has"),
        (SITE | {"namespace": "default"}, f"{WHERE}.namespace: default — the site has"),
        (SITE | {"namespace": "My blog"}, f"{WHERE}.namespace: My blog — the site has"),
        (SITE | {"images": {"mysql": "mysql"}}, f"{WHERE}.images.mysql: mysql — another image"),
        (SITE | {"images": {"mysql": "m:latest"}}, f"{WHERE}.images.mysql: m:latest — another"),
        (
            SITE | {"images": {"wordpress": "mirror.tld:5000/wordpress"}},
            f"{WHERE}.images.wordpress: mirror.tld:5000/wordpress — another image",
        ),
        (SITE | {"storage": {"mysql": 0}}, f"{WHERE}.storage.mysql: 0 — "),
        (
            SITE | {"ingress": {"host": "a.tld", "issuer": "letsencrypt-production"}},
            f"{WHERE}.ingress.issuer: letsencrypt-production — addons.certManager makes no issuer "
            "of that name — write one of self-signed",
        ),
        (SITE | {"titel": "Blog"}, f"{WHERE}.titel: Blog — there is no such setting — write title"),
    ],
)
def test_what_cannot_work_is_told(wordpress: dict[str, Any], start: str) -> None:
    found = lines(wordpress)
    assert any(line.startswith(start) for line in found), found


@pytest.mark.parametrize(
    ("others", "start"),
    [
        (
            {"addons": {}},
            f"{WHERE}.ingress.issuer: self-signed — addons.certManager makes no issuer of that "
            "name — add addons.certManager",
        ),
        (
            {"k3s": {**K3S, "disable": ["traefik"]}},
            f"{WHERE}.ingress.className: traefik — k3s runs without traefik",
        ),
        (
            {"addons": {"certManager": {}, "ingress": {"enabled": False}}},
            f"{WHERE}.ingress.className: traefik — k3s runs without traefik",
        ),
        (
            {"addons": {"certManager": {}, "localPath": False}},
            f"{WHERE}.storage.storageClass: nothing — k3s's local-path is off, and no add-on "
            "brings a storage class — write the class that there is, or addons.localPath: true",
        ),
        (
            {"addons": {"certManager": {}, "networkPolicies": {"namespaces": {"wordpress": {}}}}},
            f"{WHERE}.namespace: wordpress — addons.networkPolicies has that namespace",
        ),
    ],
)
def test_what_the_cluster_does_not_have_for_it_is_told(others: Any, start: str) -> None:
    assert [line for line in lines(SITE, **others) if not line.startswith(start)] == []
