"""The syntax trees of programs seen before, so that parsing (and lark) is paid once.

A file per program text in a private folder of the user's, named by a digest of the text, the
version and the grammar. The content is data only (marshal), checked by a digest of its own; a file that
is damaged or belongs to somebody else counts as absent, and a folder that cannot be written is no error.
"""

from __future__ import annotations

import marshal
import os
from typing import Any

from ndgrad import __version__
from ndgrad.errors import Source, Span
from ndgrad.lang import syntax

try:  # hashlib loads OpenSSL, which takes longer than all the rest of a run's start
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256

KEPT = 2000  # files; beyond this the oldest half is removed


def grammar() -> str:
    """The text of the grammar."""
    return _beside("grammar.lark").decode("utf-8")


def _beside(name: str) -> bytes:
    """A file of this package; read directly where it is a file, since importlib.resources is slow to load."""
    try:
        with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
            return file.read()
    except OSError:
        from importlib.resources import files

        return files("ndgrad.lang").joinpath(name).read_bytes()


def tree_of(source: Source) -> syntax.Body:
    """The syntax tree of a program, from the cache where it is there. Errors: those of the parser."""
    path = _path_for(source.text)
    found = _read(path, source) if path else None
    if found is not None:
        return found
    from ndgrad.lang.parser import parse

    made = parse(source)
    if path:
        _write(path, encode(made))
    return made


def folder() -> str | None:
    """The folder of the cache, or None where the user has no place for one."""
    base = os.environ.get("XDG_CACHE_HOME")
    if not base or not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return os.path.join(base, "ndgrad")


def _path_for(text: str) -> str | None:
    place = folder()
    if place is None:
        return None
    kinds = ";".join(f"{name}:{','.join(kind._fields)}" for name, kind in _KINDS.items())
    digest = sha256()
    for part in (__version__.encode(), _beside("grammar.lark"), kinds.encode(), text.encode("utf-8", "surrogatepass")):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return os.path.join(place, digest.hexdigest() + ".tree")


def _read(path: str, source: Source) -> syntax.Body | None:
    try:
        with open(path, "rb") as file:
            if hasattr(os, "getuid"):
                status = os.fstat(file.fileno())
                if status.st_uid != os.getuid() or status.st_mode & 0o022:
                    return None
            content = file.read()
        if sha256(content[32:]).digest() != content[:32]:
            return None
        made = decode(content[32:], source)
    except Exception:  # whatever is wrong with the file: it is read as absent and written anew
        return None
    return made if isinstance(made, syntax.Body) else None


def _write(path: str, content: bytes) -> None:
    place = os.path.dirname(path)
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(place, mode=0o700, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(sha256(content).digest() + content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
        _prune(place)
    except OSError:
        return


def _prune(place: str) -> None:
    """Keep the folder from growing for ever."""
    names = [name for name in os.listdir(place) if name.endswith(".tree")]
    if len(names) > KEPT:
        paths = sorted((os.path.join(place, name) for name in names), key=os.path.getmtime)
        for path in paths[: KEPT // 2]:
            os.unlink(path)


# Trees as plain data. A node is a tuple (kind, start, end, *fields); nodes below it stand before it in
# the list and are meant by their number, as the only entry of a list.

_KINDS: dict[str, type[syntax.Node]] = {
    name: kind for name, kind in vars(syntax).items() if isinstance(kind, type) and issubclass(kind, syntax.Node)
}


def encode(tree: syntax.Node) -> bytes:
    """The tree as bytes; without recursion, and without the source."""
    order = list(syntax.walk(tree))
    order.reverse()
    number = {id(node): i for i, node in enumerate(order)}

    def plain(value: Any) -> Any:
        if isinstance(value, syntax.Node):
            return [number[id(value)]]
        if value.__class__ is tuple:
            return tuple(plain(part) for part in value)
        return value

    records = []
    for node in order:
        state = node.__dict__
        fields = [plain(state[name]) for name in node._fields[1:]]
        records.append((type(node).__name__, node.span.start, node.span.end, *fields))
    return marshal.dumps(records)


def decode(content: bytes, source: Source) -> Any:
    """The tree that `encode` wrote, placed in `source`."""
    nodes: list[Any] = []

    def whole(value: Any) -> Any:
        if value.__class__ is list:
            return nodes[value[0]]
        if value.__class__ is tuple:
            return tuple(whole(part) for part in value)
        return value

    new = object.__new__
    for name, start, end, *fields in marshal.loads(content):
        kind = _KINDS[name]
        span = new(Span)
        span.__dict__.update(source=source, start=start, end=end)
        node = new(kind)
        state = node.__dict__
        state["span"] = span
        for field, value in zip(kind._fields[1:], fields, strict=True):
            state[field] = whole(value) if value.__class__ in (list, tuple) else value
        nodes.append(node)
    return nodes[-1]
