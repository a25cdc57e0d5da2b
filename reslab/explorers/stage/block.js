// One block: its numbers beside the pointer, and, opened, its nearest neighbours and what it computes.
import { html, say } from "./elements.js"
import { PARTS, tiles } from "./pictures.js"
import { blockName, className, numbers, switchName, other } from "./words.js"

// Fill a box with a block's numbers, here and in the other net: a column each, or, with `across`, a line each.
export function writeNumbers(box, state, now, i, across = false) {
  const kinds = [now.kind, other(now.kind)]
  const rows = numbers(state, now.frame, now.back, i)
  const table = [["", ...kinds.map(switchName)], ...rows]
  const lines = across ? table[0].map((_, k) => table.map(row => row[k])) : table
  box.replaceChildren()
  const body = html(html(box, "table", { class: across ? "across" : "" }), "tbody")
  lines.forEach((line, r) => {
    const row = html(body, "tr")
    line.forEach((text, c) => {
      const kind = kinds[(across ? r : c) - 1],
        isHead = r === 0 || c === 0
      const scope = isHead && text ? { scope: r === 0 ? "col" : "row" } : {}
      html(
        row,
        isHead && text ? "th" : "td",
        { class: isHead && kind ? kind : kind === now.kind ? "here" : "", ...scope },
        text,
      )
    })
  })
}

const TITLE = { x: "x: comes in", F: "F(x): computed", y: "y: goes out" }

// Fill the panel of an opened block. draw(canvas, index) draws a test picture.
export function writeBlock(panel, state, net, now, i, picture, draw, size) {
  const own = state.sprite.labels[state.pictures[picture]],
    name = className(state, own)
  say(panel.title, blockName(i, net.blocks.length) + (net.halves.includes(i) ? ", halves the size" : ""))
  panel.near.replaceChildren()
  html(panel.near, "h4", {}, `The ${name} looks most like`)
  const row = html(panel.near, "div", { class: "tiles" })
  for (const near of now.frame.near[i]?.[picture] ?? []) {
    const seen = state.sprite.labels[near],
      right = seen === own
    const figure = html(row, "figure", { class: right ? "right" : "wrong" })
    draw(html(figure, "canvas", { role: "img", "aria-label": className(state, seen) }), near)
    html(figure, "figcaption", {}, `${className(state, seen)} ${right ? "✓" : "✗"}`)
  }
  writeNumbers(panel.numbers, state, now, i, size.enough)
  panel.inside.replaceChildren()
  const film = net[now.kind],
    near = nearest(
      film.frames.filter(frame => frame.opened?.[i]),
      now.frame.step,
    )
  if (!near) {
    const why = i
      ? "The inside of this block was not kept."
      : "The stem is one convolution: it makes the first maps out of the picture."
    return html(panel.inside, "p", {}, why)
  }
  const opened = near.opened[i],
    tile = tiles(opened, picture, opened.channels.length)
  const signs = now.kind === "residual" ? ["", "+", "="] : ["", "→", "→"]
  const grid = html(panel.inside, "div", { class: "sum", style: `--rows: ${opened.channels.length}` })
  PARTS.forEach((part, k) => {
    const column = html(grid, "div", { class: "part" })
    html(column, "h4", {}, TITLE[part])
    const line = html(column, "div", { class: "tiles" })
    opened.channels.forEach((channel, c) => {
      const canvas = html(line, "canvas", {
        role: "img",
        class: opened.size < 8 ? "coarse" : "",
        "aria-label": `${part}, channel ${channel}`,
      })
      tile(canvas, part, c)
    })
    if (k) column.dataset.sign = signs[k]
  })
  const sum =
    now.kind === "residual"
      ? "y is x + F(x), and less than 0 becomes 0"
      : "no skip: y is F(x) alone, and less than 0 becomes 0"
  const when = near.step === now.frame.step ? "" : `; as at step ${near.step}`
  html(
    panel.inside,
    "p",
    { class: "note" },
    `The ${opened.channels.length} strongest channels, ${opened.size} × ${opened.size}; ` +
      `darker is more: ${sum}${when}.`,
  )
}

const nearest = (frames, step) =>
  frames.reduce((best, f) => (!best || Math.abs(f.step - step) < Math.abs(best.step - step) ? f : best), null)
