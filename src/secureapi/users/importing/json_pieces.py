"""Finding a list in a JSON document, and where each of its elements begins and ends, without ever holding more than one of them.

Texts, brackets and what stands between them are told apart here, and no more: what is in an element is for the strict decoder. A text may
be of any length, and what is too long is read over, each byte of it once. Nothing ends a list but its own bracket: whoever is missing
because the document is cut off must be missed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from secureapi.core.errors import Malformed

_CHUNK = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_MOST_NAME_BYTES = 256
_SPACE = re.compile(rb"[ \t\r\n]*")
_BETWEEN = re.compile(rb"[ \t\r\n,]*")
_WORD = re.compile(rb'[^ \t\r\n,:"{}\[\]]*')
"""A number, true, false, null, or what is no JSON."""
_IN_TEXT = re.compile(rb'(?:[^"\\]+|\\.)*', re.DOTALL)
_WHOLE_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_IN_OBJECT = re.compile(rb'[^"{}]*(?:' + _WHOLE_TEXT + rb'[^"{}]*)*', re.DOTALL)
_IN_LIST = re.compile(rb'[^"\[\]]*(?:' + _WHOLE_TEXT + rb'[^"\[\]]*)*', re.DOTALL)
"""As far as the next bracket of the same kind, which is all that is counted: so an element that lacks one of the other kind still ends."""


def _object_holding(inner: bytes) -> bytes:
    plain = rb'[^"{}]*(?:' + _WHOLE_TEXT + rb'[^"{}]*)*'
    return rb"\{" + plain + rb"(?:" + inner + plain + rb")*\}"


_PERSON = re.compile(_object_holding(_object_holding(_object_holding(rb"\{\}"))), re.DOTALL)
"""An object as nearly everybody is one, found at once where all of it is held. Every other one is gone through bracket by bracket."""


class _Ended(Exception):
    """The document ends where it may not."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One element of the list."""

    content: bytes = field(repr=False)
    """Its bytes; the first of them, where it is too long."""
    is_too_long: bool = False
    is_cut_off: bool = False
    """Whether the document ends here, and neither the element nor the list does. It is the last one."""


class JsonPieces:
    """A document that is read piece by piece."""

    def __init__(self, file: BinaryIO, *, most_bytes: int) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._held = b""
        self._at = 0
        self._kept: bytearray | None = None
        """What was passed since an element began."""
        while len(self._held) < len(_BOM) and self._more():
            pass
        self._held = self._held.removeprefix(_BOM)

    def list_called(self, name: str) -> Iterator[Piece]:
        """The elements of the list with this name in the outermost object, or of the document, where that is a list.

        Raises `Malformed` where there is none, before the first element.
        """
        try:
            is_found = self._find(f'"{name}"'.encode())
        except _Ended:
            is_found = False
        if not is_found:
            raise Malformed(detail=f'There is no list called "{name}" in this document. Is it JSON, not compressed, and not cut off?')
        while True:
            self._pass(_BETWEEN)
            sign = self._sign()
            if sign == b"]":
                return
            piece = self._piece(sign)
            yield piece
            if piece.is_cut_off:
                return

    def _find(self, wanted: bytes) -> bool:
        """Go behind the bracket that opens the list. Whether there is one."""
        opening = self._next_sign()
        if opening not in {b"{", b"["}:
            return False
        self._step()
        if opening == b"[":
            return True
        while self._next_sign() == b'"':
            name = self._name()
            if self._next_sign() != b":":
                return False
            self._step()
            sign = self._next_sign()
            if sign == b"[" and name == wanted:
                self._step()
                return True
            self._pass_element(sign)
            if self._next_sign() == b",":
                self._step()
        return False

    def _name(self) -> bytes:
        self._kept = bytearray()
        self._pass_text()
        name, self._kept = bytes(self._kept[:_MOST_NAME_BYTES]), None
        return name

    def _piece(self, sign: bytes) -> Piece:
        if sign == b"{" and (found := _PERSON.match(self._held, self._at)):
            self._at = found.end()
            return Piece(found[0][: self._most_bytes], is_too_long=len(found[0]) > self._most_bytes)
        self._kept = bytearray()
        try:
            self._pass_element(sign)
            is_cut_off = False
        except _Ended:
            is_cut_off = True
        content, self._kept = bytes(self._kept), None
        return Piece(content[: self._most_bytes], is_too_long=len(content) > self._most_bytes, is_cut_off=is_cut_off)

    def _pass_element(self, sign: bytes) -> None:
        """Go behind the element that begins with this sign; one that cannot begin any is taken for an element of its own."""
        if sign == b'"':
            self._pass_text()
        elif sign == b"{":
            self._pass_nested(_IN_OBJECT, b"{", b"}")
        elif sign == b"[":
            self._pass_nested(_IN_LIST, b"[", b"]")
        elif sign in {b"}", b"]", b":", b","}:
            self._step()
        elif sign:
            self._pass(_WORD)
        else:
            raise _Ended

    def _pass_nested(self, inside: re.Pattern[bytes], opening: bytes, closing: bytes) -> None:
        self._step()
        depth = 1
        while depth:
            self._pass(inside)
            sign = self._sign()
            if sign == b'"':
                # A text that does not end in what is held.
                self._pass_text()
            else:
                self._step()
                depth += {opening: 1, closing: -1}[sign]

    def _pass_text(self) -> None:
        self._step()
        while True:
            self._pass(_IN_TEXT)
            is_end = self._sign() == b'"'
            self._step()
            if is_end:
                return
            # A backslash, with what it stands before in the next chunk.
            self._step()

    def _next_sign(self) -> bytes:
        self._pass(_SPACE)
        return self._sign()

    def _sign(self) -> bytes:
        """The byte that comes next; nothing at the end of the document."""
        if self._at == len(self._held):
            self._more()
        return self._held[self._at : self._at + 1]

    def _step(self) -> None:
        if not self._sign():
            raise _Ended
        self._go_to(self._at + 1)

    def _pass(self, pattern: re.Pattern[bytes]) -> None:
        """Go on for as long as the pattern goes on, through any number of chunks."""
        while found := pattern.match(self._held, self._at):
            self._go_to(found.end())
            if self._at < len(self._held) or not self._more():
                return

    def _go_to(self, end: int) -> None:
        if self._kept is not None and len(self._kept) <= self._most_bytes:
            self._kept += self._held[self._at : min(end, self._at + self._most_bytes + 1)]
        self._at = end

    def _more(self) -> bool:
        """Read on. Whether there was more."""
        read = self._file.read(_CHUNK)
        self._held = self._held[self._at :] + read
        self._at = 0
        return bool(read)
