"""The grader as a program: its commands, in an environment that suits torch."""

from __future__ import annotations

import gc

# Collecting garbage while torch is imported makes up a quarter of the time that the import takes.
gc.disable()

import os  # noqa: E402

# More threads only get in each other's way; and where there are several, a fork or Landlock would miss some.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from typing import Any  # noqa: E402

import click  # noqa: E402

from autograder.commands import common  # noqa: E402
from autograder.commands.audit import audit  # noqa: E402
from autograder.commands.batch import batch  # noqa: E402
from autograder.commands.doctor import doctor  # noqa: E402
from autograder.commands.grade import grade  # noqa: E402
from autograder.commands.handouts import release, template  # noqa: E402
from autograder.commands.notebook import notebook  # noqa: E402
from autograder.interpreter import safe_path  # noqa: E402
from autograder.startup import expect_current_folder, prepare  # noqa: E402

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
