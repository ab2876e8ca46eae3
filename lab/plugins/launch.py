"""Run one plugin: ``launch.py <package> [<flag>...] [<engine address>]``, as ``bin`` does."""

import asyncio
import importlib
import sys
from pathlib import Path


def main() -> None:
    """Serve the plugin of the package until the engine ends."""
    package, *rest = sys.argv[1:]
    engine = rest[-1] if rest and not rest[-1].startswith("-") else None
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    plugin = importlib.import_module(f"lab.plugins.{package}")
    serve = importlib.import_module("lab.plugins.serve").serve
    asyncio.run(serve(plugin.provider, engine))


main()
