"""Code that comes and goes, at the same addresses again and again."""
bytes(3)  # so that what the call itself needs is there
for n in range(300):
    space = {}
    exec("def made_%d(slot):\n    slot[0] = bytes(%d)\n" % (n, 100000 + n), space)
    slot = [None]
    space["made_%d" % n](slot)
    del space, slot
