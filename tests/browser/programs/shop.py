"""A shop that serves itself: what a small web service spends its time on, for the pictures.

Everything is the standard library and really done: passwords are hashed, orders live in SQLite,
pages are rendered, a thread packs a catalogue, and in the middle a report holds its rows in memory.
"""

import csv
import hashlib
import io
import json
import os
import random
import re
import sqlite3
import string
import sys
import threading
import time
import zlib

WORDS = ["lamp", "desk", "chair", "shelf", "mirror", "carpet", "kettle", "clock", "basket", "candle"]
PAGE = string.Template("<li class=$kind>$name <b>$price</b></li>")


class Shop:
    def __init__(self):
        self.database = sqlite3.connect(":memory:")
        self.database.execute("create table orders (id integer primary key, buyer, item, price)")
        dice = random.Random(7)
        rows = [(n, dice.randrange(900), dice.choice(WORDS), dice.randrange(100)) for n in range(40000)]
        self.database.executemany("insert into orders values (?, ?, ?, ?)", rows)
        self.tree = self.grow_catalogue(dice, 6)

    def grow_catalogue(self, dice, depth):
        if depth == 0:
            return {"name": dice.choice(WORDS), "price": dice.randrange(100), "parts": []}
        parts = [self.grow_catalogue(dice, depth - 1) for _ in range(3)]
        return {"name": dice.choice(WORDS), "price": dice.randrange(100), "parts": parts}


def serve(shop, seconds):
    begin = time.perf_counter()
    dice = random.Random(11)
    report = None
    while (passed := time.perf_counter() - begin) < seconds:
        handle_request(shop, dice)
        if report is None and passed > seconds * 0.4:
            report = write_report(shop)
        elif report and passed > seconds * 0.7:
            report = ()


def handle_request(shop, dice):
    user = log_in(dice)
    basket = load_basket(user, dice)
    if dice.random() < 0.6:
        search_catalogue(shop, dice.choice(WORDS))
    orders = orders_of(shop, user)
    return render_page(basket, orders)


def log_in(dice):
    check_password(b"open sesame")
    return dice.randrange(900)


def check_password(password):
    return hashlib.pbkdf2_hmac("sha256", password, b"salt", 9000)


def load_basket(user, dice):
    text = json.dumps({"user": user, "items": [{"name": dice.choice(WORDS), "n": n} for n in range(300)]})
    return json.loads(text)


def search_catalogue(shop, word):
    pattern = re.compile(word[:3] + ".*" + word[-1])
    return price_of(shop.tree, pattern)


def price_of(part, pattern):
    own = part["price"] if pattern.match(part["name"]) else 0
    return own + sum(price_of(p, pattern) for p in part["parts"])


def orders_of(shop, user):
    query = "select item, sum(price) from orders where buyer = ? group by item order by 2"
    return shop.database.execute(query, (user,)).fetchall()


def render_page(basket, orders):
    lines = [render_item(item["name"], item["n"]) for item in basket["items"]]
    lines += [render_item(name, price) for name, price in orders]
    return "\n".join(lines)


def render_item(name, price):
    return PAGE.substitute(kind="item", name=name, price=price)


def write_report(shop):
    out = io.StringIO()
    writer = csv.writer(out)
    rows = shop.database.execute("select * from orders").fetchall()
    held = []
    for _ in range(8):
        for row in rows:
            writer.writerow(row)
        held.append(out.getvalue())
    return held


def pack_catalogue(stop):
    data = os.urandom(60_000) + b"catalogue " * 30_000
    while not stop.is_set():
        zlib.compress(data, 9)
        stop.wait(0.02)


def main(seconds):
    stop = threading.Event()
    packer = threading.Thread(target=pack_catalogue, args=(stop,), name="packer")
    packer.start()
    serve(Shop(), seconds)
    stop.set()
    packer.join()


main(float(sys.argv[1]) if len(sys.argv) > 1 else 16)
