"""A question that the learner answers before the measurement does; the answer is kept and shown beside it."""

from html import escape

import ipywidgets as widgets
from IPython.display import display


class Prediction:
    """Radio buttons and a button that commits; `compare` shows what was predicted beside what was measured."""

    def __init__(self, question, answers):
        self.answer = None  # what the learner committed to
        self._choice = widgets.RadioButtons(options=list(answers), value=None, layout=widgets.Layout(width="auto"))
        self._commit = widgets.Button(description="That is my prediction", icon="check", disabled=True, layout=widgets.Layout(width="auto"))
        self._said = widgets.HTML()
        self._choice.observe(self._chosen, "value")
        self._commit.on_click(self._committed)
        self.widget = widgets.VBox([widgets.HTML(f"<b>{escape(question)}</b>"), self._choice, self._commit, self._said])

    def _chosen(self, change):
        self._commit.disabled = change.new is None

    def _committed(self, _button):
        self.answer = self._choice.value
        self._choice.disabled = self._commit.disabled = True
        self._said.value = f"You predict: <b>{escape(self.answer)}</b>. Now measure it."

    def compare(self, measured):
        """One sentence: the prediction, and the answer that was measured."""
        if self.answer is None:
            said = "You did not commit to a prediction."
        else:
            said = f"You predicted: {self.answer}. " + ("You were right." if self.answer == measured else "It came out otherwise.")
        return f"{said} Measured: {measured}."

    def _ipython_display_(self):
        display(self.widget)
