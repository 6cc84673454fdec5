"""What differs between two recordings, as (cell, place, ipykernel's, cellblock's)."""

import collections
import sys

import normal

PIXEL_DIFFERENCE = 6  # of 255, on average

Difference = collections.namedtuple("Difference", "cell place theirs ours")


def numbered(items):
    """[(place, value)] as {place: value}; a second of its kind is `place 2`."""
    counts, found = collections.Counter(), {}
    for place, value in items:
        counts[place] += 1
        found[place if counts[place] == 1 else "%s %d" % (place, counts[place])] = value
    return found


def same(theirs, ours):
    if isinstance(theirs, dict) and isinstance(ours, dict) and "pixels" in theirs and "pixels" in ours:
        apart = sum(abs(a - b) for a, b in zip(theirs["pixels"], ours["pixels"])) / len(theirs["pixels"])
        return theirs["size"] == ours["size"] and apart <= PIXEL_DIFFERENCE
    return theirs == ours


def of_request(cell, theirs, ours):
    left, right = numbered(theirs), numbered(ours)
    orders = [[place for place in side if not place.startswith(("states", "execute_input"))
               and not place.endswith("_reply")] for side in (left, right)]
    if orders[0] != orders[1]:
        yield Difference(cell, "order", ", ".join(orders[0]), ", ".join(orders[1]))
    for place in [*left, *(one for one in right if one not in left)]:
        one, other = normal.leaves(left.get(place), place), normal.leaves(right.get(place), place)
        for path in [*one, *(path for path in other if path not in one)]:
            if not same(one.get(path), other.get(path)):
                yield Difference(cell, path, one.get(path), other.get(path))


def differences(theirs, ours):
    for (title, left), (_, right) in zip(theirs, ours):
        for number, (one, other) in enumerate(zip(left, right)):
            yield from of_request(title + (", after it" if number else ""), one, other)


def excerpt(value, size=700):
    text = value if isinstance(value, str) else "\n".join(value) if isinstance(value, list) and all(
        isinstance(one, str) for one in value) else repr(value)
    return text if len(text) <= size else "%s […%d…] %s" % (text[:size // 2], len(text), text[-size // 2:])


def main(theirs, directory, ours, our_directory):
    for one in differences(normal.load(theirs, directory), normal.load(ours, our_directory)):
        print("=== %s | %s\n<<< %s\n>>> %s" % (one.cell, one.place, excerpt(one.theirs), excerpt(one.ours)))


if __name__ == "__main__":
    main(*sys.argv[1:])
