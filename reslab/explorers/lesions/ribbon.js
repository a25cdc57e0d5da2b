// A net as a row of blocks, with skips as arcs over them. A block is filled up to the error of the net without it.
import { html, say, set, svg } from "../stage/elements.js"

const ARCS = 26 // px over the blocks

// Build the ribbon of one net. → { size(width, height, em), show(answer, alone, out) }; pressed(block) on a click.
export function ribbon(owner, kind, pressed) {
  const plot = svg(owner, "svg", {
    role: "group",
    "aria-label":
      (kind === "plain" ? "Without skips" : "With skips") +
      ": arrow keys go from block to block, Enter takes one out or puts it back",
  })
  let blocks = [],
    drawn = ""

  function build(n, width, height, em) {
    const gutter = 3.4 * em,
      step = (width - gutter) / n,
      gap = Math.min(5, step * 0.18),
      top = ARCS + 4,
      base = height - 1.5 * em,
      middle = (top + base) / 2
    plot.replaceChildren()
    set(plot, { width, height, viewBox: `0 0 ${width} ${height}` })
    for (const [share, text] of [
      [1, "100 %"],
      [0, "0"],
    ])
      svg(plot, "text", { x: gutter - 8, y: base - share * (base - top - 0.7 * em), "text-anchor": "end" }, text)
    svg(plot, "path", { class: "wire", d: `M${gutter} ${middle}H${width}` })
    blocks = Array.from({ length: n }, (_, i) => {
      const x = gutter + i * step,
        wide = step - gap,
        group = svg(plot, "g", {})
      if (kind === "residual") {
        const [from, to, roof] = [x - gap / 2, x + wide + gap / 2, top - ARCS * 1.5]
        svg(group, "path", { class: "skip", d: `M${from} ${middle}C${from} ${roof} ${to} ${roof} ${to} ${middle}` })
      }
      svg(group, "rect", { class: "shell", x, y: top, width: wide, height: base - top, rx: 3 })
      const fill = svg(group, "rect", { class: "fill", x, y: top, width: wide, height: base - top })
      const tip = Math.min(14, wide * 0.6), // px
        arrow = `M${x + (wide - tip) / 2} ${middle - tip / 2}l${tip} ${tip / 2}l${-tip} ${tip / 2}Z`
      if (kind === "plain") svg(group, "path", { class: "arrow", d: arrow })
      const hit = svg(group, "rect", {
        class: "hit",
        x: x - gap / 2,
        y: 0,
        width: step,
        height,
        role: "button",
        tabindex: i ? "-1" : "0",
        "data-block": i + 1,
      })
      const title = svg(hit, "title")
      hit.addEventListener("click", () => pressed(i + 1))
      hit.addEventListener("keydown", event => key(event, i))
      return { group, fill, hit, title }
    })
    const whole = svg(plot, "path", { class: "guess" }) // over the boxes
    const every = n > 12 ? 5 : 1
    for (let i = 0; i < n; i++)
      if (!i || (i + 1) % every === 0)
        svg(plot, "text", { x: gutter + i * step + (step - gap) / 2, y: height - 2, "text-anchor": "middle" }, i + 1)
    drawn = JSON.stringify([n, width, height, em])
    return error => set(whole, { d: `M${gutter} ${base - error * (base - top)}H${width}` })
  }

  function key(event, i) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -i, End: blocks.length - 1 - i }
    if (event.key === "Enter" || event.key === " ") pressed(i + 1)
    else if (event.key in steps) focus(Math.max(0, Math.min(blocks.length - 1, i + steps[event.key])))
    else return
    event.preventDefault()
    event.stopPropagation() // a notebook has shortcuts of its own for these keys
  }

  function focus(i) {
    blocks.forEach(({ hit }, k) => hit.setAttribute("tabindex", k === i ? "0" : "-1"))
    blocks[i].hit.focus()
  }

  let level
  return {
    show(n, size, net, alone, out) {
      const sizes = [n, size.width, size.height, size.em]
      if (drawn !== JSON.stringify(sizes)) level = build(...sizes)
      level(net?.whole ?? 0)
      blocks.forEach(({ group, fill, hit, title }, i) => {
        const isOut = out.includes(i + 1),
          error = alone?.[i]
        set(group, { class: isOut ? "out" : "in" })
        fill.style.transform = `scaleY(${(error ?? 0).toFixed(3)})`
        const known = error == null ? "" : `; alone out: error ${percent(error)}`
        const text = `block ${i + 1} of ${n}, ${isOut ? "out" : "in"}${known}`
        say(title, text)
        set(hit, { "aria-pressed": isOut, "aria-label": text })
      })
    },
  }
}

export const percent = share => `${Math.round(100 * share)}\u00a0%`

// Three pictures with a net's answers.
export function pictures(owner) {
  const shown = Array.from({ length: 3 }, () => {
    const figure = html(owner, "figure")
    return { figure, image: html(figure, "img", { alt: "" }), caption: html(figure, "figcaption") }
  })
  return (given, answers) =>
    shown.forEach(({ figure, image, caption }, i) => {
      const right = answers[i] === given[i].is
      set(image, { src: given[i].url, alt: `the picture: ${given[i].is}` })
      set(figure, { class: right ? "right" : "wrong" })
      say(caption, `${answers[i]} ${right ? "✓" : "✗"}`)
    })
}
