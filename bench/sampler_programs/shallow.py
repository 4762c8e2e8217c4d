"""Four frames and arithmetic."""
from pace import forever


def leaf():
    total = 0
    for i in range(10000):
        total += i
    return total


def middle():
    return leaf()


forever(middle)
