"""Builds the kernels for the CPU, where there is a compiler; without one the install goes on."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = sorted(str(path) for path in Path("csrc").glob("*.cpp"))
HEADERS = sorted(str(path) for path in Path("csrc").rglob("*.h"))

# The oldest PyTorch whose stable interface the kernels are written to: 2.10.
TORCH_TARGET_VERSION = "0x020a000000000000"


def _extensions() -> list[Extension]:
    try:
        from torch.utils.cpp_extension import include_paths, library_paths
    except ImportError:
        warnings.warn(
            "normkit is installed without its kernels for the CPU, since PyTorch, which they are "
            "built against, is not there. Its layers run their plain formulas.",
            stacklevel=1,
        )
        return []
    return [
        Extension(
            "normkit.kernels._cpu",
            SOURCES,
            depends=HEADERS,
            include_dirs=include_paths("cpu"),
            library_dirs=library_paths("cpu"),
            libraries=["torch", "torch_cpu", "c10"],
            extra_compile_args=[
                "-O3",
                "-std=c++20",
                "-fopenmp-simd",
                "-fvisibility=hidden",
                "-Wno-psabi",
            ],
            define_macros=[("TORCH_TARGET_VERSION", TORCH_TARGET_VERSION)],
            extra_link_args=["-s"] if sys.platform == "linux" else [],  # A tenth of the size.
            py_limited_api=True,
        )
    ]


class BuildOrGoWithout(build_ext):
    """Builds what it can: without kernels every layer runs its plain formula."""

    def build_extension(self, extension: Extension) -> None:
        try:
            self._build_for_several_or_one(extension)
        except Exception as error:
            warnings.warn(
                f"normkit is installed without its kernels for the CPU, which did not build: "
                f"{error}. Its layers run their plain formulas. For the kernels install a C++20 "
                "compiler, such as g++ 12, and install normkit again.",
                stacklevel=1,
            )

    def _build_for_several_or_one(self, extension: Extension) -> None:
        """For several generations of a processor; for one, where compiler or C library cannot."""
        try:
            super().build_extension(extension)
        except Exception as error:
            extension.define_macros.append(("NORMKIT_ONE_TARGET", None))
            super().build_extension(extension)
            warnings.warn(
                f"normkit's kernels are built for the oldest processors alone, since they did not "
                f"build for several generations: {error}.",
                stacklevel=1,
            )

    def copy_extensions_to_source(self) -> None:
        self.extensions = [
            extension
            for extension in self.extensions
            if Path(self.build_lib, self.get_ext_filename(extension.name)).exists()
        ]
        super().copy_extensions_to_source()


setup(
    ext_modules=_extensions(),
    cmdclass={"build_ext": BuildOrGoWithout},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
