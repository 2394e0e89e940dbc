"""The seal of a database, computed as mailslot.cdb(5) describes it, and the seal of older versions of mailslot-build."""

MASK = (1 << 64) - 1
PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
BLOCK = 4096


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def mix(lane, word):
    return rotate((lane + word * PRIMES[1]) & MASK, 31) * PRIMES[0] & MASK


def xxh64(data, seed=0):
    """XXH64, as in its specification."""
    at, value = 0, (seed + PRIMES[4]) & MASK
    if len(data) >= 32:
        lanes = [(seed + add) & MASK for add in (PRIMES[0] + PRIMES[1], PRIMES[1], 0, -PRIMES[0])]
        while at + 32 <= len(data):
            lanes = [mix(lane, number(data, at + 8 * i, 8)) for i, lane in enumerate(lanes)]
            at += 32
        value = sum(map(rotate, lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            value = ((value ^ mix(0, lane)) * PRIMES[0] + PRIMES[3]) & MASK
    value = (value + len(data)) & MASK
    while at + 8 <= len(data):
        value = (rotate(value ^ mix(0, number(data, at, 8)), 27) * PRIMES[0] + PRIMES[3]) & MASK
        at += 8
    if at + 4 <= len(data):
        value = (rotate(value ^ number(data, at, 4) * PRIMES[0] & MASK, 23) * PRIMES[1] + PRIMES[2]) & MASK
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ byte * PRIMES[4] & MASK, 11) * PRIMES[0] & MASK
    value = (value ^ value >> 33) * PRIMES[1] & MASK
    value = (value ^ value >> 29) * PRIMES[2] & MASK
    return value ^ value >> 32


def image_of(data):
    """The CDB without its seal."""
    return data[:number(data, len(data) - 24, 8)]


def seal(image):
    hashes = [xxh64(image[at:at + BLOCK]).to_bytes(8, "little") for at in range(0, len(image), BLOCK)]
    name = xxh64(b"".join(hashes))
    sums = [xxh64(one, (name + i) & MASK).to_bytes(8, "little") for i, one in enumerate(hashes)]
    return b"".join([image, *sums, name.to_bytes(8, "little"), len(image).to_bytes(8, "little"), b"mailslot seal 2\n"])


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & MASK
    return value


def old_seal(image):
    """A checksum for each of the 256 hash tables, with all records in it."""
    sums = b""
    for i in range(256):
        start, slots = number(image, 8 * i, 4), number(image, 8 * i + 4, 4)
        summed = image[8 * i:8 * i + 8] + image[start:start + 8 * slots]
        for slot in range(start, start + 8 * slots, 8):
            record = number(image, slot + 4, 4)
            if record:
                summed += image[record:record + 8 + number(image, record, 4) + number(image, record + 4, 4)]
        sums += (fnv(summed) or 1).to_bytes(8, "little")
    return image + sums + b"mailslot seal 1\n"
