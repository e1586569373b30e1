"""Avro by the specification, as far as the released schemas go: canonical form, CRC-64 fingerprint, encoding, decoding, framing.

The second opinion on the program's wire format: what this writes the program must read, what the program writes this must read.
"""

import json
import struct
from pathlib import Path

from .events import canonical

EMPTY = 0xC15D213AA4D7A795
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def _table():
    table = []
    for i in range(256):
        fp = i
        for _ in range(8):
            fp = (fp >> 1) ^ (EMPTY if fp & 1 else 0)
        table.append(fp)
    return table


TABLE = _table()


def crc64(data):
    fp = EMPTY
    for byte in data:
        fp = (fp >> 8) ^ TABLE[(fp ^ byte) & 0xFF]
    return fp


def canonical_form(schema, namespace=""):
    """Parsing Canonical Form: full names, only the keys that matter, in the order of the specification, no blanks."""
    if isinstance(schema, str):
        full = schema if schema in PRIMITIVES or "." in schema or not namespace else f"{namespace}.{schema}"
        return json.dumps(full, ensure_ascii=False)
    if isinstance(schema, list):
        return "[" + ",".join(canonical_form(branch, namespace) for branch in schema) + "]"
    kind = schema["type"]
    if kind in PRIMITIVES:
        return json.dumps(kind)
    if kind == "array":
        return '{"type":"array","items":' + canonical_form(schema["items"], namespace) + "}"
    if kind == "map":
        return '{"type":"map","values":' + canonical_form(schema["values"], namespace) + "}"
    name = schema["name"]
    if "." not in name:
        space = schema.get("namespace", namespace)
        name = f"{space}.{name}" if space else name
    inner = name.rpartition(".")[0]
    head = '{"name":' + json.dumps(name, ensure_ascii=False) + f',"type":"{kind}"'
    if kind == "enum":
        return head + ',"symbols":[' + ",".join(json.dumps(s, ensure_ascii=False) for s in schema["symbols"]) + "]}"
    fields = ",".join('{"name":' + json.dumps(f["name"], ensure_ascii=False) + ',"type":' + canonical_form(f["type"], inner) + "}"
                      for f in schema["fields"])
    return head + ',"fields":[' + fields + "]}"


def zigzag(number):
    n = (number << 1) ^ (number >> 63)
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def text(value):
    data = value.encode()
    return zigzag(len(data)) + data


class Codec:
    """The schemas of a folder; records as dictionaries keyed by the field names of the schema, absent for null."""

    def __init__(self, folder):
        self.schemas, self.fingerprints = {}, {}
        for path in sorted(Path(folder).glob("*.avsc")):
            schema = json.loads(path.read_text())
            self.schemas[schema["name"]] = schema
            self.fingerprints[crc64(canonical_form(schema).encode())] = schema

    # ---- writing ----
    def body(self, type_name, record):
        return self._write(self.schemas[type_name], record, {})

    def single_object(self, type_name, record):
        schema = self.schemas[type_name]
        return b"\xc3\x01" + struct.pack("<Q", crc64(canonical_form(schema).encode())) + self._write(schema, record, {})

    def _write(self, schema, value, names):
        if isinstance(schema, str):
            schema = names.get(schema, schema)
        if isinstance(schema, list):
            branch = 0 if value is None else next(i for i, b in enumerate(schema) if b != "null")
            return zigzag(branch) + (b"" if value is None else self._write(schema[branch], value, names))
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            names[schema["name"]] = schema
            return b"".join(self._write(f["type"], value.get(f["name"]), names) for f in schema["fields"])
        if kind == "enum":
            names[schema["name"]] = schema
            return zigzag(schema["symbols"].index(value))
        if kind == "array":
            items = b"".join(self._write(schema["items"], item, names) for item in value)
            return (zigzag(len(value)) + items if value else b"") + b"\0"
        if kind == "string":
            return text(value)
        if kind in ("long", "int"):
            return zigzag(value)
        if kind == "double":
            return struct.pack("<d", value)
        if kind == "boolean":
            return b"\1" if value else b"\0"
        return self._write(kind, value, names)

    # ---- reading ----
    def read(self, value):
        """One log value in single-object framing -> (type name, record)."""
        if value[:2] != b"\xc3\x01":
            raise ValueError(f"not single-object framing: {value[:2].hex()}")
        schema = self.fingerprints[struct.unpack("<Q", value[2:10])[0]]
        record, end = self._read(schema, value, 10, {})
        if end != len(value):
            raise ValueError(f"{len(value) - end} bytes left over")
        return schema["name"], record

    def _long(self, data, at):
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (n >> 1) ^ -(n & 1), at

    def _read(self, schema, data, at, names):
        if isinstance(schema, str):
            schema = names.get(schema, schema)
        if isinstance(schema, list):
            branch, at = self._long(data, at)
            return self._read(schema[branch], data, at, names)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "null":
            return None, at
        if kind == "record":
            names[schema["name"]] = schema
            record = {}
            for field in schema["fields"]:
                record[field["name"]], at = self._read(field["type"], data, at, names)
            return record, at
        if kind == "enum":
            names[schema["name"]] = schema
            index, at = self._long(data, at)
            return schema["symbols"][index], at
        if kind == "array":
            items = []
            while True:
                count, at = self._long(data, at)
                if count == 0:
                    return items, at
                if count < 0:
                    _, at = self._long(data, at)
                for _ in range(abs(count)):
                    item, at = self._read(schema["items"], data, at, names)
                    items.append(item)
        if kind == "string":
            size, at = self._long(data, at)
            return data[at:at + size].decode(), at + size
        if kind in ("long", "int"):
            return self._long(data, at)
        if kind == "double":
            return struct.unpack("<d", data[at:at + 8])[0], at + 8
        if kind == "boolean":
            return data[at] == 1, at + 1
        return self._read(kind, data, at, names)


JSON_TEXT_FIELDS = ("params", "metadata", "diagnostics")


def event_to_record(event):
    """A normalised event (events.py) -> the record that travels."""
    record = {key: value for key, value in event.items() if key != "type"}
    for key in JSON_TEXT_FIELDS + (("inputs",) if event["type"] == "JobSubmitted" else ()):
        if key in record:
            record[key] = canonical(record[key])
    if "seed" in record:
        record["seed"] -= (record["seed"] >> 63) << 64
    return record


def record_to_event(type_name, record):
    event = {"type": type_name, **{key: value for key, value in record.items() if value is not None}}
    for key in JSON_TEXT_FIELDS + (("inputs",) if type_name == "JobSubmitted" else ()):
        if key in event:
            event[key] = json.loads(event[key])
    if "seed" in event:
        event["seed"] %= 2 ** 64
    return event
