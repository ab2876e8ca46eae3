"""Run one plugin: ``launch.py <package> [<engine address>]``, as the shims in ``bin`` do."""

import asyncio
import importlib
import sys
from pathlib import Path


def main() -> None:
    """Serve the plugin of the package until the engine ends."""
    package, *rest = sys.argv[1:]
    addresses = [argument for argument in rest if not argument.startswith("-")]
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    plugin = importlib.import_module(f"lab.plugins.{package}")
    serve = importlib.import_module("lab.plugins.serve").serve
    asyncio.run(serve(plugin.provider, addresses[0] if addresses else None))


main()
