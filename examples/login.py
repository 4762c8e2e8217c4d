"""A slow login, to have something to look at: `make run` profiles it.

A small web shop checks passwords. Most of the time goes into hashing (on purpose: that is what
makes guessing dear), some into a session store that is searched from front to back, and some into
an audit log that keeps every entry for ever, which is why memory grows.
"""

import hashlib
import json
import random
import sys
import threading
import time

USERS = 400
ROUNDS = 2500
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0


class SessionStore:
    """Sessions in a list: fine for ten of them."""

    def __init__(self):
        self.sessions = []

    def find(self, user):
        for session in self.sessions:
            if session["user"] == user:
                return session
        return None

    def open(self, user):
        session = self.find(user)
        if session is None:
            session = {"user": user, "token": random.getrandbits(64), "logins": 0}
            self.sessions.append(session)
        session["logins"] += 1
        return session


AUDIT_LOG = []


def hash_password(password, salt):
    """PBKDF by hand, in Python: the hot spot."""
    digest = (salt + password).encode()
    for _ in range(ROUNDS):
        digest = hashlib.sha256(digest).digest()
    return digest


def check_password(user, password, stored):
    return hash_password(password, user) == stored


def write_audit(user, accepted):
    entry = {"user": user, "accepted": accepted, "time": time.time(), "trace": "x" * 2000}
    AUDIT_LOG.append(json.dumps(entry) + " " * 500)


def login(user, password, stored, sessions):
    accepted = check_password(user, password, stored)
    if accepted:
        sessions.open(user)
    write_audit(user, accepted)
    return accepted


def report_statistics(stop):
    """A second thread that mostly waits."""
    while not stop.wait(0.5):
        sum(len(line) for line in AUDIT_LOG[-1000:])


def main():
    random.seed(7)
    users = ["user%03d" % i for i in range(USERS)]
    print("creating %d accounts" % USERS, flush=True)
    stored = {user: hash_password("secret-" + user, user) for user in users[:40]}
    for user in users[40:]:
        stored[user] = stored[users[0]]

    sessions = SessionStore()
    stop = threading.Event()
    statistics = threading.Thread(target=report_statistics, args=(stop,), name="statistics")
    statistics.start()
    end = time.monotonic() + SECONDS
    logins = 0
    while time.monotonic() < end:
        user = random.choice(users)
        login(user, "secret-" + user, stored[user], sessions)
        logins += 1
    stop.set()
    statistics.join()
    print("%d logins, %d sessions, %d audit lines" % (logins, len(sessions.sessions), len(AUDIT_LOG)))


if __name__ == "__main__":
    main()
