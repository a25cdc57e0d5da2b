// The net, block by block: its pictures, skips as arcs, shares of pictures as bars, and the gradient.
import { html, path, say, set, svg } from "./elements.js"
import { className, gradient, number, other, percent, switchName, tens } from "./words.js"

// Which blocks have a picture over them: the first, the last, and evenly between.
export function stationsOf(blocks, count) {
  const last = blocks - 1,
    wanted = Math.min(count, last)
  return [
    ...new Set(Array.from({ length: wanted }, (_, k) => Math.round(1 + (k * (last - 1)) / Math.max(1, wanted - 1)))),
  ]
}

// Decades of the gradient over all films, so that the axis never moves: [least, most], at least ±1.
export function decades(...nets) {
  const films = nets.flatMap(net => [net.plain, net.residual])
  const seen = films.flatMap(film => film.frames.flatMap(frame => gradient(frame) ?? []))
  const logs = seen.filter(value => value > 0).map(Math.log10)
  return [Math.min(-1, Math.floor(Math.min(...logs, 0))), Math.max(1, Math.ceil(Math.max(...logs, 0)))]
}

// Build the parts for a net, its recorded film (which fixes the axis) and a size.
// → { stations, hits, update, light, middle }.
export function buildNet(parts, state, net, recorded, size, draw) {
  const n = net.blocks.length,
    { gutter, width, arcs, bars, gradients, count } = size
  const step = (width - gutter) / n,
    x = i => gutter + i * step,
    middle = i => x(i) + step / 2
  const gap = Math.min(3, step * 0.16),
    top = arcs + 4,
    base = top + bars
  const stations = stationsOf(n, count)

  // The pictures from block to block.
  parts.stations.replaceChildren()
  parts.stations.classList.toggle("long", state.classes.some(name => name.length > 2))
  const tiles = stations.map(i => {
    const figure = html(parts.stations, "figure", { "data-block": i })
    const tile = { i, figure, canvas: html(figure, "canvas", { role: "img" }) }
    tile.caption = html(figure, "figcaption")
    return tile
  })

  // Shares: a block is a box, filled up to the share of the pictures that it keeps.
  const shares = parts.shares
  shares.replaceChildren()
  set(shares, { width, height: base + 1.4 * size.em, viewBox: `0 0 ${width} ${base + 1.4 * size.em}` })
  const slot = (width - gutter) / stations.length
  stations.forEach((i, k) =>
    svg(shares, "path", { class: "lead", d: `M${gutter + slot * (k + 0.5)} 0L${middle(i)} ${top - 2}` }),
  )
  const skips = svg(shares, "g", { class: "arcs" })
  for (let i = 1; i < n; i++) {
    const [from, to] = [x(i) - step * 0.18, x(i + 1) - step * 0.18 - gap]
    svg(skips, "path", {
      d: `M${from} ${top - 1}C${from} ${top - arcs * 1.2} ${to} ${top - arcs * 1.2} ${to} ${top - 1}`,
    })
  }
  const fills = [],
    slopes = [],
    hits = [],
    wide = step - gap
  for (let i = 0; i < n; i++) {
    svg(shares, "rect", { class: "shell", x: x(i), y: top, width: wide, height: bars })
    fills.push(svg(shares, "rect", { class: "fill", x: x(i), y: top, width: wide, height: bars }))
  }
  const guess = base - bars * state.guess
  svg(shares, "path", { class: "axis", d: `M${gutter} ${base}H${width}` })
  svg(shares, "path", { class: "guess", d: `M${gutter - 4} ${guess}H${width}` })
  svg(shares, "text", { x: gutter - 8, y: top + 0.75 * size.em, "text-anchor": "end" }, "100 %")
  svg(
    shares,
    "text",
    { x: gutter - 8, y: guess + 0.32 * size.em, "text-anchor": "end" },
    size.tight ? "guess" : `guess ${percent(state.guess)}`,
  )
  const ghost = svg(shares, "path", { class: "ghost" }),
    name = svg(shares, "text", { class: "name", "text-anchor": "end" })
  axis(shares, n, base + 1.1 * size.em, middle, step, size)

  // The gradient at each block, against the last one's, on a log axis.
  const slope = parts.gradients,
    [low, high] = decades(net, recorded)
  slope.replaceChildren()
  set(slope, { width, height: gradients, viewBox: `0 0 ${width} ${gradients}` })
  const pad = 0.7 * size.em,
    inner = gradients - 2 * pad,
    decade = inner / (high - low),
    gy = value => pad + (high - Math.log10(value)) * decade,
    one = gy(1)
  for (const power of [...new Set([high, 0, low])]) {
    const y = gy(10 ** power),
      text = power ? `${power > 0 ? "×" : "÷"} ${written(Math.abs(power))}` : "× 1"
    svg(slope, "path", { class: power ? "axis" : "guess", d: `M${power ? gutter : gutter - 4} ${y}H${width}` })
    const room = power || decade * Math.min(high, -low) >= 14 // both ends always have their names
    if (room) svg(slope, "text", { x: gutter - 8, y: y + 0.32 * size.em, "text-anchor": "end" }, text)
  }
  for (let i = 0; i < n; i++) {
    slopes.push(svg(slope, "rect", { class: "fill", x: x(i), y: one - 100, width: wide, height: 100 }))
  }
  const otherLine = svg(slope, "path", { class: "ghost" })

  // Where the pointer and the keys act: one column for each block.
  for (const [owner, height] of [
    [shares, base],
    [slope, gradients],
  ]) {
    for (let i = 0; i < n; i++) {
      const hit = svg(owner, "rect", { class: "hit", x: x(i) - gap / 2, y: 0, width: step, height, "data-block": i })
      if (owner === shares) hits.push(hit)
    }
  }
  hits.forEach(hit => set(hit, { role: "button", tabindex: "-1" }))
  set(hits[0], { tabindex: "0" })
  const pulse = svg(shares, "circle", { class: "pulse", r: 9, visibility: "hidden" })
  const pulseBack = svg(slope, "circle", { class: "pulse", r: 7, visibility: "hidden" })

  function update(kind, frame, back, picture) {
    const otherKind = other(kind),
      own = state.sprite.labels[state.pictures[picture]]
    for (const owner of [shares, slope]) set(owner, { "data-kind": kind })
    skips.style.display = kind === "residual" ? "" : "none"
    for (const tile of tiles) {
      const near = frame.near[tile.i]?.[picture][0],
        seen = state.sprite.labels[near],
        right = seen === own
      tile.canvas.style.visibility = near == null ? "hidden" : ""
      if (near == null) {
        set(tile.figure, { class: "wrong" })
        say(tile.caption, "lost")
        continue
      }
      draw(tile.canvas, near)
      const name = className(state, seen)
      set(tile.canvas, { "aria-label": `${name}, ${right ? "right" : "wrong"}` })
      set(tile.figure, { class: right ? "right" : "wrong" })
      say(tile.caption, `${name} ${right ? "✓" : "✗"}`)
    }
    frame.told_apart.forEach((share, i) => scale(fills[i], share ?? 0))
    set(ghost, {
      class: `ghost ${otherKind}`,
      d: path(back.told_apart.map((share, i) => [middle(i), base - share * bars])),
    })
    const end = base - Math.max(...back.told_apart.slice(-1 - Math.ceil((4.6 * size.em) / step))) * bars
    set(name, {
      class: `name ${otherKind}`,
      x: width - 6,
      y: end < top + 1.6 * size.em ? end + 1.3 * size.em : end - 0.5 * size.em,
    })
    say(name, switchName(otherKind))
    const here = gradient(frame),
      there = gradient(back)
    slopes.forEach((bar, i) => scale(bar, here?.[i] > 0 ? (Math.log10(here[i]) * decade) / 100 : 0))
    const line = there ? path(there.map((value, i) => [middle(i), gy(value)])) : ""
    set(otherLine, { class: `ghost ${otherKind}`, d: line })
  }

  // Show a pass in progress: `at` from 0 to 1 along `way`, or null for none.
  let lit = []
  function light(way, at, kind) {
    const place = way === "backward" ? 1 - at : at,
      column = way ? Math.min(n - 1, Math.floor(place * n)) : -1
    const bars = way === "backward" ? slopes : fills
    const now = way ? [column - 1, column].filter(i => i >= 0).map(i => bars[i]) : []
    lit.filter(bar => !now.includes(bar)).forEach(bar => bar.classList.remove("lit"))
    now.forEach(bar => bar.classList.add("lit"))
    lit = now
    const px = gutter + place * (width - gutter),
      hop = kind === "residual" ? Math.abs(Math.sin(place * n * Math.PI)) * (arcs - 8) : 0
    set(pulse, way === "forward" ? { cx: px, cy: top - 4 - hop, visibility: "visible" } : { visibility: "hidden" })
    set(pulseBack, way === "backward" ? { cx: px, cy: one, visibility: "visible" } : { visibility: "hidden" })
    for (const tile of tiles) tile.figure.classList.toggle("waiting", way === "forward" && place < (tile.i + 0.5) / n)
  }

  return { stations, hits, update, light, middle }
}

const scale = (rect, by) => {
  const value = `scaleY(${by.toFixed(4)})`
  if (rect.style.transform !== value) rect.style.transform = value
}

const written = power => (power <= 3 ? number(10 ** power) : tens(power))

// Names under the blocks: the stem, every fifth or tenth block, and the last one in words.
function axis(owner, n, y, middle, step, size) {
  const last = n - 1,
    every = last > 30 ? 10 : last > 12 ? 5 : 3,
    em = size.em,
    end = `block ${last}`
  svg(owner, "text", { x: size.gutter, y }, "stem")
  svg(owner, "text", { x: size.width, y, "text-anchor": "end" }, end)
  for (let i = every; i < last; i += every) {
    if (middle(i) < size.width - em * 5.6 && middle(i) > size.gutter + em * 3.4)
      svg(owner, "text", { x: middle(i), y, "text-anchor": "middle" }, i)
  }
}
