"""remote.CopyToRemote: what lands where on the host."""

import hashlib
import os
from pathlib import Path

import pytest

from lab.engine.values import ARCHIVE, ASSET, SIGNATURE, Properties
from tests.lab.plugin_host import Plugin, error_of
from tests.lab.ssh_host import SshHost

COPY = "command:remote:CopyToRemote"


def _asset(path: Path) -> Properties:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {SIGNATURE: ASSET, "path": str(path), "hash": digest}


def _text(text: str) -> Properties:
    return {SIGNATURE: ASSET, "text": text, "hash": hashlib.sha256(text.encode()).hexdigest()}


def _folder(path: str) -> Properties:
    return {SIGNATURE: ARCHIVE, "path": path, "hash": "h"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory ``source`` with ``file`` and ``deep/er``."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "file").write_text("content")
    (folder / "deep" / "er").write_text("deeper")
    return folder


def _inputs(host: SshHost, source: Properties, target: Path | str) -> Properties:
    return {"connection": host.connection(), "source": source, "remotePath": str(target)}


def test_a_file_gets_the_remote_path_and_its_missing_parents(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "a" / "b" / "name"
    command.make(COPY, _inputs(host, _asset(source / "file"), target))
    assert target.read_text() == "content"


def test_a_file_goes_into_a_directory_that_is_there(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    command.make(COPY, _inputs(host, _asset(source / "file"), tmp_path / "there"))
    assert (tmp_path / "there" / "file").read_text() == "content"


def test_a_longer_file_is_overwritten_whole_and_keeps_its_mode(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "old"
    target.write_text("much longer than what comes")
    target.chmod(0o600)
    command.make(COPY, _inputs(host, _asset(source / "file"), target))
    assert target.read_text() == "content"
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_archive_file_is_not_unpacked(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    (source / "x.tar").write_bytes(b"tar")
    command.make(COPY, _inputs(host, _folder(str(source / "x.tar")), tmp_path / "y"))
    assert (tmp_path / "y").read_bytes() == b"tar"


def test_a_text_is_written_and_a_directory_refused(
    command: Plugin, host: SshHost, tmp_path: Path
) -> None:
    command.make(COPY, _inputs(host, _text("grüße"), tmp_path / "new" / "text"))
    assert (tmp_path / "new" / "text").read_text() == "grüße"
    text = error_of(lambda: command.make(COPY, _inputs(host, _text("x"), tmp_path / "new")))
    assert "is a directory — a text needs the path of a file" in text


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(("slash", "below"), [("", "source"), ("/", "")])
def test_a_directory_goes_below_the_remote_path_unless_it_ends_in_a_slash(
    command: Plugin,
    host: SshHost,
    source: Path,
    tmp_path: Path,
    there: bool,
    slash: str,
    below: str,
) -> None:
    target = tmp_path / "target"
    if there:
        (target / below / "deep").mkdir(parents=True)
        (target / below / "deep" / "other").write_text("stays")
    command.make(COPY, _inputs(host, _folder(f"{source}{slash}"), target))
    assert (target / below / "file").read_text() == "content"
    assert (target / below / "deep" / "er").read_text() == "deeper"
    assert (target / below / "deep" / "other").exists() == there


@pytest.mark.parametrize("taken", ["target", "target/source", "target/source/deep"])
def test_a_directory_over_a_file_is_refused(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path, taken: str
) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("in the way")
    target = tmp_path / "target"
    text = error_of(lambda: command.make(COPY, _inputs(host, _folder(str(source)), target)))
    assert text.startswith(("remote path", "copy to"))
    assert (tmp_path / taken).read_text() == "in the way"


def test_links_to_files_are_followed_and_links_to_directories_refused(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    (source / "link").symlink_to("file")
    command.make(COPY, _inputs(host, _folder(f"{source}/"), tmp_path / "one"))
    assert (tmp_path / "one" / "link").read_text() == "content"
    assert not (tmp_path / "one" / "link").is_symlink()
    (source / "loop").symlink_to(".")
    inputs = _inputs(host, _folder(f"{source}/"), tmp_path / "two")
    assert "is a link to a directory" in error_of(lambda: command.make(COPY, inputs))


def test_a_source_that_is_gone_is_named(command: Plugin, host: SshHost, tmp_path: Path) -> None:
    inputs = _inputs(host, _folder("/no/such/source"), tmp_path / "x")
    assert "/no/such/source" in error_of(lambda: command.make(COPY, inputs))


def test_a_place_that_cannot_be_written_is_named(
    command: Plugin, host: SshHost, source: Path
) -> None:
    inputs = _inputs(host, _asset(source / "file"), "/proc/no")
    assert "copy to /proc/no" in error_of(lambda: command.make(COPY, inputs))


def test_an_update_copies_when_content_or_place_changed_and_only_then(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    inputs = _inputs(host, _asset(source / "file"), tmp_path / "x")
    state = command.make(COPY, inputs)
    before = host.events()
    command.update(COPY, state, {**inputs, "connection": host.connection(dialErrorLimit=1)})
    assert host.events() == before
    (source / "file").write_text("changed")
    changed = {**inputs, "source": _asset(source / "file")}
    command.update(COPY, state, changed)
    assert (tmp_path / "x").read_text() == "changed"
    command.update(COPY, state, {**inputs, "remotePath": str(tmp_path / "y")})
    assert (tmp_path / "y").exists()


def test_content_not_path_makes_a_difference(command: Plugin, source: Path) -> None:
    (source / "same").write_text("content")
    old, new = ({"source": _asset(source / name), "remotePath": "/x"} for name in ("file", "same"))
    assert not command.diff(COPY, old, new).diffs
    (source / "same").write_text("other")
    changed = {**new, "source": _asset(source / "same")}
    response = command.diff(COPY, old, changed)
    assert (list(response.diffs), list(response.replaces)) == (["source"], [])


def test_a_deletion_leaves_the_copy_and_dials_nobody(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    state = command.make(COPY, _inputs(host, _asset(source / "file"), tmp_path / "x"))
    before = host.events()
    command.delete(COPY, state)
    assert (tmp_path / "x").exists()
    assert host.events() == before


def test_a_preview_gives_the_inputs_and_dials_nobody(
    command: Plugin, host: SshHost, source: Path, tmp_path: Path
) -> None:
    before = host.events()
    inputs = _inputs(host, _asset(source / "file"), tmp_path / "x")
    assert command.create(COPY, inputs, preview=True) == ("", inputs)
    assert host.events() == before


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_large_file_costs_little(command: Plugin, host: SshHost, tmp_path: Path) -> None:
    """Processor time, which a busy machine does not change: about 3 ms for a MB; 150 MB took
    0.6 s to OpenSSH on an idle one. Small blocks and a cipher in Python would cost ten times that.
    """
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1_000_000) * 60)
    before = _cpu_seconds(command.process.pid)
    command.make(COPY, _inputs(host, _asset(large), tmp_path / "copy"))
    assert _cpu_seconds(command.process.pid) - before < 2
    assert _asset(tmp_path / "copy")["hash"] == _asset(large)["hash"]
