"""Prints line tables as this Python's compiler writes them, with the lines that this Python itself
says belong to them. line_tables.h is its output under each version, one after the other;
line_ranges.h that of the versions which have columns (3.11), with the word "ranges"."""
import dis
import sys

SOURCE = '''def f(a,
      b=2):
    x = a

    for i in range(3):
        if (i and
            x):
            y = [
               j for j in
               range(i)
            ]
        else:
            y = (a +

                 b)
    try:
        z = f(
            1,
            2)
    except ValueError:
        z = 3
    return z
''' + "\n" * 300 + '''
def g():
    return 1
'''


def lines(code):
    if sys.version_info >= (3, 10):
        runs = [(begin, line or 0) for begin, end, line in code.co_lines() if begin < end]
    else:
        runs = list(dis.findlinestarts(code))
    kept = []
    for begin, line in runs:
        if not kept or kept[-1][1] != line:
            kept.append((begin, line))
    return kept


def show(name, code):
    table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
    places = ", ".join("{%d, %d}" % place for place in lines(code))
    print("static const uint8_t %s[] = {%s};" % (name, ", ".join(map(str, table))))
    print("static const struct place %s_places[] = {%s};" % (name, places))
    print("enum { %s_first = %d };" % (name, code.co_firstlineno))


def show_ranges(name, code):
    kept = []
    for index, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        known = column is not None and line  # the frame begins at line 0 of no text
        place = (line or 0, column + 1, end_line, end_column + 1) if known else (line or 0, 0, 0, 0)
        if not kept or kept[-1][1] != place:
            kept.append((2 * index, place))
    rows = ", ".join("{%d, {%d, %d, %d, %d}}" % (at, *place) for at, place in kept)
    print("static const struct range %s_ranges[] = {%s};" % (name, rows))


module = compile(SOURCE, "m.py", "exec")
function = [c for c in module.co_consts if getattr(c, "co_name", "") == "f"][0]
version = "%d%d" % sys.version_info[:2]
for name, code in (("function_" + version, function), ("module_" + version, module)):
    if sys.argv[1:] == ["ranges"]:
        show_ranges(name, code)
    else:
        show(name, code)
