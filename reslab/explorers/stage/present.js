// Presentation mode: a button that lets an explorer fill the screen.
import { html, say, svg } from "./elements.js"

export function presentButton(bar) {
  const attributes = { type: "button", class: "presenter", "aria-pressed": "false", "aria-label": "Present" }
  const button = html(bar, "button", attributes)
  const corners = svg(button, "svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" })
  svg(corners, "path", { class: "corners", d: "M1 5V1H5M11 1H15V5M15 11V15H11M5 15H1V11" })
  return { button, word: html(button, "span", {}, "Present") }
}

// changed(): draw again, for the new size. mayLeave(): whether Escape leaves now. → end(), which removes the listeners.
export function presents(root, { button, word }, changed, mayLeave = () => true) {
  const presenting = () => root.classList.contains("present")
  async function present(on) {
    root.classList.toggle("present", on)
    button.setAttribute("aria-pressed", on)
    say(word, on ? "Leave" : "Present")
    if (on) await root.requestFullscreen?.().catch(() => {}) // a page may forbid it; then the explorer fills the window
    else if (document.fullscreenElement === root) await document.exitFullscreen()
    changed()
  }
  button.onclick = () => present(!presenting())
  const leave = event => {
    const isOver = event.type === "fullscreenchange" ? !document.fullscreenElement : event.key === "Escape"
    if (isOver && mayLeave() && presenting()) present(false)
  }
  const kinds = ["fullscreenchange", "keydown"]
  for (const kind of kinds) document.addEventListener(kind, leave)
  return () => {
    for (const kind of kinds) document.removeEventListener(kind, leave)
  }
}
