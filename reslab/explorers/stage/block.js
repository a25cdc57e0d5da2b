// One block: its numbers beside the pointer, and, opened, what it takes for similar and what it computes.
import { html, say } from "./elements.js"
import { PARTS, tiles } from "./pictures.js"
import { blockName, numbers, switchName, other } from "./words.js"

// Fill a box with a block's numbers, here and in the other net.
export function writeNumbers(box, state, now, i) {
  box.replaceChildren()
  const table = html(box, "table"), head = html(html(table, "thead"), "tr")
  html(head, "th", {}, "")
  html(head, "th", { class: now.kind, scope: "col" }, switchName(now.kind))
  html(head, "th", { class: other(now.kind), scope: "col" }, switchName(other(now.kind)))
  const body = html(table, "tbody")
  for (const [what, here, there] of numbers(state, now.frame, now.back, i)) {
    const row = html(body, "tr")
    html(row, "th", { scope: "row" }, what)
    html(row, "td", {}, here)
    html(row, "td", {}, there)
  }
}

const TITLE = { x: "x: comes in", F: "F(x): computed", y: "y: goes out" }

// Fill the panel of an opened block. draw(canvas, index) draws a test picture.
export function writeBlock(panel, state, net, now, i, picture, draw) {
  const own = state.sprite.labels[state.pictures[picture]], name = state.classes[own]
  say(panel.title, blockName(i, net.blocks.length) + (net.halves.includes(i) ? ", halves the size" : ""))
  panel.near.replaceChildren()
  html(panel.near, "h4", {}, `The ${name} looks most like`)
  const row = html(panel.near, "div", { class: "tiles" })
  for (const near of now.frame.near[i]?.[picture] ?? []) {
    const seen = state.sprite.labels[near], right = seen === own
    const figure = html(row, "figure", { class: right ? "right" : "wrong" })
    draw(html(figure, "canvas", { role: "img", "aria-label": state.classes[seen] }), near)
    html(figure, "figcaption", {}, `${state.classes[seen]} ${right ? "✓" : "✗"}`)
  }
  writeNumbers(panel.numbers, state, now, i)
  panel.inside.replaceChildren()
  const film = net[now.kind], near = nearest(film.frames.filter(frame => frame.opened?.[i]), now.frame.step)
  if (!near) {
    const why = i ? "The inside of this block was not kept." : "The stem is one convolution: it makes the first maps out of the picture."
    return html(panel.inside, "p", {}, why)
  }
  const opened = near.opened[i], tile = tiles(opened, picture, opened.channels.length)
  const signs = now.kind === "residual" ? ["", "+", "="] : ["", "→", "→"]
  const grid = html(panel.inside, "div", { class: "sum", style: `--rows: ${opened.channels.length}` })
  PARTS.forEach((part, k) => {
    const column = html(grid, "div", { class: "part" })
    html(column, "h4", {}, TITLE[part])
    const line = html(column, "div", { class: "tiles" })
    opened.channels.forEach((channel, c) => {
      const canvas = html(line, "canvas", { role: "img", class: opened.size < 8 ? "coarse" : "", "aria-label": `${part}, channel ${channel}` })
      tile(canvas, part, c)
    })
    if (k) column.dataset.sign = signs[k]
  })
  const sum = now.kind === "residual" ? "y is x + F(x), and less than 0 becomes 0" : "no skip: y is F(x) alone, and less than 0 becomes 0"
  const when = near.step === now.frame.step ? "" : `; as at step ${near.step}`
  html(panel.inside, "p", { class: "note" }, `The ${opened.channels.length} strongest channels, ${opened.size} × ${opened.size}; darker is more: ${sum}${when}.`)
}

const nearest = (frames, step) => frames.reduce((best, f) => (!best || Math.abs(f.step - step) < Math.abs(best.step - step) ? f : best), null)
