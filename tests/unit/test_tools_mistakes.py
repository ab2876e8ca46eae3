"""Mistakes in a stack file are those that the program would see, and no others."""

from pathlib import Path

import pytest

from tools import mistakes, stackfile
from tools.messages import ToolError

STAGING = """\
config:
  k3s:platform: digitalocean
  k3s:groups:
    server: {role: server, count: 1, labels: {storage: yes, port: 22:22}}
  k3s:k3s: {version: v1.35.6+k3s1}
  k3s:access: {ssh: [203.0.113.0/24], api: [203.0.113.0/24]}
  k3s:digitalocean: {region: fra1}
"""


def check(text: str) -> None:
    mistakes.check(stackfile.parse("staging", Path("Pulumi.staging.yaml"), text))


def test_values_are_read_as_pulumi_hands_them_to_the_program() -> None:
    """`yes` is a text to it, so it is a label's value; `22:22` is one that no label can have."""
    check(STAGING.replace(", port: 22:22", ""))

    with pytest.raises(ToolError, match=r"labels\.port: 22:22 — not a label's value"):
        check(STAGING)


def test_a_date_is_named_with_what_to_write() -> None:
    with pytest.raises(ToolError, match=r"2026-01-02 — YAML takes it for a date — write it in"):
        check(STAGING.replace("yes", "2026-01-02"))


def test_secret_values_in_clear_are_told_of_without_being_shown() -> None:
    with pytest.raises(ToolError) as caught:
        check(STAGING.replace(", port: 22:22", "") + "  k3s:secrets: {slack: hunter2}\n")
    assert "secrets: a value in clear — who reads the stack file could use them" in str(
        caught.value
    )
    assert "hunter2" not in str(caught.value)
