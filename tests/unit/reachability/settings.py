"""Settings of clusters, as many and as odd as a person might write them: Hypothesis strategies."""

from typing import Any

from hypothesis import strategies as st

_CIDRS_4 = (
    *("203.0.113.0/24", "198.51.100.7/32", "192.0.2.128/25", "10.0.0.0/8"),
    *("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "18.0.0.0/8", "198.18.0.0/15"),
)
_CIDRS_6 = ("2001:db8:77::/48", "::/0", "::/1", "8000::/1", "2001:db8::/32")
# Ports of the cluster itself, and ranges around them.
_PORTS = (
    *("80", "443", "22", "6443", "10250", "8472", "2379-2380", "9100", "2379", "51820"),
    *("30000-32767", "1-21", "8000-8471", "10251-20000", "10000-20000", "1-65535"),
)
_PROFILES = (
    *("ingress", "cloud-balancers", "prometheus", "workadventure"),
    *("calico", "calico-bgp", "calico-wireguard", "cilium", "cilium-hubble", "cilium-wireguard"),
)
_SHED = {
    "address": "192.0.2.7",
    "hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
}

_Draw = Any


def cidrs(ipv6: bool) -> st.SearchStrategy[list[str]]:
    """Lists of where traffic comes from, the whole internet and its halves among them."""
    known = st.sampled_from([*_CIDRS_4, *(_CIDRS_6 if ipv6 else ())])
    return st.lists(known, min_size=1, max_size=3, unique=True)


def openings(ipv6: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists for `network.open`, each entry under a name of its own."""
    entry = st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["tcp", "udp"]),
            "ports": st.sampled_from(_PORTS),
            "from": cidrs(ipv6),
            "to": st.sampled_from(["nodes", "servers", "agents"]),
        }
    )
    return st.lists(entry, max_size=2).map(
        lambda entries: [{"name": f"entry-{n}", **entry} for n, entry in enumerate(entries)]
    )


@st.composite
def clusters(draw: _Draw) -> dict[str, Any]:
    """All keys of a stack on AWS, DigitalOcean, both, and perhaps an existing host beside them."""
    home = draw(st.sampled_from(["aws", "digitalocean"]))
    groups = draw(_groups(home))
    spans = len({group.get("platform", home) for group in groups.values()}) > 1
    existing = "home" in groups
    private = home == "aws" and not spans and draw(st.booleans())
    ipv6 = draw(st.booleans())
    dual = ipv6 and not existing and draw(st.booleans())
    return {
        "platform": home,
        "groups": groups,
        "k3s": draw(_k3s(spans=spans, dual=dual)),
        # DigitalOcean's balancer has an IPv4 address alone.
        "access": {"ssh": draw(cidrs(ipv6)), "api": draw(cidrs(ipv6 and home == "aws"))},
        "network": {
            "nodes": "private" if private else "public",
            "ipv6": ipv6,
            "profiles": draw(st.lists(st.sampled_from(_PROFILES), max_size=3, unique=True)),
            "open": draw(openings(ipv6)),
            **draw(_fixed(private=private, spans=spans)),
        },
        "aws": {
            "region": "eu-central-1",
            "zones": draw(st.sampled_from([["a"], ["a", "b", "c"]])),
            "images": {"amd64": "ami-0e872aee57663ae2d"},
            "nat": draw(st.sampled_from(["one", "zonal"])) if private else "one",
            # Raised by the account's owner, say: what is counted is another test's business.
            "quotas": {"addresses": 100, "rulesPerGroup": 1000},
        },
        "digitalocean": {"region": "fra1", "quotas": {"reservedIps": 100}},
        "existing": {"hosts": {"shed": _SHED}} if existing else None,
    }


@st.composite
def _groups(draw: _Draw, home: str) -> dict[str, Any]:
    groups: dict[str, Any] = {
        "server": {"role": "server", "count": draw(st.sampled_from([1, 3, 1, 3, 5]))}
    }
    for name in draw(st.sampled_from([(), ("agent",), ("agent", "more")])):
        groups[name] = {
            "role": "agent",
            "count": draw(st.integers(1, 2)),
            "platform": draw(st.sampled_from([home, "aws", "digitalocean"])),
        }
    if draw(st.booleans()) and draw(st.booleans()):
        groups["home"] = {"role": "agent", "nodes": ["shed"], "platform": "existing"}
    return groups


@st.composite
def _k3s(draw: _Draw, *, spans: bool, dual: bool) -> dict[str, Any]:
    backends = [None, "wireguard-native", "none", *([] if spans else ["vxlan"])]
    return {
        "version": "v1.35.6+k3s1",
        "flannelBackend": draw(st.sampled_from(backends)),
        "embeddedRegistry": draw(st.booleans()),
        **({"clusterCidrIpv6": "fd42::/56", "serviceCidrIpv6": "fd43::/112"} if dual else {}),
    }


@st.composite
def _fixed(draw: _Draw, *, private: bool, spans: bool) -> dict[str, Any]:
    chosen = draw(st.sampled_from([None, "all", *([] if spans else ["none", "servers"])]))
    return {} if private or chosen is None else {"fixedAddresses": chosen}
