"""What a command line reaches, as if a job ran it. For tests of the call graph and of the schedules."""

from __future__ import annotations

from fulldress.scan.jobs.callgraph import Reach, reaches
from fulldress.scan.jobs.job import Job
from fulldress.scan.rule import Context


def run_by(context: Context, command: str) -> list[Reach]:
    """The chain of a job with this command."""
    return reaches(context, Job("", 0, "", command, False, command))
