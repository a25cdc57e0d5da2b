// The elements of the stage that are made once and stay.
import { html, svg } from "./elements.js"
import { buildNotice } from "./notice.js"
import { presentButton } from "./present.js"

// Options are [value, text, what it means].
export function choices(owner, options, chosen) {
  owner.replaceChildren()
  for (const [value, text, title = ""] of options)
    html(owner, "button", { type: "button", value, title }, text).onclick = () => chosen(value)
}

export function writeClasses(owner, names) {
  const list = owner.querySelector("ul")
  list.replaceChildren()
  list.style.setProperty("--longest", Math.max(...names.map(name => name.length)))
  return names.map(name => {
    const item = html(list, "li")
    html(item, "span", { class: "class" }, name)
    const track = html(item, "span", { class: "track" })
    return { item, bar: html(track, "i"), value: html(track, "span", { class: "value" }) }
  })
}

// Make all elements that stay; → them by name.
export function build(root, canTrain) {
  const $ = {},
    button = (owner, text, attributes = {}) => html(owner, "button", { type: "button", ...attributes }, text)
  const line = html(root, "p", { class: "say", role: "status" })
  $.lead = html(line, "b")
  $.said = html(line, "span")
  $.hint = button(line, undefined, { class: "hint", tabindex: -1 }) // the controls themselves are a key away

  const bar = html(root, "div", { class: "bar" })
  $.flip = button(bar, undefined, { class: "switch", role: "switch" })
  html($.flip, "span", {}, "Skip connections")
  html($.flip, "i")
  $.onoff = html($.flip, "span", { class: "onoff" })
  const layers = html(bar, "div", { class: "group", role: "group", "aria-label": "Layers" })
  html(layers, "span", {}, "Layers")
  $.nets = html(layers, "span", { class: "choices" })
  $.kinds = html(bar, "span", { class: "choices kinds", role: "group", "aria-label": "Pictures" })
  html(bar, "span", { class: "space" })
  const more = html(bar, "details", { class: "more" })
  more.addEventListener("click", event => event.target.closest(".choices") && (more.open = false))
  html(more, "summary", {}, "More")
  const sheet = html(more, "div", { class: "sheet" })
  $.datasetsRow = html(sheet, "div", { class: "group datasets" })
  html($.datasetsRow, "span", {}, "Pictures")
  $.datasets = html($.datasetsRow, "span", { class: "choices" })
  $.variantsRow = html(sheet, "div", { class: "group" })
  html($.variantsRow, "span", {}, "Other nets")
  $.variants = html($.variantsRow, "span", { class: "choices" })
  const share = html(sheet, "label", { class: "group" })
  html(share, "span", {}, "Share: copy this line, or paste one and press Enter")
  $.line = html(share, "input", { type: "text", class: "line", spellcheck: "false" })
  $.present = presentButton(bar)

  const grid = html(root, "div", { class: "grid" })
  const given = html(grid, "div", { class: "given" })
  $.another = button(given, undefined, { class: "another", title: "Take another picture" })
  const title = html($.another, "span", { class: "title" })
  $.givenName = html(title, "span")
  html(title, "span", { class: "goes" }, " goes in")
  $.given = html($.another, "canvas", { role: "img" })
  html($.another, "span", {}, "↻ another")
  const way = html(grid, "div", { class: "way" })
  html(way, "h3", {}, "What it looks most like, block by block")
  $.stations = html(way, "div", { class: "stations" })
  $.answer = html(grid, "div", { class: "answer" })
  html($.answer, "h3", {}, "Its answer")
  html($.answer, "ul")
  $.answerNote = html($.answer, "p")

  const shareLabel = html(grid, "div", { class: "label shares" })
  $.shareTitle = html(shareLabel, "h3", {}, "Still the right digit")
  $.ofPictures = html(shareLabel, "p")
  const legend = html(shareLabel, "ul", { class: "legend" })
  const key = (shape, text) => {
    const item = html(legend, "li")
    svg(svg(item, "svg", { viewBox: "0 0 22 16", "aria-hidden": "true" }), "path", shape)
    html(item, "span", {}, text)
  }
  key({ class: "key-bar", d: "M5 1h12v14H5z" }, "one block")
  key({ class: "key-arc", d: "M2 15C2 -3 20 -3 20 15" }, "one skip")
  $.shares = svg(html(grid, "div", { class: "plot shares" }), "svg", {
    role: "group",
    "aria-label": "The net, block by block: arrow keys go from block to block, Enter opens one",
  })
  $.gradientLabel = html(grid, "div", { class: "label gradients" })
  html($.gradientLabel, "h3", {}, "Gradient")
  html($.gradientLabel, "span", {}, "← how much the loss changes with a block's output; the last is ×\u00a01")
  html($.gradientLabel, "p", { class: "scale" }, "log scale")
  $.gradients = svg(html(grid, "div", { class: "plot gradients" }), "svg", {
    role: "img",
    "aria-label": "The gradient at each block",
  })
  const first = html(grid, "div", { class: "first" })
  html(first, "span", {}, "at block 1")
  $.first = html(first, "b")
  $.firstGhost = html(first, "span")

  const time = html(grid, "div", { class: "label time" })
  html(time, "h3", {}, "Training error")
  const buttons = html(time, "div", { class: "buttons" })
  $.play = button(buttons, undefined, { class: "play" })
  html($.play, "i", { "aria-hidden": "true" })
  $.playWord = html($.play, "span", {}, "Train")
  $.previous = button(buttons, "◂", { class: "small", "aria-label": "a step back", title: "A step back" })
  $.next = button(buttons, "▸", { class: "small", "aria-label": "a step on", title: "A step on" })
  $.speed = button(buttons, "1 ×", { class: "small speed", "aria-label": "speed 1 times", title: "Speed" })
  const plot = html(grid, "div", { class: "plot curve" })
  $.curve = svg(plot, "svg", { role: "img", "aria-label": "Training error of both nets" })
  const slider = html(plot, "label", { class: "slider" })
  $.clock = html(slider, "output")
  $.slide = html(slider, "input", { type: "range", min: 0, step: 1, "aria-label": "training step" })
  $.total = html(slider, "span")
  const origin = html(root, "div", { class: "origin" })
  const here = html(origin, "span", { class: "here" })
  if (canTrain) {
    $.live = button(here, "Train here, live", { class: "live" })
    $.sources = html(origin, "span", { class: "choices", role: "group", "aria-label": "What is shown", hidden: "" })
    $.isRecorded = button($.sources, "Recorded")
    $.isLive = button($.sources, "Live")
  }
  $.originWords = html(origin, "span")

  $.notice = buildNotice(root)
  const tip = html(root, "div", { class: "tip", hidden: "", "aria-hidden": "true" })
  $.tip = { box: tip, title: html(tip, "h4"), numbers: html(tip, "div") }
  html(tip, "p", { class: "note" }, "Click to open")
  const panel = html(root, "section", { class: "panel", hidden: "", "aria-label": "A block, opened" })
  const head = html(panel, "header")
  $.panel = {
    box: panel,
    before: button(head, "◂", { class: "small", "aria-label": "the block before" }),
    after: button(head, "▸", { class: "small", "aria-label": "the block after" }),
    title: html(head, "h3"),
    close: button(head, "Close", { class: "close" }),
  }
  const body = html(panel, "div", { class: "body" })
  for (const part of ["near", "inside", "numbers"]) $.panel[part] = html(body, "div", { class: part })
  return $
}
