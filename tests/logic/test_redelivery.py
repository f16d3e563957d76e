"""What came back: together the first time, alone the second, given up the third; on both engines."""

from __future__ import annotations

from logic.work import Work
from logic.workers import redelivery
from tests.logic.road import Road, private, send

AB = private("ann", "bob")


def as_delivered_again(work: Work) -> Work:
    """The same command as its next owner reads it: nothing of what the last one knew."""
    return Work(work.envelope, work.op, work.args, work.key, redelivered=True)


def test_what_came_back_once_runs_together_and_then_alone(road: Road) -> None:
    works = [send("ann", AB, redelivered=True) for _ in range(3)]
    assert not redelivery.came_back_before(road.database, works)
    assert not redelivery.came_back_before(road.database, works), "asking again is no other return"
    again = [as_delivered_again(work) for work in works]
    assert redelivery.came_back_before(road.database, again)


def test_one_that_came_back_before_makes_all_of_its_batch_run_alone(road: Road) -> None:
    known, fresh = send("ann", AB, redelivered=True), send("ann", AB, redelivered=True)
    redelivery.came_back_before(road.database, [known])
    assert redelivery.came_back_before(road.database, [fresh, as_delivered_again(known)])


def test_only_what_ran_alone_is_given_up(road: Road) -> None:
    poison, innocent = (send("ann", AB, redelivered=True) for _ in range(2))
    redelivery.came_back_before(road.database, [poison, innocent])
    assert not redelivery.is_given_up(road.database, as_delivered_again(poison))  # and its worker dies of it
    assert not redelivery.is_given_up(road.database, as_delivered_again(innocent))
    assert redelivery.is_given_up(road.database, as_delivered_again(poison))


def test_what_was_carried_out_begins_anew(road: Road) -> None:
    work = send("ann", AB, redelivered=True)
    redelivery.came_back_before(road.database, [work])
    redelivery.forget(road.database, [work])
    assert not redelivery.came_back_before(road.database, [as_delivered_again(work)])
