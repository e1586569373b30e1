"""Event lines as plain dictionaries: reading, deriving what the contract derives, writing times and numbers.

Written from the contract alone, so that the program and this file can be wrong in different ways only.
"""

import hashlib
import json
import re

RESULT_EVENTS = ("ResultComputed", "ResultDiscovered", "ResultReused", "ResultFailed")
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)\Z")
BUNDLE_REF = re.compile(r"(?:.+@)?sha256:([0-9a-f]{64})\Z", re.S)


class BadEvent(ValueError):
    """The line breaks a rule that the reference knows."""


def days_since_1970(year, month, day):
    """Days from 1970-01-01 in the Gregorian calendar, by counting from March."""
    year -= month <= 2
    era_day = (month + 9) % 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * era_day + 2) // 5 + day - 1 - 719468


def time_us(value):
    """RFC 3339 with an offset, or integer microseconds, to microseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = TIME.match(value)
    if not match:
        raise BadEvent(f"not a time: {value!r}")
    year, month, day, hour, minute, second = (int(x) for x in match.groups()[:6])
    seconds = days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    offset = match.group(8)
    if offset not in "Zz":
        sign = 1 if offset[0] == "+" else -1
        seconds -= sign * (int(offset[1:3]) * 3600 + int(offset[4:6]) * 60)
    return seconds * 1_000_000 + int((match.group(7) or "0")[:6].ljust(6, "0"))


def time_text(us):
    """Microseconds since 1970 as the program prints them."""
    seconds, micro = divmod(us, 1_000_000)
    days, rest = divmod(seconds, 86400)
    z = days + 719468
    era, day_of_era = divmod(z, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day, month = day_of_year - (153 * shifted + 2) // 5 + 1, shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return (f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
            f".{micro:06d}Z")


def canonical(value):
    """Canonical JSON: keys by code point, no blanks, nothing escaped that need not be, floats as repr."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def param_id(params):
    text = "contracts:param:v1|" + canonical(params)
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def seed_json(seed):
    """A seed as it is printed: a number up to 2^53, digits in a string above."""
    return seed if seed is None or seed <= 2 ** 53 else str(seed)


def normalise(event):
    """One event of a line -> the event with its derived fields, times in microseconds, seed and loss as numbers of one kind."""
    event = {key: value for key, value in event.items() if value is not None and not key.startswith("_")}
    for key in ("occurred_at", "stored_at"):
        if key in event:
            event[key] = time_us(event[key])
    if "params" in event:
        derived = param_id(event["params"])
        if event.setdefault("param_id", derived) != derived:
            raise BadEvent(f"param_id: {event['param_id']} is not that of params, {derived}")
    if "bundle_digest" in event:
        event["bundle_digest"] = event["bundle_digest"].removeprefix("sha256:")
    if "bundle_ref" in event:
        match = BUNDLE_REF.match(event["bundle_ref"])
        if not match:
            raise BadEvent(f"bundle_ref: {event['bundle_ref']}")
        if event.setdefault("bundle_digest", match.group(1)) != match.group(1):
            raise BadEvent("bundle_digest and bundle_ref disagree")
    if "seed" in event:
        event["seed"] = int(event["seed"])
    if "loss" in event:
        event["loss"] = float(event["loss"])
    if "replicate_losses" in event:
        event["replicate_losses"] = [float(loss) for loss in event["replicate_losses"]]
    if "event_id" not in event:
        event["event_id"] = hashlib.blake2b(canonical(event).encode(), digest_size=16).hexdigest()
    return event


def read(lines):
    """Event lines (text or bytes) -> normalised events, in the order of the lines."""
    return [normalise(json.loads(line)) for line in lines if line.strip()]
