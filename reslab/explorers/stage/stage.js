// The stage: a plain net and its residual twin, seen block by block, while they train. It draws one plain JSON state.
import { buildCurve } from "./curve.js"
import { html, say, set } from "./elements.js"
import { explore } from "./explore.js"
import { layout } from "./layout.js"
import { buildNet } from "./net.js"
import { build, choices, writeClasses } from "./parts.js"
import { pictures } from "./pictures.js"
import { makePlayer } from "./player.js"
import {
  a,
  blockName,
  capital,
  gradient,
  other,
  percent,
  readLine,
  sentence,
  switchName,
  thing,
  times,
  writeLine,
} from "./words.js"

const START = { dataset: "", net: "56", skip: false, picture: 0, step: 0 }
const SPEEDS = [0.5, 1, 2, 4]

// Put a stage into `el`. A source has: names (of the datasets), state(name) → promise of a JSON state, view,
// height() in px, changed(view), and live: null, or { send(message), receive(function) } to a kernel that trains.
export async function mount(el, source) {
  const view = { ...START, ...source.view }
  if (!source.names.includes(view.dataset)) view.dataset = source.names[0]
  let recorded = await source.state(view.dataset),
    draw
  const drawings = new Map([[recorded, await pictures(recorded)]]) // state → draw(canvas, picture)
  const live = { state: null, status: "", words: "", shown: false }
  let state = recorded,
    net,
    parts,
    size,
    curve,
    flipped = view.skip,
    done = false,
    asked = ""

  el.replaceChildren()
  const root = html(el, "section", { class: "stage", "aria-label": "The stage: a plain net and its residual twin" })
  root.classList.toggle("still", Boolean(source.still))
  const $ = build(root, Boolean(source.live))
  const player = makePlayer({ light: (way, at) => parts?.light(way, at, kind()), next, changed: showControls })

  const blocks = explore(root, $, () => ({ state, net, parts, now: now(), picture: view.picture, draw, size }))

  const kind = () => (view.skip ? "residual" : "plain")
  const frameAt = film => film.frames.findLast(frame => frame.step <= view.step) ?? film.frames[0]
  const stepsOf = film =>
    [...new Set([...film.frames.map(frame => frame.step), ...film.curve.map(point => point[0])])].sort((x, y) => x - y)
  const lastStep = () => Math.max(...stepsOf(net.plain), ...stepsOf(net.residual))
  const recordedNet = () => recorded.nets.find(each => each.key === net.key)
  const now = () => ({ kind: kind(), frame: frameAt(net[kind()]), back: frameAt(net[other(kind())]) })

  // --- what is shown ---

  // Take the state and the net that the view asks for; → whether they are others than before.
  function choose() {
    const before = net,
      pair = drawings.has(live.state) && live.state.nets[0]
    const isLive =
      live.shown &&
      pair?.key === view.net &&
      pair.plain.frames.length &&
      pair.residual.frames.length &&
      live.state.dataset === view.dataset
    state = isLive ? live.state : recorded
    draw = drawings.get(state)
    net = state.nets.find(each => each.key === view.net) ?? state.nets.find(each => each.key === "56") ?? state.nets[0]
    view.net = net.key
    view.picture %= state.pictures.length
    view.step = Math.min(view.step, lastStep())
    return net !== before
  }

  function rebuild() {
    const em = Number.parseFloat(getComputedStyle(root).fontSize),
      box = getComputedStyle(root)
    const inner = root.clientWidth - Number.parseFloat(box.paddingLeft) - Number.parseFloat(box.paddingRight)
    if (inner <= 0) return
    const full = root.classList.contains("present")
    size = layout(inner, full ? window.innerHeight - 1.8 * em : source.height(), em)
    root.dataset.size = size.kind
    root.dataset.room = inner < 48 * em ? "least" : inner < 64 * em ? "little" : "enough"
    for (const name of ["side", "answer", "gutter", "picture", "gap", "width", "end", "row"])
      root.style.setProperty(`--${name}`, `${size[name]}px`)
    parts = buildNet(
      { stations: $.stations, shares: $.shares, gradients: $.gradients },
      state,
      net,
      recordedNet() ?? net,
      size,
      draw,
    )
    curve = buildCurve($.curve, state, net, size)
    parts.hits.forEach((hit, i) => hit.setAttribute("aria-label", blockName(i, net.blocks.length)))
    $.answers = writeClasses($.answer, state.classes)
    $.slide.max = net.plain.steps
    show()
  }

  function show() {
    if (!parts) return
    const { kind: which, frame, back } = now(),
      label = state.sprite.labels[state.pictures[view.picture]]
    const [who, what] = sentence(state, net, which, frame, view.picture, parts.stations)
    say($.lead, who)
    set($.lead, { class: which })
    say($.told, what)
    say($.hint, done || view.step ? "" : flipped ? " Now press Train." : " Flip the switch!")
    draw($.given, state.pictures[view.picture])
    set($.given, { "aria-label": `the picture: ${a(state.classes[label])}` })
    say($.shareTitle, `Still the right ${thing(state)}`)
    say($.ofPictures, `share of ${state.test_images} pictures, after each block`)
    say($.givenName, `${capital(a(state.classes[label]))} goes in`)
    parts.update(which, frame, back, view.picture)
    showAnswer(frame.answer?.[view.picture] ?? state.classes.map(() => null), label, which)
    const here = gradient(frame),
      there = gradient(back)
    say($.first, here ? times(here[1]) : "no number")
    set($.first, { class: which })
    say($.firstGhost, there ? `${switchName(other(which))}: ${times(there[1])}` : "")
    set($.firstGhost, { class: other(which) })
    const under = state.live ? recordedNet() : null
    curve(which, view.step, under)
    $.slide.value = view.step
    $.slide.setAttribute("aria-valuetext", `step ${view.step} of ${net.plain.steps}`)
    say($.clock, `step ${view.step}`)
    say($.total, `of ${net.plain.steps}`)
    showOrigin(under)
    blocks.show()
  }

  function showAnswer(answer, label, which) {
    const best = answer.indexOf(Math.max(...answer))
    set($.answer, { "data-kind": which })
    answer.forEach((share, c) => {
      const row = $.answers[c],
        marks = c === best ? (best === label ? " ✓" : " ✗") : ""
      row.bar.style.transform = `scaleX(${Math.max(0.01, share ?? 0).toFixed(3)})`
      row.value.style.left = `calc(${(100 * (share ?? 0)).toFixed(1)}% + 0.4em)`
      set(row.item, { class: `${c === best ? "best" : ""} ${c === label ? "own" : ""}` })
      say(row.value, c === best || c === label ? percent(share) + marks : "")
    })
  }

  function showControls() {
    const running = live.status === "running",
      isLive = state.live && ["running", "paused"].includes(live.status)
    $.flip.setAttribute("aria-checked", view.skip)
    say($.onoff, view.skip ? "on" : "off")
    const going = isLive ? running : player.playing
    say($.playWord, going ? "Pause" : isLive ? "Go on" : view.step >= lastStep() && view.step ? "Again" : "Train")
    set($.play, { "data-going": going })
    for (const button of $.nets.querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.value === view.net)
    for (const button of $.variants.querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.value === view.net)
    for (const button of $.datasets.querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.value === view.dataset)
    if ($.live) {
      const busy = ["starting", "running", "paused", "stopping"].includes(live.status)
      say($.live, busy ? "Stop" : "Train here, live")
      $.live.classList.toggle("busy", busy)
      $.sources.hidden = !live.state
      $.isLive.setAttribute("aria-pressed", Boolean(state.live))
      $.isRecorded.setAttribute("aria-pressed", !state.live)
    }
    if (document.activeElement !== $.line) $.line.value = writeLine(view)
  }

  function showOrigin(under) {
    const words = [
      state.live ? `Thick: ${state.origin}${under ? `. Thin: ${recorded.origin}` : ""}` : capital(state.origin),
    ]
    if (live.words) words.push(live.words)
    say($.originWords, `${words.reverse().join(". ")}.`)
    set($.originWords, { title: $.originWords.textContent })
  }

  function refresh() {
    if (choose()) {
      writeChoices()
      rebuild()
    } else show()
    showControls()
    source.changed({ ...view })
  }

  function writeChoices() {
    const shape = recorded.nets.map(each => [each.key, each.variant, each.depth]),
      key = JSON.stringify([shape, source.names])
    if (key === asked) return
    asked = key
    const usual = recorded.nets.filter(each => !each.variant),
      special = recorded.nets.filter(each => each.variant)
    choices(
      $.nets,
      usual.map(each => [each.key, each.depth]),
      value => take({ net: value, step: 0 }),
    )
    choices(
      $.variants,
      special.map(each => [each.key, `${each.depth} layers, ${each.variant}`]),
      value => take({ net: value, step: 0 }),
    )
    choices(
      $.datasets,
      source.names.length > 1 ? source.names.map(name => [name, name === "digits" ? "Digits" : "Photographs"]) : [],
      value => take({ dataset: value, step: 0 }),
    )
    $.variantsRow.hidden = !special.length
    $.datasetsRow.hidden = source.names.length < 2
  }

  // --- what people do ---

  // Take over a part of a view, from a control or from outside.
  async function take(change, passing = true) {
    if (player.playing && !("skip" in change || "picture" in change)) player.stop()
    Object.assign(view, change)
    if (!source.names.includes(view.dataset)) view.dataset = source.names[0]
    if (view.dataset !== recorded.dataset && !(live.shown && state.dataset === view.dataset)) {
      recorded = await source.state(view.dataset)
      drawings.set(recorded, await pictures(recorded))
    }
    refresh()
    if (passing && !player.playing && live.status !== "running" && !("step" in change && change.step)) player.pass()
  }

  function next() {
    const steps = stepsOf(net[kind()]).filter(step => step > view.step)
    if (!steps.length) return ((done = true), show(), false)
    view.step = steps[0]
    done ||= view.step >= net.plain.steps / 2
    refresh()
    return steps.length > 1
  }

  function toStep(step) {
    player.stop()
    const steps = stepsOf(net[kind()])
    view.step = steps.reduce((best, each) => (Math.abs(each - step) < Math.abs(best - step) ? each : best), 0)
    done ||= view.step > 0
    live.follow = state.live && view.step >= lastStep()
    refresh()
  }

  function byFrames(count) {
    const steps = stepsOf(net[kind()]),
      at = steps.findLastIndex(step => step <= view.step)
    toStep(steps[Math.max(0, Math.min(steps.length - 1, at + count))])
  }

  $.flip.onclick = () => {
    flipped = true
    take({ skip: !view.skip })
  }
  $.another.onclick = () => take({ picture: (view.picture + 1) % state.pictures.length })
  $.play.onclick = () => {
    if (state.live && ["running", "paused"].includes(live.status))
      return source.live.send({ do: live.status === "running" ? "pause" : "resume" })
    if (player.playing) return player.stop()
    if (view.step >= lastStep()) view.step = 0
    refresh()
    player.play()
  }
  $.back.onclick = () => byFrames(-1)
  $.forth.onclick = () => byFrames(1)
  $.speed.onclick = () => {
    player.speed = SPEEDS[(SPEEDS.indexOf(player.speed) + 1) % SPEEDS.length]
    say($.speed, `${player.speed} ×`)
    $.speed.setAttribute("aria-label", `speed ${player.speed} times`)
  }
  $.slide.oninput = () => toStep(Number($.slide.value))
  $.present.onclick = () =>
    document.fullscreenElement === root ? document.exitFullscreen() : present(!root.classList.contains("present"))
  async function present(on) {
    root.classList.toggle("present", on)
    $.present.setAttribute("aria-pressed", on)
    say($.presentWord, on ? "Leave" : "Present")
    if (on) await root.requestFullscreen?.().catch(() => {}) // a page may forbid it; then the stage fills the window
    rebuild()
  }
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && root.classList.contains("present")) present(false)
  })
  $.line.onchange = () => take(readLine($.line.value, view))

  // --- live ---

  if (source.live) {
    $.live.onclick = () => {
      if ($.live.classList.contains("busy")) return source.live.send({ do: "stop" })
      player.stop()
      Object.assign(live, {
        status: "starting",
        words: "Live: the two nets are being built",
        shown: true,
        follow: true,
      })
      done = true
      source.live.send({ do: "start", dataset: view.dataset, depth: net.depth, variant: net.variant })
      refresh()
    }
    $.isLive.onclick = () => ((live.shown = true), take({}, false))
    $.isRecorded.onclick = () => ((live.shown = false), take({}, false))
    source.live.receive(message => {
      if (message.state) {
        Object.assign(live, { state: message.state, shown: true, follow: true })
        pictures(message.state).then(made => (drawings.set(message.state, made), refresh()))
      }
      for (const patch of live.state ? (message.patches ?? []) : []) apply(live.state, patch)
      if (message.status) Object.assign(live, { status: message.status, words: message.words })
      choose() && rebuild()
      if (state.live && live.follow) {
        const steps = ["plain", "residual"].map(which => net[which].curve.at(-1)?.[0] ?? 0)
        view.step = Math.min(...steps)
        if (live.status === "running" && !player.passing) follow()
      }
      show()
      showControls()
    })
    source.live.send({ do: "catch up" })
  }
  // While a live training runs, passes go through the net at the pace of the film.
  async function follow() {
    player.passing = true
    await player.pass(450, 300)
    player.passing = false
  }

  const watcher = new ResizeObserver(() => {
    const { width } = root.getBoundingClientRect()
    if (Math.abs(width - (watcher.width ?? -1)) > 1 && width) {
      watcher.width = width
      rebuild()
    }
  })
  refresh()
  watcher.observe(root)
  if (!source.still) player.pass()
  return {
    root,
    view,
    take,
    open: blocks.open,
    player,
    light: (way, at) => parts.light(way, at, kind()),
    lineTo: text => take(readLine(text, view)),
    close: () => watcher.disconnect(),
  }
}

// A patch of a live training, into its state.
function apply(state, patch) {
  const film = state.nets.find(net => net.key === patch.net)[patch.film]
  film.state = patch.state
  if (patch.point) film.curve.push(patch.point)
  if (patch.frame) film.frames.push(patch.frame)
  film.test_error = patch.test_error ?? film.test_error
}
