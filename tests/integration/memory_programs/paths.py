"""Stacks with a shape of their own: recursion, a generator, a comprehension, a callback from C."""

out = [None]


def leaf():
    out[0] = bytes(6967)


def recursive(depth):
    if depth:
        recursive(depth - 1)
    else:
        leaf()


def generator():
    leaf()
    yield 1


def consumer():
    for _ in generator():
        pass


class Key:
    def __lt__(self, other):
        leaf()
        return False


def compared():
    sorted([Key(), Key()])


recursive(40)
consumer()
compared()
