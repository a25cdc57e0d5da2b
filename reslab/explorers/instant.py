"""Explorers that measure at once: every toggle is answered, and curves can be pinned to compare."""

import threading
from collections import OrderedDict

import ipywidgets as widgets

from reslab.explorers.explorer import Explorer
from reslab.explorers.setting import parse_state, write_state
from reslab.explorers.worker import Latest
from reslab.specs import replace

PATIENCE = 0.3  # seconds that the last curve stays while a new one is measured; then the chart is emptied
LIVE = "live, this machine"


class Instant(Explorer):
    """Measures the chosen setting in the background, the newest request first; results are kept, and can be pinned.

    After it, the same net with the switch the other way is measured: so the switch answers at once, and the axes, which
    have room for both, stay where they are.

    A subclass has `kind` (its Setting), `measure(setting)`, which yields whatever it draws (called in a thread),
    `draw()`, which brings charts and sentence up to date with `shown`, and `code`. It calls `control(self.kind(),
    self.chosen)`, makes its charts, and calls `arrange(charts, [self.pin, ...], [self.clear, ...])`; then it sets
    `state`.

    state: the controls, and behind a bar the settings pinned: "resnet-56" or "resnet-56 | plain-56 +
    plain-56,norm=none".
    """

    kind = None
    remembered = 64  # measurements kept; the one longest unused goes first

    def __init__(self):
        super().__init__()
        self.pins = []
        self._measured = OrderedDict()  # Setting → measurement
        self._unfinished = None  # the Setting in there of which there is more to come
        self._latest = Latest(self._answer)
        self._patience = None  # the timer that runs while a new setting is measured
        self._said = self._remarked = ""  # what to say of the setting; the message that was last said in passing
        self.pin = widgets.Button(icon="thumb-tack", layout=widgets.Layout(width="112px"))
        self.clear = widgets.Button(description="Clear pins", icon="trash", layout=widgets.Layout(width="112px"))
        self.pin.add_class("reslab-pin")
        self.clear.add_class("reslab-clear")
        self.pin.on_click(lambda _: self._on_pin())
        self.clear.on_click(lambda _: self._on_clear())

    def end_work(self):
        self._latest.stop()
        self._stop_waiting()

    # --- what the subclass has ----------------------------------------------------------------------------------------

    def measure(self, setting):
        """Yield what is drawn of a setting, and again with what takes longer; in a thread, once per setting."""
        raise NotImplementedError

    def draw(self):
        """Bring charts and sentence up to date with `shown`."""
        raise NotImplementedError

    @property
    def shown(self):
        """[(setting, measurement)] of what is pinned, in that order, then of the chosen one; only what is measured."""
        with self._lock:
            wanted = dict.fromkeys([*(pin for pin in self.pins if pin != self.setting), self.setting])
            return [(setting, self._measured[setting]) for setting in wanted if setting in self._measured]

    @property
    def shown_and_other(self):
        """`shown`, and the same of the net behind the switch, once it is measured: what the axes have room for."""
        with self._lock:
            other = self._other(self.setting)
            return [*self.shown, *((one, self._measured[one]) for one in other if one in self._measured)]

    def join(self, timeout=None):
        """Wait until everything asked for is measured and drawn; True if so."""
        return self._latest.join(timeout)

    # --- state --------------------------------------------------------------------------------------------------------

    def write_state(self):
        """The controls, and behind a bar what is pinned."""
        return write_state(self.setting, self.pins)

    def take_state(self, text):
        """Show the setting of a state line, and pin the others that it names."""
        setting, pins = parse_state(self.kind, text)
        self.pins = list(dict.fromkeys(pins))
        self.changed(setting)

    def chosen(self, setting, said=""):
        """Take a setting that a control came to. Where the switch finds the other net pinned, they change places: so
        both stay on the chart, and its axes where they are."""
        with self._lock:
            before = self.setting
            if setting in self.pins and before == replace(setting, skip=not setting.skip):
                self.pins = list(dict.fromkeys(before if pin == setting else pin for pin in self.pins))
        self.changed(setting, said)

    def changed(self, setting, said=""):
        """Take a setting: draw it if it has been measured, else measure it."""
        with self._lock:
            self.setting = setting
            self.controls.take(setting)
            self._said = said
            self._remark(said)
            self._refresh()
            missing = self._missing(setting)
            is_here = not {setting, *self.pins} & {*missing}
            if is_here:
                self._redraw()
        if not is_here:
            self._stop_waiting()
            self._patience = threading.Timer(PATIENCE, self._lose_patience, [setting])
            self._patience.daemon = True
            self._patience.start()
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
        """What is to be shown with a setting, or behind its switch, and has yet to be measured."""
        wanted = dict.fromkeys([setting, *self.pins, *self._other(setting)])
        return [one for one in wanted if one not in self._measured or one == self._unfinished]

    def _other(self, setting):
        """The setting with the switch the other way, in a list; none where there is no such net."""
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
            except Exception as error:  # shown here: nothing else would, in a thread
                self._measured.pop(wanted, None)
                self._stop_waiting()
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
        """Draw, and drop the measurements that were not looked at for longest."""
        self._stop_waiting()
        for setting, _ in self.shown_and_other:
            self._measured.move_to_end(setting)
        while len(self._measured) > max(self.remembered, len(self.pins) + 2):
            self._measured.popitem(last=False)
        self.draw()
        self._remark(self._said, over=True)

    def _lose_patience(self, setting):
        """The measurement takes long: empty the chart, because what it shows is no longer chosen."""
        with self._lock:
            if setting == self.setting and setting not in self._measured and not self.closed:
                self.draw()
                self._remark(f"Measuring {setting.label} ...", over=True)

    def _remark(self, text, over=False):
        """Say something in passing. over: only if the last message was said in passing too, and not an error."""
        if not over or self.message.value == self._remarked:
            self.say(text)
            self._remarked = self.message.value

    def _stop_waiting(self):
        if self._patience is not None:
            self._patience.cancel()

    def prepare(self):
        self.join()
