"""``conceptrast times`` on a run that was carried out: every job is in it."""

from __future__ import annotations

import re
from collections import Counter

from conceptrast.plan.times import RunTimes

from .copies import Copy


def test_every_job_of_a_run_says_what_it_used(finished: Copy) -> None:
    planned = finished.planned("--forceall")
    times = RunTimes.read("default", finished.folder)
    assert times.without_log == 0
    assert Counter(job.rule for job in times.jobs) == planned
    for job in times.jobs:
        assert 0 <= job.usage.importing <= job.usage.seconds, job
        assert job.usage.memory > 50, job
    output = finished.must("python", "-m", "conceptrast.cli", "times", "default")
    rows = re.findall(r"^\| (\w+) +\| +(\d+) \|", output, re.MULTILINE)
    assert {name: int(jobs) for name, jobs in rows if name != "all"} == planned
