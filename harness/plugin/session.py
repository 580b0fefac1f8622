"""A pytest session in a project with claims: claims become items, items are judged, and the session ends in a report.

Without claims in the session nothing is printed and nothing is written. Side effects: the report folder and the store.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

import pytest

from harness.errors import InvalidInput, StoreWarning
from harness.plugin import collection, options
from harness.plugin.canaries import Canaries
from harness.plugin.collection import JUDGING, ClaimItem, named, placed
from harness.plugin.costs import Costs, runs_of
from harness.plugin.junit import properties
from harness.plugin.plan import Plan
from harness.plugin.preparation import PreparedRuns
from harness.plugin.reporting import Reporting
from harness.plugin.settings import Settings, of_papers
from harness.plugin.terminal import PrintedProgress, uncaptured
from harness.plugin.witness import Witness
from harness.progress import Progress
from harness.report import environment
from harness.report.text import visible
from harness.suite import catalogue
from harness.suite.claim import REGISTRY, Claim
from harness.suite.ensemble import load
from harness.suite.expectation import Deviations, expected, read_deviations
from harness.suite.judging import Outcome, Terms, judge_claim
from harness.suite.records import Json, plain

T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, then register the judge (not in xdist's controller) and the reporter (not in its workers).

    pytest calls this when the module is registered, while pytest configures itself.
    """
    settings = _usage(Settings.of, config)
    worker = hasattr(config, "workerinput")
    controller = not worker and getattr(config.option, "dist", "no") != "no"
    if controller and config.option.maxworkerrestart is None and options.touches_claims(config):
        config.option.maxworkerrestart = "0"  # a worker that dies of an experiment dies again with each claim on it
    if not controller:
        config.pluginmanager.register(Judging(config, settings), JUDGING)
    if not worker:
        reporting = _usage(Reporting, config, settings)
        config.pluginmanager.register(reporting, "claims-reporting")
        config.pluginmanager.register(Canaries(config, settings, reporting), "claims-canaries")


def pytest_sessionstart(session: pytest.Session) -> None:
    """xdist's controller collects nothing: it learns the claims here, where a usage error still stops the run cleanly."""
    reporting = session.config.pluginmanager.get_plugin("claims-reporting")
    if reporting is not None and not session.config.pluginmanager.hasplugin(JUDGING) and options.touches_claims(session.config):
        _usage(declared, session.config, reporting.settings)  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> list[ClaimItem] | None:
    """A function that declares claims becomes one item a claim, and no test."""
    return collection.collect(collector, obj) if isinstance(obj, FunctionType) and hasattr(obj, "__claims__") else None


@pytest.hookimpl(trylast=True)
def pytest_claims_lab(config: pytest.Config, settings: Settings, progress: Progress) -> Any:
    """The real lab, on the store of this run."""
    from harness.runs.lab import Lab
    from harness.runs.store import Store

    return Lab(Store(settings.store, fresh=settings.fresh), progress=progress, **lab_arguments(config, settings))


def lab_arguments(config: pytest.Config, settings: Settings) -> dict[str, Any]:
    """The arguments of a lab but for its store and progress, for this process and for others."""
    return {
        "scale": settings.scale,
        "seeds": settings.seeds,
        "first_seed": settings.first_seed,
        "precision": settings.override,
        "every_seed": settings.ensemble,
        "chunk": settings.chunk,
        # a conftest that pytest found while collecting was not asked when the settings were made
        "options": dict(settings.papers or of_papers(config)),
    }


def declared(config: pytest.Config, settings: Settings) -> Deviations:
    """Import every claim, check the ids that were asked for, and read the deviations.

    Raises:
        InvalidInput: a claims module that cannot be imported, an unknown id, or a deviations file that does not fit.
    """
    catalogue.declare_all(settings.claims, settings.root, config.getini("python_files"))
    catalogue.check_ids(settings.ids)
    return read_deviations(settings.deviations, REGISTRY)


class Judging:
    """Judges claim items: the whole session's, or those that xdist gives this worker."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.settings = settings
        worker = getattr(config, "workerinput", {}).get("workerid", "")
        stream, prefix = uncaptured(sys.stderr if worker else sys.stdout), f"[{worker}] " if worker else ""
        self.witness = Witness(settings.report, stream if stream not in (sys.stdout, sys.stderr) else None)
        verbose, interrupts = config.get_verbosity() > 0, partial(_ended, config)
        self.progress = PrintedProgress(stream, prefix, verbose=verbose, seen=self.witness.running, interrupts=interrupts)
        make_lab = partial(config.hook.pytest_claims_lab, config=config, settings=settings, progress=self.progress)
        self.runs = PreparedRuns(make_lab, self.progress)
        self.ensembles = _usage(load, settings.ensembles, settings.scale, settings.precision)
        self.deviations: Deviations = {}
        count = partial(runs_of, scale=settings.scale, seeds=settings.seeds, every_seed=settings.ensemble)
        self.costs = Costs(self.ensembles.seconds, count, self.ensembles.needs)
        self.planned: set[str] = set()  # experiments that claims of this run are on
        self.elsewhere: Callable[[], None] | None = None  # lets a cluster compute, once
        self.tests = 0  # claims of this run that have an ensemble

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep only the claims that ``--claims-id`` names, if it names any, and put the cheapest first.

        Each of xdist's workers has its part of the claims in the order in which they were collected.
        """
        if self.settings.ids:
            kept = named(items, self.settings.ids)
            config.hook.pytest_deselected(items=[item for item in items if item not in kept])
            items[:] = kept
        if not hasattr(config, "workerinput"):
            items[:] = placed(items, self._turns)

    def _turns(self, claims: Sequence[Claim]) -> list[Claim]:
        """The claims in the order in which they are judged; those that are not judged at this scale come last."""
        judged = [claim for claim in claims if self.settings.scale in claim.scales]
        return [*self.costs.cheapest_first(judged), *(claim for claim in claims if self.settings.scale not in claim.scales)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Check, before anything long starts, that the deviations fit the existing claims, selected or not."""
        if (_claims(session) or self.settings.ids) and not _broken(session):
            self.deviations = _usage(declared, session.config, self.settings)
        at_scale = {claim.id for claim in _claims(session) if self.settings.scale in claim.scales}
        self.tests = len(at_scale & set(self.ensembles.claims))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Plan what the selected claims need. An xdist worker does not know which of them it will get."""
        if session.config.option.collectonly or _broken(session):
            return
        claims = [claim for claim in _claims(session) if self.settings.scale in claim.scales]
        costs = {claim.id: cost for claim in claims if (cost := self.costs.claim(claim)) is not None}
        self.progress.plan = Plan({**self.ensembles.seconds, **costs}, {claim.id: claim.on for claim in claims})
        self.planned = {name for claim in claims for name in claim.on}
        if not hasattr(session.config, "workerinput"):
            self.progress.plan.add(claim.id for claim in claims)
            with self._warnings_said():
                self.runs.open(name for claim in claims for name in claim.on)
            if self.settings.scheduler:
                self.elsewhere = self._cluster(session.config, [claim for claim in claims if claim.on])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Before a claim is judged, prepare what it and its controls need, and nothing else."""
        if isinstance(item, ClaimItem) and self.settings.scale in item.claim.scales:
            self.progress.after_pytest()
            with self._warnings_said():
                if item.claim.on and self.elsewhere is not None:
                    compute, self.elsewhere = self.elsewhere, None
                    compute()
                # what a control alone needs is computed when it asks, and no further than it asks
                self.runs.prepare(name for name in self.costs.used(item.claim) if name in self.planned)
        return (yield)

    def _cluster(self, config: pytest.Config, claims: list[Claim]) -> Callable[[], None]:
        """Lets a cluster fill the store with what the claims need."""
        if len(config.hook.pytest_claims_lab.get_hookimpls()) > 1:
            raise pytest.UsageError(
                "--claims-scheduler: this project opens a lab of its own (pytest_claims_lab), which workers cannot"
            )
        _usage(importlib.import_module, "harness.cluster.fit")  # says what to install where Dask is missing
        from harness.cluster import fit
        from harness.cluster.claims import compute, workload
        from harness.cluster.work import Request

        s, plan = self.settings, self.progress.plan
        patterns, lab = tuple(config.getini("python_files")), lab_arguments(config, s)
        request = Request(str(s.claims), str(s.root), fit.digest(s.claims), patterns, str(s.store), "", lab)
        needed = self.runs.open(name for claim in claims for name in claim.on)
        todo = workload(list(needed), claims, plan.expected)
        return partial(_usage, compute, s.scheduler, request, todo, self.progress, self.progress.say)

    @contextmanager
    def _warnings_said(self) -> Iterator[None]:
        """Print warnings as lines of progress: no test is running yet whose summary could show them."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", StoreWarning)
            warnings.showwarning = lambda message, category, *_: self.progress.say(_said(message, category))
            yield

    def judge(self, item: ClaimItem) -> Outcome:
        """The outcome of one claim."""
        s = self.settings
        listed, more = expected(item.claim, s.scale, self.deviations), self.runs.of if s.until_decided else None
        terms = Terms(s.scale, listed, self.ensembles, self.runs.of, self.tests, s.first_seed, more, scope=_exact_dtypes)
        with self.progress.quiet_task(item.claim.id), self.runs.asked() as asked:
            outcome = judge_claim(item.claim, terms, catalogue.node_id(item.claim, self.settings.root))
        also = sorted(asked - set(item.claim.on))
        return dataclasses.replace(outcome, record=dataclasses.replace(outcome.record, also=also))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """The record travels on the test report, as JSON, so that it also survives the way from an xdist worker."""
        judged = item.outcome if isinstance(item, ClaimItem) and call.when == "call" else None
        if judged is not None:
            item.user_properties += properties(judged.record)
        report = yield
        if judged is not None:
            report.claim_data = self._data(judged)
            if report.skipped:
                path, line, _ = item.reportinfo()
                report.longrepr = (str(path), (line or 0) + 1, visible(judged.record.message))
        return report

    def pytest_unconfigure(self) -> None:
        self.progress.close()
        self.witness.close()

    def _data(self, outcome: Outcome) -> Json:
        return {
            "record": plain(dataclasses.asdict(outcome.record)),
            "experiments": [plain(dataclasses.asdict(record)) for record in self.runs.changed_records()],
            "environment": environment.collect(self.settings.precision),
            "evidence": base64.b64encode(outcome.evidence).decode(),
        }


def _ended(config: pytest.Config) -> bool:
    """Whether pytest's own line was open. pytest then begins its next line with the name of the file."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return True  # another process writes that line
    named = reporter.showfspath or reporter.showlongtestinfo
    was, reporter.currentfspath = reporter.currentfspath is not None, None
    return was if named else config.get_terminal_writer().width_of_current_line > 0


def _exact_dtypes() -> AbstractContextManager[None]:
    """Exact dtypes around every claim, including claims that import JAX only when they are judged."""
    from harness.engine.precision import exact_dtypes

    return exact_dtypes()


def _said(message: Warning | str, category: type[Warning]) -> str:
    text = " ".join(str(message).split())
    return f"warning: {text}" if issubclass(category, StoreWarning) else f"warning: {category.__name__}: {text}"


def _claims(session: pytest.Session) -> list[Claim]:
    return [item.claim for item in session.items if isinstance(item, ClaimItem)]


def _broken(session: pytest.Session) -> bool:
    """Whether collection errors will stop the session."""
    return bool(session.testsfailed) and not session.config.option.continue_on_collection_errors


def _usage(check: Callable[..., T], *arguments: Any) -> T:
    """Call ``check``; input that makes no sense ends pytest with one line and the usage exit code."""
    try:
        return check(*arguments)
    except InvalidInput as error:
        raise pytest.UsageError(str(error)) from None
