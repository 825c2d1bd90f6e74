"""The payload of test messages: a block of 251 (prime) bytes repeated, which a shift by any power of two spoils."""


def payload(kind, size, seed):
    if kind == "text":
        block = bytes(97 + (seed + 7 * i + i // 26) % 26 for i in range(251))
    else:
        block = bytes((seed + 7 * i) % 256 for i in range(251))
    body = (block * (size // 251 + 1))[:size]
    return body.decode("ascii") if kind == "text" else body


def split(body, fragments):
    """Cuts a message into that many nearly equal fragments, some of which may be empty."""
    cuts = [len(body) * i // fragments for i in range(fragments + 1)]
    return [body[a:b] for a, b in zip(cuts, cuts[1:])]
