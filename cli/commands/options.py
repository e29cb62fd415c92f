"""Options that several commands have."""

from __future__ import annotations

import click

STACK = "darkroom"

stack_option = click.option(
    "--stack", "stack_name", default=STACK, envvar="DARKROOM_STACK", show_default=True,
    help="Name of the CloudFormation stack.",
)  # fmt: skip
stop_jobs_option = click.option(
    "--stop-jobs", is_flag=True, help="Cancel Spark jobs that run, where they are in the way."
)
json_option = click.option("--json", "for_programs", is_flag=True, help="For programs.")
run_option = click.option("--run", type=click.IntRange(1), help="A run; the newest unless given.")
