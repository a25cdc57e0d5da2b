// Keys that an explorer keeps: Notebook 7 would fold the section at an arrow key on a slider, and JupyterLab make a new
// cell at "a". Both look whether the element that has the focus, or one around it, has this attribute.
const KEPT = "data-lm-suppress-shortcuts"

// Shift+Enter, and keys with Ctrl, Alt or Meta, stay the notebook's. → end(), which removes the listener
export function keepKeys(root) {
  const keep = ({ target, key, shiftKey, ctrlKey, altKey, metaKey }) => {
    const isTheirs = ctrlKey || altKey || metaKey || (shiftKey && key === "Enter")
    if (root.contains(target)) target.toggleAttribute(KEPT, !isTheirs)
  }
  window.addEventListener("keydown", keep, true) // the notebook's own listener is on the document
  return () => window.removeEventListener("keydown", keep, true)
}
