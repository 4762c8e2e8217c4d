"""Small blocks of two sizes by the hundred thousand: what sampling must estimate."""
slots = [[None] for _ in range(1000)]


def forty_megabytes():
    for _ in range(400):
        for slot in slots:
            slot[0] = bytes(67)


def ten_megabytes():
    for _ in range(20):
        for slot in slots:
            slot[0] = bytes(467)


forty_megabytes()
ten_megabytes()
