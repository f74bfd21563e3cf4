from __future__ import annotations

from plugins.gpt2.service.fair_queue import FairQueue


def filled(*entries: tuple[str, str, str]) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for guild, member, item in entries:
        queue.push(guild, member, item)
    return queue


def test_one_members_ten_requests_do_not_hold_back_anothers_first() -> None:
    queue = filled(*(("guild", "ada", f"ada{i}") for i in range(10)), ("guild", "ben", "ben0"))
    assert queue.order()[:3] == ["ada0", "ben0", "ada1"]


def test_one_servers_many_members_do_not_hold_back_another_server() -> None:
    queue = filled(*(("big", f"member{i}", f"big{i}") for i in range(5)), ("small", "ada", "small0"))
    assert queue.order() == ["big0", "small0", "big1", "big2", "big3", "big4"]


def test_turns_go_round_members_inside_a_server_that_shares() -> None:
    queue = filled(("a", "x", "x0"), ("a", "x", "x1"), ("a", "y", "y0"), ("b", "z", "z0"), ("b", "z", "z1"))
    assert queue.order() == ["x0", "z0", "y0", "z1", "x1"]


def test_items_come_in_the_order_that_was_told() -> None:
    queue = filled(("a", "x", "x0"), ("a", "x", "x1"), ("b", "z", "z0"), ("a", "y", "y0"))
    told = queue.order()
    assert [queue.pop() for _ in range(4)] == told
    assert queue.pop() is None
    assert len(queue) == 0


def test_whoever_had_a_turn_waits_for_the_others() -> None:
    queue = filled(("a", "x", "x0"), ("a", "y", "y0"))
    assert queue.pop() == "x0"
    queue.push("a", "x", "x1")
    assert queue.order() == ["y0", "x1"]


def test_what_may_not_go_yet_keeps_its_place_while_others_pass() -> None:
    queue = filled(("a", "x", "loading"), ("a", "y", "ready"), ("b", "z", "ready too"))
    may_go = lambda item: item != "loading"  # noqa: E731 - said twice below
    assert queue.pop(may_go) == "ready"
    assert queue.pop(may_go) == "ready too"
    assert queue.pop(may_go) is None
    assert queue.pop() == "loading"


def test_taking_one_out_moves_only_those_behind_it() -> None:
    queue = filled(("a", "x", "x0"), ("a", "y", "y0"), ("a", "x", "x1"), ("b", "z", "z0"))
    before = queue.order()
    assert queue.remove("y0")
    assert queue.order() == [item for item in before if item != "y0"]
    assert not queue.remove("y0")
    for item in ("x0", "x1", "z0"):
        assert queue.remove(item)
    assert queue.order() == []
