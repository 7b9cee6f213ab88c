"""A file of tensors, numbers and plain containers that detects its own damage.

It is a safetensors file: any program can open its tensors, and nothing in it is ever unpickled.
Everything else is JSON in the file's metadata, with the file's type (`kind`), its owner (`key`) and
a SHA-256 over all of that and every tensor's name, type, shape and bytes. Reading recomputes the
digest from what was read, so that no damaged number gets through: the checksums of a zip or a
file system are not checked when a file is read through the page cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load

__all__ = ["DamagedStateError", "read_state", "write_state"]

_FORMAT = "raysearch state 1"
_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Names in safetensors of the tensor types that a state may hold."""


class DamagedStateError(Exception):
    """The bytes are not the state that was written; the message says what is wrong."""


def write_state(file: BinaryIO, state: Mapping[str, Any], *, kind: str, key: str) -> str:
    """Write a state, tensor by tensor.

    Args:
        file: Output, at its beginning.
        state: Tensors on any device, None, booleans, numbers, strings, and lists, tuples and
            mappings of these; keys of a mapping are scalars. Of equal views of the same memory,
            such as tied weights, one is written.
        kind: Type of the file, for example ``checkpoint``.
        key: Its owner.

    Returns:
        The digest, which can be passed to `read_state`.

    Raises:
        TypeError: The state holds anything else.
        OSError: The file cannot be written.
    """
    apart = _Apart()
    plain = json.dumps(apart.take(state, ""))
    digest = _digest(kind, key, plain, apart.tensors)
    # The widest types first: then every tensor is aligned and can be read in place.
    tensors = dict(sorted(apart.tensors.items(), key=lambda item: -item[1].element_size()))
    about = {"format": _FORMAT, "kind": kind, "key": key, "state": plain, "sha256": digest}
    index: dict[str, Any] = {"__metadata__": about}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        index[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": shape,
            "data_offsets": [begin, end],
        }
    header = json.dumps(index).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    for tensor in tensors.values():
        file.write(_bytes(tensor))
    return digest


def read_state(
    file: BinaryIO, *, kind: str, key: str | None = None, digest: str | None = None
) -> tuple[dict[str, Any], str]:
    """The state written by `write_state`, on the CPU, and its digest.

    Args:
        file: At its beginning; read whole.
        kind: Expected type.
        key: Expected owner; None for any.
        digest: Expected digest, if it is known.

    Raises:
        DamagedStateError: The file is damaged, or has another type or owner.
        OSError: The file cannot be read.
    """
    data = file.read()
    about = _about(data)
    if about.get("format") != _FORMAT or about.get("kind") != kind:
        raise DamagedStateError(f"it is not a {kind} that this version wrote")
    try:
        tensors = load(data)
        del data
        if _digest(kind, about["key"], about["state"], tensors) != about["sha256"]:
            raise DamagedStateError("its content has another digest than the one written in it")
        state = _together(json.loads(about["state"]), tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedStateError(f"it cannot be read: {str(error).partition(chr(10))[0]}") from error
    if key is not None and about["key"] != key:
        raise DamagedStateError("it belongs to other settings, data or code")
    if digest is not None and about["sha256"] != digest:
        raise DamagedStateError("its digest is not the recorded one")
    if not isinstance(state, dict):
        raise DamagedStateError(f"it holds a {type(state).__name__}, not a state")
    return state, about["sha256"]


class _Apart:
    """Splits a state into tensors by name and the JSON of the rest."""

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def take(self, value: Any, path: str) -> Any:
        """The JSON of a value; its tensors go to `tensors`, named by their path."""
        if isinstance(value, torch.Tensor):
            return {"tensor": self._name(value.detach(), path)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Mapping):
            return {
                "map": [[self.take(k, path), self.take(v, f"{path}.{k}")] for k, v in value.items()]
            }
        if isinstance(value, list | tuple):
            items = [self.take(item, f"{path}.{at}") for at, item in enumerate(value)]
            return {"tuple": items} if isinstance(value, tuple) else items
        raise TypeError(
            f"a state must hold tensors, scalars and plain containers, but `{path.strip('.')}` is "
            f"a {type(value).__name__}"
        )

    def _name(self, tensor: torch.Tensor, path: str) -> str:
        if tensor.dtype not in _TYPES:
            raise TypeError(
                f"a state's tensors must be of a type that safetensors has, but "
                f"`{path.strip('.')}` is {tensor.dtype}"
            )
        same = (tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and same in self._names:
            return self._names[same]
        name = stem = path.strip(".") or "state"
        count = 1
        while name in self.tensors or name == "__metadata__":
            count += 1
            name = f"{stem}~{count}"
        self._names[same] = name
        self.tensors[name] = tensor
        return name


def _together(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_together(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "tensor":
        return tensors[content]
    if tag == "tuple":
        return tuple(_together(item, tensors) for item in content)
    if tag == "map":
        return {_together(k, tensors): _together(v, tensors) for k, v in content}
    raise ValueError(f"unknown part {tag!r}")


def _digest(kind: str, key: str, plain: str, tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for part in _parts(kind, key, plain, tensors):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(
    kind: str, key: str, plain: str, tensors: Mapping[str, torch.Tensor]
) -> Iterator[bytes | memoryview]:
    yield from (text.encode() for text in (_FORMAT, kind, key, plain))
    for name, tensor in sorted(tensors.items()):
        yield f"{name}\n{tensor.dtype}\n{list(tensor.shape)}".encode()
        yield _bytes(tensor)


def _bytes(tensor: torch.Tensor) -> memoryview:
    """The tensor's bytes in row-major order."""
    flat = tensor.cpu().contiguous().reshape(-1)
    found: memoryview = flat.view(torch.uint8).numpy().data
    return found


def _about(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        DamagedStateError: It is not a safetensors file.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        if not 0 < length <= len(data) - 8:
            raise ValueError("no header")
        about = json.loads(data[8 : 8 + length])["__metadata__"]
        if not isinstance(about, dict):
            raise TypeError("no metadata")
        return about
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedStateError("it does not begin as a safetensors file of ours does") from error
