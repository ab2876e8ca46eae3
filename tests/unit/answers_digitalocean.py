"""What DigitalOcean would answer to a registration: the outputs that the program uses."""

import ipaddress
import zlib
from collections.abc import Callable, Mapping
from typing import Any

_PRIVATE = ipaddress.ip_network("10.30.0.0/16")
_OWN = ipaddress.ip_network("198.18.0.0/17")
_RESERVED = ipaddress.ip_network("198.18.128.0/18")
_BALANCERS = ipaddress.ip_network("198.18.192.0/18")
_IPV6 = ipaddress.ip_network("2001:db8:d0::/64")


def number(name: str) -> int:
    """An id as DigitalOcean gives it, by the resource's name."""
    return 100_000_000 + zlib.crc32(name.encode())


def address(network: ipaddress.IPv4Network | ipaddress.IPv6Network, name: str) -> str:
    """An address of the network that follows from the name."""
    return str(network[1 + zlib.crc32(name.encode()) % (min(network.num_addresses, 2**32) - 2)])


def outputs(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs beside the inputs, by the resource's type; addresses follow from its name.

    `id` is the resource's id, where it has another form than the recorder's.
    """
    answer = _ANSWERS.get(token)
    return answer(name, inputs) if answer else {}


def _droplet(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(number(name)),
        "dropletUrn": f"do:droplet:{number(name)}",
        "ipv4Address": address(_OWN, name),
        "ipv4AddressPrivate": address(_PRIVATE, name),
        "ipv6Address": _with_zeros(address(_IPV6, name)) if inputs.get("ipv6") else "",
    }


def _with_zeros(ipv6: str) -> str:
    """As DigitalOcean tells an IPv6 address."""
    return ipaddress.ip_address(ipv6).exploded


def _reserved_ip(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    ip = address(_RESERVED, name)
    return {"id": ip, "ipAddress": ip, "reservedIpUrn": f"do:reservedip:{ip}"}


def _volume(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"volumeUrn": f"do:volume:{name}-id"}


def _load_balancer(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"ip": address(_BALANCERS, name), "loadBalancerUrn": f"do:loadbalancer:{name}-id"}


_ANSWERS: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    "digitalocean:index/droplet:Droplet": _droplet,
    "digitalocean:index/reservedIp:ReservedIp": _reserved_ip,
    "digitalocean:index/volume:Volume": _volume,
    "digitalocean:index/loadBalancer:LoadBalancer": _load_balancer,
}
