// Draws the scene: everything on the stage that changes is written here.
import { buildCurve } from "./curve.js"
import { say, set } from "./elements.js"
import { explore } from "./explore.js"
import { layout } from "./layout.js"
import { buildNet } from "./net.js"
import { writeClasses } from "./parts.js"
import { a, blockName, capital, className, gradient, number, other, percent } from "./words.js"
import { sentence, switchName, thing, times, writeLine } from "./words.js"

// height() → the height available, in px. → { rebuild, show, showControls, light, open }.
export function makeScreen(root, $, scene, player, height) {
  const { view, live } = scene
  let parts, size, curve
  const blocks = explore(root, $, () => ({ ...scene, now: scene.now(), picture: view.picture, parts, size }))

  // Build what depends on the net and on the available space.
  function rebuild() {
    const { state, net, draw } = scene,
      box = getComputedStyle(root),
      em = Number.parseFloat(box.fontSize)
    const inner = root.clientWidth - Number.parseFloat(box.paddingLeft) - Number.parseFloat(box.paddingRight)
    if (inner <= 0) return
    const full = root.classList.contains("present")
    size = layout(inner, full ? window.innerHeight - 1.8 * em : height(), em)
    root.dataset.size = size.kind
    root.dataset.room = size.narrow ? "least" : size.enough ? "enough" : "little"
    for (const name of ["inner", "side", "answer", "gutter", "picture", "gap", "width", "end", "row"])
      root.style.setProperty(`--${name}`, `${size[name]}px`)
    const owners = { stations: $.stations, shares: $.shares, gradients: $.gradients }
    parts = buildNet(owners, state, net, scene.recordedNet() ?? net, size, draw)
    curve = buildCurve($.curve, state, net, size)
    parts.hits.forEach((hit, i) => hit.setAttribute("aria-label", blockName(i, net.blocks.length)))
    $.answers = writeClasses($.answer, state.classes.map((_, label) => className(state, label)))
    $.slide.max = net.plain.steps
    show()
  }

  function show() {
    if (!parts) return
    const { state, net } = scene,
      { kind, frame, back } = scene.now(),
      label = state.sprite.labels[state.pictures[view.picture]]
    showSentence(kind, frame)
    showGiven(label)
    parts.update(kind, frame, back, view.picture)
    showAnswer(frame.answer?.[view.picture] ?? state.classes.map(() => null), label, kind, frame.step)
    showGradient(kind, frame, back)
    curve(kind, view.step, scene.under())
    $.slide.value = view.step
    $.slide.setAttribute("aria-valuetext", `step ${view.step} of ${net.plain.steps}`)
    say($.clock, view.step < 1000 ? `step ${view.step}` : number(view.step))
    say($.total, `of ${number(net.plain.steps)}`)
    showOrigin()
    blocks.show()
  }

  function showSentence(kind, frame) {
    const [who, what] = sentence(scene.state, scene.net, kind, frame, view.picture, view.step)
    say($.lead, who)
    set($.lead, { class: kind })
    say($.said, `${what} `)
    const hint = scene.flipped ? "Now press Train" : "Flip the switch"
    say($.hint, scene.note ?? (scene.done || view.step ? "" : hint))
  }

  function showGiven(label) {
    const { state, draw } = scene,
      name = a(className(state, label))
    draw($.given, state.pictures[view.picture])
    set($.given, { "aria-label": `the picture: ${name}` })
    say($.givenName, capital(name))
    say($.shareTitle, `Still the right ${thing(state)}`)
    say($.ofPictures, `share of ${state.test_images} pictures, after each block`)
  }

  function showAnswer(answer, label, kind, step) {
    const best = answer.indexOf(Math.max(...answer))
    set($.answer, { "data-kind": step ? kind : "" }) // grey: the last layer of an untrained net is random
    say($.answerNote, step ? "" : "untrained")
    answer.forEach((share, c) => {
      const row = $.answers[c],
        mark = step && c === best ? (best === label ? " ✓" : " ✗") : ""
      row.bar.style.transform = `scaleX(${Math.max(0.01, share ?? 0).toFixed(3)})`
      row.value.style.left = `calc(${(100 * (share ?? 0)).toFixed(1)}% + 0.4em)`
      set(row.item, { class: `${step && c === best ? "best" : ""} ${c === label ? "own" : ""}` })
      say(row.value, c === best || c === label ? percent(share) + mark : "")
    })
  }

  function showGradient(kind, frame, back) {
    const here = gradient(frame),
      there = gradient(back)
    say($.first, here ? times(here[1]) : "no number")
    set($.first, { class: kind })
    say($.firstGhost, there ? `${switchName(other(kind))}: ${times(there[1])}` : "")
    set($.firstGhost, { class: other(kind) })
  }

  function showOrigin() {
    const thin = scene.under() ? `. Thin: ${scene.recorded.origin}` : "",
      origin = scene.state.live ? `Thick: ${scene.state.origin}${thin}` : capital(scene.state.origin)
    const ended = ["plain", "residual"].map(kind => scene.net[kind]).filter(film => film.state === "stopped")
    const early = ended.map(film => `${film.name} at ${number(film.curve.at(-1)[0])}`).join(", ")
    // "Stopped" is about the live film: it is not said of the recorded one.
    const said = live.status !== "stopped" || scene.state.live ? live.words : ""
    const words = [said, origin, early && `Stopped: ${early}`].filter(Boolean).join(". ")
    say($.originWords, `${words}.`)
    set($.originWords, { title: $.originWords.textContent })
  }

  function showControls() {
    const training = scene.isTraining(),
      going = training ? live.status === "running" : player.playing
    player.throttled = ["starting", "running"].includes(live.status)
    root.classList.toggle("throttled", player.throttled)
    $.flip.setAttribute("aria-checked", view.skip)
    say($.onoff, view.skip ? "on" : "off")
    const again = view.step && view.step >= scene.lastStep()
    say($.playWord, going ? "Pause" : training ? "Go on" : again ? "Again" : "Train")
    set($.play, { "data-going": going })
    press($.nets, view.net)
    press($.variants, view.net)
    for (const owner of [$.datasets, $.kinds]) press(owner, view.dataset)
    if ($.live) {
      const busy = ["starting", "running", "paused", "stopping"].includes(live.status)
      say($.live, busy ? "Stop" : "Train here, live")
      $.live.classList.toggle("busy", busy)
      $.live.disabled = !busy && view.dataset !== "digits"
      $.live.title = $.live.disabled ? "Photographs take a GPU, or hours: their trainings are recorded" : ""
      $.sources.hidden = !live.state
      $.isLive.setAttribute("aria-pressed", Boolean(scene.state.live))
      $.isRecorded.setAttribute("aria-pressed", !scene.state.live)
    }
    if (document.activeElement !== $.line) $.line.value = writeLine(view)
  }

  return { rebuild, show, showControls, open: blocks.open, light: (way, at) => parts?.light(way, at, scene.kind()) }
}

function press(owner, value) {
  for (const button of owner.querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === value)
}
