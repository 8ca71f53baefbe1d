"""Reading WebSocket frames: whatever the cuts, the same messages come out, or the same refusal."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.sockets import frame
from webapp.realtime.frames import (
    MAX_CONTROL,
    MAX_FRAGMENTS,
    CloseCode,
    FrameReader,
    Message,
    Opcode,
    ProtocolViolation,
    check_close,
    close_frame,
)
from webapp.realtime.frames import frame as server_frame

LIMIT = 1000
CONTROL = [Opcode.PING, Opcode.PONG, Opcode.CLOSE]


@dataclass(frozen=True)
class Sent:
    """What a client sends, and the messages that it means by it."""

    data: bytes
    messages: list[Message]


@st.composite
def fragments(draw: st.DrawFn) -> Sent:
    """One message in any number of frames, with control frames in between."""
    opcode = draw(st.sampled_from([Opcode.TEXT, Opcode.BINARY]))
    payload = draw(st.binary(max_size=LIMIT))
    cuts = draw(st.lists(st.integers(0, len(payload)), max_size=6).map(sorted))
    ends = [*cuts, len(payload)]
    data, messages = b"", list[Message]()
    for number, (start, end) in enumerate(zip([0, *cuts], ends, strict=True)):
        if number:
            for between in draw(st.lists(control_frames(), max_size=2)):
                data += between.data
                messages += between.messages
        kind = opcode if number == 0 else Opcode.CONTINUATION
        data += frame(kind, payload[start:end], final=number == len(cuts))
    return Sent(data, [*messages, (opcode, payload)])


@st.composite
def control_frames(draw: st.DrawFn) -> Sent:
    """One control frame."""
    opcode = draw(st.sampled_from(CONTROL))
    payload = draw(st.binary(max_size=MAX_CONTROL))
    return Sent(frame(opcode, payload), [(opcode, payload)])


def read(reader: FrameReader, data: bytes, cuts: list[int]) -> list[Message]:
    """Return what ``reader`` makes of ``data``, which comes in pieces."""
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = zip([0, *places], [*places, len(data)], strict=True)
    messages = (message for start, end in pieces for message in reader.feed(data[start:end]))
    return [message for message in messages if message is not None]


@given(
    sent=st.lists(st.one_of(fragments(), control_frames()), max_size=8),
    cuts=st.lists(st.integers(0, 4000), max_size=30),
)
def test_any_messages_in_any_cuts(sent: list[Sent], cuts: list[int]) -> None:
    """Any messages, in any fragments and any pieces, with control frames amid, come out whole."""
    data = b"".join(one.data for one in sent)
    expected = [message for one in sent for message in one.messages]
    assert read(FrameReader(LIMIT), data, cuts) == expected


@given(sent=st.lists(st.one_of(fragments(), control_frames()), max_size=3))
def test_byte_by_byte(sent: list[Sent]) -> None:
    """The same in the smallest pieces that there are."""
    data = b"".join(one.data for one in sent)
    expected = [message for one in sent for message in one.messages]
    assert read(FrameReader(LIMIT), data, list(range(len(data)))) == expected


@pytest.mark.parametrize("size", [0, 125, 126, 127, 65_535, 65_536, 70_000])
def test_every_form_of_the_length(size: int) -> None:
    """The three forms of a length are read and written, at both sides of each border."""
    payload = bytes(index % 251 for index in range(size))
    assert list(FrameReader(70_000).feed(frame(2, payload))) == [(Opcode.BINARY, payload)]
    assert server_frame(Opcode.BINARY, payload) == frame(2, payload, masked=False)


@given(
    over=st.integers(1, 50),
    parts=st.integers(1, 10),
    cuts=st.lists(st.integers(0, 1200), max_size=10),
)
def test_the_limit(over: int, parts: int, cuts: list[int]) -> None:
    """A message of the limit is taken and one above it is not, in one frame or in many."""

    def fragmented(size: int) -> bytes:
        sizes = [size // parts] * (parts - 1)
        sizes.append(size - sum(sizes))
        return b"".join(
            frame(0 if number else 1, b"x" * part, final=number == parts - 1)
            for number, part in enumerate(sizes)
        )

    reader = FrameReader(LIMIT)
    for _ in range(2):
        assert read(reader, fragmented(LIMIT), cuts) == [(Opcode.TEXT, b"x" * LIMIT)]
    with pytest.raises(ProtocolViolation) as violation:
        read(reader, fragmented(LIMIT + over), cuts)
    assert violation.value.code is CloseCode.TOO_BIG


def test_the_limit_is_seen_in_the_head() -> None:
    """A frame that is too long is refused before its payload has come."""
    with pytest.raises(ProtocolViolation) as violation:
        list(FrameReader(LIMIT).feed(frame(2, b"x" * (LIMIT + 1))[:4]))
    assert violation.value.code is CloseCode.TOO_BIG


def test_no_further_than_asked() -> None:
    """Frames are read one at a time: what comes behind the last that is wanted is not looked at."""
    frames = FrameReader(LIMIT).feed(frame(9, b"") + frame(0, b"never looked at"))
    assert next(frames) == (Opcode.PING, b"")
    with pytest.raises(ProtocolViolation):
        next(frames)


def test_a_message_in_many_pieces() -> None:
    """A message that comes byte by byte is whole when its last byte is there, and not before."""
    sent, reader = frame(2, b"x" * 65_536), FrameReader(65_536)
    assert read(reader, sent, list(range(len(sent)))) == [(Opcode.BINARY, b"x" * 65_536)]


def test_the_number_of_fragments() -> None:
    """A message may come in 64 frames; the 65th is refused, though they are empty."""
    most = frame(1, b"", final=False) + frame(0, b"", final=False) * (MAX_FRAGMENTS - 2)
    assert read(FrameReader(LIMIT), most + frame(0, b"end"), []) == [(Opcode.TEXT, b"end")]
    reader = FrameReader(LIMIT)
    assert read(reader, most + frame(0, b"", final=False), []) == []
    with pytest.raises(ProtocolViolation) as violation:
        list(reader.feed(frame(0, b"end")))
    assert violation.value.code is CloseCode.TOO_BIG


BROKEN = [
    pytest.param(frame(1, b"x", reserved=reserved), id=f"reserved bits {reserved}")
    for reserved in range(1, 8)
]
BROKEN += [pytest.param(frame(opcode, b""), id=f"opcode {opcode}") for opcode in range(3, 8)]
BROKEN += [pytest.param(frame(opcode, b""), id=f"opcode {opcode}") for opcode in range(11, 16)]
BROKEN += [
    pytest.param(frame(opcode, b"", final=False), id=f"control {opcode} in fragments")
    for opcode in CONTROL
]
BROKEN += [
    pytest.param(frame(opcode, b"x" * 126), id=f"control {opcode} of 126 bytes")
    for opcode in CONTROL
]
BROKEN += [
    pytest.param(frame(1, b"x", masked=False), id="not masked"),
    pytest.param(frame(0, b"x"), id="a continuation of nothing"),
    pytest.param(frame(1, b"x", final=False) + frame(1, b"y"), id="text amid fragments"),
    pytest.param(frame(2, b"x", final=False) + frame(2, b"y"), id="binary amid fragments"),
    pytest.param(frame(1, b"x") + frame(0, b"y"), id="a continuation too many"),
]


@pytest.mark.parametrize("sent", BROKEN)
@pytest.mark.parametrize("whole", [True, False])
def test_broken_frames(sent: bytes, whole: bool) -> None:
    """What RFC 6455 forbids is refused as such, in one piece or byte by byte."""
    reader = FrameReader(LIMIT)
    with pytest.raises(ProtocolViolation) as violation:
        read(reader, sent, [] if whole else list(range(len(sent))))
    assert violation.value.code is CloseCode.PROTOCOL_ERROR


@given(code=st.integers(0, 65_535), reason=st.text(max_size=30))
def test_close_codes(code: int, reason: str) -> None:
    """Of all close codes those pass that the RFC lets an endpoint send."""
    allowed = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    payload = code.to_bytes(2, "big") + reason.encode()[:120]
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        allowed = False
    if allowed:
        check_close(payload)
    else:
        with pytest.raises(ProtocolViolation):
            check_close(payload)


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xe8\xff", b"\x03\xe8\xed\xa0\x80"])
def test_close_payloads(payload: bytes) -> None:
    """Half a code, and a reason that is not UTF-8, are refused; no code at all is none."""
    check_close(b"")
    with pytest.raises(ProtocolViolation):
        check_close(payload)


@given(reason=st.text(max_size=200))
def test_the_reason_of_a_close(reason: str) -> None:
    """A reason of any length is cut to whole characters that fit a control frame."""
    sent = close_frame(CloseCode.POLICY, reason)
    assert len(sent) <= 2 + MAX_CONTROL
    check_close(sent[2:])
    assert reason.encode().startswith(sent[4:])
