"""Kurfiles: what genuine Kur 0.7.0 makes of many of them, and what a stranger's must not do."""

import gzip
import json
import os
import time
from pathlib import Path

import jinja2
import numpy as np
import pytest
from cases import FIXTURES
from hypothesis import given, settings
from hypothesis import strategies as st

from npforward.cli import main
from npforward.errors import BadFile, LimitExceeded, MissingFile, NpforwardError
from npforward.formats import kur
from npforward.formats.kur.containers import TYPES
from npforward.formats.kur.kurfile import dumped, merged
from npforward.formats.kur.literals import literal
from npforward.formats.kur.source import merged as merge
from npforward.formats.kur.templates import FUNCTIONS, render
from npforward.formats.kur.values import MOST_BITS, Budget, Fault
from npforward.limits import Limits

FOLDERS = sorted(path.parent for path in (FIXTURES / "kur").glob("*/Kurfile.yml"))
GOLDEN = json.loads(gzip.decompress((FIXTURES / "kurfiles.json.gz").read_bytes()))
CASES = {case["id"]: case for case in GOLDEN["cases"]}
FINE = [name for name, case in CASES.items() if "error" not in case]
REFUSED = [name for name, case in CASES.items() if "error" in case]

# Where Kur fails, for want of care, and what the author meant is done.
MEANT = {
    "text 57", "text 92", "text 103", "a section sees itself raw", "a template by name alone",
    "a template of an unfortunate name alone", "input without a value",
    "input of a name with shape in it",
}  # fmt: skip
MEANT |= {"texts that are templates in a loop"}
# What Kur lets pass, to fail when it runs the model.
STRICT = {"input, suppressed"}
# What whoever makes layers of the containers looks at.
ARGUMENTS = {"a template in a template", "missing arguments"}


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder / "main.yml"


def made(folder, text, **limits):
    (folder / "Kurfile.yml").write_text(text)
    return kur.read(folder / "Kurfile.yml", Limits(**limits))


def model(folder, text):
    return made(folder, f"model:\n{text}").model


# Genuine Kur.


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_trained_model(folder):
    kurfile = kur.read(folder / "Kurfile.yml")
    assert kurfile.dump() + "\n" == (folder / "dump.json").read_text()
    said = json.loads(str(np.load(folder / "activations.npz")["manifest"]))
    found = [
        {"name": n.name, "type": n.type, "inputs": list(n.inputs), "aliases": list(n.aliases),
         "built": n.built}
        for n in kurfile.model.nodes
    ]  # fmt: skip
    for node in said["nodes"]:
        node["built"] &= node["type"] != "output"  # there, what has no layer of its own is built
    assert found == said["nodes"]
    assert list(kurfile.model.outputs) == said["outputs"]


def tree(container):
    return [container.type, container.name, [tree(child) for child in container.children]]


@pytest.mark.parametrize("name", [name for name in FINE if name not in STRICT])
def test_as_kur_does(name, tmp_path, monkeypatch):
    case = CASES[name]
    written(tmp_path, case["files"])
    monkeypatch.chdir(tmp_path)
    kurfile = kur.read("main.yml")
    assert json.loads(kurfile.dump()) == case["data"]
    assert json.loads(dumped(merged("main.yml", Limits()))) == case["raw"]
    for node, wanted in zip(kurfile.model.nodes, case["nodes"], strict=True):
        assert (node.name, node.type, node.built) == (
            wanted["name"], wanted["type"], wanted["built"]
        )  # fmt: skip
        assert [list(node.inputs), list(node.aliases)] == [wanted["inputs"], wanted["aliases"]]
        assert [tree(child) for child in node.children] == wanted["children"]
        args = node.args if isinstance(node.args, dict) else {"": node.args}
        for word, value in args.items():
            if word in wanted["kept"] and value is not None:
                assert alike(value, wanted["kept"][word]), (node.name, word)
    assert [[*pair] for pair in kurfile.model.outputs.items()] == case["outputs"]
    assert [tree(one) for one in kurfile.model.tree] == case["tree"]


def alike(value, kept):
    """Whether a layer of Kur's keeps an argument so: as a list, or in small letters."""
    value = value.lower() if isinstance(value, str) else value
    value = list(value) if isinstance(value, tuple) else value
    many = len(kept) if isinstance(kept, list) else 1
    return kept in (value, [value] * many)


@pytest.mark.parametrize("name", REFUSED)
def test_what_kur_refuses(name, tmp_path):
    path = written(tmp_path, CASES[name]["files"])
    if name in MEANT | ARGUMENTS:
        assert kur.read(path).model.nodes
        return
    with pytest.raises(NpforwardError, match=r"main\.yml|o\.txt|o\.yml|nowhere\.yml") as caught:
        kur.read(path)
    assert caught.value.exit_code == 2


def test_the_cases_are_many():
    assert len(FINE) > 350
    assert len(REFUSED) > 50
    assert set(CASES) >= MEANT | ARGUMENTS


# Hostile files, and mistakes.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "mapping of sections, not a list"),
        ("a: 1", "no section 'model'"),
        ("model: 3", r"Kurfile.yml:1: the section 'model' has to be a list"),
        ("model:\n- input: x\n- dens: 1", r"yml:3: model\[1\]: there is no container 'dens'. Did you mean 'dense'"),
        ("model:\n- input: x\n- flaten", r"yml:3: model\[1\]: .*'flaten'. Did you mean 'flatten'"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("a: !!python/object/apply:os.system ['true']", "yml:1: the tag .* asks for an object"),
        ("a: !!set {x}", "asks for an object"),
        ("a: <<", "asks for an object"),
        ("<<: 3", "line 1: << takes a mapping"),
        ("? [1]\n: 2", "cannot be a key"),
        (f"a: 0x{'f' * 2000}", "line 1: a whole number of more than 4096 bits"),
        ("a: [", "not the YAML of a Kurfile .*line 1"),
        ("a: *b", "refers to nothing"),
        ("settings: {a: 1, b: '{{ c.d }}'}\n", r"yml:1: settings.b: the template .*'c' is undefined"),
        ("model:\n- input: x\n- dense:\n    size: '{{ 1 + }}'", r"yml:4: model\[1\].dense.size: the template"),
        ("model:\n- dense: 1", r"nothing comes before 'dense'"),
        ("model:\n- input: x\n- {dense: 1, name: p}\n- {dense: 1, name: p}", r"yml:4: .*'p' is taken, by .*yml:3"),
        ("model:\n- input: x\n- {dense: 1, inputs: y}", r"yml:3: model\[1\].inputs: .*'y'"),
        ("model:\n- input: x\n- {dense: 1, inputs: [q, x], name: p}\n- {dense: 1, name: q}", r"go in a circle.*'p', 'q'|go in a circle.*'p'"),
        ("templates: {pool: []}\nmodel: []", "Kurfile.yml:1: templates: .*'pool'"),
        ("model:\n- input: x\n- assert: '{{ 1 > 2 }}'", "assertion does not hold"),
        ("model:\n- input: x\n- {reuse: p, name: q}\n- {reuse: q, name: p}", "reuses itself"),
        ("model:\n- input: x\n- {reuse: x}", "is an input"),
        ("model:\n- {input: x, when: no}", "leaves out an input"),
        ("model:\n- input: x\n- for: {range: x, iterate: []}", "no whole number"),
        ("model:\n- input: x\n- for: {range: 1, iterate: {dense: 1}}", "a list of containers"),
        ("model:\n- input: x\n- parallel: [{dense: 1}]", "'parallel' takes a mapping of apply"),
        ("model:\n- input: x\n- {dense: 1, tag: [[1]]}", "is no tag"),
        ("model:\n- input: [3]", "an input takes a name"),
        ("model:\n- input: x\n- {dense: 1, inputs: 3}", "name of a container"),
    ],
)  # fmt: skip
def test_mistakes_are_named(text, message, tmp_path):
    with pytest.raises(BadFile, match=message):
        made(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{{ 'a' * 10**9 }}", "template_bytes"),
        ("{{ [1] * 10**9 }}", "template_steps"),
        ("{{ range(10**9) | list }}", "template_steps"),
        ("{{ range(10**30) | length }}{{ 1.5 in range(10**9) }}", "template_steps"),
        ("{% for i in range(10**9) %}{% for j in range(10**9) %}{% endfor %}{% endfor %}", "template_steps"),
        ("{% for i in range(99999) %}aaaaaaaaaaaaaaaaaaaa{% endfor %}", "template_bytes"),
        ("{% set n = namespace(a=[]) %}{% for i in range(99) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}", "template_steps"),
        ("{% set n = namespace(a=[]) %}{% for i in range(99) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a == n.a }}", "template_steps"),
        ("{% set n = namespace(a='a') %}{% for i in range(99) %}{% set n.a = n.a ~ n.a %}{% endfor %}", "template_bytes"),
        ("{% set a = 'a' * 1000 %}{{ (a * 1000) | replace('a', a) }}", "template_bytes"),
        ("{{ 'a' | center(10**9) }}", "template_bytes"),
        ("{{ ('%(a)s' * 9999) | format(a='a' * 1000) }}", "template_bytes"),
        ("{{ [1, 2] | batch(10**9, 0) }}", "template_steps"),
        ("{{ [1, 2] | slice(10**9) }}", "template_steps"),
        ("{{ ('a' * 999) | join('a' * 9999) }}", "template_bytes"),
        ("{{ '{{ raw }}' ~ raw }}", "(depth|template_bytes|template_steps)"),
    ],
)  # fmt: skip
def test_templates_are_bounded(text, limit, tmp_path):
    started = time.perf_counter()
    with pytest.raises(LimitExceeded, match=rf"Kurfile.yml:1: settings.v.*limit {limit} "):
        made(tmp_path, f"settings: {{v: {json.dumps(text)}}}\nmodel: []")
    assert time.perf_counter() - started < 60


def test_a_template_that_never_settles(tmp_path):
    endless = "1{{ '{{' }} settings.v ~ 'a' {{ '}}' }}"
    with pytest.raises(LimitExceeded, match=r"settings.v: .*limit template_repeats"):
        made(tmp_path, f"settings: {{v: {json.dumps(endless)}}}\nmodel: []")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ 9 ** 9 ** 999 }}", f"more than {MOST_BITS} bits"),
        ("{{ '%1000000000d' % 3 }}", "asks for more than"),
        ("{{ '%*d' % (9, 3) }}", "asks for more than"),
        ("{{ ''.__class__ }}", "Python's own"),
        ("{{ ''['__class__'] }}", "Python's own"),
        ("{{ [] | map(attribute='__class__') | list }}{{ [1] | map(attribute='__class__') | list }}", "Python's own"),
        ("{{ '{0.__class__}'.format(1) }}", r"the method \.format\(\)"),
        ("{{ [].append(1) }}", r"the method \.append\(\)"),
        ("{{ range.__init__ }}", "Python's own"),
        ("{{ lipsum() }}", "no function 'lipsum'"),
        ("{{ cycler('a') }}", "no function"),
        ("{{ [1] | random }}", "no filter 'random'"),
        ("{{ 'x' | attr('y') }}", "no filter 'attr'"),
        ("{% include 'x' %}", "'Include' of Jinja2 is not for Kurfiles"),
        ("{% import 'x' as y %}", "'Import'"),
        ("{% extends 'x' %}", "'Extends'"),
        ("{% macro m() %}{% endmacro %}", "'Macro'"),
        ("{% block b %}{% endblock %}", "'Block'"),
        ("{% for i in [] recursive %}{% endfor %}", "'For'"),
        ("{{ dict(*[1]) }}", "arguments are written one by one"),
        ("{{ self }}{{ self.x }}", "'self' is undefined"),
        ("{{ load_yaml('../x.yml') }}", "below the folder"),
        ("{{ load_json('/etc/passwd') }}", "below the folder"),
        ("{{ load_json('nowhere.json') }}", "no file 'nowhere.json'"),
        ("{{ " + "(" * 3000 + ")" * 3000 + " }}", "nested too deeply"),
        ("{{ " + "-" * 3000 + "1 }}", "nested too deeply"),
        ("{{ 'x' - 1 }}", "do not go with '-'"),
        ("{{ 10.0 ** 1000 }}", "Result too large|Numerical result out of range"),
        ("{{ [1, 'a'] | sort }}", "not supported"),
        ("{{ nothing + 1 }}", "'nothing', which is undefined,"),
        ("{{ 3 | join }}", "no items to go through"),
        ("{{ 2 | round(10**9) }}", "'round' takes"),
    ],
)  # fmt: skip
def test_templates_do_nothing_else(text, message, tmp_path):
    with pytest.raises(BadFile, match=rf"(?s)Kurfile.yml:1: settings.v.*({message})"):
        made(tmp_path, f"settings: {{v: {json.dumps(text)}}}\nmodel: []")


def test_long_texts_are_bounded(tmp_path):
    long = "x" * 2**19
    for text in (long, "{{ a }}" * 2**17, f"[{'1,' * 2**18}]"):
        with pytest.raises(LimitExceeded, match="limit template_bytes"):
            made(tmp_path, f"settings: {{v: {json.dumps(text)}}}\nmodel: []")
    digits = f"0x{'f' * 2000}"
    kurfile = made(tmp_path, f"settings: {{a: '{digits}'}}\ntrain: {{b: '{{{{ a }}}}'}}\nmodel: []")
    assert kurfile.data["train"] == {"b": digits}  # a text, as a number it would have no text


def test_models_are_bounded(tmp_path):
    with pytest.raises(LimitExceeded, match=r"limit layers = 50"):
        model_of = "model: [{input: x}, {for: {range: 1000000000, iterate: [flatten]}}]"
        made(tmp_path, model_of, layers=50)
    with pytest.raises(LimitExceeded, match="limit template_steps"):
        made(tmp_path, "model: [{input: x}, {for: {range: 1000000000, iterate: []}}]")
    with pytest.raises(LimitExceeded, match=r"templates.t\[0\]: containers in containers.*depth"):
        made(tmp_path, "templates: {t: [{t: {}}]}\nmodel: [{t: {}}]")
    with pytest.raises(LimitExceeded, match="limit edges"):
        made(tmp_path, "model: [{input: x}, {merge: add, inputs: [x, x, x]}]", edges=2)
    bomb = "a: &a [x, x, x]\n" + "".join(
        f"{y}: &{y} [*{x}, *{x}, *{x}]\n"
        for x, y in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
    )
    with pytest.raises(LimitExceeded, match="yaml_nodes"):
        made(tmp_path, bomb)


def test_a_long_chain_backwards_is_quick(tmp_path):
    many = 3000
    lines = [f"- {{flatten: , name: n{n}, inputs: n{n + 1}}}" for n in range(many)]
    found = model(
        tmp_path, "\n".join(["- input: x", *lines, f"- {{flatten: , name: n{many}, inputs: x}}"])
    )
    assert [node.name for node in found.nodes] == ["x", *(f"n{n}" for n in range(many, -1, -1))]


def test_names_of_any_letters(tmp_path):
    text = 'templates: {a.b: [{dense: 1}]}\nmodel: [{input: "\\ud800"}, {a.b: {}}]'
    kurfile = made(tmp_path, text)
    assert [node.name for node in kurfile.model.nodes] == ["\ud800", "..dense.0"]
    assert kurfile.model.nodes[1].aliases == ("..dense.0", "..meta.0")
    assert "\\ud800" in kurfile.dump()


def test_what_a_reuse_applies(tmp_path):
    text = """- input: x
- for: {range: 2, iterate: [{dense: 2}, {debug: x}, {activation: relu, when: '{{ index }}'}]}
  name: g
- {reuse: g, name: again}
"""
    found = model(tmp_path, text)
    layers = [layer.name for layer in found.targets["again"].layers()]
    assert layers == ["..dense.0", "..dense.1", "..activation.1"]
    assert found.nodes[-1].args == {"target": "g"}
    assert found.names["g"] == found.names["..activation.1"] == "..activation.1"


# Files.


@pytest.mark.parametrize(
    "path",
    [
        "../o.yml",
        "/etc/passwd",
        "d/../../o.yml",
        "C:/o.yml",
        "\\\\host\\o.yml",
        "d\\..\\..\\o.yml",
        "",
    ],
)
def test_only_what_lies_below_is_included(path, tmp_path):
    (tmp_path / "o.yml").write_text("settings: {secret: 1}")
    (tmp_path / "k" / "d").mkdir(parents=True)
    with pytest.raises(BadFile, match="below the folder of the Kurfile"):
        made(tmp_path / "k", f"include: {json.dumps(path)}\nmodel: []")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("path", ["l.yml", "*.yml", "ld/o.yml", "**/l.yml"])
def test_links_are_not_followed(path, tmp_path):
    inner = tmp_path / "k"
    (inner / "d").mkdir(parents=True)
    (tmp_path / "o.yml").write_text("settings: {secret: 1}")
    (inner / "l.yml").symlink_to(tmp_path / "o.yml")
    (inner / "ld").symlink_to(tmp_path)
    with pytest.raises(BadFile, match="is a link, which is not followed"):
        made(inner, f"include: {json.dumps(path)}\nmodel: []")
    kurfile = made(inner, "include: ['*/o.yml', '**/o.yml']\nmodel: [{input: x}]")
    assert "secret" not in kurfile.dump()


def test_files_are_bounded(tmp_path):
    for n in range(6):
        (tmp_path / f"o{n}.yml").write_text("settings: {x: 1}")
    with pytest.raises(LimitExceeded, match="limit include_files = 3"):
        made(tmp_path, "include: 'o*.yml'\nmodel: []", include_files=3)
    with pytest.raises(LimitExceeded, match="limit zip_members = 3"):
        made(tmp_path, "include: '**/o*.yml'\nmodel: []", zip_members=3)
    with pytest.raises(LimitExceeded, match="limit config_bytes = 60"):
        made(tmp_path, "include: 'o*.yml'\nmodel: []", config_bytes=60)
    with pytest.raises(MissingFile, match="no such file"):
        kur.read(tmp_path / "nowhere.yml")
    (tmp_path / "d.yml").mkdir()
    with pytest.raises(MissingFile, match="not one"):
        made(tmp_path, "include: d.yml\nmodel: []")
    with pytest.raises(BadFile, match="where a path is expected"):
        made(tmp_path, "include: 3\nmodel: []")


# Weights.


WEIGHTS = """
model: [{input: x}, flatten]
train: {weights: {initial: start, best: b, last: '~/last'}}
validate: {weights: {best: 'v/best'}}
test: {weights: '../w'}
evaluate: {weights: /srv/w}
"""


def test_where_weights_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k").mkdir()
    places = made(tmp_path / "k", WEIGHTS).weights()
    assert [place.key for place in places] == [
        "evaluate.weights", "test.weights", "validate.weights.best", "train.weights.best",
        "train.weights.last", "train.weights.initial",
    ]  # fmt: skip
    assert [bool(place.refused) for place in places] == [True, True, False, False, True, False]
    assert places[2].paths == (tmp_path / "k" / "v" / "best", Path("v/best"))
    assert places[0].paths == ()
    (tmp_path / "Kurfile.yml").write_text("model: [{input: x}, flatten]\nevaluate: {weights: w}")
    assert kur.read("Kurfile.yml").weights()[0].paths == (Path("w"),)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("train: {weights: w}\nvalidate: {weights: v}", ["validate.weights", "train.weights"]),
        ("evaluate: {weights: {initial: w}}", ["evaluate.weights.initial"]),
        ("evaluate: {weights: }\ntrain: {weights: {}}\ntest: [1]", []),
        ("evaluating: {weights: w}", []),
        ("evaluation: {weights: w}", ["evaluate.weights"]),
        ("evaluate: {weights: 3}\ntrain: {weights: {best: 'w.${EPOCH}'}}", ["evaluate.weights", "train.weights.best"]),
    ],
)  # fmt: skip
def test_how_weights_are_named(text, keys, tmp_path):
    places = made(tmp_path, f"model: [{{input: x}}, flatten]\n{text}").weights()
    assert [place.key for place in places] == keys


# The command line.


def test_dump(capsys, tmp_path):
    folder = FOLDERS[0]
    assert main(["kur", "dump", str(folder / "Kurfile.yml")]) == 0
    assert capsys.readouterr().out == (folder / "dump.json").read_text()
    path = tmp_path / "Kurfile.yml"
    path.write_text("settings: {d: 2017-01-02, m: {1: '{{ 1 + 1 }}', x: 3}}\nmodel: [{input: x}]")
    assert main(["kur", "dump", "-p", str(path)]) == 0
    raw = json.loads(capsys.readouterr().out)
    assert raw["settings"] == {"d": "2017-01-02", "m": {"1": "{{ 1 + 1 }}", "x": 3}}
    assert main(["kur", "dump", str(path), "--limit", "layers=0"]) == 4
    assert "limit layers = 0" in capsys.readouterr().err
    path.write_text("model: [{inptu: x}]")
    assert main(["kur", "dump", str(path)]) == 2
    assert "Did you mean 'input'" in capsys.readouterr().err


# Properties.

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(TREES, TREES, st.sampled_from(("blend", "merge", "concat")))
def test_merging(included, own, method):
    found = merge(included, own, method)
    assert merge({}, {"x": own}, method) == {"x": own}
    assert merge({"x": included}, {}, method) == {"x": included}
    if isinstance(included, dict) and isinstance(own, dict):
        assert found.keys() == included.keys() | own.keys()
        for key in found:
            both = key in included and key in own
            alone = own[key] if key in own else included[key]
            assert found[key] == (merge(included[key], own[key], method) if both else alone)
    elif isinstance(included, list) and isinstance(own, list):
        sizes = {"merge": len(own), "concat": len(own) + len(included)}
        assert len(found) == sizes.get(method, max(len(own), len(included)))
    else:
        assert found == own
    if method != "concat":
        assert merge(own, own, method) == own


NAMES = {"a": 3, "b": [1, 2, 3], "c": {"d": 4, "e": "text"}, "s": "some words", "f": 0.5}
ATOMS = st.sampled_from([*NAMES, "nothing", "2", "0", "-1", "'x'", "1.5", "none", "true", "[]"])
OPERATORS = "+ - * / // % ** ~ == != < >= and or in".split()
APPLIED = "length list first last join sum sort upper int float string abs round max".split()


def expressions(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda t: "({} {} {})".format(*t)),
        st.tuples(inner, st.sampled_from(APPLIED)).map(lambda t: "({} | {})".format(*t)),
        st.tuples(inner, inner).map(lambda t: "{}[{}]".format(*t)),
        st.tuples(inner, inner, inner).map(lambda t: "({} if {} else {})".format(*t)),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inner.map("range({})".format),
        inner.map("(not {})".format),
        inner.map("({} is defined)".format),
    )


EXPRESSIONS = st.recursive(ATOMS, expressions, max_leaves=8)
TEMPLATES = st.one_of(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(
        lambda t: (
            f"{{% for i in {t[0]} %}}{{{{ i }}}}{{{{ loop.index }}}}{{% else %}}{{{{ {t[1]} }}}}{{% endfor %}}"
        )
    ),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(
        lambda t: (
            f"{{% set q = {t[0]} %}}{{% if q %}}{{{{ q }}}}{{% else %}}{{{{ {t[1]} }}}}{{% endif %}}"
        )
    ),
)


@settings(deadline=None, max_examples=300)
@given(TEMPLATES)
def test_a_template_is_what_jinja2_makes_of_it_or_an_error(text):
    budget = Budget(Limits(template_steps=5000, template_bytes=5000))
    try:
        found = render(text, NAMES, FUNCTIONS, budget)
    except (Fault, LimitExceeded):
        return
    assert len(found) <= 5000
    try:
        wanted = jinja2.Environment().from_string(text).render(**NAMES)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError):
        return
    assert found == wanted or " at 0x" in wanted  # an iterator, which has no text of its own


WORDS = "a b x y settings model templates n raw layers tags".split()
KEYS = [*TYPES, "name", "inputs", "sink", "tag", "when", "oldest", "t", "u", "n"]
KEYS += " ".join(TYPES.values()).split()
VALUES = st.recursive(
    LEAVES
    | TEMPLATES
    | st.sampled_from([*KEYS, *WORDS])
    | st.sampled_from(WORDS).map("{{{{ {} }}}}".format),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=12,
)
SMALL = st.integers(0, 3) | st.sampled_from(
    ["{{ n }}", "{{ b | length }}", "{{ layers | length }}"]
)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["p", "q{{ index }}{{ item }}", "r{{ layers | length }}"]),
        "inputs": st.sampled_from(["x", "p", "q0", ["x", "p"], "{{ tags.t }}", "{{ layers[-1] }}"]),
        "sink": st.booleans(),
        "when": st.booleans() | TEMPLATES,
        "tag": st.sampled_from("tu"),
    },
)


def groups(inner):
    entries = st.lists(inner, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"for": st.fixed_dictionaries({"range": SMALL, "iterate": entries})}),
        st.fixed_dictionaries(
            {"for_each": st.fixed_dictionaries({"items": VALUES, "iterate": entries})}
        ),
        st.fixed_dictionaries({"parallel": st.fixed_dictionaries({"apply": entries})}),
        st.fixed_dictionaries({"t": st.fixed_dictionaries({"n": SMALL})}),
    )


ENTRY = st.recursive(
    st.sampled_from(
        ["flatten", {"dense": 3}, {"reuse": "p"}, {"output": "o"}, {"merge": "add"}, {"debug": 1}]
    ),
    lambda inner: st.tuples(groups(inner) | st.just({"dense": 1}), ATTRIBUTES).map(
        lambda pair: pair[0] | pair[1]
    ),
    max_leaves=6,
)
ENTRIES = st.lists(ENTRY, max_size=6)
WILD = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3) | VALUES, max_size=4)


@settings(deadline=None, max_examples=400)
@given(
    st.fixed_dictionaries(
        {"model": (ENTRIES | WILD).map(lambda entries: [{"input": "x"}, *entries])},
        optional={
            "settings": st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=3),
            "templates": st.fixed_dictionaries({"t": ENTRIES}) | VALUES,
            "train": VALUES,
            "evaluate": st.fixed_dictionaries({"weights": VALUES}),
            "include": st.just([]) | VALUES,
        },
    )
)
def test_anything_is_a_model_or_an_error_of_ours(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("kur") / "Kurfile.json"
    path.write_text(json.dumps(said))
    limits = Limits(template_steps=20_000, template_bytes=20_000, layers=200)
    try:
        kurfile = kur.read(path, limits)
    except NpforwardError as error:
        assert "Kurfile.json" in str(error)
        return
    names = [node.name for node in kurfile.model.nodes]
    assert len(set(names)) == len(names)
    placed = set()
    for node in kurfile.model.nodes:  # each after what feeds it
        assert placed >= set(node.inputs)
        placed.add(node.name)
    assert set(kurfile.model.outputs.values()) <= placed
    assert json.loads(kurfile.dump()).keys() >= {"model"}
    assert all(place.paths or place.refused for place in kurfile.weights())


@settings(deadline=None, max_examples=300)
@given(st.text("[](){}'\"1.,:-+ abNoneTrue#\n\\x0", max_size=30))
def test_a_literal_is_itself_or_plain(text):
    found = literal(text)
    assert found is text or not isinstance(found, bytes)
    if found is not text:
        assert literal(repr(found)) == found or found != found or "inf" in repr(found)
