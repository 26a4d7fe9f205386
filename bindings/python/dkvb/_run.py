"""Long calls: threads, progress, and Ctrl-C that works while C code runs."""

import ctypes
import signal
import threading

from . import _arrays, _ffi, ranks
from .errors import Cancelled


class _Interrupt:
    """Handling of SIGINT during a long call.

    Python would run the caller's signal handler on entry to the progress callback, before the callback's own `try`;
    there ctypes can only print and drop an exception of the handler. While C code runs, the class _Interrupt only notes
    a SIGINT; the progress callback then runs the caller's signal handler inside its own `try`, which catches an
    exception of the handler.
    """

    def __init__(self):
        self._pending = False
        self._handler = None

    def begin(self):
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)

    def end(self):
        if self._handler:
            signal.signal(signal.SIGINT, self._handler)
            self.deliver()

    def _note(self, _signum, _frame):
        self._pending = True

    def deliver(self):
        """Runs the caller's signal handler if a SIGINT came during the C call; usually the handler raises
        KeyboardInterrupt."""
        if self._pending:
            self._pending = False
            self._handler(signal.SIGINT, None)


class Callbacks:
    """Python functions as C callbacks. An exception in a callback cancels the call, and is raised after the call."""

    def __init__(self):
        self._caught = []

    def wrap(self, prototype, function):
        caught = self._caught

        def callback(*arguments):
            try:
                function(*arguments)
                return 0
            except BaseException as error:
                caught.append(error)
                return 1

        return prototype(callback)

    def clear(self):
        self._caught.clear()

    def raise_first(self):
        if not self._caught:
            return
        error = self._caught[0]
        self.clear()
        context = error.__context__
        try:
            raise error
        finally:
            # The exception of the callback keeps its own __context__, which gets no error Cancelled, though that error
            # followed.
            error.__context__ = context
            # The traceback of `error` refers to this frame: deleting the variables avoids a reference cycle.
            del error, context


class _Bar:
    """The progress bar for `progress=True`: a bar of tqdm if it is installed, else none."""

    def __init__(self):
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        self._bar = tqdm(unit="row", leave=False) if tqdm else None

    def __call__(self, done, total):
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def close(self):
        if self._bar is not None:
            self._bar.close()


class LongCall:
    """In `with LongCall(threads, progress) as run:`, `run` are the run options of one long call of the C library.
    `progress` is a function of (done, total), or True for a progress bar by tqdm.

    The run options of a LongCall always have a progress callback, in which a Ctrl-C is noticed. LongCall is a class, as
    a generator with @contextmanager would turn a StopIteration of the user's code into another exception.
    """

    def __init__(self, threads=0, progress=None, callbacks=None, outside=None):
        self._callbacks = callbacks or Callbacks()
        self._interrupt = interrupt = _Interrupt()
        self._bar = _Bar() if progress is True else None
        progress = self._bar or progress

        def tick(_user, done, total):
            interrupt.deliver()
            if progress:
                progress(done, total)

        self._options = _ffi.RunOptions(struct_size=ctypes.sizeof(_ffi.RunOptions),
                                        threads=_arrays.integer(threads, 32, "threads"),
                                        progress=self._callbacks.wrap(_ffi.ProgressFn, tick))
        group = ranks.pointer()
        if group is not None:
            self._options.ranks = group
        if outside is not None:
            self._options.outside = ctypes.pointer(outside._raw)

    def __enter__(self):
        self._callbacks.clear()
        self._interrupt.begin()
        return self._options

    def __exit__(self, kind, _error, _traceback):
        if self._bar:
            self._bar.close()
        self._interrupt.end()
        if kind is None or issubclass(kind, Cancelled):
            self._callbacks.raise_first()
