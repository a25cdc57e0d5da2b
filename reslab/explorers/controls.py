"""The row of controls over a `Setting`: a widget a field, kept in step with it, and each refusal said aloud."""

import dataclasses

import ipywidgets as widgets

from reslab.nets import nearest_depth, replace

SHORT = {"residual_scale": "Scale", "activation": "Act.", "lr": "lr"}  # what a control is called, where it is not its field


class Controls:
    """The widgets of a Setting's fields: the skip toggle first and largest, menus for names, boxes for numbers.

    on_change(setting, said) hears of every valid change, and what was made of what was typed; on_refusal(sentence) of a value that
    the setting refuses, after the controls have been put back. Controls that change nothing now are greyed out and say why.
    """

    def __init__(self, setting, on_change, on_refusal):
        self.setting, self._on_change, self._on_refusal, self._silent = setting, on_change, on_refusal, False
        self.by_field = {field.name: self._make(field.name) for field in dataclasses.fields(setting)}
        self.depth_text = widgets.IntText(layout=widgets.Layout(width="52px"))
        self.row = []
        for name, control in self.by_field.items():
            control.add_class(f"reslab-{name.replace('_', '-')}")
            self.row += [control, self.depth_text] if name == "depth" else [control]
        self.by_field["skip"].add_class("reslab-toggle")
        self.depth_text.add_class("reslab-depth-text")
        for control in self.row:
            control.observe(self._changed, "value")
        self.take(setting)

    def _make(self, name):
        described = {"description": SHORT.get(name, name.replace("_", " ").capitalize()), "style": {"description_width": "auto"}}
        if name == "skip":
            return widgets.ToggleButton(layout=widgets.Layout(width="200px"))
        if name == "depth":
            limits = {"min": 8, "max": self.setting.deepest, "step": 6, "readout": False}
            return widgets.IntSlider(**limits, **described, layout=widgets.Layout(width="138px"))
        if values := self.setting.choices()[name]:
            letters = len(described["description"]) + max(len(str(value)) for value in values)
            width = f"{48 + 7 * letters}px"  # the browser's arrow and margins take some of it
            return widgets.Dropdown(options=values, **described, layout=widgets.Layout(width=width))
        decimal = isinstance(getattr(self.setting, name), float)
        box = widgets.FloatText(step=0.01, **described) if decimal else widgets.IntText(**described)
        box.layout.width = "82px"
        return box

    def take(self, setting):
        """Show a setting, without a word to `on_change`."""
        self.setting, self._silent = setting, True
        for name, control in self.by_field.items():
            control.value = getattr(setting, name)
            control.disabled, control.tooltip = name in setting.idle, setting.idle.get(name, "")
        if "depth" in self.by_field:
            self.depth_text.value = setting.depth
        skip = self.by_field["skip"]
        skip.tooltip = "Add shortcuts around the blocks, or take them away"
        skip.description = f"Skip connections: {'ON' if setting.skip else 'OFF'}"
        skip.remove_class("reslab-off" if setting.skip else "reslab-on")
        skip.add_class("reslab-on" if setting.skip else "reslab-off")
        self._silent = False

    def _changed(self, change):
        """A control has moved: hand on the new setting, or say why not and put the control back."""
        if self._silent:
            return
        said = ""
        try:
            if change.owner is self.depth_text:
                depth = min(nearest_depth(change.new), self.setting.deepest)
                setting = replace(self.setting, depth=depth)
                if change.new != depth:
                    said = f"{change.new} is no depth of these nets (6n+2, from 8 to {setting.deepest}); the nearest is {depth}."
            else:
                name = next(name for name, control in self.by_field.items() if control is change.owner)
                setting = replace(self.setting, **{name: change.new})
        except ValueError as error:
            self.take(self.setting)
            self._on_refusal(str(error))
            return
        self.take(setting)
        self._on_change(setting, said)
