"""Write docs/rubric.md from the rubric's own docstrings."""

from __future__ import annotations

import argparse
import ast
import inspect
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "rubric.md"
HEAD = """\
# The rubric

<!-- Made by scripts/rubric.py from autograder/rubric/; change that, not this. -->

Twelve rows of one point each. A row is judged by what the code computes, for weights, inputs and sizes drawn at
random when it is asked; how the code is written does not matter. What all rows have in common:

- **A mistake is charged where it is made.** `forward` is judged as the composition of the student's own parts, right
  or wrong, so a wrong part costs nothing there, unless it raises or gives NaN: then `forward` cannot be judged, and the
  message says whose fault that is. Where a section has several rows, each asks for something of its own: a layer too
  few costs 1.1 and 1.2, wrong noise 3.1 and 3.2. A mistake made in `VAE` and in `CVAE` costs both. A part that is a
  function or a method, and no layer, costs the row that counts it; what it computes is judged as any other's.
- **Gradients belong to forward.** A part that gives the right numbers and cuts the gradients off (`detach`, `no_grad`)
  costs 4.1 or 6.3, and not its own row; those through `reparametrize` belong to 3.2.
- **What forward does can be seen without its parts.** Where a model does not have them, or under other names, which
  the parts' own rows charge, its gradients tell whether x_hat comes of a draw of the mu and logvar that it returns.
- **Rows are independent.** Each takes what it needs from `vae.py` for itself; a missing name costs no other row.
- **No size is special.** Pixels, latents, classes and batches vary. A layer's size written into the code is a mistake
  of the row that holds it; images are 28 x 28, so `view(-1, 784)` and the like cost nothing in a model.
- **Weights are drawn.** How a model is initialised costs nothing, but whatever it would learn besides its parts, such
  as a skip with a factor that begins at 0, is drawn as well, and `forward` must give what its parts give all the same.
- **The message names the mistake**, where it is a known one; else it says where yours and the expected value
  differ most.
- **A failure of the grader costs nothing.** It is named as such, and the submission has to be graded again.

Row T, the training run, carries no points: both models, trained as in the notebook, should reach a verified loss
below 120 within ten epochs (with MNIST; drawn digits, where MNIST is not to be had, have thresholds of their own).
It is skipped where there is no time for it.
"""


def page() -> str:
    """Make the page."""
    parts = [HEAD]
    for path in sorted((ROOT / "autograder" / "rubric").glob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        title, _, about = (ast.get_docstring(tree) or "").partition(": ")
        parts.append(f"## {title}\n\n{about[:1].upper()}{about[1:]}\n")
        for test in tree.body:
            if isinstance(test, ast.FunctionDef) and (number := value(test, "number")):
                line, _, more = inspect.cleandoc(ast.get_docstring(test) or "").partition("\n\n")
                parts.append(f"### {number} ({value(test, 'weight')} point)\n\n{' '.join(line.split())}.\n")
                if more:
                    parts.append(f"{more}\n")
    return "\n".join(parts)


def value(test: ast.FunctionDef, decorator: str) -> object:
    """Return what a test is decorated with."""
    for call in test.decorator_list:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator:
            return ast.literal_eval(call.args[0])
    return None


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(page(), "utf-8")
    print(f"written: {PAGE}")
