from collections import Counter
from pathlib import Path

import pytest

from thin_api.replay.log import (
    Event,
    Line,
    annotation_path,
    log_name,
    parse,
    parse_line,
    read_answers,
    read_log,
)


def seen(raw: str) -> tuple[Event, str | None, str | None, str]:
    line = parse_line(7, raw)
    assert (line.number, line.raw, line.lead + line.text) == (7, raw, raw)
    return line.event, line.nick, line.other, line.text


def test_every_line_becomes_one_event_that_gives_it_back(log: Path) -> None:
    lines = read_log(log)
    text = "".join(f"{line.lead}{line.text}\n" for line in lines)
    assert text.encode("utf-8", "surrogateescape") == log.read_bytes()
    assert [line.number for line in lines] == list(range(len(lines)))


def test_no_line_of_a_real_log_has_an_unknown_shape(log: Path) -> None:
    assert [line for line in read_log(log) if line.event is Event.OTHER] == []


def test_no_join_or_leave_of_a_real_log_is_taken_for_an_action(log: Path) -> None:
    actions = [line for line in read_log(log) if line.event is Event.ACTION]
    assert [line for line in actions if "has joined" in line.raw or "has left" in line.raw] == []


def test_the_whole_logs_hold_these_events(whole_logs: list[Path]) -> None:
    counts = {log_name(path): Counter(line.event for line in read_log(path)) for path in whole_logs}
    assert counts["2005-06-20"] == {
        Event.MESSAGE: 1221,
        Event.JOIN: 182,
        Event.PART: 32,
        Event.ACTION: 11,
        Event.MODE: 6,
        Event.NICK: 5,
    }
    assert counts["2006-06-01"] == {
        Event.MESSAGE: 1721,
        Event.JOIN: 290,
        Event.PART: 95,
        Event.ACTION: 21,
        Event.MODE: 22,
        Event.NICK: 8,
        Event.TOPIC: 7,
        Event.KICK: 1,
    }
    assert counts["2007-06-04"] == {
        Event.MESSAGE: 1377,
        Event.JOIN: 433,
        Event.PART: 75,
        Event.ACTION: 5,
        Event.MODE: 13,
        Event.NICK: 7,
    }
    assert counts["2007-12-17"] == {Event.MESSAGE: 1620, Event.ACTION: 7, Event.NICK: 23}
    assert counts["2008-04-27"] == {Event.MESSAGE: 1939, Event.ACTION: 19, Event.NICK: 21}
    assert counts["2008-04-30"] == {Event.MESSAGE: 1688, Event.ACTION: 2, Event.NICK: 9}


def test_a_message_has_time_nick_and_text() -> None:
    assert parse_line(3, "[11:22] <frenkel> Linuturk: hi") == Line(
        3,
        "[11:22] <frenkel> Linuturk: hi",
        Event.MESSAGE,
        "Linuturk: hi",
        time="11:22",
        nick="frenkel",
    )


@pytest.mark.parametrize(
    ("raw", "nick", "text"),
    [
        ("[12:00] <zcat[1] > fine", "zcat[1] ", "fine"),
        ("[12:45] <[zero] > ", "[zero] ", ""),
        ("[02:34] <Ttech>", "Ttech", ""),
        ("[09:15] <a>   two spaces more  ", "a", "  two spaces more  "),
        ("[09:15] <a> b > c", "a", "b > c"),
        ("[09:15] <a>b", "a", "b"),
        ("[09:15] <a> tab\tand \x02bold\x02\r", "a", "tab\tand \x02bold\x02\r"),
        ("[09:15:59] <a> b", "a", "b"),
    ],
)
def test_a_message_keeps_its_text_exactly(raw: str, nick: str, text: str) -> None:
    assert seen(raw) == (Event.MESSAGE, nick, None, text)


@pytest.mark.parametrize(
    ("raw", "nick", "text"),
    [
        ("[02:27]  * Peregrino says Hi!", "Peregrino", "says Hi!"),
        ("[02:27]  * Peregrino", "Peregrino", ""),
        ("=== Erlik      <debian> by <erlik>", "Erlik", "     <debian> by <erlik>"),
        ("=== [B] olinho waves", "[B] olinho", "waves"),
        ("=== kestas joins the swarm", "kestas", "joins the swarm"),
        ("=== a is now known as b and c", "a", "is now known as b and c"),
    ],
)
def test_an_action_has_a_nick_in_both_formats(raw: str, nick: str, text: str) -> None:
    assert seen(raw) == (Event.ACTION, nick, None, text)


@pytest.mark.parametrize(
    ("raw", "event", "nick", "other"),
    [
        ("=== W_o_r[l] d [n=P@151.73.93.164]  has joined #ubuntu", Event.JOIN, "W_o_r[l] d", None),
        ("=== zcat[1]  [n=zcat@host]  has joined #Ubuntu", Event.JOIN, "zcat[1] ", None),
        ('=== sangria [n=j@host]  has left #ubuntu ["Leaving"] ', Event.PART, "sangria", None),
        ("=== Erlik [i=p_94@a71]  has left #ubuntu [requested]", Event.PART, "Erlik", None),
        ('=== a [n=a@host]  has quit ["Ping timeout"]', Event.QUIT, "a", None),
        ("=== ompaul was kicked off #ubuntu by Seveas (Seveas)", Event.KICK, "ompaul", "Seveas"),
        ("=== a was kicked off #ubuntu by zcat[1]  (no (really))", Event.KICK, "a", "zcat[1] "),
        ("=== [1]SuperSayjin is now known as Super", Event.NICK, "[1]SuperSayjin", "Super"),
        ("=== ..[topic/#ubuntu:Seveas] : Happy Day", Event.TOPIC, None, "Seveas"),
        ("=== mode/#ubuntu [-oo a b]  by ChanServ", Event.MODE, None, "ChanServ"),
    ],
)
def test_what_the_channel_tells_names_who(
    raw: str, event: Event, nick: str | None, other: str | None
) -> None:
    assert seen(raw) == (event, nick, other, raw)


@pytest.mark.parametrize(
    "raw",
    ["", "   ", "===", "=== foo", "[12:00] <a", "[12:00] < > x", "[1:00] <a> b", "\ufeffx", "a\0b"],
)
def test_any_other_line_is_kept_whole(raw: str) -> None:
    assert seen(raw) == (Event.OTHER, None, None, raw)


def test_a_nick_with_control_characters_is_no_nick() -> None:
    assert seen("[12:00] <a\0b> c")[0] is Event.OTHER
    assert seen("=== a\x1f [h]  has joined #c")[0] is Event.OTHER


def test_only_newlines_end_lines() -> None:
    assert [line.raw for line in parse("a\r\n\nb\u2028c\x0cd\n")] == ["a\r", "", "b\u2028c\x0cd"]
    assert [line.raw for line in parse("a\nb")] == ["a", "b"]
    assert parse("") == []


def test_bytes_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    path = tmp_path / "odd.raw.txt"
    path.write_bytes(b"[12:00] <a> caf\xe9\n")
    (line,) = read_log(path)
    assert (line.event, line.text.encode("utf-8", "surrogateescape")) == (
        Event.MESSAGE,
        b"caf\xe9",
    )


def test_annotations_say_which_lines_a_line_answers(tmp_path: Path) -> None:
    path = tmp_path / "day.raw.txt"
    annotations = annotation_path(path)
    assert annotations == tmp_path / "day.annotation.txt"
    annotations.write_text("1000 1000 - \n997 1005 - \n1003 1005 - \n\n")
    assert read_answers(annotations) == {1000: [1000], 1005: [997, 1003]}
