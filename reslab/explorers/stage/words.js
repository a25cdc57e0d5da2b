// Every word and number that the stage shows about a net. Nothing here draws.
export const percent = share => (share == null ? "?" : `${Math.round(100 * share)}\u00a0%`)

export const other = kind => (kind === "plain" ? "residual" : "plain")
export const switchName = kind => (kind === "plain" ? "skips off" : "skips on")
const switchTitle = kind => (kind === "plain" ? "Without skips" : "With skips")
export const thing = state => (state.dataset === "digits" ? "digit" : "kind")
export const blockName = (i, n) => (i ? `Block ${i} of ${n - 1}` : "Stem: the first convolution")

// Shorter names for CIFAR-10's long ones.
const SAID = { automobile: "car", airplane: "plane" }
export const className = (state, label) => SAID[state.classes[label]] ?? state.classes[label]

const VARIANTS = {
  "no norm": "Both nets without BatchNorm",
  "identity start": "Both nets begin with convolutions that hand on what they get (lesson 03)",
}
export const variantSaid = variant => VARIANTS[variant] ?? ""

const article = name => (/^([aeiou]|8|11|18)/i.test(name) ? "an" : "a")
export const capital = text => text[0].toUpperCase() + text.slice(1)
export const a = name => `${article(name)} ${name}`

// 6 → "10⁶".
export const tens = power => `10${[...String(power)].map(digit => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`

// One format for all numbers: toLocaleString would make a new one each time.
export const { format: number } = new Intl.NumberFormat("en")

// 818.2 → "× 820", 0.031 → "÷ 32": against the last block's gradient.
export function times(value) {
  if (!value || !Number.isFinite(value)) return "no number" // 0: float32 holds no smaller one
  const round = v => (v < 99500 ? number(Number(v.toPrecision(2))) : tens(Math.round(Math.log10(v))))
  return value >= 0.95 ? `×\u00a0${round(value)}` : `÷\u00a0${round(1 / value)}`
}

// The gradient at each block as a multiple of the last one's; null where it was not measured.
export const gradient = frame => {
  const last = frame.gradient?.at(-1)
  return last ? frame.gradient.map(value => (value == null ? null : value / last)) : null
}

// The last point [step, error, loss] of a film's curve up to a step.
const pointAt = (film, step) => film.curve.findLast(point => point[0] <= step)
export const errorAt = (film, step) => pointAt(film, step)?.[1]

// What happened to one picture, as a clause: after every block, also those that have no tile.
export function journey(state, frame, picture) {
  const name = className(state, state.sprite.labels[state.pictures[picture]])
  const seen = frame.near.map(near => className(state, state.sprite.labels[near?.[picture][0]]))
  const end = seen.at(-1)
  if (end !== name) return `${a(name)} turns into ${a(end)}`
  return seen.every(each => each === name)
    ? `${a(name)} stays ${a(name)} all the way`
    : `${a(name)} comes out as ${a(name)}`
}

// What the gradient does on its way back from the last block to the first: "grows × 810".
function growth(value) {
  const how = value >= 2 ? "grows" : value <= 0.5 ? "shrinks" : "stays even:"
  return `${how} ${times(value)}`
}

// A gradient within these times of the last block's is nearly level, as in lesson 02.
const LEVEL = 10
// A net that errs at least this share of a guess's errors has not learned.
const UNLEARNED = 0.9

// The gradient and the training error, as sentences. A level gradient does not mean that a net learns: this is said.
function learning(state, frame, film) {
  const first = gradient(frame)?.[1],
    error = frame.step ? errorAt(film, frame.step) : null,
    isLevel = first >= 1 / LEVEL && first <= LEVEL
  if (isLevel && error >= UNLEARNED * (1 - state.guess))
    return ` The gradient is nearly level (${times(first)}), the error still ${percent(error)}.`
  const back = first ? ` Backwards the gradient ${growth(first)}.` : ""
  return error == null ? back : `${back} Training error: ${percent(error)}.`
}

// The sentence on top: [which net, what]. It is about the step that is shown, or names the step.
export function sentence(state, net, kind, frame, picture, step) {
  const film = net[kind],
    share = frame.told_apart.at(-1),
    after = at => (at ? `after ${number(at)} ${at === 1 ? "step" : "steps"}` : "before any training"),
    who = switchTitle(kind)
  if (share == null)
    return [who, `, ${after(frame.step)}: the training broke down, and its numbers are no longer finite.`]
  const reached = pointAt(film, step)?.[0] ?? 0
  if (reached > frame.step) {
    const next = film.frames.find(each => each.step > frame.step),
      then = next ? `, the next ones at step ${number(next.step)}` : ""
    const error = `, ${after(reached)} the training error is ${percent(errorAt(film, step))}.`
    return [who, `${error} Pictures, bars and gradient were measured ${after(frame.step)}${then}.`]
  }
  const chance = share < 2.5 * state.guess ? ` (guess: ${percent(state.guess)})` : ""
  const kept = `${percent(share)} of pictures keep their ${thing(state)}${chance}.`
  return [who, `, ${after(frame.step)}, ${journey(state, frame, picture)}; ${kept}${learning(state, frame, film)}`]
}

// What a block's numbers are, as [what, here, in the other net].
export function numbers(state, frame, back, i) {
  const rows = [[`Still the right ${thing(state)}`, percent(frame.told_apart[i]), percent(back.told_apart[i])]]
  const band = frame.spread?.[i]
  if (band?.[0] != null)
    rows.push([`the same over ${state.seeds.length} seeds`, range(band), back.spread ? range(back.spread[i]) : "?"])
  const here = gradient(frame),
    there = gradient(back)
  if (here) rows.push(["Gradient, against the last block", times(here[i]), there ? times(there[i]) : "?"])
  const optional = [
    ["readout", "A linear readout finds the class", percent],
    ["alike", "A picture and its noisy copy: likeness", v => v.toFixed(2)],
  ]
  for (const [key, what, write] of optional) {
    if (frame[key]?.[i] != null)
      rows.push([what, write(frame[key][i]), back[key]?.[i] != null ? write(back[key][i]) : "?"])
  }
  return rows
}

const range = ([least, most]) => `${Math.round(100 * least)}–${percent(most)}`

// A state of the stage as one line, for people and for a page's address: "skips=on net=56 picture=2 step=28".
export function writeLine(view) {
  const parts = {
    data: view.dataset,
    skips: view.skip ? "on" : "off",
    net: view.net,
    picture: view.picture + 1,
    step: view.step,
  }
  return Object.entries(parts)
    .map(([key, value]) => `${key}=${String(value).replaceAll(" ", "_")}`)
    .join(" ")
}

// Read such a line; what it does not name stays; capitals, quotes and other separators are accepted.
export function readLine(text, view) {
  const found = { ...view }
  const words = text
    .replace(/%[0-7][\da-f]/gi, decodeURIComponent) // of an address; decoded whole, a stray % would be an error
    .replace(/%[\da-f]{2}/gi, " ")
    .replace(/[“”‘’"'`]/g, "")
    .toLowerCase()
  for (const [, key, value] of words.matchAll(/(\w+)\s*=\s*([\w.-]+)/g)) {
    if (key === "data") found.dataset = value
    if (key === "skips" || key === "skip") found.skip = ["on", "true", "1", "yes"].includes(value)
    if (key === "net" || key === "layers" || key === "depth") found.net = value.replaceAll("_", " ")
    if (key === "picture") found.picture = Math.max(0, Number.parseInt(value, 10) - 1) || 0
    if (key === "step") found.step = Math.max(0, Number.parseInt(value, 10)) || 0
  }
  return found
}
