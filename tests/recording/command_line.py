"""The command line, as ``python -m fastdiv`` runs it, and the data of pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastdiv

from . import inputs
from .calls import halves
from .encode import Cases, case

PENGUINS = Path(__file__).parents[2] / "examples" / "penguins"

COMPARE = """
adelie-2008.csv adelie-2009.csv
adelie-2008.csv adelie-2009.csv --json -
adelie-2008.csv adelie-2009.csv --json result.json
adelie-2007.csv adelie-2008.csv
adelie-2007.csv adelie-2008.csv --nan-policy omit
adelie-2007.csv adelie-2008.csv --nan-policy omit --standardize --exit-code --json -
adelie-2008.csv adelie-2009.csv --standardize --exit-code --seed 3 --resamples 99 --json -
adelie-2008.csv adelie-2009.csv --columns bill_length_mm,body_mass_g --json -
adelie-2008.csv adelie-2009.csv --columns "bill_length_mm, body_mass_g" --threads 1
adelie-2008.csv adelie-2009.csv --columns bill_length_mm,wings
adelie-2008.csv adelie-2009.csv --columns sex
adelie-2008.csv adelie-2009.csv --columns body_mass_g,body_mass_g
adelie-2008.csv adelie-2009.csv --columns ,
adelie-2008.csv adelie-2009.csv --kernel laplacian --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel laplacian --bandwidth 20 --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel rbf --bandwidth median --resamples 49
adelie-2008.csv adelie-2009.csv --kernel rbf --bandwidth 1e-13 --resamples 49
adelie-2008.csv adelie-2009.csv --kernel matern:nu=0.5 --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel matern:nu=1 --resamples 49
adelie-2008.csv adelie-2009.csv --kernel rational-quadratic:alpha=2 --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel inverse-multiquadric:c=100 --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel inverse-multiquadric --resamples 49
adelie-2008.csv adelie-2009.csv --kernel polynomial:degree=2,gamma=0.1,coef0=0 --standardize
adelie-2008.csv adelie-2009.csv --kernel polynomial:degree=100 --resamples 49
adelie-2008.csv adelie-2009.csv --kernel linear --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel linear --bandwidth 3
adelie-2008.csv adelie-2009.csv --kernel energy:exponent=1.5 --resamples 49 --json -
adelie-2008.csv adelie-2009.csv --kernel energy:exponent=2
adelie-2008.csv adelie-2009.csv --kernel energy:power=1
adelie-2008.csv adelie-2009.csv --kernel energy:exponent=x
adelie-2008.csv adelie-2009.csv --kernel gauss
adelie-2008.csv adelie-2009.csv --estimator biased --resamples 9 --json -
adelie-2008.csv adelie-2008.csv --estimator paired --resamples 99 --json -
adelie-2008.csv adelie-2009.csv --estimator paired
adelie-2008.csv adelie-2009.csv --estimator other
adelie-2008.csv adelie-2009.csv --resamples 9 --alpha 0.01
adelie-2008.csv adelie-2009.csv --resamples 0
adelie-2008.csv adelie-2009.csv --resamples 1e3
adelie-2008.csv adelie-2009.csv --alpha 1
adelie-2008.csv adelie-2009.csv --alpha x
adelie-2008.csv adelie-2009.csv --seed -1
adelie-2008.csv adelie-2009.csv --threads 0
adelie-2008.csv adelie-2009.csv --bandwidth 0
adelie-2008.csv adelie-2009.csv --bandwidth inf
adelie-2008.csv adelie-2009.csv --json adelie-2008.csv
adelie-2008.csv adelie-2009.csv --json nowhere/result.json
adelie-2008.csv adelie-2009.csv --json .
adelie-2008.csv adelie-2009.csv --plot picture.jpg
adelie-2008.csv adelie-2009.csv --plot x.png --json x.png
adelie-2008.csv adelie-2009.csv --colour red
adelie-2008.csv
missing.csv adelie-2009.csv
. adelie-2009.csv
x.npy x.csv
empty.csv empty.csv
header.csv header.csv
broken.npy x.npy
broken.parquet x.npy
objects.npy x.npy
number.npy x.npy
texts.npy x.npy
table.txt x.npy
semicolons.csv semicolons.csv
nohead.csv nohead.csv
numbers.csv numbers.csv
duplicates.csv duplicates.csv
texts.csv texts.csv
unequal.npz x.npy
scalars.npz x.npy
x.npy y.npy --json -
x.npy y.npy --columns 2,0 --json -
x.npy wide.npy
x.npy wide.npy --columns 1
x.npy x.npy --json -
integers.npy integers.npy --resamples 9 --json -
float32.npy x.npy --resamples 9 --json -
cube.npy cube.npy --resamples 9 --json -
one.npy x.npy
one.npy x.npy --estimator biased --resamples 9 --kernel rbf --bandwidth 1
one.npy x.npy --standardize
constant.npy constant.npy
constant.npy constant.npy --bandwidth 1 --resamples 9
constant.npy x.npy --columns 0,1 --standardize
missing.npy x.npy
missing.npy x.npy --nan-policy omit --resamples 9 --json -
missing.npy missing.npy --nan-policy omit --estimator paired --resamples 9 --json -
allmissing.npy x.npy --nan-policy omit
huge.npy x.npy --resamples 9
huge.npy x.npy --resamples 9 --standardize
huge32.npy huge32.npy --resamples 9
arrays.npz arrays.npz --resamples 9 --json -
arrays.npz x.csv --resamples 9
wide.npy wide.npy --resamples 9 --json -
many.npy many.npy --resamples 19
many.parquet many.npy --columns 0
typed.parquet typed.parquet --resamples 9 --json -
typed.parquet typed.parquet --columns decimal,half --resamples 9
typed.parquet typed.parquet --columns when
"""

WCSS = """
labelled.csv --labels kind
labelled.csv --labels kind --json -
labelled.csv --labels kind --json measured.json --standardize
labelled.csv --labels code --json -
labelled.csv --labels code --noise -1 --json -
labelled.csv --labels code --noise 7
labelled.csv --labels code --noise x
labelled.csv --labels kind --noise b --no-pairs
labelled.csv --labels kind --columns a --json -
labelled.csv --labels kind --columns a,kind
labelled.csv --labels kind --columns a,wings
labelled.csv --labels kind --centers geometric_median --json -
labelled.csv --labels kind --metric cityblock --json -
labelled.csv --labels kind --metric manhattan --centers geometric_median --threads 1 --json -
labelled.csv --labels kind --metric cosine
labelled.csv --labels kind --elbow code,half --json -
labelled.csv --labels kind --elbow code
labelled.csv --labels kind --elbow kind --json -
labelled.csv --labels kind --elbow wings --json -
labelled.csv --labels code --noise -1 --elbow half --json -
labelled.csv --labels half --noise 1 --elbow code --json -
labelled.csv --labels holes
labelled.csv --labels holes --nan-policy omit --json -
labelled.csv --labels a
labelled.csv --labels wings
labelled.csv
labelled.csv --labels kind --plot picture.jpg
adelie-2008.csv --labels island --json -
adelie-2008.csv --labels sex --standardize --json -
adelie-2007.csv --labels sex
adelie-2007.csv --labels sex --nan-policy omit --json -
adelie-2007.csv --labels island --nan-policy omit
arrays.npz --labels group --json -
arrays.npz --labels words --json -
arrays.npz --labels matrix
x.npy --labels 0
codes.npy --labels 3 --json -
codes.npy --labels 3 --columns 0,1 --no-pairs --json -
constant.npy --labels 0
typed.parquet --labels category --json -
typed.parquet --labels when
typed.parquet --labels flag --columns decimal
many.npy --labels 2 --no-pairs --standardize --json -
missing.csv --labels x
"""

OTHERS = """
--help
--version
compare --help
wcss --help
info --help
info extra
compares a b
--verbose

compare
"""

PICTURES = """
compare adelie-2008.csv adelie-2009.csv --resamples 99
compare adelie-2007.csv adelie-2008.csv --nan-policy omit --standardize
wcss labelled.csv --labels kind
wcss labelled.csv --labels kind --no-pairs
wcss labelled.csv --labels kind --elbow code,half
"""

IN_A_PROCESS = """
compare adelie-2008.csv adelie-2009.csv
compare adelie-2008.csv adelie-2009.csv --standardize --json - --exit-code
compare missing.csv adelie-2009.csv
wcss labelled.csv --labels kind --json -
info --help
"""


def commands(small: bool) -> Cases:
    """Run every command in this process."""
    _write_tables()
    for command, lines in (("compare", COMPARE), ("wcss", WCSS), ("", OTHERS)):
        for line in lines.strip("\n").split("\n"):
            words = f"{command} {line}".strip()
            yield case(f"fastdiv {words}", run, words)
    yield case("fastdiv info", _names_of_info)


def processes(small: bool) -> Cases:
    """Run some commands in a process, with and without Unicode, threads and standard streams."""
    _write_tables()
    for words in IN_A_PROCESS.strip().split("\n"):
        for name, encoding in (("utf-8", "utf-8"), ("ascii", "ascii")):
            yield case(f"{name}, fastdiv {words}", _in_a_process, words, encoding)


def pictures(small: bool) -> Cases:
    """Draw, and look at the data in axes and at pixels."""
    if not importlib.util.find_spec("matplotlib") or small:
        return
    _write_tables()
    for words in PICTURES.strip().split("\n"):
        yield case(f"fastdiv {words}", _picture, words)
    x = inputs.rows(40, 2)
    for reference in ("uniform", "pca"):
        options = {"n_references": 4, "rng": 0, "reference": reference}
        gap = fastdiv.gap_statistic(x, halves, [1, 2, 3], **options)
        yield case(f"gap {reference}", _drawn, gap)


def run(words: str) -> object:
    """Run a command; return its status, what it printed and what it wrote."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    argv, status = sys.argv, 0
    sys.argv = ["fastdiv", *shlex.split(words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_module("fastdiv", run_name="__main__")
    except SystemExit as stop:
        status = stop.code
    finally:
        sys.argv = argv
    printed, told = (_read(stream) for stream in (out, err))
    found = {"status": status, "stdout": printed, "stderr": told}
    if "--json -" in words and status in (0, 1):
        found["json"] = json.loads(printed)
    if (name := words.partition("--json ")[2].split(" ")[0]) in ("result.json", "measured.json"):
        found["file"] = Path(name).read_text(encoding="utf-8")
    return found


def _read(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8")


def _names_of_info() -> object:
    found = run("info")
    return found["status"], [line.split(":")[0] for line in found["stdout"].splitlines()]


def _in_a_process(words: str, encoding: str) -> tuple[int, str, str]:
    command = [sys.executable, "-X", "utf8=0", "-m", "fastdiv", *shlex.split(words)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _picture(words: str) -> object:
    from matplotlib.image import imread

    path = Path("picture.png")
    path.unlink(missing_ok=True)
    return run(f"{words} --plot {path}"), imread(path)


def _drawn(result: object) -> object:
    from fastdiv import plots

    figure = plots.gap(result)
    return [
        {
            "texts": (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()),
            "lines": [np.array(line.get_xydata()) for line in axes.lines],
            "limits": (*axes.get_xlim(), *axes.get_ylim()),
        }
        for axes in figure.axes
    ]


def _write_tables() -> None:
    """Write tables of all formats, right and wrong, into the working folder."""
    if Path("x.npy").exists():
        return
    for path in PENGUINS.glob("*.csv"):
        shutil.copy(path, path.name)
    x, y = inputs.pair(40, 35, 3)
    missing = x.copy()
    missing[[3, 7], [0, 2]] = np.nan, np.inf
    codes = inputs.labels(40, 4)
    many = inputs.rows(450, 3)  # with more, the time predicted is printed
    many[:, 2] = inputs.labels(450, 5)
    arrays = {
        "x.npy": x,
        "y.npy": y,
        "integers.npy": np.round(5 * x).astype(np.int16),
        "float32.npy": y.astype(np.float32),
        "cube.npy": inputs.rows(30, 6).reshape(30, 2, 3),
        "one.npy": x[:1],
        "constant.npy": np.ones((9, 3)),
        "missing.npy": missing,
        "allmissing.npy": np.full((4, 3), np.nan),
        "huge.npy": x * 1e307,
        "huge32.npy": (x * 1e38).clip(-3e38, 3e38).astype(np.float32),
        "number.npy": np.array(3.0),
        "texts.npy": np.array([["a"]]),
        "wide.npy": inputs.rows(40, 40, "float32"),
        "many.npy": many,
        "codes.npy": np.column_stack([x, codes]),
    }
    for name, a in arrays.items():
        np.save(name, a)
    np.save("objects.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    words = np.array(["b", "a", "c", "dd"])[codes]
    np.savez("arrays.npz", a=x[:, 0], matrix=x[:, 1:], group=codes, words=words)
    np.savez("unequal.npz", a=x, b=y)
    np.savez("scalars.npz", a=x, b=1.0)
    texts = {
        "x.csv": "",
        "empty.csv": "\n",
        "header.csv": "a,b\n",
        "broken.npy": "no array",
        "broken.parquet": "no table",
        "table.txt": "1 2 3",
        "semicolons.csv": "a;b\n1;2\n3;4\n",
        "nohead.csv": "1.5,2.5\n3,4\n",
        "numbers.csv": "1,2,3,4,5\n" + "".join(f"{i},2,3,{i * i},5\n" for i in range(9)),
        "duplicates.csv": "a,a\n1,2\n",
        "texts.csv": "a,b\nx,y\nz,w\n",
    }
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    _write_labelled(x, codes, words)
    if importlib.util.find_spec("pyarrow"):
        _write_parquet(x, many, words)


def _write_labelled(x: np.ndarray, codes: np.ndarray, words: np.ndarray) -> None:
    lines = ["a,b,c d,kind,code,half,holes,note"]
    for i, ((a, b, c), code, word) in enumerate(zip(x.tolist(), codes, words, strict=True)):
        hole = "NA" if i % 9 == 4 else word
        lines.append(f"{a},{b},{c},{word},{code - 1},{i % 2},{hole},note {i}")
    Path("labelled.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_parquet(x: np.ndarray, many: np.ndarray, words: np.ndarray) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({str(i): many[:, i] for i in range(3)}), "many.parquet")
    whole = pa.array(np.round(100 * x[:, 0]).astype(np.int64))
    days = np.datetime64("2020-01-01") + np.arange(len(x)) % 3
    columns = {
        "half": x[:, 0].astype(np.float16),
        "single": x[:, 1].astype(np.float32),
        "decimal": whole.cast(pa.decimal128(25, 2)),
        "small": whole.cast(pa.int16()),
        "flag": pa.array(x[:, 2] > 0),
        "when": pa.array(days),
        "category": pa.array(words).dictionary_encode(),
        "nothing": pa.nulls(len(x)),
        "list": pa.array([[1.0]] * len(x)),
    }
    parquet.write_table(pa.table(columns), "typed.parquet")


ONCE = {"command line": commands, "processes": processes, "pictures": pictures}
