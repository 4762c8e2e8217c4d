"""Arithmetic under two hundred frames."""
from pace import forever


def leaf():
    return sum([i * i for i in range(5000)])


def down(depth):
    if depth:
        down(depth - 1)
    else:
        forever(leaf)


down(200)
