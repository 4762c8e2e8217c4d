"""Just enough of common/wire/heliograph.proto to be a collector."""


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return n << 1 if n >= 0 else (-n << 1) - 1


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def packed(field, values):
    return chunk(field, b"".join(varint(v) for v in values)) if values else b""


def hello(session, token="", name="watched"):
    return chunk(1, number(1, 1) + chunk(2, session) + (chunk(3, token) if token else b"") + chunk(4, name)
                 + chunk(5, "box") + number(6, 4242) + chunk(7, "python3") + chunk(7, "app.py") + chunk(8, "CPython 3.12.1")
                 + number(9, 1_700_000_000_000_000_000) + chunk(10, "contract 1"))


def first_batch(seq, functions, samples, period_ns=10_000_000):
    """Tables for `functions` (each its own stack under main) and samples [(time_ns, function)]."""
    names = ["main", *functions]
    strings = [*names, "/src/app.py", "cpu", "wall", "ns"]
    body = number(1, seq) + number(2, 0) + number(3, 10**9)
    body += number(4, 1) + b"".join(chunk(5, s) for s in strings)
    file = len(names) + 1
    body += number(6, 1) + packed(7, range(1, len(names) + 1)) + packed(8, [file] * len(names)) + packed(9, range(1, len(names) + 1))
    body += packed(10, [0] * len(names)) + packed(11, [0] * len(names))
    body += number(12, 1) + packed(13, range(1, len(names) + 1)) + packed(14, range(1, len(names) + 1))
    body += number(16, 1) + packed(17, [0] + [1] * len(functions)) + packed(18, range(1, len(names) + 1))
    body += number(19, 0) + chunk(20, number(2, 4242) + chunk(4, "python3 app.py"))
    body += number(21, 0) + chunk(22, number(3, 4242) + chunk(4, "MainThread"))
    body += chunk(25, chunk(2, "cpu") + chunk(3, chunk(1, "wall") + chunk(2, "ns")) + number(4, period_ns))
    body += samples_column(functions, samples, period_ns)
    body += chunk(27, chunk(2, "rss") + chunk(3, "bytes"))
    body += chunk(28, number(2, 0) + packed(3, [zigzag(0), zigzag(10**8)]) + packed(4, [zigzag(1 << 20), zigzag(1 << 20)]))
    return chunk(2, body)


def samples_column(functions, samples, period_ns):
    times = [t for t, _ in samples]
    deltas = [times[i] - times[i - 1] if i else 0 for i in range(len(times))]
    stacks = [2 + functions.index(name) for _, name in samples]
    return chunk(26, number(2, times[0]) + packed(3, [zigzag(d) for d in deltas]) + packed(5, stacks)
                 + chunk(8, number(1, zigzag(period_ns))))


def heap_batch(seq, places, rows, period=1, series=()):
    """Tables for `places` (functions under main), and rows (time_s, place, domain, allocated, allocations, freed, frees,
    born_s) of a heap; `series` are (time_s, bytes) of what is in use."""
    values = [("allocated", "bytes"), ("allocations", "count"), ("freed", "bytes"), ("frees", "count"),
              ("temporary", "bytes"), ("temporaries", "count"), ("born", "ns")]
    names = ["main", *places]
    strings = [*names, "/src/app.py", "heap", *(w for v in values for w in v)]
    body = number(1, seq) + number(2, 0) + number(3, int(max(r[0] for r in rows) * 10**9))
    body += number(4, 1) + b"".join(chunk(5, s) for s in strings)
    file = len(names) + 1
    body += number(6, 1) + packed(7, range(1, len(names) + 1)) + packed(8, [file] * len(names)) + packed(9, range(1, len(names) + 1))
    body += packed(10, [0] * len(names)) + packed(11, [0] * len(names))
    body += number(12, 1) + packed(13, range(1, len(names) + 1)) + packed(14, range(1, len(names) + 1))
    body += number(16, 1) + packed(17, [0] + [1] * len(places)) + packed(18, range(1, len(names) + 1))
    body += number(19, 0) + chunk(20, number(2, 4242) + chunk(4, "python3 app.py"))
    body += number(21, 0) + chunk(22, number(3, 4242) + chunk(4, "MainThread"))
    body += chunk(25, chunk(2, "heap") + b"".join(chunk(3, chunk(1, n) + chunk(2, u)) for n, u in values) + number(4, period))
    times = [int(r[0] * 10**9) for r in rows]
    columns = list(zip(*((r[3], r[4], r[5], r[6], 0, 0, int(r[7] * 10**9)) for r in rows)))
    body += chunk(26, number(2, times[0]) + packed(3, [zigzag(t - times[max(i - 1, 0)]) for i, t in enumerate(times)])
                  + packed(5, [2 + places.index(r[1]) for r in rows]) + packed(6, [r[2] << 6 for r in rows])
                  + b"".join(chunk(8, packed(2, [zigzag(v) for v in column])) for column in columns))
    body += chunk(27, chunk(2, "heap") + chunk(3, "bytes"))
    if series:
        at = [int(t * 10**9) for t, _ in series]
        of = [int(v) for _, v in series]
        body += chunk(28, number(2, 0) + packed(3, [zigzag(t - (at[i - 1] if i else 0)) for i, t in enumerate(at)])
                      + packed(4, [zigzag(v - (of[i - 1] if i else 0)) for i, v in enumerate(of)]))
    return chunk(2, body)


def more_samples(seq, functions, samples, period_ns=10_000_000):
    return chunk(2, number(1, seq) + number(2, 0) + number(3, 2 * 10**9) + samples_column(functions, samples, period_ns))


def points(seq, values, metric=0):
    """A batch of [(time_s, value)] of a metric that first_batch named: 0 is the rss."""
    times = [int(t * 10**9) for t, _ in values]
    deltas = [zigzag(t - times[max(i - 1, 0)] if i else t) for i, t in enumerate(times)]
    steps = [zigzag(v - (values[i - 1][1] if i else 0)) for i, (_, v) in enumerate(values)]
    return chunk(2, number(1, seq) + number(2, 0) + number(3, times[-1]) + chunk(28, number(2, metric) + packed(3, deltas) + packed(4, steps)))


def bye(seq):
    return chunk(4, number(1, seq) + chunk(3, "exited"))


def read_reply(data):
    """("welcome", url, next_seq) | ("ack", seq) | ("refused", code, message, final) | ("control", ...)."""
    kinds = {1: "welcome", 2: "ack", 3: "refused", 4: "control"}
    fields = list(fields_of(data))
    kind, inner = fields[0]
    values = dict(fields_of(inner))
    return kinds[kind], {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def fields_of(data):
    at = 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = take()
        if key & 7 == 0:
            yield key >> 3, take()
        elif key & 7 == 1:
            yield key >> 3, data[at:at + 8]
            at += 8
        else:
            length = take()
            yield key >> 3, bytes(data[at:at + length])
            at += length
