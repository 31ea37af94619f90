"""What genuine Kur makes of many Kurfiles: weights_fixtures/kurfiles.json.gz.

    python weights_fixtures/make/kurfiles.py

Needs Kur 0.7.0 and what it imports, on Python 3.6.  Models are parsed and their graphs built, but
layers are stood in for: no framework takes part.
"""

import gzip
import json
import os
import platform
import random
import sys
import tempfile
import warnings
from pathlib import Path

sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]
warnings.simplefilter("ignore")

import jinja2
import yaml
from kur.containers import Container, Layer
from kur.containers.layers import Output, Parallel, Reuse
from kur.engine import JinjaEngine
from kur.kurfile import Kurfile
from kur.model import Model
from kur.utils import get_subclasses
from kur.version import __version__

OUT = Path(__file__).resolve().parents[1] / "kurfiles.json.gz"
SEED = 8
RANDOM = 150

# What a layer of Kur's keeps of its arguments, by the name of the argument.
KEPT = {
    "convolution": {name: name for name in "kernels size strides border separable highway".split()},
    "dense": {"size": "size", "flatten": "auto_flatten", "highway": "highway"},
    "pool": {"size": "size", "strides": "strides", "type": "pooltype", "border": "border"},
    "recurrent": {
        "size": "size",
        "type": "type",
        "sequence": "sequence",
        "bidirectional": "bidirectional",
        "merge": "merge",
        "outer_activation": "activation",
    },
    "batch_normalization": {"axis": "axis", "momentum": "momentum"},
    "activation": {"": "type"},
    "merge": {"": "mode", "mode": "mode", "axis": "axis"},
    "dropout": {"": "dropout", "fraction": "dropout", "independent": "independent"},
    "transpose": {"": "axes", "axes": "axes", "include_batch": "include_batch"},
    "expand": {"": "dimension", "dimension": "dimension"},
    "squeeze": {"": "dimension", "dimension": "dimension"},
    "repeat": {"": "count", "count": "count"},
    "embedding": {"vocab_size": "vocab_size", "size": "size"},
    "reuse": {"target": "target"},
    "input": {"shape": "_shape", "type": "type"},
}

# ---- a stand-in for the frameworks ---------------------------------------------------------------


class Backend:
    """Connects anything to anything."""

    def create_data(self, model):
        return None

    def connect(self, inputs, target, data):
        return object()


def one_layer(self, model):
    yield object()


def layers_within(self, model):
    for child in self.children:
        yield from child.build(model)


for cls in get_subclasses(Layer):
    if cls is Parallel:
        cls._build = layers_within
    elif cls not in (Output, Reuse):
        cls._build = one_layer


def node(one):
    container = one.container
    kind = container.get_container_name()
    kept = {arg: getattr(container, name) for arg, name in KEPT.get(kind, {}).items()}
    return {
        "name": container.name,
        "type": kind,
        "inputs": [source.container.name for source in one.inputs],
        "aliases": list(one.names),
        "built": bool([layer for layer in container._built if layer is not None]),
        "kept": kept,
        "children": [tree(child) for child in container.children],
    }


def tree(container):
    return [
        container.get_container_name(),
        container.name,
        [tree(child) for child in container.children],
    ]


def made(files, main):
    """What Kur says to a Kurfile among some files."""
    Container.counter.clear()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        os.chdir(folder)
        try:
            main = str(Path(folder, main))  # Kur takes a relative one twice for what it includes
            raw = Kurfile(main, JinjaEngine()).data
            raw = json.loads(json.dumps(raw, sort_keys=True))
            spec = Kurfile(main, JinjaEngine())
            spec.parse()
            data = json.loads(json.dumps(spec.data, sort_keys=True))
            spec.backend = Backend()
            model = Model(spec.backend, spec.containers)
            model.parse(spec.engine)
            model.build()
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}".replace(folder, "")}
        finally:
            os.chdir("/")
    raw, data = (json.loads(json.dumps(one).replace(f"{folder}/", "")) for one in (raw, data))
    return {
        "raw": raw,
        "data": data,
        "nodes": [node(one) for one in model.network.values()],
        "outputs": [[key, one.container.name] for key, one in model.outputs.items()],
        "tree": [tree(one) for one in spec.containers],
    }


# ---- the Kurfiles --------------------------------------------------------------------------------

HEAD = "settings:\n  a: 3\n  b: [1, 2, 3]\n  c: {d: 4, e: [5, 6], f: text}\n  g: 0.5\n  h: yes\n"
MODEL = "model:\n  - input: x\n  - dense: 2\n    name: y\n"

# Texts, each of which is the value of settings.v, and of train.v, where settings are in scope.
TEXTS = r"""
{{ a }}
{{ a + 1 }}
{{ a * b }}
{{ b * 2 }}
{{ b + [4] }}
{{ 2 ** 10 }}
{{ 2 ** 3 ** 2 }}
{{ -2 ** a }} {{ (-2) ** a }} {{ -2 ** 2 }} {{ -a ** 2 }} {{ 2 ** -a }} {{ (-2 + 0) ** (a - 1) }}
{{ 7 // 2 }} and {{ 7 / 2 }} and {{ 7 % 4 }} and {{ -7 // 2 }}
{{ 'ab' * 3 }}
{{ 'a' ~ 1 ~ none ~ true }}
{{ b | length }}
{{ b | sum }} {{ b | max }} {{ b | min }} {{ b | first }} {{ b | last }}
{{ b | reverse | list }}
{{ b | map('string') | join('-') }}
{{ c.e | join(', ') }}
{{ c['d'] }}{{ c.d }}
{{ c.nothing }}
{{ nothing }}
{{ nothing | default(3) }}
{{ nothing | default([1, 2]) | length }}
{{ '' | default('x', true) }}
{{ nothing | length }}
{{ nothing == nothing }}
{{ nothing is defined }} {{ a is defined }} {{ nothing is undefined }}
{{ nothing.more }}
{{ a if h else b }}
{{ 'no' if not h }}
{{ 1 < 2 < 3 }} {{ 3 in b }} {{ 9 not in b }} {{ 'e' in c }}
{{ a and b }} {{ 0 or g }} {{ not a }}
{{ a is odd }} {{ a is even }} {{ a is divisibleby 3 }} {{ c is mapping }} {{ b is sequence }}
{{ c is string }} {{ c.f is string }} {{ g is number }} {{ none is none }}
{{ b[1:] }} {{ b[::-1] }} {{ b[-1] }} {{ b[9] }}
{{ c.f[0] }} {{ c.f | upper }} {{ c.f | title }} {{ c.f | capitalize }} {{ 'a-b c' | title }}
{{ c.f.upper() }} {{ 'a/b/c'.split('/') }} {{ 'a,b'.replace(',', '+') }}
{{ '/tmp/file.txt' | basename }} {{ '/tmp/file.txt' | dirname }} {{ '/tmp/a.b.txt' | splitext }}
{{ c | combine({'d': 9, 'z': 1}) }}
{{ 3 | as_dict('k') }}
{{ h | ternary('p', 'q') }}
{{ gpu_count() }}
{{ range(4) | list }} {{ range(4) }}
{{ range(2, 10, 3) | list }}
{% for i in b %}{{ i }},{% endfor %}
[{% for i in b %}{{ i }},{% endfor %}]
{% for i in b if i != 2 %}{{ loop.index }}:{{ i }}{% if not loop.last %};{% endif %}{% endfor %}
{% for k, v in c.items() %}{{ k }}{% endfor %}
{% for i in nothing %}x{% else %}none{% endfor %}
{% set q = 5 %}{{ q * 2 }}
{% set q = 5 %}{% for i in b %}{% set q = i %}{% endfor %}{{ q }}
{% set n = namespace(s=0) %}{% for i in b %}{% set n.s = n.s + i %}{% endfor %}{{ n.s }}
{% with q = 2 %}{{ q }}{% endwith %}{{ q }}
{% if a > 2 %}big{% elif a > 1 %}mid{% else %}small{% endif %}
{% filter upper %}text {{ a }}{% endfilter %}
{% set q %}block {{ a }}{% endset %}{{ q }}
{# a comment #}x
{% raw %}{{ a }}{% endraw %}
{{ '{{ a }}' }}
{{ "{{ '{{ a }}' }}" }}
{{ '%s-%03d' | format('x', 7) }} {{ '%.2f' | format(1.5) }} {{ '%d%%' % 5 }}
{{ 3.7 | int }} {{ '12' | int + 1 }} {{ 'x' | int(4) }} {{ 3 | float }} {{ '0x1f' | int(0, 16) }}
{{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 2.1 | round(0, 'ceil') }} {{ 7 | round }}
{{ -3 | abs }} {{ (-3) | abs }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['a', 'A', 'b'] | unique | list }}
{{ c | dictsort | length }} {{ {'b': 1, 'a': 2} | dictsort }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('gt', 1) | list }}
{{ [{'n': 1}, {'n': 2}] | map(attribute='n') | list }} {{ [{'n': 1}, {'n': 2}] | sum(attribute='n') }}
{{ [{'n': 1}, {'n': 2}] | selectattr('n', 'eq', 2) | list }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }}
{{ 'hello world' | wordcount }} {{ '  x ' | trim }} {{ 'abc' | replace('b', 'x') }}
{{ 'abc' | list }} {{ 'abc' | reverse }} {{ 'ab' | center(6) }}|
{{ dict(a=1, b=2) }}
{{ settings.a }} {{ settings['b'] }}
{{ raw.settings.a }} {{ parsed.settings.a }}
{{ [1, 'two', 3.0, none, true, {'k': (1, 2)}] }}
{{ (1, 2) }}
{{ 1e3 }} {{ 1.0 }} {{ 1e-7 }} {{ 10 / 5 }}
{{ 1e300 * 1e10 }}
{{ tags }} {{ layers }} {{ oldest }}
1 + 2
1 - 2 - 3
10-20
2017-10-11
2017-10-01
-1
--1
+ 3
1_000
0x10
007
1e5
.5
1.
3j
'quoted'
"'double'"
'a' 'b'
None
none
True
true
[1, two]
[1, 'two']
{'a': 1}
{1, 2}
{1: [2, {3: 4}]}
(1)
(1,)
()
...
1,2
# comment
3 # comment
[1] * 3
-[1]
True + 1
[1, 2,]
relu
a: b
x = 3
lambda: 3
`x`
\d
'\d'
0b101
1__0
[{{ a }}, {{ a }}]
{{ a }}{{ a }}
{{ b }}{{ b }}
{{ [a, a] }}
"{{ c.f }}"
'{{ c.f }}'
{{ a }
{{ a
{% if a %}
{{ a | nothing }}
{{ a is nothing }}
{{ a() }}
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ b.nothing }} {{ b['0'] }} {{ a.nothing }}
{{ 1 if nothing else 2 }} {{ nothing or 3 }} {{ not nothing }}
{{ [nothing] | length }}
{{ 'A' < 'B' }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 }} {{ '1' == 1 }}
{{ ['x'] * a }} {{ a * 'x' }}
{{ 'x' in 'xyz' }} {{ 'x' in nothing }}
{{ b | join }} {{ 'abc' | join('.') }} {{ nothing | join(',') }}
{{ b | string | length }} {{ a | string + 'x' }}
{{ 5 | string }} {{ '5' ~ '' }}
""".strip("\n").split("\n")

MULTILINE = [
    "\n3\n",
    "3\n\n",
    "\n\n {{ a }}",
    " 3",
    "3 ",
    "\t3",
    "{% set q = 2 %}\n{{ q }}\n",
    "# x\n3",
    "a\n\nb\n\n",
    "{% for i in b %}\n- {{ i }}\n{% endfor %}\n",
    "{%- for i in b -%} {{ i }} {%- endfor -%}",
    "",
    " ",
    "a\r\nb",
]


def texts():
    for number, text in enumerate(TEXTS + MULTILINE):
        said = json.dumps(text)
        yield f"text {number}", f"{HEAD}  v: {said}\ntrain:\n  v: {said}\n{MODEL}"


SECTIONS = {
    "a reference to a template sees text": "settings: {y: 2, s: '{{ y + 1 }}', t: '{{ s * 2 }}'}",
    "settings that refer to themselves": "settings: {s: '{{ s }}'}",
    "settings in a circle": "settings: {s: '{{ t }}', t: '{{ u }}', u: 3}",
    "settings under their own name": "settings: {y: 2, z: '{{ settings.y }}'}",
    "empty settings": "settings:",
    "settings as a template": "settings: \"{{ {'a': 1} }}\"\ntrain: {x: '{{ a }}'}",
    "settings as a list": "settings: [1]",
    "train by its other name": "training: {x: 1}\nvalidate: {y: '{{ training.x }}', z: '{{ train }}'}",
    "both names": "train: {x: 1}\ntraining: {x: 2}",
    "a section sees those before": "train: {x: 1}\nvalidate: {y: '{{ train.x + 1 }}'}\n"
    "test: {z: '{{ validate.y + 1 }}'}\nevaluate: {w: '{{ test.z + 1 }}'}",
    "a section sees itself raw": "train: {x: '{{ 1 + 1 }}', y: '{{ train.x }}'}",
    "a section does not see those after": "train: {x: '{{ validate }}'}\nvalidate: {y: 1}",
    "loss sees the layers": "loss: [{target: '{{ layers[-1] }}', name: x}]",
    "loss sees tags": "loss: [{target: '{{ tags.t }}', name: x}]",
    "an unknown section": "other: {x: '{{ 1 + 1 }}'}",
    "templates stay raw": "templates: {t: [{dense: '{{ n }}'}]}",
    "a template of a taken name": "templates: {dense: [flatten]}",
    "a template of a taken name in capitals": "templates: {Dense: [flatten]}",
    "empty templates": "templates:",
    "templates as a list": "templates: [a]",
    "keys are not evaluated": "settings: {a: 1, '{{ a }}': 2}",
    "values in lists": "settings: {a: 2, l: ['{{ a }}', ['{{ a + 1 }}', {k: '{{ a * 2 }}'}]]}",
    "a template that makes templates": "settings: {l: \"{{ ['{' ~ '{ 1 + 1 }}'] }}\"}",
    "numbers that are no numbers to YAML": "settings: {r: 2e-4, s: 1e5, t: 1.0e-4, u: .5}",
    "truth": "settings: {a: yes, b: No, c: on, d: 'yes', e: True, f: y}",
    "null": "settings: {a: null, b: ~, c: , d: 'None', e: none}",
    "bases": "settings: {a: 0x10, b: 010, c: 1_000, d: 1:30, e: 0b11, f: 0o7}",
    "anchors": "settings: {a: &a {x: 1, y: 2}, b: {<<: *a, y: 3}, c: {y: 3, <<: *a}, d: *a}",
    "two anchors": "settings:\n  a: &a {x: 1}\n  b: &b {x: 2, z: 3}\n  c: {<<: [*a, *b], w: 0}",
    "blocks": "settings:\n  a: |\n    {{ 1 + 1 }}\n  b: >\n    x\n    y\n  c: |-\n    3",
    "whole numbers as keys": "settings: {m: {1: one, 2: two}, x: '{{ m[1] }}'}",
    "host": "settings: {x: '{{ host is string }}'}",
    "file name": "settings: {x: '{{ filename }}'}",
}


def sections():
    for name, text in SECTIONS.items():
        yield (
            name,
            f"{text}\n{MODEL.replace('name: y', 'name: y, tag: t')}".replace(
                "  - dense: 2\n    name: y, tag: t", "  - {dense: 2, name: y, tag: t}"
            ),
        )


# Models, after settings that all have; `x` is the input where the text does not begin with one.
MODELS = {
    "automatic names": "- dense: 1\n- dense: 2\n- {dense: 3, name: z}\n- dense: 4\n- flatten",
    "names in loops": "- for:\n    range: 2\n    iterate:\n      - dense: 1\n      - for:\n"
    "          range: 2\n          iterate: [{activation: relu}]\n- dense: 3",
    "an index": "- for: {range: 3, iterate: [{dense: '{{ index + 1 }}'}]}",
    "an index by name": "- for: {range: 2, with_index: i, iterate: [{dense: '{{ b[i] }}', name: 'n{{ i }}'}]}",
    "loops in loops": "- for: {range: 2, with_index: i, iterate: [{for: {range: 2, with_index: j, "
    "iterate: [{dense: '{{ 10 * i + j + 1 }}'}]}}]}",
    "no turn at all": "- for: {range: 0, iterate: [{dense: 1}]}\n- dense: 2",
    "a range below zero": "- for: {range: -3, iterate: [{dense: 1}]}\n- dense: 2",
    "a range of a text": "- for: {range: '3', iterate: [{dense: 1}]}",
    "a range of a fraction": "- for: {range: 2.7, iterate: [{dense: 1}]}",
    "a range of nothing": "- for: {range: '{{ nothing }}', iterate: [{dense: 1}]}",
    "a loop without a range": "- for: {iterate: [{dense: 1}]}",
    "a loop over nothing": "- for: {range: 3}",
    "for each": "- for_each: {items: [4, 5], iterate: [{dense: '{{ item }}'}]}",
    "for each of a setting": "- for_each: {items: '{{ b }}', loop_var: k, iterate: [{dense: '{{ k }}'}]}",
    "for each of mappings": "- for_each: {items: [{n: 4}, {n: '{{ a }}'}], iterate: [{dense: '{{ item.n }}'}]}",
    "for each of a mapping": "- for_each: {items: {p: 1, q: 2}, iterate: [{dense: 1, name: '{{ item }}'}]}",
    "for each of a text": "- for_each: {items: abc, iterate: [{dense: 1, name: '{{ item }}'}]}",
    "for each of nothing": "- for_each: {items: '{{ nothing }}', iterate: [{dense: 1}]}\n- dense: 2",
    "a template": "- block: {n: 5}",
    "a template twice": "- block: {n: 5}\n- block: {n: 6}\n  name: second",
    "a template sees its arguments as text": "- block: {n: '{{ a + 1 }}'}",
    "arithmetic on the text of an argument": "- more: {n: '{{ a }}'}",
    "args": "- whole: {n: 7, m: 8}",
    "inputs of a template": "- {dense: 1, name: p}\n- ins: {}\n  inputs: x",
    "inputs of a template by default": "- {dense: 1, name: p}\n- ins: {}",
    "a template of one entry": "- single: {n: 3}",
    "a template in a template": "- outer: {n: 3}",
    "a template with a loop": "- looped: {n: 2}",
    "two templates in one entry": "- {block: {n: 1}, single: {n: 2}}",
    "a template by name alone": "- single",
    "a template of an unfortunate name alone": "- conv_pool",
    "a template of a name that works alone": "- my_flatten",
    "no template": "- blok: {n: 1}",
    "texts that are types": "- flatten\n- activation\n- batch_normalization\n- merge\n- output",
    "a text with a type in it": "- the_flatten_layer\n- re_activation",
    "a text with a type in it that needs arguments": "- my_dense",
    "texts that are templates": "- \"{{ 'flat' ~ 'ten' }}\"",
    "texts that are templates in a loop": "- for: {range: 1, iterate: [\"{{ 'flat' ~ 'ten' }}\"]}",
    "a text that is an entry": "- \"{{ {'dense': 3} }}\"",
    "the first type of several": "- {dense: 3, activation: relu}\n- {activation: relu, flatten: }",
    "other keys": "- {dense: 3, colour: red}",
    "arguments of each layer": "- convolution: {kernels: '{{ a }}', size: ['{{ a }}', 5], strides: 2, border: valid}\n"
    "- convolution: {kernels: '{{ 2.0 * a }}', size: 3}\n- pool: {size: 2, strides: [2], type: Average, border: SAME}\n"
    "- pool: ['{{ a }}', 3]\n- pool: 2\n- recurrent: {size: 3, type: LSTM, bidirectional: yes, merge: concat, "
    "outer_activation: tanh, sequence: no}\n- dropout: 0.3\n- dropout: {fraction: '{{ g }}', independent: no}\n"
    "- transpose: [1, 0]\n- transpose: {axes: [0, 1], include_batch: yes}\n- expand: -1\n- squeeze: {dimension: 1}\n"
    "- repeat: 3\n- embedding: {vocab_size: 10, size: '{{ a }}'}\n- batch_normalization: {axis: 1, momentum: 0.9}\n"
    "- dense: ['{{ a }}', 4]\n- dense: {size: [3, 2], flatten: yes}\n- activation: '{{ c.f }}'\n- merge: Add\n"
    "- merge: {mode: concat, axis: -1}",
    "parallel": "- parallel: {apply: [{dense: 2}, {activation: relu}]}\n- dense: 3",
    "parallel with a loop": "- parallel: {apply: [{for: {range: 2, iterate: [{dense: 2}, flatten]}}]}\n- dense: 3",
    "parallel with a template": "- parallel: {apply: [{block: {n: 2}}]}\n  name: par",
    "parallel of nothing": "- parallel: {apply: []}\n- dense: 3",
    "parallel, suppressed": "- parallel: {apply: [{dense: 2}]}\n  when: no\n- dense: 3",
    "parallel of the suppressed": "- parallel: {apply: [{dense: 2, when: no}]}\n- dense: 3",
    "reuse": "- {dense: 2, name: p}\n- reuse: p",
    "reuse by a mapping": "- {dense: 2, name: p}\n- reuse: {target: '{{ layers[-1] }}'}",
    "reuse of a group": "- for: {range: 2, iterate: [{dense: 2}]}\n  name: g\n- reuse: g",
    "reuse of what comes later": "- reuse: q\n- {dense: 2, name: q}",
    "reuse of the suppressed": "- {dense: 2, name: p, when: no}\n- reuse: p\n- dense: 3",
    "reuse of nothing there": "- reuse: nowhere",
    "reuse of itself": "- {reuse: me, name: me}",
    "reuse of what is in parallel": "- parallel: {apply: [{dense: 2, name: p}]}\n- reuse: p",
    "explicit inputs": "- {dense: 1, name: p}\n- {dense: 2, name: q, inputs: x}\n- {merge: add, inputs: [p, q]}",
    "inputs from further down": "- {merge: add, inputs: [p, q], name: m}\n- {dense: 1, name: p, inputs: x}\n"
    "- {dense: 2, name: q, inputs: x}\n- {dense: 3, inputs: m}",
    "a chain backwards": "- {dense: 1, name: p, inputs: q}\n- {dense: 2, name: q, inputs: r}\n- {dense: 3, name: r, inputs: x}",
    "a circle": "- {dense: 1, name: p, inputs: q}\n- {dense: 2, name: q, inputs: p}",
    "fed by itself": "- {dense: 1, name: p, inputs: p}",
    "an input that is not there": "- {dense: 1, inputs: nowhere}",
    "one name twice": "- {dense: 1, name: p}\n- {dense: 2, name: p}",
    "a name of a group and a layer": "- for: {range: 1, iterate: [{dense: 1}]}\n  name: p\n- {dense: 2, name: q}\n- {dense: 3, inputs: p}",
    "a group name twice": "- for: {range: 2, iterate: [{block: {n: 1}, name: blk}]}\n- {dense: 3, inputs: blk}",
    "an alias by an automatic name": "- for: {range: 1, iterate: [{dense: 1}]}\n- dense: 2\n- {dense: 3, inputs: ..for.0}",
    "inputs of a group": "- {dense: 1, name: p}\n- for: {range: 2, iterate: [{dense: 2}]}\n  inputs: x\n  name: g\n  sink: yes\n- {dense: 3, inputs: p}",
    "inputs of groups in groups": "- {dense: 1, name: p}\n- for: {range: 1, iterate: [{for: {range: 1, iterate: "
    "[{dense: 2, inputs: p}]}, inputs: p}]}\n  inputs: x",
    "names of groups in groups": "- for: {range: 1, iterate: [{for: {range: 1, iterate: [{dense: 2, name: p}]}, name: q}]}\n  name: r",
    "a group of nothing": "- for: {range: 1, iterate: [{debug: hello}]}\n  name: g\n- dense: 1",
    "an input in a group": "- for: {range: 1, iterate: [{input: y}, {dense: 1}]}\n- dense: 2",
    "an input with inputs": "- {input: z, inputs: x}",
    "no input": "NOINPUT- dense: 1",
    "two inputs": "- {dense: 1, name: p}\n- input: y\n- {dense: 2, name: q}\n- {merge: concat, inputs: [p, q]}",
    "an input not used": "- input: y\n- dense: 1",
    "input by a mapping": "NOINPUT- input: {shape: [2, '{{ a }}', null], type: int32}\n- dense: 1",
    "input with a name": "NOINPUT- {input: {shape: 3}, name: z}\n- dense: 1",
    "input with two names": "NOINPUT- {input: z, name: w}\n- dense: 1",
    "input without a value": "NOINPUT- input:\n- dense: 1",
    "input of a name with shape in it": "NOINPUT- input: my_shape\n- dense: 1",
    "input, suppressed": "NOINPUT- {input: x, when: no}\n- dense: 1",
    "output": "- {dense: 1}\n- output: o\n- dense: 2",
    "output with a name": "- {dense: 1}\n- {output: o, name: p}",
    "output of several": "- {dense: 1, name: p}\n- {dense: 1, name: q}\n- {output: o, inputs: [p, q]}",
    "two outputs of one": "- {dense: 1, name: p}\n- output: o\n- {output: q, inputs: p}",
    "outputs of outputs": "- {dense: 1, name: p}\n- output: o\n- output: q",
    "output of a group": "- for: {range: 2, iterate: [{dense: 1}]}\n  name: g\n- output: o",
    "sinks": "- {dense: 1, sink: yes}\n- {dense: 1, sink: 'on'}\n- {dense: 1, sink: '{{ h }}'}\n- {dense: 1, sink: 'No'}\n- dense: 1",
    "a sink that is no truth value": "- {dense: 1, sink: 3}",
    "a suppressed layer": "- {dense: 1, name: p}\n- {dense: 2, name: q, when: '{{ a > 5 }}'}\n- dense: 3",
    "a suppressed layer by a text": "- {dense: 1, when: 'no'}\n- {dense: 2, when: 'False'}\n- {dense: 3, when: ''}\n- {dense: 4, when: []}\n- {dense: 5, when: 0}",
    "a suppressed group": "- for: {range: 1, iterate: [{dense: 1}]}\n  when: no\n- dense: 2",
    "a suppressed layer at the end": "- {dense: 1, name: p}\n- {dense: 2, name: q, when: no}",
    "suppressed in a row": "- {dense: 1, name: p}\n- {dense: 2, name: q, when: no}\n- {dense: 3, name: r, when: no}\n- dense: 4",
    "suppressed with two inputs": "- {dense: 1, name: p}\n- {merge: add, inputs: [x, p], when: no}",
    "a suppressed sink": "- {dense: 1, name: p, sink: yes}\n- {dense: 2, name: q, when: no, sink: yes}\n- dense: 4",
    "tags": "- {dense: 1, tag: t}\n- {dense: 2, tag: [t, u]}\n- {dense: 3, inputs: '{{ tags.u }}', tag: '{{ c.f }}'}\n- {dense: 1, inputs: '{{ tags.text }}'}",
    "tags of groups": "- for: {range: 1, iterate: [{dense: 1, tag: t, name: p}]}\n  tag: t\n  name: g\n- {dense: 2, inputs: '{{ tags.t }}'}",
    "tags within": "- for: {range: 2, iterate: [{dense: 1, tag: t}, {dense: '{{ tags | length + 1 }}'}]}",
    "oldest": "- {dense: 1, oldest: t, name: p}\n- {dense: 2, name: 'n{{ oldest }}'}",
    "layers so far": "- {dense: '{{ layers | length + 1 }}'}\n- for: {range: 2, iterate: [{dense: '{{ layers | length + 1 }}'}]}\n- {dense: '{{ layers | length + 1 }}'}",
    "an assertion": "- assert: '{{ a == 3 }}'\n- dense: 1",
    "an assertion that fails": "- assert: '{{ a == 4 }}'",
    "an assertion of a list": "- assert: ['{{ a == 4 }}']\n- dense: 1",
    "assertions and debug in names": "- debug: 'a {{ a }}'\n- assert: yes\n- debug: more\n- {dense: 1, name: 'l{{ layers | length }}{{ layers[-1] }}'}",
    "a name from a template": "- {dense: 1, name: 'n{{ a }}'}",
    "a name that is a number": "- {dense: 1, name: '{{ a }}'}",
    "no name": "- {dense: 1, name: }",
    "a layer by the name of its class": "- placeholder: x",
    "abstract": "- layer: x",
    "freeze": "- {dense: 1, freeze: yes}",
    "missing arguments": "- convolution: {kernels: 3}",
    "an empty model": "NOINPUT[]",
    "an entry of nothing": "- ",
    "an entry that is a number": "- 3",
    "an entry without keys": "- {}",
}
TEMPLATES = """
templates:
  block: [{dense: '{{ n }}'}, {activation: relu}]
  single: {dense: 3}
  more: [{dense: '{{ n + 1 }}'}]
  whole: [{dense: '{{ args.n + args.m }}'}]
  ins: [{dense: 1, name: 'n_{{ inputs | length }}_{{ inputs[0] }}'}]
  outer: [{block: {n: '{{ n }}'}}, {single: {}}]
  looped: [{for: {range: '{{ n }}', iterate: [{dense: '{{ index + n }}'}]}}]
  conv_pool: [{dense: 9}]
  my_flatten: [{dense: 9}]
"""


def models():
    for name, text in MODELS.items():
        first = "" if text.startswith("NOINPUT") else "- input: x\n"
        lines = (first + text.replace("NOINPUT", "", 1)).split("\n")
        yield name, HEAD + TEMPLATES + "model:\n" + "\n".join("  " + line for line in lines) + "\n"


def drawn(chance):
    """A model at random: every kind of container, in every kind of another."""
    names = ["x"]

    def entry(depth, inside):
        kinds = ["dense", "activation", "flatten", "merge", "output", "bare"] * 2
        kinds += ["for", "for_each", "block", "single", "debug", "reuse"]
        kinds += [] if inside else ["parallel", "input"]
        kind = chance.choice(kinds if depth < 3 else kinds[:12])
        if kind == "bare":
            return chance.choice(["flatten", "batch_normalization", "activation"])
        many = chance.randint(0, 3) if kind in ("for", "for_each", "parallel") else 0
        inner = [entry(depth + 1, inside or kind == "parallel") for _ in range(many)]
        made = {
            "dense": chance.randint(1, 9),
            "activation": "relu",
            "flatten": None,
            "merge": "add",
            "output": None,
            "for": {"range": chance.randint(0, 2), "iterate": inner},
            "for_each": {"items": [1, 2], "iterate": inner},
            "block": {"n": chance.randint(1, 9)},
            "single": {},
            "debug": "x",
            "reuse": chance.choice(names[1:] or ["nowhere"]),
            "parallel": {"apply": inner},
            "input": {"shape": [3]},
        }
        one = {kind: made[kind]}
        if chance.random() < 0.3:
            one["name"] = f"n{len(names)}{{{{ index }}}}{{{{ item }}}}"
            names.append(f"n{len(names)}")
        if chance.random() < 0.25 and kind != "input":
            many = 2 if kind == "merge" else 1
            one["inputs"] = [chance.choice(names) for _ in range(many)]
        if chance.random() < 0.15:
            one["sink"] = chance.choice([True, False, "yes", "off"])
        if chance.random() < 0.15 and kind not in ("input", "merge"):
            one["when"] = chance.choice([True, False, "{{ a > 3 }}", "{{ index }}"])
        if chance.random() < 0.15:
            one["tag"] = chance.choice(["t", ["t", "u"]])
        return one

    entries = [{"input": "x"}] + [entry(0, False) for _ in range(chance.randint(2, 8))]
    return HEAD + TEMPLATES + yaml.safe_dump({"model": entries})


A = "settings: {a: 1, l: [1, 2], m: {x: 1}}\n"
INCLUDES = {
    "include": {"main.yml": "include: o.yml\nsettings: {b: 2}\n", "o.yml": A},
    "the file wins": {"main.yml": "include: o.yml\nsettings: {a: 9, l: [7], m: {y: 2}}\n", "o.yml": A},
    "longer list": {"main.yml": "include: o.yml\nsettings: {l: [7, 8, 9]}\n", "o.yml": A},
    "types clash": {"main.yml": "include: o.yml\nsettings: {a: {x: 1}, l: 3, m: [1]}\n", "o.yml": A},
    "nothing wins": {"main.yml": "include: o.yml\nsettings: {a: , m: }\n", "o.yml": A},
    "a list of files": {"main.yml": "include: [o.yml, p.yml]\n", "o.yml": A, "p.yml": "settings: {a: 2, z: 3}\n"},
    "method is late": {"main.yml": "include: [{source: o.yml, method: concat}]\nsettings: {l: [7]}\n", "o.yml": A},
    "method one level down": {
        "main.yml": "include: [{source: o.yml, method: concat}]\nsettings: {l: [7]}\n",
        "o.yml": "include: p.yml\nsettings: {l: [5, 6, 8]}\n",
        "p.yml": A,
    },
    "method merge one level down": {
        "main.yml": "include: [{source: [o.yml], method: merge}]\n",
        "o.yml": "include: p.yml\nsettings: {l: [5], m: {z: 1}}\n",
        "p.yml": A,
    },
    "an unknown method": {"main.yml": "include: [{source: o.yml, method: other}]\n", "o.yml": "include: p.yml\n", "p.yml": A},
    "no source": {"main.yml": "include: {method: blend}\n"},
    "a missing file": {"main.yml": "include: nowhere.yml\n"},
    "a pattern": {"main.yml": "include: 'd/*.yml'\n", "d/o.yml": A, "d/.h.yml": "settings: {h: 1}\n"},
    "a deep pattern": {"main.yml": "include: '**/o.yml'\n", "d/e/o.yml": A},
    "a circle": {"main.yml": "include: o.yml\nsettings: {b: 2}\n", "o.yml": "include: main.yml\n" + A},
    "twice": {"main.yml": "include: [o.yml, o.yml]\nsettings: {l: []}\n", "o.yml": A},
    "relative to the including file": {
        "main.yml": "include: d/o.yml\n", "d/o.yml": "include: p.yml\n", "d/p.yml": A, "p.yml": "settings: {a: 5}\n",
    },
    "JSON": {"main.yml": "include: o.json\n", "o.json": '{"settings": {"a": "{{ 1 + 1 }}", "b": 2e-4}}'},
    "another ending": {"main.yml": "include: o.txt\n", "o.txt": A},
    "a number": {"main.yml": "include: 3\n"},
    "nothing": {"main.yml": "include:\n"},
    "an include of an include first": {
        "main.yml": "include: [o.yml, p.yml]\n", "o.yml": "include: q.yml\n", "p.yml": "settings: {a: 3}\n", "q.yml": "settings: {a: 4}\n",
    },
    "models are merged too": {"main.yml": "include: o.yml\n", "o.yml": "model: [{input: z}, {dense: 5}, flatten]\n"},
    "load": {
        "main.yml": "settings: {v: \"{{ load_json('o.json').k }}\", w: \"{{ load_yaml('d/p.yml') }}\"}\n",
        "o.json": '{"k": [1, 2]}', "d/p.yml": "[1, two, {x: yes}]",
    },
}  # fmt: skip


def includes():
    for name, files in INCLUDES.items():
        yield f"include: {name}", dict(files, **{"main.yml": files["main.yml"] + MODEL})


def main():
    cases = []
    for make in (texts, sections, models, includes):
        for name, files in make():
            files = files if isinstance(files, dict) else {"main.yml": files}
            cases.append({"id": name, "files": files})
    chance = random.Random(SEED)
    cases += [{"id": f"drawn {n}", "files": {"main.yml": drawn(chance)}} for n in range(RANDOM)]
    for case in cases:
        case.update(made(case["files"], "main.yml"))
    made_with = {
        "kur": __version__,
        "python": platform.python_version(),
        "jinja2": jinja2.__version__,
        "yaml": yaml.__version__,
        "seed": SEED,
    }
    said = json.dumps({"made_with": made_with, "cases": cases}, indent=1, sort_keys=True)
    with OUT.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write(said.encode())
    failed = sum("error" in case for case in cases)
    print(f"{len(cases)} Kurfiles, {failed} of which Kur refuses, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
