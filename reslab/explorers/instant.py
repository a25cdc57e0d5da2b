"""Explorers that measure at every change of a control; curves can be pinned for comparison."""

import threading
from collections import OrderedDict

import ipywidgets as widgets

from reslab.explorers.explorer import Explorer
from reslab.explorers.setting import parse_state, write_state
from reslab.explorers.worker import Latest
from reslab.specs import replace

EMPTY_AFTER = 0.3  # seconds that the old curve stays while a new one is measured


class Instant(Explorer):
    """Measures the chosen setting in the background, the newest request first; results are cached and can be pinned.

    Then the same net with the other value of the skip switch is measured: so the switch shows it at once, and the axes,
    which have room for both, do not move.

    A subclass has `kind` (its Setting), `measure(setting)`, which yields what it draws (called in a thread), `draw()`,
    which updates charts and sentence from `shown`, and `code`. It calls `control(self.kind(), self.chosen)`, makes its
    charts, and calls `arrange(charts, [self.pin, ...], [self.clear, ...])`; then it sets `state`.

    state: the controls, and after a bar the pinned settings: "resnet-56" or "resnet-56 | plain-56 +
    plain-56,norm=none".
    """

    kind = None
    cache_size = 64  # measurements in the cache; the least recently used one is dropped first

    def __init__(self):
        super().__init__()
        self.pins = []
        self._measured = OrderedDict()  # Setting → measurement
        self._unfinished = None  # the Setting in it whose `measure` has more to yield
        self._latest = Latest(self._answer)
        self._empty_timer = None  # the timer that runs while a new setting is measured
        self._notice = self._last_notice = ""  # about the setting; the last message that `_show_notice` wrote
        self.pin = widgets.Button(icon="thumb-tack", layout=widgets.Layout(width="112px"))
        self.clear = widgets.Button(description="Clear pins", icon="trash", layout=widgets.Layout(width="112px"))
        self.pin.add_class("reslab-pin")
        self.clear.add_class("reslab-clear")
        self.pin.on_click(lambda _: self._on_pin())
        self.clear.on_click(lambda _: self._on_clear())

    def end_work(self):
        self._latest.stop()
        self._cancel_timer()

    # --- what the subclass has ----------------------------------------------------------------------------------------

    def measure(self, setting):
        """Yield what is drawn of a setting, and again with what takes longer; called in a thread, once per setting."""
        raise NotImplementedError

    def draw(self):
        """Update charts and sentence from `shown`."""
        raise NotImplementedError

    @property
    def shown(self):
        """[(setting, measurement)] of the pinned settings, then of the chosen one; only of those already measured."""
        with self._lock:
            wanted = dict.fromkeys([*(pin for pin in self.pins if pin != self.setting), self.setting])
            return [(setting, self._measured[setting]) for setting in wanted if setting in self._measured]

    @property
    def shown_and_other(self):
        """`shown`, and the net with the other value of the skip switch, if measured: the axes have room for all."""
        with self._lock:
            other = self._other(self.setting)
            return [*self.shown, *((one, self._measured[one]) for one in other if one in self._measured)]

    def join(self, timeout=None):
        """Wait until all requests are measured and drawn; True if so."""
        return self._latest.join(timeout)

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        """The controls, and after a bar what is pinned."""
        return write_state(self.setting, self.pins)

    def take_state(self, text):
        """Show the setting of a state line, and pin the others in it."""
        setting, pins = parse_state(self.kind, text)
        self.pins = list(dict.fromkeys(pins))
        self.changed(setting)

    def chosen(self, setting, notice=""):
        """Take a setting that a control was moved to.

        If the skip switch leads to a pinned net, the pinned and the chosen net are exchanged. So both stay on the
        chart, and the axes do not change.
        """
        with self._lock:
            before = self.setting
            if setting in self.pins and before == replace(setting, skip=not setting.skip):
                self.pins = list(dict.fromkeys(before if pin == setting else pin for pin in self.pins))
        self.changed(setting, notice)

    def changed(self, setting, notice=""):
        """Take a setting: draw it if it has been measured, otherwise measure it."""
        with self._lock:
            self.setting = setting
            self.controls.take(setting)
            self._notice = notice
            self._show_notice(notice)
            self._refresh()
            missing = self._missing(setting)
            is_here = not {setting, *self.pins} & {*missing}
            if is_here:
                self._redraw()
        if not is_here:
            self._cancel_timer()
            self._empty_timer = threading.Timer(EMPTY_AFTER, self._empty_chart, [setting])
            self._empty_timer.daemon = True
            self._empty_timer.start()
        if missing:
            self._latest.ask(setting)

    def _on_pin(self):
        with self._lock:
            if self.setting in self.pins:
                self.pins.remove(self.setting)
            else:
                self.pins.append(self.setting)
            self._refresh()
            self._redraw()

    def _on_clear(self):
        with self._lock:
            self.pins.clear()
            self._refresh()
            self._redraw()

    @property
    def measuring(self):
        """What a chart says before there is anything to draw of the chosen setting."""
        return f"Measuring {self.setting.label} ..."

    def _refresh(self):
        pinned = self.setting in self.pins
        self.pin.description = "Unpin" if pinned else "Pin"
        label = self.setting.label
        self.pin.tooltip = f"Unpin {label}" if pinned else f"Keep {label} to compare others with it"
        self.clear.disabled = not self.pins
        self.clear.tooltip = "Unpin all curves" if self.pins else "Nothing is pinned"
        self.refresh_texts()

    # --- work, in the background --------------------------------------------------------------------------------------

    def _missing(self, setting):
        """The settings to be shown, and the one with the other skip switch, that are not measured yet."""
        wanted = dict.fromkeys([setting, *self.pins, *self._other(setting)])
        return [one for one in wanted if one not in self._measured or one == self._unfinished]

    def _other(self, setting):
        """A list of the setting with the other value of the skip switch; empty if there is no such net."""
        try:
            return [replace(setting, skip=not setting.skip)]
        except ValueError:
            return []

    def _answer(self, setting):
        missing = self._missing(setting)
        for wanted in missing:
            try:
                for measurement in self.measure(wanted):
                    if self.closed:
                        return
                    with self._lock:
                        self._measured[wanted], self._unfinished = measurement, wanted
                        if setting == self.setting:
                            self._redraw()
            except Exception as error:  # shown here: a thread's exception is not shown otherwise
                self._measured.pop(wanted, None)
                self._cancel_timer()
                self.report(error)
                return
            finally:
                self._unfinished = None
            if setting != self.setting:
                return  # a newer request is answered next
        with self._lock:
            if not missing and setting == self.setting:
                self._redraw()

    def _redraw(self):
        """Draw, and drop the least recently used measurements."""
        self._cancel_timer()
        for setting, _ in self.shown_and_other:
            self._measured.move_to_end(setting)
        while len(self._measured) > max(self.cache_size, len(self.pins) + 2):
            self._measured.popitem(last=False)
        self.draw()
        self._show_notice(self._notice, over=True)

    def _empty_chart(self, setting):
        """The measurement takes long: empty the chart, because it shows the setting before."""
        with self._lock:
            if setting == self.setting and setting not in self._measured and not self.closed:
                self.draw()
                self._show_notice(self.measuring, over=True)

    def _show_notice(self, text, over=False):
        """Show a message that the next one may replace. over: only if the last message was such a one."""
        if not over or self.message.value == self._last_notice:
            self.show_message(text)
            self._last_notice = self.message.value

    def _cancel_timer(self):
        if self._empty_timer is not None:
            self._empty_timer.cancel()

    def prepare(self):
        self.join()
