"""The controls of a `Setting`: a widget for each field, kept in step with it; every refusal is said."""

import dataclasses
from html import escape

import ipywidgets as widgets

from reslab.explorers.setting import called
from reslab.specs import replace


class Controls:
    """The widgets of a Setting's fields: a toggle for skip, menus for names, checkboxes for bools, boxes for numbers.

    on_change(setting, said): a control was moved to a valid value; said: how a number was changed to the nearest valid
    one. Whoever takes the setting calls `take`. on_refusal(sentence): the value is not valid, and the control has been
    put back. Controls that have no effect are greyed out; their tooltips, `also` and `why` say for what reason.

    row: the controls of `setting.in_sight`. folded: all others. also: why one in the row is greyed out, and what the
    folded ones are set to, if it is not their default. why: the reasons of the folded ones.
    """

    def __init__(self, setting, on_change, on_refusal):
        self.setting, self._on_change, self._on_refusal = setting, on_change, on_refusal
        self._taking = False  # whether the values that change are those of `take`
        self._others = ()  # see `tell`
        self.by_field = {field.name: self._make(field.name) for field in dataclasses.fields(setting)}
        self.depth_text = widgets.IntText(layout=widgets.Layout(width="60px"))
        self.also, self.why = widgets.HTML(), widgets.HTML()
        self.row, self.folded = [], []
        for name, control in self.by_field.items():
            control.add_class(f"reslab-{name.replace('_', '-')}")
            place = self.row if name in setting.in_sight else self.folded
            place += [control, self.depth_text] if name == "depth" else [control]
            control.observe(self._changed, "value")
        self.by_field["skip"].add_class("reslab-toggle")
        self.depth_text.add_class("reslab-depth-text")
        self.depth_text.observe(self._changed, "value")
        self.also.add_class("reslab-also")
        self.why.add_class("reslab-why")
        self.take(setting)

    def _make(self, name):
        value, menu = getattr(self.setting, name), self.setting.choices().get(name)
        words = called(name).capitalize()
        described = {"description": words, "style": {"description_width": "auto"}}
        if name == "skip":
            return widgets.ToggleButton(layout=widgets.Layout(width="216px"))
        if name == "depth":
            limits = {"min": 8, "max": self.setting.deepest, "step": 6, "readout": False}
            return widgets.IntSlider(**limits, **described, layout=widgets.Layout(width="130px"))
        if isinstance(value, bool):
            return widgets.Checkbox(indent=False, description=words, layout=widgets.Layout(width="auto"))
        if menu:
            letters = len(words) + max(len(str(choice)) for choice in menu)
            width = f"{50 + 8 * letters}px"  # the browser's arrow and margins take some of it
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
        skip.tooltip = "Add shortcuts around the blocks, or take them away"
        skip.description = f"Skip connections: {'ON' if setting.skip else 'OFF'}"
        skip.remove_class("reslab-off" if setting.skip else "reslab-on")
        skip.add_class("reslab-on" if setting.skip else "reslab-off")
        self.why.value = "<br>".join(self._reasons(in_sight=False))
        self.tell(self._others)
        self._taking = False

    def tell(self, others):
        """Name what the folded controls are set to, where it is not usual; others: the words of those of no field."""
        self._others = others
        changed = escape(", ".join([*self.setting.words(but=self.setting.in_sight), *others]))
        self.also.value = " ".join([*self._reasons(in_sight=True), f"Also: {changed}." if changed else ""])

    def _reasons(self, in_sight):
        """Why controls are greyed out, a sentence each."""
        idle = {name: why for name, why in self.setting.idle.items() if (name in self.setting.in_sight) == in_sight}
        return [escape(f"{called(name).capitalize()}: {why}") for name, why in idle.items()]

    def _changed(self, change):
        """A control was moved: hand on the new setting, or say why not and put the control back."""
        if self._taking:
            return
        name = next((name for name, control in self.by_field.items() if control is change.owner), "depth")
        value, said = change.new, ""
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in self.setting.choices():
                value, said = self.setting.nearest(name, value)
            setting = replace(self.setting, **{name: value})
        except ValueError as error:
            self.take(self.setting)
            self._on_refusal(str(error))
            return
        self._on_change(setting, said)
