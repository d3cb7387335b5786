"""Questions to a worker and its answers: values over, values back. How a question can end is told in outcome.py.

Questions are gathered until an answer is wanted, and go over together: to wait costs more than most of them.
A failure while vae.py is loaded answers every later question the same way: it is not tried again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from autograder.codec import Codec
from autograder.endings import Ended, Malformed, OutOfTime, TooBig, TooSlow
from autograder.outcome import Failure, Missing, Raised, Unfinished, WrongKind
from autograder.promise import Promise, as_it_is
from autograder.sandbox import HEADER, Sandbox, Worker
from autograder.wire import MAX_ITEMS, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

__all__ = ["Dialogue"]

T = TypeVar("T")

GIVING = ("call", "join", "look", "gradients", "train")  # questions to which tensors are an answer
BRIEF = 0.1  # seconds of a question, of which nobody asks how they were spent


class Question(NamedTuple):
    """A question that is to be sent."""

    number: int
    verb: str
    arguments: bytes  # as JSON
    tensors: list[Tensor]

    def header(self, *, more: bool) -> bytes:
        """Write it as it goes over, but for its tensors. more: whether another one follows it."""
        return msgspec.json.encode(
            {
                "id": self.number,
                "verb": self.verb,
                "with": msgspec.Raw(self.arguments),
                "tensors": len(self.tensors),
                "more": more,
            }
        )


class Answer(msgspec.Struct, frozen=True):
    """An answer as it comes over."""

    id: int
    value: Any = None
    error: Failure | None = None
    tensors: int = 0


class Dialogue:
    """The conversation about one submission; a worker is started where there is none."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.worker: Worker | None = None
        self.broken: Exception | None = None  # how loading vae.py failed
        self.generation = 0  # how many workers there have been: what one holds is unknown to the next
        self.ended: Ended | None = None  # how the last of them ended
        self.asked = 0
        self.endless: set[str] = set()  # names of what did not answer in the time of a question
        self.unheard: list[Promise[Any]] = []
        self.unsent: list[Question] = []
        self.codec = Codec(sandbox.limits.held)
        self.spent = 0.0  # seconds of all questions, by the clock
        # Seconds of this row's questions, but for those that the machine is to blame for; and those of its brief ones.
        self.spent_on_row = self.brief = 0.0
        self.waited = 0.0  # the seconds for a processor that are known of

    def ask(self, what: str, verb: str, **arguments: Any) -> Any:
        """Ask a question.

        what: the name of what is asked for, for messages
        arguments: numbers, strings, None, tensors, slots of answers to come and lists of these
        Returns numbers, strings, None, tensors, lists of these, and WrongKind objects for anything else.
        """
        return self.promise(as_it_is, what, verb, **arguments).get()

    def promise(self, read: Callable[[Any], T], what: str, verb: str, **arguments: Any) -> Promise[T]:
        """Ask a question whose answer will be wanted later. read: makes of the value that comes over what is wanted."""
        return self.note(what, verb, arguments, read, wanted=True)

    def tell(self, what: str, verb: str, **arguments: Any) -> Promise[None]:
        """Ask a question whose answer says nothing: what goes wrong, the next one that is wanted raises."""
        return self.note(what, verb, arguments, as_it_is, wanted=False)

    def note(
        self, what: str, verb: str, arguments: dict[str, Any], read: Callable[[Any], T], *, wanted: bool
    ) -> Promise[T]:
        """Gather a question, for a worker that is ready."""
        self.time_left()
        self.open()
        self.asked += 1
        self.unsent.append(Question(self.asked, verb, *self.codec.write(arguments)))
        tensors = MAX_ITEMS if verb in GIVING or arguments.get("values") is True else 0
        promise = Promise(self.hear, read, self.asked, what, wanted=wanted, tensors=tensors)
        self.unheard.append(promise)
        return promise

    def hear(self) -> None:
        """Send what was gathered, and hear all answers that are due. Raises the first failure of what was only told."""
        unheard, self.unheard = self.unheard, []
        try:
            self.send()
            for promise in unheard:
                worker = self.open()
                with self.timed(worker):
                    try:
                        promise.settle(self.listen(worker, promise, self.time_left(promise.what)))
                    except Raised as error:
                        promise.settle(failure=error)
        except Exception as error:
            due = [promise for promise in unheard if promise.due]
            if isinstance(error, TooSlow) and not isinstance(error, OutOfTime):
                self.note_endless(error, [promise.what for promise in due])
            for promise in due:
                promise.settle(failure=error)
            raise
        for promise in unheard:
            if promise.failure and not promise.wanted:
                raise promise.failure

    def note_endless(self, ending: TooSlow, names: Sequence[str]) -> None:
        """Note what one may wait for without end, and say it. names: of what was asked for, one of them the culprit."""
        self.endless.update(names)
        calls = [name for name in dict.fromkeys(names) if name.endswith("(...)")]
        if calls:
            ending.args = (
                f"{ending} It was asked for {' and '.join(calls[:3])}: is there a loop without an end?",
            )

    def send(self) -> None:
        """Send the questions that were gathered."""
        unsent, self.unsent = self.unsent, []
        messages = []
        for i, question in enumerate(unsent, start=1):
            messages.append(question.header(more=i < len(unsent)))
            if question.tensors:
                messages.append(pack(question.tensors))
        if messages:
            worker = self.open()
            with self.timed(worker):
                worker.ask(messages, self.time_left())

    @contextlib.contextmanager
    def timed(self, worker: Worker) -> Iterator[None]:
        """Count the seconds that pass, and end the worker where a question ends without an answer.

        For the row, those in which the machine kept the worker from computing do not count.
        """
        clock = worker.clock
        begin = clock()
        worker.end = begin + self.sandbox.limits.total - self.spent
        try:
            yield
        except Ended as ending:
            self.ended = ending
            self.close()
            raise
        finally:
            seconds = clock() - begin
            self.spent += seconds
            self.spent_on_row += max(0.0, seconds - worker.kept) if seconds > BRIEF else seconds
            self.brief += seconds if seconds <= BRIEF else 0.0

    def excuse(self, worker: Worker) -> None:
        """Take back what brief questions took while both sides waited for a processor: on a busy machine it adds up."""
        waited = worker.waited
        # Of one that is gone, nothing is known any more.
        taken = max(0.0, min(self.brief, waited - self.waited))
        self.waited, self.brief, self.spent_on_row = waited, self.brief - taken, self.spent_on_row - taken

    def open(self) -> Worker:
        """Return the worker, started and with vae.py loaded. Raises how loading it failed, or NurseryError."""
        if self.worker:
            return self.worker
        if self.broken:
            raise self.broken
        self.worker = self.sandbox.start()
        self.generation += 1
        self.asked = 0
        self.drop_questions()
        clock = self.worker.clock
        begin = clock()
        self.worker.end = begin + self.sandbox.limits.total - self.spent
        seconds = min(self.sandbox.limits.start, self.worker.end - begin)
        try:
            self.listen(self.worker, Promise(self.hear, as_it_is, 0, "Your vae.py", wanted=False), seconds)
        except TooSlow as error:
            self.broken = type(error)(
                f"Your vae.py could not be imported within {seconds:.0f} seconds: it should only define classes and "
                "functions. Training belongs in the notebook."
                if seconds == self.sandbox.limits.start
                else "Your code has used up the time for the whole submission."
            )
        except (Ended, Raised, WrongKind) as error:
            self.broken = error
        finally:
            self.spent += clock() - begin
        if self.broken:
            self.close()
            raise self.broken
        self.waited = self.worker.waited
        return self.worker

    def listen(self, worker: Worker, promise: Promise[Any], seconds: float) -> Any:
        """Receive the answer to a question, or raise how it ended."""
        header = worker.hear(HEADER, seconds)
        try:
            answer = msgspec.json.decode(header, type=Answer)
        except (ValueError, RecursionError):
            raise self.malformed() from None
        if answer.id != promise.number or not 0 <= answer.tensors <= promise.tensors:
            raise self.malformed()
        packed = worker.hear_more(self.sandbox.limits.answer) if answer.tensors else b""
        try:
            value = self.codec.read(answer.value, packed, answer.tensors)
        except TooBig:
            self.close()
            raise
        except Exception:  # noqa: BLE001 - whatever a liar's bytes make the decoders raise, it is no answer
            raise self.malformed() from None
        if answer.error:
            kinds = {"missing": Missing, "none": Unfinished, "unfinished": Unfinished}
            raise kinds.get(answer.error.kind, Raised)(promise.what, answer.error)
        return value

    def malformed(self) -> Malformed:
        """End a worker that sent something else than an answer."""
        self.close()
        return Malformed("What came back from your code is not an answer to what it was asked.")

    def time_left(self, what: str = "") -> float:
        """Return how many seconds the next question may take. Raises TooSlow when there are none.

        what: the name of what is asked for
        """
        limits = self.sandbox.limits
        if self.worker and limits.row - self.spent_on_row < limits.question:
            self.excuse(self.worker)
        question = min(limits.again, limits.question) if what in self.endless else limits.question
        seconds = min(question, limits.row - self.spent_on_row, limits.total - self.spent)
        if seconds <= 0:
            used = "this row" if limits.row <= self.spent_on_row else "the whole submission"
            raise OutOfTime(f"Your code has used up the time for {used}.")
        return seconds

    def expect_alive(self, generation: int) -> None:
        """Raise again how a worker ended where a question is about what it held."""
        if self.ended and (self.worker is None or generation != self.generation):
            raise self.ended

    def slot(self, tensor: Tensor) -> int:
        """Return the slot in which the worker holds a tensor. Raises how the worker ended where it did since."""
        slot = self.codec.slot(tensor)
        if slot is None:
            raise self.ended or KeyError("the worker never held this tensor")
        return slot

    def new_row(self) -> None:
        """Let go of everything that was made for the row before."""
        self.spent_on_row = self.brief = 0.0
        self.ended = None
        self.codec.let_go()
        if self.worker:
            self.waited = self.worker.waited
            try:
                self.ask("forget", "forget")
            except (Ended, Raised):
                self.close()

    def close(self) -> None:
        """End the worker; the next question starts another."""
        worker, self.worker = self.worker, None
        self.drop_questions()
        self.codec.let_go()
        if worker:
            worker.stop()

    def drop_questions(self) -> None:
        """Ask no more what was gathered: nobody is left to answer."""
        for promise in self.unheard:
            promise.settle(failure=self.ended or Malformed("Your code did not live to answer."))
        self.unheard, self.unsent = [], []
