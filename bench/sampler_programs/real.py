"""What programs do: JSON, regular expressions, syntax trees, differences, wrapped text."""
import ast
import difflib
import json
import re
import textwrap

from pace import forever

TEXT = open(json.__file__).read()
WORDS = re.findall(r"\w+", TEXT)


def documents():
    data = {"k%d" % i: [i, str(i), {"x": i}] for i in range(200)}
    return json.loads(json.dumps(data, indent=1))


def expressions():
    return [m.group() for m in re.finditer(r"([a-z]+)_([a-z]+)", TEXT)]


def trees():
    return sum(1 for _ in ast.walk(ast.parse("def f(a, b):\n  return a + b * 2\n" * 30)))


def differences():
    return list(difflib.SequenceMatcher(None, WORDS[:120], WORDS[20:140]).get_matching_blocks())


def wrapped():
    return textwrap.fill(TEXT[:3000], 60)


def one_round():
    documents()
    expressions()
    trees()
    differences()
    wrapped()


forever(one_round)
