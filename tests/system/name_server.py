"""A name server on 127.0.0.1:53 that knows the records of one file: `python3 name_server.py FILE`, with a line for each record,
`NAME TYPE VALUE`. What it does not know does not exist. For the programs of a private server without a network."""

import socket
import struct
import sys
from pathlib import Path

TYPES = {"A": 1, "MX": 15, "TXT": 16}
NAME_ERROR = 3


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".")) + b"\0"


def data_of(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "MX":
        return b"\0\x0a" + encode(value)
    raw = value.encode()
    return b"".join(bytes([len(raw[i : i + 255])]) + raw[i : i + 255] for i in range(0, len(raw), 255))


def read(path):
    """{name: [(type, data)]}"""
    records = {}
    for line in Path(path).read_text().splitlines():
        name, kind, value = line.split(maxsplit=2)
        records.setdefault(name.lower(), []).append((TYPES[kind], data_of(kind, value)))
    return records


def question_of(query):
    """The name, the type, and the end of the question."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", query, at + 1)[0], at + 5


def answer(query, records):
    name, kind, end = question_of(query)
    found = [data for known, data in records.get(name, ()) if known == kind]
    flags = 0x8580 | (0 if name in records else NAME_ERROR)
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
    return header + query[12:end] + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in found)


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 53))
        while True:
            query, client = sock.recvfrom(4096)
            sock.sendto(answer(query, read(sys.argv[1])), client)


if __name__ == "__main__":
    main()
