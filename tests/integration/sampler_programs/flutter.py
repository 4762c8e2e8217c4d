"""Changes its call path about every microsecond, between stacks that are all known: each function has
one caller and each call a line of its own, so a stack that never was can be told from its text
(see possible_stacks). Runs for the given number of seconds, counts how often each path was taken,
and writes that to the file named last."""

import json
import sys
import time


def make(width=3):
    """Source of three levels of functions, all different, each of which calls each of its own."""
    lines = []

    def emit(name, callees):
        lines.append(f"def {name}():")
        if not callees:
            lines.append("    x = 1")
            lines.append("    return x")
        for callee in callees:
            lines.append(f"    {callee}()")

    roots = []
    for i in range(width):
        middles = []
        for j in range(width):
            leaves = []
            for k in range(width):
                leaves.append(f"leaf_{i}{j}{k}")
                emit(leaves[-1], [])
            middles.append(f"middle_{i}{j}")
            emit(middles[-1], leaves)
        roots.append(f"top_{i}")
        emit(roots[-1], middles)
    emit("once", roots)
    return "\n".join(lines) + "\n"


def possible_calls(source):
    """(caller, line) -> callee."""
    calls, function = {}, None
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("def "):
            function = line[4:line.index("(")]
        elif line.endswith("()"):
            calls[function, number] = line.strip()[:-2]
    return calls


def main():
    source = make()
    scope = {}
    exec(compile(source, "flutter_body.py", "exec"), scope)
    once = scope["once"]
    end = time.monotonic() + float(sys.argv[1])
    rounds = 0
    while time.monotonic() < end:
        for _ in range(100):
            once()
        rounds += 100
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as out:
            json.dump({"rounds": rounds}, out)


if __name__ == "__main__":
    main()
