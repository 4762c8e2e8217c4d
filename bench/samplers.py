"""The samplers that bench_sampler.py compares, each as it is installed on this machine: how one is told to watch a
running program for a while, and what it said about it, in one shape for all.

Austin and py-spy are looked for on the PATH, or where BENCH_AUSTIN and BENCH_PY_SPY say. CPython's own sampler
(profiling.sampling, 3.15 and later) watches only programs of its own version: the watched Python is its place."""

import collections
import json
import os
import re
import shutil
import subprocess
import time

FRAME = re.compile(r"(.*) \((.*?)(?::(\d+))?\)$")

# What a sampler said: {((function, line), ...): samples}, outermost first; `bad` = samples it called errors itself;
# `seconds` = how long it sampled; `missed` = share of the ticks it did not keep, None = it does not tell.
Seen = collections.namedtuple("Seen", "stacks bad seconds missed notes")


def version_of(python):
    done = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
    return tuple(map(int, done.stdout.split()))


def label_of(python):
    return subprocess.run([python, "-V"], capture_output=True, text=True).stdout.split()[-1]


def with_parentheses(text):
    """function (file:line)"""
    found = FRAME.match(text)
    return (found.group(1).split(".")[-1], int(found.group(3) or 0)) if found else (text, 0)


def with_colons(text):
    """file:function:line"""
    parts = text.rsplit(":", 2)
    return (parts[1].split(".")[-1], int(parts[2])) if len(parts) == 3 and parts[2].isdigit() else (text, 0)


def missed_of(got, rate, seconds):
    """None at full speed, where there are no ticks to keep."""
    return max(0.0, 1 - got / (rate * seconds)) if rate and seconds else None


class Sampler:
    ends_itself = True
    full_speed = 1000000

    def __init__(self, folder):
        self.out = folder / f"{self.name}.out"
        self.err = folder / f"{self.name}.err"

    def start(self, python, pid, seconds, rate, threads):
        with open(self.out, "w") as out, open(self.err, "w") as err:
            return subprocess.Popen([str(word) for word in self.command(python, pid, seconds, rate, threads)],
                                    stdout=out, stderr=err, stdin=subprocess.DEVNULL)

    def lines(self):
        with open(self.out, errors="replace") as text:
            yield from text

    def words(self):
        return self.err.read_text(errors="replace")


class Ours(Sampler):
    name = "ours"

    def __init__(self, folder, probe):
        super().__init__(folder)
        self.probe = probe

    def serves(self, python):
        return True

    def command(self, python, pid, seconds, rate, threads):
        return [self.probe, "--rate", rate, "--duration", seconds, pid]

    def seen(self, rate, threads):
        stacks = collections.Counter()
        for line in self.lines():
            words = line.rsplit(" ", 8)
            if len(words) == 9 and "/" in words[0]:
                stacks[tuple(map(with_parentheses, words[0].split(";")[1:]))] += int(words[1])
        counters = [json.loads(line) for line in self.words().splitlines() if line.startswith("{")][-1]
        ticks = counters["ticks"] + counters["missed"]
        return Seen(stacks, counters["torn"], counters["seconds"], counters["missed"] / ticks if rate and ticks else None,
                    f"{counters['stopped'] / max(1, counters['samples']):.1%} by a stop")


class Austin(Sampler):
    name = "Austin"

    def serves(self, python):
        self.place = os.environ.get("BENCH_AUSTIN") or shutil.which("austin")
        return self.place is not None and version_of(python) < (3, 14)

    def command(self, python, pid, seconds, rate, threads):
        return [self.place, "-i", max(1, 1000000 // rate) if rate else 1, "-x", seconds, "-p", pid]

    def seen(self, rate, threads):
        raw, bad, seconds = collections.Counter(), 0, 0
        for line in self.lines():
            if line.startswith("# duration:"):
                seconds = int(line.split()[-1]) / 1e6
            elif line.startswith("P"):
                raw[line.rsplit(" ", 1)[0]] += 1
        stacks = collections.Counter()
        for text, count in raw.items():
            if ":INVALID:" in text or text.count(";") < 2:
                bad += count
            else:
                stacks[tuple(map(with_colons, text.split(";")[2:]))] += count
        return Seen(stacks, bad, seconds, missed_of(sum(raw.values()) / threads, rate, seconds), "")


class PySpy(Sampler):
    """It counts its duration in samples, not seconds, so it is told to end. It stops the program for each sample
    unless told not to, as it is for the highest rate."""
    name = "py-spy"
    full_speed = 100000
    ends_itself = False

    def serves(self, python):
        self.place = os.environ.get("BENCH_PY_SPY") or shutil.which("py-spy")
        if not self.place:
            return False
        sleeper = subprocess.Popen([python, "-c", "import time; time.sleep(30)"])
        time.sleep(0.5)
        done = subprocess.run([self.place, "dump", "--pid", str(sleeper.pid)], capture_output=True)
        sleeper.kill()
        sleeper.wait()
        return done.returncode == 0

    def command(self, python, pid, seconds, rate, threads):
        return [self.place, "record", "--idle", "--format", "raw", "--rate", rate or self.full_speed, "--output", self.out,
                "--pid", pid] + ([] if rate else ["--nonblocking"])

    def seen(self, rate, threads):
        stacks, bad = collections.Counter(), 0
        for line in self.lines():
            text, _, count = line.rpartition(" ")
            if text.strip() and count.strip().isdigit():
                stacks[tuple(map(with_parentheses, text.split(";")))] += int(count)
            elif count.strip().isdigit():
                bad += int(count)
        errors = re.search(r"Errors: (\d+)", self.words())
        return Seen(stacks, bad + int(errors.group(1)) if errors else bad, None, None, "late ones bunched")


class Tachyon(Sampler):
    """Writes its binary form, the cheapest; what is in it is unpacked afterwards."""
    name = "Tachyon"

    def serves(self, python):
        return subprocess.run([python, "-c", "import profiling.sampling, _remote_debugging"], capture_output=True).returncode == 0

    def command(self, python, pid, seconds, rate, threads):
        self.python = python
        self.binary = self.out.with_suffix(".bin")
        return [python, "-m", "profiling.sampling", "attach", "--sampling-rate", rate or self.full_speed, "--duration", seconds,
                "--binary", "--compression", "none", "--output", self.binary, *(["--all-threads"] if threads > 1 else []), pid]

    def seen(self, rate, threads):
        said = self.out.read_text(errors="replace") + self.words()
        captured = re.search(r"Captured ([\d,]+) samples in ([\d.]+) seconds", said)
        share = re.search(r"Error rate: ([\d.]+)", said)
        count, seconds = int(captured.group(1).replace(",", "")), float(captured.group(2))
        subprocess.run([self.python, "-m", "profiling.sampling", "replay", "--collapsed", "--output", self.out, self.binary],
                       capture_output=True, check=True)
        stacks = collections.Counter()
        for line in self.lines():
            text, _, samples = line.rpartition(" ")
            frames = tuple(f for f in map(with_colons, text.split(";")[1:]) if f[0] != "<GC>")
            stacks[frames] += int(samples)
        bad = int(count * float(share.group(1)) / 100) if share else 0
        return Seen(stacks, bad, seconds, missed_of(count, rate, seconds), f"{share.group(1) if share else 0} % errors")


def installed(folder, probe):
    return [Ours(folder, probe), Austin(folder), PySpy(folder), Tachyon(folder)]
