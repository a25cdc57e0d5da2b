"""What explorers and questions need of their page: its style, and a word when the kernel behind it is gone."""

import anywidget
from IPython.display import display

from reslab.figures import theme


def show(widget, what):
    """Display a widget; where no kernel is behind it, a page that knows no widgets says so. what: "The explorer X"."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    text = f"{what} needs a running kernel. Run this cell again."
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": text}, raw=True)


class Page(anywidget.AnyWidget):
    """An empty widget in the box of an explorer or a question: its style sheet, and what Python cannot do from afar.

    It resizes plotly's charts with their box, gives them time to load, and says when the kernel was restarted or is
    silent.
    """

    _css = (
        theme.PAGE_CSS
        + """
        .reslab .js-plotly-plot { width: 100%; }
        .reslab .reslab-charts { position: relative; }
        .reslab .reslab-behind { position: absolute; inset: 0; visibility: hidden; }
        .reslab .reslab-tabs { margin-left: auto; }
        .reslab .reslab-toggle { font-weight: 600; height: 36px; }
        .reslab .reslab-off { background: #B84F00; color: white; }
        .reslab .reslab-on { background: #0072B2; color: white; }
        .reslab .reslab-sentence { font-size: 17px; min-height: 48px; }
        .reslab .reslab-message { min-height: 20px; }
        .reslab :is(.reslab-sentence, .reslab-message) .widget-html-content { line-height: 1.3; }
        .reslab .reslab-source pre { white-space: pre-wrap; margin: 0; }
        .reslab .reslab-states { gap: 4px; margin-top: 8px; font-size: 16px; }
        .reslab .reslab-states :is(.widget-html-content, button) { font-size: 16px; line-height: 1.3; }
        .reslab .reslab-state { flex-flow: row wrap; align-items: center; gap: 2px 12px; }
        .reslab .reslab-state button {
            flex: 1 1 300px; height: auto; margin: 0; padding: 6px 12px; white-space: normal; text-align: left;
        }
        .reslab .reslab-state .widget-html { flex: 1 1 300px; width: auto; margin: 0; }
        .reslab .reslab-state code { font-size: 14px; overflow-wrap: anywhere; user-select: all; }
        .reslab-kernel { font-size: 17px; font-weight: 600; padding: 8px; }
        .reslab-lost > :not(.reslab-kernel) { opacity: 0.5; pointer-events: none; }
        .reslab-lost.jupyter-widgets-disconnected::before { content: none; }
        .reslab-lost .jupyter-widgets-disconnected::before { content: none; }
    """
    )
    _esm = """
        // anywidget gives a widget two seconds to load, and a chart loads all of plotly.js. Without this patch a
        // chart that takes longer is shown, but ignores every later change from Python.
        const timeout = AbortSignal.timeout
        AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, milliseconds === 2000 ? 60000 : milliseconds)

        const SILENCE = 8000  // milliseconds without an answer after which it is said

        export default {
            render({ model, el }) {
                let box, waiting
                const said = document.createElement("div")
                said.className = "reslab-kernel"
                said.setAttribute("role", "alert")
                const say = text => { said.textContent = text; box.prepend(said) }

                const asked = () => {
                    waiting ??= setTimeout(() => say(
                        "The kernel does not answer. If it is busy, wait. If it was restarted: Run this cell again."
                    ), SILENCE)
                    model.send({})
                }
                const answered = () => { clearTimeout(waiting); waiting = undefined; said.remove() }
                const lost = () => requestAnimationFrame(() => {
                    if (!box.matches(".jupyter-widgets-disconnected")) return
                    answered()
                    say("The kernel was restarted. Run this cell again.")
                    box.classList.add("reslab-lost")
                    box.inert = true
                })
                // plotly's charts follow the size of the window alone, and not that of their box.
                const resized = () => requestAnimationFrame(() => window.dispatchEvent(new Event("resize")))
                const observer = new ResizeObserver(resized)
                requestAnimationFrame(() => {  // by now the widget is inside its explorer or question
                    box = el.closest(".reslab, .reslab-question") ?? el
                    observer.observe(box)
                    for (const kind of ["click", "change"]) box.addEventListener(kind, asked, true)
                })
                model.on("msg:custom", message => {
                    answered()
                    if (message.show) box.querySelector(".reslab-charts")?.scrollIntoView({ block: "nearest" })
                })
                model.on("comm_live_update", lost)
                return () => {
                    clearTimeout(waiting)
                    observer.disconnect()
                }
            },
        }
    """

    def __init__(self):
        super().__init__()
        self.on_msg(lambda _widget, _content, _buffers: self.send({}))

    def show_charts(self):
        """Scroll the charts of this explorer into the window, if they are not all in it."""
        self.send({"show": True})
