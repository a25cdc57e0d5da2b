// Inspecting blocks: the pointer shows a block's numbers, a click opens it, arrow keys go from one to the next.
import { writeBlock, writeNumbers } from "./block.js"
import { say } from "./elements.js"
import { blockName, numbers, other, switchName } from "./words.js"

const MOVES = { ArrowRight: 1, ArrowLeft: -1, Home: -1e6, End: 1e6 }

// scene() → what is shown now: state, net, parts, now, picture, draw, size. → { open(block or null), show() }.
export function explore(root, $, scene) {
  let opened = null,
    hover = null
  const columnOf = event => event.target.closest?.("[data-block]")?.dataset.block
  const within = i => Math.max(0, Math.min(scene().net.blocks.length - 1, i))

  function tip(i) {
    hover = i
    $.tip.box.hidden = i == null
    if (i == null) return
    const { state, net, parts, now } = scene(),
      stage = root.getBoundingClientRect(),
      shares = $.shares.getBoundingClientRect()
    say($.tip.title, blockName(i, net.blocks.length))
    writeNumbers($.tip.numbers, state, now, i)
    const half = $.tip.box.offsetWidth / 2,
      at = parts.middle(i) + shares.left - stage.left
    $.tip.box.style.left = `${Math.max(half + 4, Math.min(root.clientWidth - half - 4, at))}px`
    $.tip.box.style.top = `${shares.bottom - stage.top + 4}px`
  }

  function open(i) {
    const isNew = opened == null && i != null
    opened = i == null ? null : within(i)
    $.panel.box.hidden = opened == null
    tip(null)
    if (opened == null) {
      mark()
      return focusBlock(Number($.shares.querySelector('.hit[tabindex="0"]').dataset.block))
    }
    setTabStop(opened)
    show()
    // The panel covers the gradient and the error, and grows upwards if it needs more; on a narrow screen it is below.
    $.panel.box.style.setProperty("--covered", `${root.clientHeight - $.gradientLabel.offsetTop}px`)
    if (isNew) $.panel.close.focus({ preventScroll: true })
    if (scene().size.narrow) $.panel.box.scrollIntoView({ block: "nearest" })
  }

  function show() {
    if (hover != null) tip(within(hover))
    if (opened == null) return
    opened = within(opened)
    const { state, net, now, picture, draw, size } = scene()
    writeBlock($.panel, state, net, now, opened, picture, draw, size)
    mark()
  }

  const mark = () => scene().parts.hits.forEach((hit, k) => hit.classList.toggle("open", k === opened))
  const setTabStop = i => scene().parts.hits.forEach((hit, k) => hit.setAttribute("tabindex", k === i ? "0" : "-1"))
  function focusBlock(i) {
    setTabStop(i)
    scene().parts.hits[i].focus({ preventScroll: true })
  }

  root.addEventListener("pointermove", event => {
    const i = event.pointerType === "touch" ? null : columnOf(event)
    if (i == null ? hover != null : hover !== Number(i)) tip(i == null ? null : Number(i))
  })
  root.addEventListener("pointerleave", () => tip(null))
  root.addEventListener("focusin", event => {
    if (!event.target.matches(".hit")) return tip(null)
    const i = Number(columnOf(event)),
      { state, net, now } = scene()
    const words = numbers(state, now.frame, now.back, i).map(
      ([what, here, there]) => `${what}: ${here}, ${switchName(other(now.kind))}: ${there}`,
    )
    event.target.setAttribute("aria-label", `${blockName(i, net.blocks.length)}. ${words.join(". ")}`)
    if (event.target.matches(":focus-visible")) tip(i)
  })
  root.addEventListener("click", event => {
    const i = columnOf(event)
    if (i != null) open(Number(i))
  })
  root.addEventListener("keydown", event => {
    if (event.key === "Escape" && opened != null) return open(null)
    const i = columnOf(event)
    if (i == null) return
    if (event.key in MOVES) focusBlock(within(Number(i) + MOVES[event.key]))
    else if (event.key === "Enter" || event.key === " ") open(Number(i))
    else return
    event.preventDefault()
  })
  $.panel.close.onclick = () => open(null)
  $.panel.before.onclick = () => open(opened - 1)
  $.panel.after.onclick = () => open(opened + 1)
  return { open, show }
}
