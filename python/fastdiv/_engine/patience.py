"""Run long steps of NumPy, which cannot be cut into blocks, without making Ctrl-C wait."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LARGE = 1 << 24
"""Products, or values read, that take milliseconds. Starting a thread takes 0.05 ms."""

PASSES = 8
"""Passes of a formula over its values, roughly. Each takes about as long as a product."""


def patiently(step: Callable[[], T], work: int) -> T:
    """
    Run a step, on a thread of its own if it is long, and hear Ctrl-C meanwhile.

    `work` counts its products, or the values that it reads.

    After Ctrl-C the thread finishes the step, whose result nobody sees. The process cannot end
    before, since BLAS may hang if it is shut down at work. Only the main thread hears signals, so
    that on other threads the step runs as it is.
    """
    if work < LARGE or threading.current_thread() is not threading.main_thread():
        return step()
    from concurrent.futures import Future  # whose import takes milliseconds

    result: Future[T] = Future()
    context = contextvars.copy_context()  # with the error state of NumPy

    def run() -> None:
        try:
            result.set_result(context.run(step))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run).start()
    return result.result()
