"""What others notice of consumers that do not read: the p99 of their private messages, with such ones and without."""

from __future__ import annotations

from statistics import median

from bench.figures.figure import Figure
from bench.load_process import LoadFailed
from bench.loads.slow import SlowJob
from bench.loads.steady import SteadyJob
from bench.measurements import new_tag
from bench.run import Run

TITLE = "p99 of others beside members who fall asleep, above that beside members who read"
READING, SLEEPING = "reading", "sleeping"
ALLOWED_MS = 5.0
ALLOWED_SHARE = 0.25


def measure(run: Run) -> Figure:
    """Interleaved, medians. The must is the larger of 5 ms and a quarter of the p99 beside members who read."""
    group, tokens = run.group(run.plan.slow_connections + 1)
    found: dict[str, list[dict[str, float]]] = {READING: [], SLEEPING: []}
    sent_away = 0
    for number in range(run.plan.road_rounds):
        for name in (READING, SLEEPING) if number % 2 == 0 else (SLEEPING, READING):
            raw = run.measure(name, _job(run, group, tokens, sleeps=name == SLEEPING))
            found[name].append(raw["latency_ms"])
            sent_away += raw["sent_away"]
            run.cluster.await_closed()
    if not sent_away:
        raise LoadFailed("nobody was sent away as a slow consumer: the load was too small")
    p99 = {name: median(one["p99"] for one in ones) for name, ones in found.items()}
    detail = {
        "p99_ms": p99,
        "change_percent": 100 * (p99[SLEEPING] / p99[READING] - 1),
        "p50_ms": {name: median(one["p50"] for one in ones) for name, ones in found.items()},
        "p99_ms_of_each_run": {name: [one["p99"] for one in ones] for name, ones in found.items()},
        "sent_away_in_all": sent_away,
        "generator_late_p99_ms": max(raw["late_ms"]["p99"] for raw in run.raw if raw["name"] in found),
    }
    allowed = max(ALLOWED_MS, ALLOWED_SHARE * p99[READING])
    return Figure(
        "slow", TITLE, "ms", allowed, ALLOWED_MS, p99[SLEEPING] - p99[READING], low_is_good=True, detail=detail
    )


def _job(run: Run, group: str, tokens: list[str], *, sleeps: bool) -> SlowJob:
    plan = run.plan
    steady = SteadyJob(run.pairs_job(1, plan.window_s), plan.steady_messages_per_s)
    url, text = run.cluster.url(), plan.slow_text_bytes
    return SlowJob(steady, url, group, tokens, new_tag(), plan.slow_messages_per_s, text, sleeps)
