"""cert-manager: which issuers a cluster gets, and that an Ingress gets HTTPS by itself."""

import pytest
import yaml

from components.addons.cert_manager import CertManagerSettings, chart_values, issuers
from components.problems import SettingsError
from stacks.settings import parse
from tests.unit.program import run_dev, run_stack
from tests.unit.recorder import Recording
from tests.unit.stackfiles import raw

KEY = "addons.certManager"
OPEN = {"network": {"profiles": ["ingress"]}}
WITH_LETS_ENCRYPT = {"letsEncrypt": {"email": "ops@company.tld"}}


@pytest.fixture(scope="module")
def dev() -> Recording:
    return run_dev({"addons": {"certManager": {}}})


@pytest.fixture(scope="module")
def staging() -> Recording:
    return run_stack("staging", {"addons": {"certManager": WITH_LETS_ENCRYPT}, **OPEN})


def settings_of(cert_manager: dict[str, object]) -> CertManagerSettings:
    return CertManagerSettings.model_validate(cert_manager)


def lines(stack: str, cert_manager: dict[str, object], k3s: dict[str, object]) -> list[str]:
    of_k3s = {"version": "v1.35.6+k3s1", **k3s}
    with pytest.raises(SettingsError) as caught:
        parse(stack, raw(stack, {"addons": {"certManager": cert_manager}, "k3s": of_k3s}))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_an_empty_object_gives_an_issuer_that_needs_nobody(dev: Recording) -> None:
    assert dev.resources["dev-issuer-self-signed"].inputs["spec"] == {"selfSigned": {}}
    assert not [name for name in dev.resources if "letsencrypt" in name]


def test_issuers_wait_for_the_release_and_for_the_webhook(staging: Recording) -> None:
    for name in ("self-signed", "letsencrypt-staging", "letsencrypt-production"):
        known = staging.resources[f"staging-issuer-{name}"].dependencies
        assert {"staging-cert-manager", "staging-cert-manager-webhook"} <= known


def test_the_webhook_is_asked_about_the_issuers_that_will_be_made(staging: Recording) -> None:
    stdin = staging.resources["staging-cert-manager-webhook"].inputs["stdin"]
    bodies = yaml.safe_load_all(stdin.split("OBJECTS='")[1].split("'")[0])
    assert [body["metadata"]["name"] for body in bodies] == [
        *("letsencrypt-production", "letsencrypt-staging", "self-signed"),
    ]


def test_the_chart_is_pinned_and_goes_with_the_cluster(dev: Recording) -> None:
    release = dev.resources["dev-cert-manager"]
    assert release.inputs["chart"] == "cert-manager"
    assert release.inputs["version"] == "v1.21.1"
    assert release.inputs["repositoryOpts"] == {"repo": "https://charts.jetstack.io"}
    assert release.request.deletedWith.endswith("k3s:cluster:K3s::dev")


def test_certificates_outlive_the_release(dev: Recording) -> None:
    values = dev.resources["dev-cert-manager"].inputs["values"]
    assert values["crds"] == {"enabled": True, "keep": True}


def test_it_waits_for_metallb_where_that_is_chosen() -> None:
    pools = {"main": {"addresses": ["10.121.0.2-10.121.0.9"]}}
    both = run_dev({"addons": {"certManager": {}, "metallb": {"pools": pools}}})
    assert "dev-metallb-l2" in both.resources["dev-cert-manager"].dependencies


@pytest.mark.parametrize(
    ("chosen", "default"),
    [
        ({}, "self-signed"),
        (WITH_LETS_ENCRYPT, "letsencrypt-production"),
        (
            {"letsEncrypt": {"email": "ops@company.tld", "servers": ["staging"]}},
            "letsencrypt-staging",
        ),
        ({**WITH_LETS_ENCRYPT, "defaultIssuer": "self-signed"}, "self-signed"),
    ],
)
def test_an_ingress_that_names_no_issuer_gets_the_default(
    chosen: dict[str, object], default: str
) -> None:
    assert chart_values(settings_of(chosen))["ingressShim"] == {
        "defaultIssuerName": default,
        "defaultIssuerKind": "ClusterIssuer",
        "defaultIssuerGroup": "cert-manager.io",
    }


def test_lets_encrypt_asks_over_the_ingress_class_and_staging_is_not_production() -> None:
    chosen = {"letsEncrypt": {"email": "ops@company.tld", "ingressClass": "nginx"}}
    found = issuers(settings_of(chosen))
    staging, production = (
        found[f"letsencrypt-{server}"]["spec"]["acme"] for server in ("staging", "production")
    )
    assert staging["server"] == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert production["server"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert staging["privateKeySecretRef"] != production["privateKeySecretRef"]
    assert production["solvers"] == [{"http01": {"ingress": {"ingressClassName": "nginx"}}}]


@pytest.mark.parametrize(
    "network",
    [
        {"profiles": ["ingress"]},
        {"profiles": ["cloud-balancers"]},
        {"open": [{"name": "web", "protocol": "tcp", "ports": "80-443", "from": ["0.0.0.0/0"]}]},
    ],
)
def test_challenges_come_in_by_any_of_the_ways(network: dict[str, object]) -> None:
    chosen = {"addons": {"certManager": WITH_LETS_ENCRYPT}, "network": network}
    assert parse("staging", raw("staging", chosen)).addons.chosen().keys() == {"certManager"}


def test_values_of_ones_own_are_merged_last() -> None:
    recording = run_dev({"addons": {"certManager": {"values": {"crds": {"keep": False}}}}})
    values = recording.resources["dev-cert-manager"].inputs["values"]
    assert values["crds"] == {"enabled": True, "keep": False}


@pytest.mark.parametrize(
    ("stack", "cert_manager", "k3s", "start"),
    [
        ("staging", {"letsEncrypt": {}}, {}, f"{KEY}.letsEncrypt.email: nothing — it is needed"),
        (
            "staging",
            {"letsEncrypt": {"email": "me@example.com"}},
            {},
            f"{KEY}.letsEncrypt.email: me@example.com — Let's Encrypt opens no account",
        ),
        (
            "staging",
            {"letsEncrypt": {"email": "ops"}},
            {},
            f"{KEY}.letsEncrypt.email: ops — Let's Encrypt opens no account",
        ),
        (
            "dev",
            WITH_LETS_ENCRYPT,
            {},
            f"{KEY}.letsEncrypt: ['staging', 'production'] — it asks from the internet",
        ),
        (
            "staging",
            WITH_LETS_ENCRYPT,
            {"disable": ["traefik"]},
            f"{KEY}.letsEncrypt.ingressClass: traefik — k3s runs without traefik",
        ),
        (
            "staging",
            WITH_LETS_ENCRYPT,
            {},
            f"{KEY}.letsEncrypt: ['staging', 'production'] — it asks at port 80, which the fire",
        ),
        (
            "dev",
            {"defaultIssuer": "letsencrypt-production"},
            {},
            f"{KEY}.defaultIssuer: letsencrypt-production — these settings make no issuer",
        ),
        ("dev", {"selfSigned": False}, {}, f"{KEY}: no issuer — cert-manager signs nothing"),
    ],
)
def test_what_cannot_work_is_told(
    stack: str, cert_manager: dict[str, object], k3s: dict[str, object], start: str
) -> None:
    found = lines(stack, cert_manager, k3s)
    assert any(line.startswith(start) for line in found), found
