"""Compiles the server's kernels when the package is built or installed for editing.

They need a C compiler and nothing of Python: cffi writes how to call them from the header. Where there is none, the
package is built without them, and a server says when it starts that NumPy does their work.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Final

from cffi import FFI
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS: Final = Path("server/src/ruiji_server/kernels")
LIBRARY: Final = "libruiji.so"
BINDINGS: Final = "bindings.py"
FLAGS: Final = ("-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-shared", "-fPIC")
"""Products and sums are not joined, so that scores are NumPy's to the bit."""


class KernelsHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in its stubs only
    """Hatchling's custom build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's)
        """Compile into the source tree, whence an editable installation takes them and a wheel packs them."""
        folder = Path(self.root) / KERNELS
        if not _is_compiled(folder, self.app.display_warning):
            return
        build_data["artifacts"] += [str(KERNELS / LIBRARY), str(KERNELS / BINDINGS)]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def _is_compiled(folder: Path, warn: Any) -> bool:  # noqa: ANN401  (hatchling's)
    library, bindings = folder / LIBRARY, folder / BINDINGS
    bindings.unlink(missing_ok=True)
    # Under another name first: a server may have the old one mapped.
    fresh = folder / f"{LIBRARY}.{os.getpid()}"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        sources = sorted(map(str, folder.glob("*.c")))
        subprocess.run([*compiler, *FLAGS, *sources, "-o", str(fresh)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        warn(f"built without compiled kernels, so pages will take longer: {error}")
        library.unlink(missing_ok=True)
        return False
    fresh.replace(library)
    ffi = FFI()
    ffi.set_source("ruiji_server.kernels.bindings", None)
    ffi.cdef((folder / "kernels.h").read_text())
    ffi.emit_python_code(str(bindings))
    return True
