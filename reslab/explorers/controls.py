"""The controls of a `Setting`: a widget for each field, in step with it; a refused value gives a message."""

import dataclasses
from html import escape

import ipywidgets as widgets

from reslab.explorers.setting import display_name
from reslab.specs import replace


class Controls:
    """The widgets of a Setting's fields: a toggle for skip, menus for names, checkboxes for bools, boxes for numbers.

    on_change(setting, notice): a control was moved to a valid value; notice: how a number was changed to the nearest
    valid one, or "". The caller takes the setting with `take`. on_refusal(sentence): the value is not valid, and the
    control was set back. Controls that have no effect are greyed out; their tooltips, `also` and `why` give the reason.

    row: the controls of `setting.always_shown`. folded: all others. also: the reasons for greyed-out controls of the
    row, and the values of folded controls that are not at their default. why: the reasons for greyed-out folded ones.
    """

    def __init__(self, setting, on_change, on_refusal):
        self.setting, self._on_change, self._on_refusal = setting, on_change, on_refusal
        self._taking = False  # True while `take` changes the controls
        fields = [field.name for field in dataclasses.fields(setting)]
        self._folded_names = [name for name in fields if name not in setting.always_shown]
        self._others = ()  # see `show_changed`
        self.by_field = {name: self._make(name) for name in fields}
        self.depth_text = widgets.IntText(layout=widgets.Layout(width="60px"))
        self.also, self.why = widgets.HTML(), widgets.HTML()
        self.row, self.folded = [], []
        for name, control in self.by_field.items():
            control.add_class(f"reslab-{name.replace('_', '-')}")
            place = self.folded if name in self._folded_names else self.row
            place += [control, self.depth_text] if isinstance(control, widgets.IntSlider) else [control]
            control.observe(self._changed, "value")
        self.by_field["skip"].add_class("reslab-toggle")
        self.depth_text.add_class("reslab-depth-text")
        self.depth_text.observe(self._changed, "value")
        self.also.add_class("reslab-also")
        self.why.add_class("reslab-why")
        self.take(setting)

    def _make(self, name):
        value, menu = getattr(self.setting, name), self.setting.choices().get(name)
        words = display_name(name).capitalize()
        described = {"description": words, "style": {"description_width": "auto"}}
        if name == "skip":
            return widgets.ToggleButton(layout=widgets.Layout(width="216px"))
        if name == "depth" and not menu:
            limits = {"min": self.setting.shallowest, "max": self.setting.deepest, "step": 6, "readout": False}
            return widgets.IntSlider(**limits, **described, layout=widgets.Layout(width="130px"))
        if isinstance(value, bool):
            return widgets.Checkbox(indent=False, description=words, layout=widgets.Layout(width="auto"))
        if menu:
            letters = len(words) + max(len(str(choice)) for choice in menu)
            width = f"{50 + 7 * letters}px"  # the browser's arrow and margins take some of it
            return widgets.Dropdown(options=menu, **described, layout=widgets.Layout(width=width))
        if not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}; a control is for a bool, a number, or a name with choices.")
        box = widgets.FloatText(step=0.01, **described) if isinstance(value, float) else widgets.IntText(**described)
        box.layout.width = f"{72 + 8 * len(words)}px"
        return box

    def take(self, setting):
        """Show a setting; `on_change` is not called."""
        self.setting, self._taking = setting, True
        for name, control in self.by_field.items():
            control.value = getattr(setting, name)
            control.disabled, control.tooltip = name in setting.idle, setting.idle.get(name, setting.help(name))
        self.depth_text.value = self.by_field["depth"].value if "depth" in self.by_field else 0
        skip = self.by_field["skip"]
        words, skip.tooltip = setting.skip_words
        skip.description = f"{words}: {'ON' if setting.skip else 'OFF'}"
        skip.remove_class("reslab-off" if setting.skip else "reslab-on")
        skip.add_class("reslab-on" if setting.skip else "reslab-off")
        self.why.value = "<br>".join(self._reasons(folded=True))
        self.show_changed(self._others)
        self._taking = False

    def show_changed(self, others):
        """Write the values that are not at their default, for folded controls.

        others: texts for folded controls that the subclass made itself, such as ["block 3"].
        """
        self._others = others
        changed = escape(", ".join([*self.setting.words(but=self.setting.always_shown), *others]))
        self.also.value = " ".join([*self._reasons(folded=False), f"Also: {changed}." if changed else ""])

    def _reasons(self, folded):
        """Why controls of the row, or folded ones, are greyed out, a sentence each."""
        idle = [(name, why) for name, why in self.setting.idle.items() if folded == (name in self._folded_names)]
        return [escape(f"{display_name(name).capitalize()}: {why}") for name, why in idle]

    def _changed(self, change):
        """A control was moved: pass on the new setting, or give the reason and set the control back."""
        if self._taking:
            return
        name = next((name for name, control in self.by_field.items() if control is change.owner), "depth")
        value, notice = change.new, ""
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in self.setting.choices():
                value, notice = self.setting.nearest(name, value)
            setting = replace(self.setting, **{name: value})
        except ValueError as error:
            self.take(self.setting)
            self._on_refusal(str(error))
            return
        self._on_change(setting, notice)
