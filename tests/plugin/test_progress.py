"""The display while claims run, with a clock that the tests set."""

import io

import pytest

from harness.plugin.plan import Plan
from harness.plugin.terminal import PrintedProgress, duration
from harness.progress import StageLines

ERASE = "\r\x1b[2K"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shown:
    """A progress on a stream of text whose clock and beats the test makes."""

    def __init__(self, stream: io.StringIO, *, verbose: bool = True, plan: Plan | None = None, open_line: bool = True) -> None:
        self.stream, self.clock = stream, Clock()
        interrupts = lambda: open_line  # noqa: E731
        self.progress = PrintedProgress(stream, clock=self.clock, plan=plan, verbose=verbose, interrupts=interrupts)
        self.progress._start_clock = lambda: None  # type: ignore[method-assign]

    def later(self, seconds: float) -> None:
        """Time goes by, in beats of an eighth of a second (which binary fractions count exactly)."""
        for _ in range(round(seconds * 8)):
            self.clock.now += 0.125
            self.progress.beat()

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def shown() -> Shown:
    return Shown(io.StringIO())


def test_where_every_stage_has_a_line_a_task_is_announced_at_once(shown):
    with shown.progress.task("digits, seed 0"):
        assert shown.lines == ["digits, seed 0, 0.0 s"]


EXPERIMENTS = {"digits": 70.0, "wine": 2.0}


@pytest.mark.parametrize("stream", ["log", "terminal"])
def test_a_long_experiment_has_one_line_when_it_has_begun_and_a_short_one_has_none(stream):
    shown = Shown(Terminal() if stream == "terminal" else io.StringIO(), verbose=False, plan=Plan(EXPERIMENTS))
    shown.progress.plan.add(["wine", "digits", "digits"])
    for name, runs, seconds in (("wine", 1, 2.0), ("digits", 2, 70.0)):
        with shown.progress.experiment(name, runs):
            for seed in range(runs):
                with shown.progress.task(f"{name}, seed {seed}", name):
                    shown.later(seconds)
    begun = [line.rpartition("\x1b[2K")[2] for line in shown.lines if "digits, 2 runs" in line]
    assert begun == ["~2 min 19 s left in all | digits, 2 runs, ~2 min 20 s"]
    assert not [line for line in shown.lines if "wine, 1 run" in line]


def test_an_experiment_that_nobody_timed_has_its_line_once_it_is_long():
    shown = Shown(io.StringIO(), verbose=False)
    with shown.progress.experiment("mine", 1), shown.progress.task("mine"):
        shown.later(9)
        assert shown.lines == []
        shown.later(2)
    assert shown.lines == ["mine, 1 run"]


def test_an_experiment_from_the_store_has_no_line():
    shown = Shown(io.StringIO(), verbose=False, plan=Plan(EXPERIMENTS))
    with shown.progress.experiment("digits", 2):
        for seed in range(2):
            with shown.progress.task(f"digits, seed {seed}", "digits"):
                shown.later(0.25)
    shown.later(60)
    assert shown.lines == []


def test_work_that_goes_on_has_a_line_at_least_every_ten_seconds(shown):
    with shown.progress.task("digits, seed 0"), shown.progress.stage("digits, seed 0: spectrum"):
        shown.later(65)
    spoken = [line for line in shown.lines if "spectrum" in line and "took" not in line]
    assert len(spoken) == 7
    assert spoken[-1] == "digits, seed 0: spectrum, 1 min 0 s"


def test_work_within_a_budget_says_itself_what_is_left(shown):
    with shown.progress.stage("counting") as stage:
        stage.left(600)
        shown.later(15)
    assert shown.lines[-2] == "counting, 10 s, ~9 min 50 s left"


def test_what_is_known_so_far_is_shown_beside_the_time_left(shown):
    with shown.progress.stage("counting", 40) as stage:
        shown.later(5)
        stage.advance(10)
        stage.note("62 % [59, 67]")
        shown.later(11)
    assert shown.lines[-2].startswith("counting 10 of 40, ")
    assert shown.lines[-2].endswith("left | 62 % [59, 67]")


def test_the_time_left_in_a_stage_follows_its_pace(shown):
    with shown.progress.stage("Jacobian", 40) as stage:
        shown.later(5)
        stage.advance(10)
        shown.later(16)
    # a line after 0.25, 10.25 and 20.25 s: a quarter is done, so three times as long is left
    assert shown.lines[-2] == "Jacobian 10 of 40, 20 s, ~1 min 1 s left"
    assert shown.lines[-1] == "Jacobian: took 21 s"


def test_a_stage_that_cannot_tell_is_expected_to_take_what_it_took_before(shown):
    for seed in range(2):
        with shown.progress.stage(f"digits, seed {seed}: spectrum"):
            shown.later(21)
    assert "digits, seed 1: spectrum, 10 s, ~11 s left" in shown.lines


def test_the_time_left_in_all_is_that_of_the_plan(shown):
    shown.progress.plan.add(["digits", "digits", "digits", "a claim"])
    for seed in range(2):
        with shown.progress.task(f"digits, seed {seed}", "digits"):
            shown.later(4)
    assert "~12 s left in all | digits, seed 1, 0.0 s" in shown.lines
    with shown.progress.quiet_task("a claim"):
        shown.later(11)
    assert shown.lines[-2] == "~4.0 s left in all | a claim, 10 s"


def test_stages_from_a_warm_store_say_nothing(shown):
    with shown.progress.stage("spectrum"):
        shown.clock.now += 0.1
        shown.progress.beat()
    assert shown.lines == []


def test_a_claim_is_only_mentioned_when_it_takes_long_and_ends_pytests_line_first(shown):
    with shown.progress.quiet_task("paper/statement"):
        shown.later(9)
        assert shown.lines == []
        shown.later(2)
    assert shown.lines == ["", "paper/statement, 10 s", "paper/statement: took 11 s"]


@pytest.mark.parametrize("open_line", [True, False])
def test_what_is_printed_ends_pytests_line_where_that_is_open(open_line):
    shown = Shown(io.StringIO(), open_line=open_line)
    shown.progress.after_pytest()
    with shown.progress.task("digits, seed 0"):
        shown.progress.say("experiment digits FAILED")
    assert shown.lines == [*[""] * open_line, "digits, seed 0, 0.0 s", "experiment digits FAILED"]


def test_the_time_of_more_runs_is_not_that_of_the_claim_that_asked(shown):
    shown.progress.plan = Plan({"a claim": 1.0, "digits": 30.0})
    shown.progress.plan.add(["a claim", "another", "digits"])
    with shown.progress.quiet_task("a claim"):
        with shown.progress.task("digits, seed 3", "digits"):
            shown.later(30)
        shown.later(1)
    assert shown.progress.plan._took == {"digits": [30.0], "a claim": [1.0]}


def test_a_stage_that_raises_is_over(shown):
    with pytest.raises(ArithmeticError), shown.progress.stage("training"):
        raise ArithmeticError
    shown.later(30)
    assert shown.lines == []


def test_a_terminal_has_one_line_that_is_rewritten_and_lines_that_stay():
    shown = Shown(Terminal())
    with shown.progress.task("digits, seed 0"):
        shown.later(3)
        shown.progress.say("experiment noise FAILED")
    assert shown.stream.getvalue() == (
        f"digits, seed 0, 1.0 s{ERASE}digits, seed 0, 2.0 s{ERASE}digits, seed 0, 3.0 s{ERASE}experiment noise FAILED\n"
    )


def test_a_short_task_leaves_a_terminal_alone_and_so_do_its_stages():
    shown = Shown(Terminal())
    with shown.progress.task("digits, seed 0"):
        for part in ("training", "spectrum"):
            with shown.progress.stage(part):
                shown.later(0.375)
    assert shown.stream.getvalue() == ""


def test_the_clock_runs_by_itself_and_stops_when_closed():
    stream = io.StringIO()
    progress = PrintedProgress(stream)
    with progress.stage("spectrum") as stage:
        while not stream.getvalue():
            stage.advance(0)
    progress.close()
    assert stream.getvalue().startswith("spectrum, 0.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")]
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_by_default_a_log_has_a_line_a_minute():
    shown = Shown(io.StringIO(), verbose=False)
    for seed in (0, 1):
        with shown.progress.task(f"digits, seed {seed}"), shown.progress.stage(f"digits, seed {seed}: Jacobian", 100):
            shown.later(90)
    assert [line.partition(",")[0] for line in shown.lines] == ["digits"] * 3
    assert len([line for line in shown.lines if "Jacobian" in line]) == 3


def test_by_default_a_terminal_still_shows_what_runs():
    shown = Shown(Terminal(), verbose=False)
    with shown.progress.task("digits, seed 0"), shown.progress.stage("digits, seed 0: spectrum"):
        shown.later(3)
    assert "spectrum" in shown.stream.getvalue()


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_is_written_beside_the_clock(verbose):
    """The clock's thread writes too: whoever writes, or says that pytest's line is open, holds the lock."""
    unlocked = []

    class Guarded(io.StringIO):
        def write(self, text):
            if not shown.progress._lock._is_owned():
                unlocked.append(text)
            return super().write(text)

    shown = Shown(Guarded(), verbose=verbose)
    with shown.progress.experiment("digits", 1), shown.progress.task("digits, seed 0"), shown.progress.stage("training"):
        shown.later(70)
    with shown.progress.quiet_task("paper/size"):
        shown.later(70)
    shown.progress.close()
    assert any("1 min" in line for line in shown.lines)
    assert unlocked == []


def test_a_call_has_a_line_for_each_stage_that_takes_a_second(capsys):
    clock, stream = Clock(), io.StringIO()
    progress = StageLines(stream, clock=clock)
    with progress.stage("claim 1 of 2"):
        with progress.stage("J of seed 0", 8) as step:
            clock.now += 1.5
            step.advance()
        with progress.stage("a moment"):
            clock.now += 0.5
        clock.now += 1
    assert stream.getvalue().splitlines() == ["J of seed 0: 1.5 s", "claim 1 of 2: 3.0 s"]
    StageLines().say("mine: 2 claims, 3 seeds")
    assert capsys.readouterr() == ("", "mine: 2 claims, 3 seeds\n")
