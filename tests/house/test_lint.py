"""tools/lint finds every kind of break that it promises to find, and nothing in a tree that keeps the rules."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("schemas common common/base common/event common/log common/store producer consumer query provstore cli tests bench examples docs "
           "tools python").split()


@pytest.fixture
def tree(tmp_path):
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "README.md").write_text("# A folder\n")
    write(tmp_path, "common/base/slice.h", "#ifndef A\n#define A\n#include <stddef.h>\n#endif\n")
    write(tmp_path, "query/find.h", "#ifndef B\n#define B\n#include \"common/base/slice.h\"\n#endif\n")
    write(tmp_path, "cli/main.c", "#include \"query/find.h\"\n/* strcpy(a, b) in a comment */\nconst char *a = \"sprintf(\";\n")
    for folder in ("tests/plain/criterion", "tests/unit"):
        (tmp_path / folder).mkdir(parents=True)
    write(tmp_path, "tests/plain/criterion/criterion.h", "#ifndef C\n#define C\n#define cr_assert(a) (void)(a)\n#endif\n")
    write(tmp_path, "tests/unit/good.c", "#include <criterion/criterion.h>\nvoid a(void) { cr_assert(1); }\n")
    return tmp_path


def write(tree, name, text):
    (tree / name).write_text(text)


def lint(tree):
    done = subprocess.run([sys.executable, ROOT / "tools/lint", "--root", tree], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_tree_that_keeps_the_rules(tree):
    assert lint(tree) == (0, "")


BREAKS = [
    ("common/base/a.c", '#include "query/find.h"\n', 1, "common/base may not include"),
    ("query/a.c", '\n#include "producer/emit.h"\n', 2, "query may not include"),
    ("query/a.c", '#include "find.h"\n', 1, "does not exist"),
    ("python/a.c", '#include "common/base/slice.h"\n', 1, "python may not include"),
    ("python/a.py", "a = 1\n\tb = 2\n", 2, "a tab"),
    ("query/a.h", "#include <lmdb.h>\n", 1, "a header includes the third-party"),
    ("common/base/a.h", "size_t a(void);\n", 1, "does not compile alone"),
    ("cli/a.c", "int a;\n\tint b;\n", 2, "a tab"),
    ("cli/a.c", "int a; \n", 1, "trailing blanks"),
    ("cli/a.c", "int a;" + " /* " + "x" * 140 + " */\n", 1, "characters, at most"),
    ("cli/a.c", "int a;\n" * 1001, 1001, "lines, at most"),
    ("cli/a.c", "int a;", 1, "no newline"),
    ("cli/a.c", "/* TO" + "DO */\n", 1, "do it or leave it out"),
    ("cli/a.c", "void a(char *b)\n{\n    strcpy(b, b);\n}\n", 3, "strcpy()"),
    ("tests/unit/a.c", "void a(void) { cr_assert_float_eq(1.0, 1.0, 0); }\n", 1, "does not have it"),
    ("tests/unit/a.c", "#include <criterion/parameterized.h>\n", 1, "tests/plain has"),
    ("tools/a", "#!/bin/bash\nif true\n", 3, "syntax error"),
    ("tools/a.py", "def a(:\n", 1, "not Python"),
    ("tools/a", "see /" + "home/user/x\n", 1, "one machine"),
    ("tools/a", "get it from https://registry.npm" + "js.org/\n", 1, "host name of a registry"),
]


@pytest.mark.parametrize("name,text,line,message", BREAKS, ids=[f"{name} {message}" for name, _, _, message in BREAKS])
def test_one_break(tree, name, text, line, message):
    write(tree, name, text)
    status, out = lint(tree)
    assert status == 1
    assert any(row.startswith(f"{name}:{line}: ") and message in row for row in out.splitlines()), out


def test_two_doors_to_one_library(tree):
    write(tree, "common/store/a.c", "#include <lmdb.h>\n")
    write(tree, "common/log/b.c", "#include <lmdb.h>\n")
    status, out = lint(tree)
    assert status == 1 and "common/log/b.c:1: <lmdb.h> is also included by common/store/a.c" in out


def test_a_folder_without_a_readme(tree):
    (tree / "docs/README.md").unlink()
    status, out = lint(tree)
    assert status == 1 and out.startswith("docs/README.md:1: is missing")
