// The training error of both nets over the whole run: the axes never move; the slider below is the time axis.
import { path, say, set, svg } from "./elements.js"
import { errorAt, percent, switchName } from "./words.js"

// → update(kind, step, recorded): draw the error up to `step`, and below it, thin, that of `recorded` (a net, or null).
export function buildCurve(owner, state, net, size) {
  const { gutter, width, curve: height, em } = size,
    steps = Math.max(net.plain.steps, net.residual.steps)
  owner.replaceChildren()
  set(owner, { width, height, viewBox: `0 0 ${width} ${height}` })
  const top = 0.7 * em,
    high = height - 1.2 * em,
    right = size.end,
    cx = step => gutter + ((right - gutter) * step) / steps,
    cy = error => top + high * (1 - error)
  for (const error of height > 90 ? [1, 0.5, 0] : [1, 0]) {
    svg(owner, "path", { class: "axis", d: `M${gutter} ${cy(error)}H${right}` })
    svg(owner, "text", { x: gutter - 8, y: cy(error) + 0.32 * em, "text-anchor": "end" }, percent(error))
  }
  const invitation = svg(
    owner,
    "text",
    { class: "invitation", x: (gutter + right) / 2, y: cy(0.5) + 0.32 * em, "text-anchor": "middle" },
    size.enough ? "Press Train: both nets get the same pictures in the same order" : "Press Train",
  )
  const now = svg(owner, "path", { class: "now" })
  const lines = {}
  for (const kind of ["plain", "residual"]) {
    lines[kind] = { thin: svg(owner, "path", { class: `thin ${kind}` }) }
  }
  for (const kind of ["plain", "residual"]) {
    Object.assign(lines[kind], {
      line: svg(owner, "path", { class: `line ${kind}` }),
      dot: svg(owner, "circle", { class: `dot ${kind}`, r: 5, visibility: "hidden" }),
      name: svg(owner, "text", { class: `name ${kind}` }),
    })
  }

  return function update(kind, step, recorded) {
    invitation.style.display = step || recorded ? "none" : ""
    set(now, { d: `M${cx(step)} ${top - 6}V${cy(0)}` })
    const ends = {}
    for (const [which, { thin, line, dot, name }] of Object.entries(lines)) {
      const film = net[which],
        reached = Math.min(step, film.curve.at(-1)?.[0] ?? 0),
        error = errorAt(film, step)
      const points = film.curve
        .filter(point => point[0] <= step)
        .map(([at, value]) => [cx(at), value == null ? NaN : cy(value)])
      set(line, { d: path(points), class: `line ${which} ${which === kind ? "front" : ""}` })
      set(thin, {
        d: recorded ? path(recorded[which].curve.map(([at, value]) => [cx(at), value == null ? NaN : cy(value)])) : "",
      })
      const seen = error != null && points.length
      set(dot, seen ? { cx: cx(reached), cy: cy(error), visibility: "visible" } : { visibility: "hidden" })
      say(name, seen ? `${switchName(which)} ${percent(error)}` : "")
      if (seen) ends[which] = { name, x: cx(reached) + 12, y: cy(error) + 0.32 * em }
    }
    const errors = Object.values(ends).map(({ name }) => name.textContent)
    set(owner, { "aria-label": ["Training error of both nets", ...errors].join(", ") })
    place(ends, kind)
  }

  // Names at the ends of their lines, a line's height apart at least, inside the chart.
  function place(ends, kind) {
    const least = 1.2 * em,
      [upper, lower] = Object.values(ends).sort((a, b) => a.y - b.y || (a === ends[kind] ? 1 : -1))
    if (lower && lower.y - upper.y < least) {
      const centre = Math.min(Math.max((upper.y + lower.y) / 2, top + 4 + least / 2), height - 4 - least / 2)
      upper.y = centre - least / 2
      lower.y = centre + least / 2
    }
    for (const { name, x, y } of Object.values(ends)) set(name, { x, y })
  }
}
