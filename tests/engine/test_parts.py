"""The engine's parts by themselves."""

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from lab.engine import paths
from lab.engine.assets import with_hashes
from lab.engine.crypter import Crypter
from lab.engine.display import Redactor
from lab.engine.errors import EngineError
from lab.engine.resources import Resource, from_json, to_json
from lab.engine.snapshot import normalize, verify
from lab.engine.values import (
    ARCHIVE,
    ASSET,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    drop_unknowns,
    has_unknown,
    secret,
    secret_strings,
)

URN = "urn:pulumi:dev::p::a:b:C::"
BIG = 200 << 20


@pytest.fixture(scope="module")
def crypter() -> Crypter:
    return Crypter.with_new_salt("horse battery")


def test_a_secret_can_be_opened_with_the_salt_line_and_the_passphrase(crypter: Crypter) -> None:
    sealed = crypter.encrypt("hush")
    assert sealed.startswith("v1:")
    assert Crypter("horse battery", crypter.salt_line).decrypt(sealed) == "hush"


def test_a_wrong_passphrase_is_told_at_once(crypter: Crypter) -> None:
    with pytest.raises(EngineError, match="incorrect passphrase"):
        Crypter("horse batteries", crypter.salt_line)


def test_a_secret_of_another_key_is_an_error_and_not_garbage(crypter: Crypter) -> None:
    other = Crypter.with_new_salt("another one")
    with pytest.raises(EngineError, match="cannot be decrypted"):
        crypter.decrypt(other.encrypt("hush"))


def test_two_resources_with_the_same_secret_do_not_show_it(crypter: Crypter) -> None:
    assert crypter.encrypt("hush", "a") == crypter.encrypt("hush", "a")
    assert crypter.encrypt("hush", "a") != crypter.encrypt("hush", "b")


def test_a_resource_comes_back_from_the_state_as_it_was(crypter: Crypter) -> None:
    resource = Resource(URN + "r", True, "a:b:C", inputs={"s": secret({"x": [1, None, "é"]})})
    document = to_json(resource, crypter)
    assert "é" not in str(document["inputs"])
    assert from_json(document, crypter).inputs == resource.inputs


def test_a_secret_within_a_secret_is_kept_as_the_cli_keeps_it(crypter: Crypter) -> None:
    deep = json.dumps({"y": {SIGNATURE: SECRET, "ciphertext": '"hush"'}}, separators=(",", ":"))
    inner = {"x": {SIGNATURE: SECRET, "ciphertext": deep}, "z": 1}
    state = {SIGNATURE: SECRET, "ciphertext": crypter.encrypt(json.dumps(inner))}
    document = {"urn": URN + "r", "custom": True, "type": "a:b:C", "inputs": {"s": state}}
    resource = from_json(document, crypter)
    nested = secret({"x": secret({"y": secret("hush")}), "z": 1})
    assert resource.inputs == {"s": nested}
    written = to_json(resource, crypter)["inputs"]["s"]
    assert json.loads(crypter.decrypt(written["ciphertext"])) == inner


PATHS = {
    "a": ["a"],
    "a.b[0].c": ["a", "b", 0, "c"],
    'a["b.c"].*': ["a", "b.c", "*"],
    'root["with \\"quotes\\""][*]': ["root", 'with "quotes"', "*"],
}


@pytest.mark.parametrize("text", PATHS)
def test_property_paths_are_read_as_pulumi_writes_them(text: str) -> None:
    assert paths.parse(text) == PATHS[text]


def test_ignored_changes_keep_the_old_value_and_nothing_else() -> None:
    old = {"a": {"x": 1, "y": 1}, "l": [1, 2], "gone": 1, "s": secret({"z": 1})}
    new = {"a": {"x": 2, "y": 2}, "l": [9, 9], "added": 1, "s": secret({"z": 2})}
    kept = paths.keep_old(new, old, ["a.x", "l[1]", "gone", "added", "s.z"])
    assert kept == {"a": {"x": 1, "y": 2}, "l": [9, 2], "gone": 1, "s": secret({"z": 1})}
    assert new["a"] == {"x": 2, "y": 2}


def test_unknowns_are_found_and_dropped_at_any_depth() -> None:
    value = {"a": [UNKNOWN, {"b": secret(UNKNOWN), "c": 1}], "d": "x"}
    assert has_unknown(value)
    assert drop_unknowns(value) == {"a": [{"c": 1}], "d": "x"}


def test_strings_within_secrets_are_all_found() -> None:
    value = {"a": secret({"x": ["one", {"y": "two"}]}), "b": "plain"}
    assert secret_strings(value) == {"one", "two"}


def test_a_providers_own_copy_of_inputs_makes_no_secret_of_ordinary_words() -> None:
    copy = secret({"name": "prometheus", "password": "hunter2-hunter2"})
    state = {"name": "prometheus", "password": secret("hunter2-hunter2"), "__inputs": copy}
    assert secret_strings(state) == {"hunter2-hunter2"}
    assert secret_strings(secret({"__inputs": "a secret's own key"})) == {"a secret's own key"}


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    redactor = Redactor()
    redactor.hide(["-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----\n"])
    assert redactor.clean("it says abcdefghijkl here") == "it says [secret] here"


def test_a_big_file_is_hashed_in_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as big:
        big.truncate(BIG)
    tracemalloc.start()
    hashed = with_hashes({SIGNATURE: ASSET, "path": "big"}, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    digest = hashlib.sha256()
    for _ in range(200):
        digest.update(bytes(1 << 20))
    assert hashed["hash"] == digest.hexdigest()
    assert peak < 8 << 20


def test_a_folder_is_hashed_as_the_official_cli_hashes_it(tmp_path: Path) -> None:
    (tmp_path / "f" / "d").mkdir(parents=True)
    (tmp_path / "f" / ".pulumi").mkdir()
    (tmp_path / "f" / ".pulumi" / "left out").touch()
    (tmp_path / "f" / "a").write_text("a")
    (tmp_path / "elsewhere").write_text("b")
    (tmp_path / "f" / "d" / "b").symlink_to("../../elsewhere")
    hashed = with_hashes({SIGNATURE: ARCHIVE, "path": "f"}, tmp_path)
    assert hashed["hash"] == "30e478edfd6bbfeaf13386c65c5b2bc3cc19bfb5154b49df8334c873e9f8270f"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not-there"):
        with_hashes({SIGNATURE: ASSET, "path": "not-there"}, tmp_path)


def test_references_to_a_renamed_resource_follow_once_it_is_there() -> None:
    renamed = {"urn": URN + "new", "type": "a:b:C", "aliases": [URN + "old"]}
    waiting = {"urn": URN + "w", "type": "a:b:C", "dependencies": [URN + "old"]}
    assert normalize([waiting]) == [waiting]
    first, second = normalize([renamed, waiting])
    assert "aliases" not in first
    assert second["dependencies"] == [URN + "new"]
    verify([first, second])


def test_a_state_with_a_dangling_reference_is_not_written() -> None:
    with pytest.raises(EngineError, match="refers to"):
        verify([{"urn": URN + "w", "type": "a:b:C", "parent": URN + "nowhere"}])
