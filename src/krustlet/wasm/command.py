"""Run commands in this process: the engine's side of a container.

Owns the engine. Out of a zygote it runs one guest, as a process does; all that can be made
beforehand is made with it. Leaves how a guest is found and called to `modules` and `components`.

A child copies the page of each function that it calls, so what lies between the runner and the
engine is as little as can be.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from krustlet.wasm import capi
from krustlet.wasm.components import Components
from krustlet.wasm.engine import OPTIMISATIONS, EngineSettings, switches, with_source_lines
from krustlet.wasm.launch import COMPONENT, MODULE, UNSTABLE
from krustlet.wasm.modules import Modules, UnstableModules


class Program(Protocol):
    """One kind of program: how it is loaded, and how it is run."""

    def load(self, path: str) -> int:
        """Map native code; returns the program.

        Raises:
            EngineError: it cannot be read, or is not for this engine.
        """

    def run(self, program: int, wasi: int, memory_bytes: int | None) -> int:
        """Run a command until it returns; its exit code, unless it ended this process itself.

        Args:
            program: what `load` returned.
            wasi: see `given`.
            memory_bytes: the most that each of its memories may have; None for no limit.

        Raises:
            EngineError: it could not be begun.
            Exited: it ended itself.
            Trapped: it was begun, and ended by the engine.
        """


def make_engine(
    settings: EngineSettings, *, proc_exit: Callable[[int], object]
) -> Mapping[str, Program]:
    """An engine without a thread (none of epochs, fuel, profiler), by the kinds of what it runs.

    Args:
        settings: of the native code that is to be loaded.
        proc_exit: called in place of preview 1's own, to end this process.
    """
    engine = capi.engine_new(_config(settings))
    modules = Modules(engine, proc_exit)
    return {
        MODULE: modules,
        UNSTABLE: UnstableModules(modules),
        COMPONENT: Components(engine),
    }


def _config(settings: EngineSettings) -> int:
    """As `compile.make_engine` has it; besides, what touches no code."""
    config = with_source_lines(capi.config_new)
    capi.config_set_optimisation(config, OPTIMISATIONS.index(settings.optimisation))
    capi.config_set_max_stack(config, settings.max_stack_bytes)
    for name, value in switches(settings):
        capi.config_switches[name](config, value)
    capi.config_set_parallel_compilation(config, False)  # of the few lines of `unstable`
    return int(config)
