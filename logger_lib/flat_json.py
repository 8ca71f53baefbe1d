"""JSON values as a list without nesting: for values too deep, too long or too odd for a parser.

Each value is a pair of its kind and its content, before those that it contains: ``["{", 2]`` is
followed by two keys and values, ``["[", 2]`` by two values. Texts with surrogates and integers are
written in hexadecimal.
"""

from collections.abc import Iterator

from logger_lib.json_value import JsonValue


def flatten(value: JsonValue) -> list[JsonValue]:
    """Return ``value`` as pairs.

    Raises ``ValueError`` where it contains itself, ``TypeError`` for what is not JSON.
    """
    pairs: list[JsonValue] = []
    inside: set[int] = set()
    # What is to be written next is last; after the content of a container comes its id.
    waiting: list[Iterator[JsonValue] | int] = [iter([value])]
    while waiting:
        current = waiting[-1]
        if isinstance(current, int):
            inside.discard(current)
            waiting.pop()
            continue
        for child in current:
            pairs.append(_pair(child))
            if isinstance(child, (dict, list)):
                if id(child) in inside:
                    raise ValueError("it contains itself")
                inside.add(id(child))
                waiting += [id(child), _content(child)]
                break
        else:
            waiting.pop()
    return pairs


def unflatten(pairs: list[list[JsonValue]]) -> JsonValue:
    """Return the value of which ``flatten`` made ``pairs``; raises ``ValueError`` for others."""
    # From the end, so that what a container holds has been read before it: its first child last.
    read: list[JsonValue] = []
    for kind, content in reversed(pairs):
        if kind == "[":
            read.append([_next(read) for _ in range(_count(content))])
        elif kind == "{":
            read.append({str(_next(read)): _next(read) for _ in range(_count(content))})
        else:
            read.append(_scalar(kind, content))
    (value,) = read
    return value


def _next(read: list[JsonValue]) -> JsonValue:
    if not read:
        raise ValueError("a container holds less than it says")
    return read.pop()


def _content(container: JsonValue) -> Iterator[JsonValue]:
    if isinstance(container, dict):
        for key, value in container.items():
            yield key
            yield value
    elif isinstance(container, list):
        yield from container


def _pair(value: JsonValue) -> list[JsonValue]:  # noqa: PLR0911  one for each kind of value
    match value:
        case dict():
            return ["{", len(value)]
        case list():
            return ["[", len(value)]
        case str() if value.isascii():
            return ["s", value]
        case str():
            return ["u", value.encode("utf-8", "surrogatepass").hex()]
        case None | bool():
            return ["c", value]
        case int():
            return ["i", hex(value)]
        case float():
            return ["f", value.hex()]
    raise TypeError(f"{type(value).__name__} is not JSON")


def _scalar(kind: JsonValue, content: JsonValue) -> JsonValue:
    match kind, content:
        case "s", str():
            return content
        case "u", str():
            return bytes.fromhex(content).decode("utf-8", "surrogatepass")
        case "c", None | bool():
            return content
        case "i", str():
            return int(content, 16)
        case "f", str():
            return float.fromhex(content)
    raise ValueError(f"no kind of value is written as {kind!r}")


def _count(content: JsonValue) -> int:
    if not isinstance(content, int):
        raise ValueError(f"{content!r} is not a number of values")  # noqa: TRY004  it is what was read
    return content
