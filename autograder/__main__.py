"""The grader as a program: its commands, in an environment that suits torch."""

from __future__ import annotations

import gc
import os
from typing import Any

import click

from autograder.commands import common
from autograder.commands.audit import audit
from autograder.commands.batch import batch
from autograder.commands.doctor import doctor
from autograder.commands.grade import grade
from autograder.commands.handouts import release, template
from autograder.commands.notebook import notebook
from autograder.interpreter import safe_path
from autograder.startup import expect_current_folder, prepare

# Each command imports torch itself, where it needs it, and none of these modules does.
# Collecting garbage while it is imported makes up a quarter of the time that the import takes.
gc.disable()
# More threads only get in each other's way; and where there are several, a fork or Landlock would miss some.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=SETTINGS)
@click.version_option(package_name="vae-autograder", message="%(package)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Grade VAE homework: one submission, or a class of them."""
    context.with_resource(safe_path())
    prepare()
    try:
        expect_current_folder()
    except OSError as error:
        raise common.InputError(str(error)) from None


for command in (grade, batch, template, release, notebook, doctor, audit):
    main.add_command(command)


def run_autograder() -> None:
    """Do what ./run_autograder does: `grade`, by that name."""
    prepare()
    grade(prog_name="./run_autograder", **SETTINGS)


if __name__ == "__main__":
    main()
