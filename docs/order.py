#!/usr/bin/env python3
"""The order of training in Glasswork, in plain Python: a reference to read, test and reuse.

Everything here is a function of `data/mixture.json` in a release: which window of which source
stands at which row of the sequence, and back. It needs Python 3 and nothing else.

    python3 order.py RELEASE/data/mixture.json 0 10     rows 0 to 9 of a release
    python3 order.py --check order-vectors.json         the published vectors hold
"""

import json
import sys

M64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
ROUNDS = 8


def mix(x):
    """splitmix64's finaliser."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & M64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & M64
    return x ^ (x >> 31)


class Permutation:
    """A permutation of 0..n: a Feistel network on the next power of four, walked until inside."""

    def __init__(self, n, key, epoch):
        self.n = n
        self.half = max(1, -(-(n - 1).bit_length() // 2))
        self.keys = [
            mix(key[r % 2] + GOLDEN * (ROUNDS * epoch + r + 1) & M64) for r in range(ROUNDS)
        ]

    def _round(self, half, key):
        return mix(half + key & M64) >> (64 - self.half)

    def forward(self, i):
        while True:
            left, right = i >> self.half, i & (1 << self.half) - 1
            for key in self.keys:
                left, right = right, left ^ self._round(right, key)
            i = left << self.half | right
            if i < self.n:
                return i

    def inverse(self, j):
        while True:
            left, right = j >> self.half, j & (1 << self.half) - 1
            for key in reversed(self.keys):
                left, right = right ^ self._round(left, key), left
            j = left << self.half | right
            if j < self.n:
                return j


def locate(weights, position):
    """Source of a position, and how many windows of that source came before it."""
    low, high, m = 0, len(weights), position
    while high - low > 1:
        middle = low + (high - low) // 2
        left, total = sum(weights[low:middle]), sum(weights[low:high])
        taken = m * left // total
        if (m + 1) * left // total > taken:
            high, m = middle, taken
        else:
            low, m = middle, m - taken
    return low, m


def position_of(weights, source, index):
    """Position of a source's index-th window: the inverse of locate."""

    def climb(low, high):
        if high - low == 1:
            return index
        middle = low + (high - low) // 2
        left, total = sum(weights[low:middle]), sum(weights[low:high])
        if source < middle:
            return -(-(climb(low, middle) + 1) * total // left) - 1
        return climb(middle, high) * total // (total - left)

    return climb(0, len(weights))


class Order:
    """The order that a mixture.json describes. Its sources stand in the byte order of their ids."""

    def __init__(self, mixture):
        self.sources = mixture["sources"]
        self.weights = [source["weight"] for source in self.sources]

    def _permutation(self, source, epoch):
        entry = self.sources[source]
        key = entry["permutation_key"]
        return Permutation(entry["windows"], (int(key[:16], 16), int(key[16:], 16)), epoch)

    def window_at(self, position):
        """(source, epoch, window) at a row; the window holds tokens window*T ..= window*T + T."""
        source, index = locate(self.weights, position)
        epoch, i = divmod(index, self.sources[source]["windows"])
        return source, epoch, self._permutation(source, epoch).forward(i)

    def position(self, source, epoch, window):
        """The row at which an epoch reads a window."""
        i = self._permutation(source, epoch).inverse(window)
        return position_of(self.weights, source, epoch * self.sources[source]["windows"] + i)


def check(vectors):
    for case in vectors["permutations"]:
        key = tuple(int(word, 16) for word in case["key"])
        permutation = Permutation(int(case["n"]), key, int(case["epoch"]))
        for i, j in case["pairs"]:
            assert permutation.forward(int(i)) == int(j), (case, i)
            assert permutation.inverse(int(j)) == int(i), (case, j)
    order = Order(vectors["mixture"])
    for position, source, epoch, window in vectors["rows"]:
        assert order.window_at(position) == (source, epoch, window), position
        assert order.position(source, epoch, window) == position, position
    print(f"{len(vectors['permutations'])} permutations and {len(vectors['rows'])} rows agree")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--check":
        with open(arguments[1], encoding="utf-8") as file:
            check(json.load(file))
    elif len(arguments) == 3:
        with open(arguments[0], encoding="utf-8") as file:
            order = Order(json.load(file))
        first, count = int(arguments[1]), int(arguments[2])
        for position in range(first, first + count):
            source, epoch, window = order.window_at(position)
            print(position, order.sources[source]["id"], f"epoch {epoch}", f"window {window}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
