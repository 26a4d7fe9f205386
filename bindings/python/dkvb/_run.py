"""Long calls: threads, progress, and Ctrl-C that works while C code runs."""

import ctypes
import signal
import threading

from . import _arrays, _ffi, ranks
from .errors import Cancelled


class _Interrupt:
    """Handling of SIGINT during a long call.

    A handler that raises would do so on entry to the callback, before the callback's own `try`, where ctypes can only
    print the exception and drop it. The signal is therefore noted while C code runs, and the callback runs the handler
    in its `try`.
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
        """Runs the handler for a signal that came meanwhile; usually it raises KeyboardInterrupt."""
        if self._pending:
            self._pending = False
            self._handler(signal.SIGINT, None)


class Callbacks:
    """Python functions as C callbacks. An exception in such a function cancels the call, and is raised after it."""

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
            error.__context__ = context  # the callback's exception, not the Cancelled that followed from it
            del error, context  # the error's traceback holds this frame; this avoids a cycle


class _Bar:
    """The progress bar of `progress=True`: that of tqdm if it is installed, else none."""

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
    """`with LongCall(threads, progress) as run:` gives the options for one long call. `progress` is a function of
    (done, total), or True for a bar by tqdm.

    The options always have a progress callback, since that is where a Ctrl-C is noticed. (Not a generator with
    @contextmanager: a StopIteration of the user's would change into something else in it.)
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
