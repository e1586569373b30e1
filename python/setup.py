"""Builds provmat._native: libprovmat, made static by the repository's Makefile, and the C sources of native/ in one module for
every CPython from 3.10 on. FLAVOR and RDKAFKA mean what they mean to make."""

import os
import pathlib
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def make_library():
    """The link arguments that `make library-link` prints: the archive and the system's libraries behind it."""
    if not (ROOT / "producer/provmat.h").exists():
        sys.exit("provmat is built in a checkout of its repository, as `pip install ./python`; elsewhere, install a wheel")
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(["make", "-s", "-C", str(ROOT), "DEPS=no", "library-link"], stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        sys.exit("libprovmat could not be built; `make deps` in the repository's root installs what it needs")
    return done.stdout.splitlines()[-1].split()


class Build(build_ext):
    def build_extension(self, ext):
        archive, *libraries = make_library()
        ext.extra_objects = [str(ROOT / archive)]
        ext.extra_link_args += [*libraries, "-lstdc++"]
        super().build_extension(ext)


os.chdir(HERE)
setup(
    ext_modules=[Extension(
        "provmat._native",
        sources=["native/line.c", "native/native.c", "native/news.c"],
        depends=["native/docs.h", "native/line.h", "native/news.h", "native/store.h"],
        include_dirs=[str(ROOT)],
        define_macros=[("Py_LIMITED_API", "0x030a0000")],
        extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fstack-protector-strong"],
        extra_link_args=["-Wl,--exclude-libs,ALL", "-Wl,--as-needed", "-Wl,-z,relro,-z,now"],
        py_limited_api=True,
    )],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
    cmdclass={"build_ext": Build},
)
