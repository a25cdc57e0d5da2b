// The stage: a plain net and its residual twin, seen block by block, while they train. It draws one plain JSON state.
import { html, say } from "./elements.js"
import { keepKeys } from "./keys.js"
import { listen } from "./live.js"
import { build, choices } from "./parts.js"
import { makeNotice } from "./notice.js"
import { makePlayer } from "./player.js"
import { presents } from "./present.js"
import { makeScene } from "./scene.js"
import { makeScreen } from "./screen.js"
import { readLine, variantSaid, writeLine } from "./words.js"

const SPEEDS = [0.5, 1, 2, 4]
const NAMES = { digits: "Digits", cifar10: "Photos" }

// Put a stage into `el`. A source has: names (of the datasets), isHere(name), state(name) → promise of a JSON state,
// needs (see notice.js), view, height() in px, changed(view), and live: null, or, where a kernel trains,
// { send(message), receive(function) }.
export async function mount(el, source) {
  const scene = await makeScene(source),
    { view, live } = scene
  let written = ""
  scene.flipped = view.skip // the sentence suggests what was not done yet
  scene.done = false
  scene.note = source.note // of a picture of the stage, in place of the invitation

  el.replaceChildren()
  const root = html(el, "section", { class: "stage", "aria-label": "The stage: a plain net and its residual twin" })
  root.classList.toggle("still", Boolean(source.still))
  const $ = build(root, Boolean(source.live))
  const player = makePlayer({ light: (way, at) => screen.light(way, at), next, changed: () => screen.showControls() })
  const screen = makeScreen(root, $, scene, player, source.height)
  const notice = makeNotice($.notice, source.needs, () => (scene.wanted = view.dataset))

  function refresh() {
    if (scene.choose()) {
      writeChoices()
      screen.rebuild()
    } else screen.show()
    screen.showControls()
    source.changed({ ...view })
  }

  function writeChoices() {
    const { nets } = scene.recorded,
      all = JSON.stringify([nets.map(each => [each.key, each.variant, each.depth]), source.names])
    if (all === written) return
    written = all
    const usual = nets.filter(each => !each.variant),
      special = nets.filter(each => each.variant)
    const options = {
      nets: usual.map(each => [each.key, each.depth]),
      variants: special.map(({ key, depth, variant }) => [key, `${depth} layers, ${variant}`, variantSaid(variant)]),
      datasets: source.names.map(name => [name, NAMES[name] ?? name]),
    }
    choices($.nets, options.nets, net => take({ net, step: 0 }))
    choices($.variants, options.variants, net => take({ net, step: 0 }))
    for (const owner of [$.datasets, $.kinds]) choices(owner, options.datasets, dataset => take({ dataset, step: 0 }))
    $.variantsRow.hidden = !special.length
    $.datasetsRow.hidden = $.kinds.hidden = source.names.length < 2
  }

  // --- what the user does ---

  // Take over a part of a view, from a control or from outside.
  async function take(change, passing = true) {
    if (player.playing && !("skip" in change || "picture" in change)) player.stop()
    const { dataset: asked = view.dataset, ...others } = change,
      dataset = source.names.includes(asked) ? asked : source.names[0]
    if (dataset !== view.dataset || ("dataset" in change && dataset !== scene.wanted)) await toDataset(dataset)
    Object.assign(view, others)
    refresh()
    const isStill = player.playing || live.status === "running" || ("step" in change && change.step)
    if (passing && !isStill) player.pass()
  }

  // Change to other pictures; where they have to be fetched first, what is shown stays until they are there.
  async function toDataset(dataset) {
    scene.wanted = dataset
    if (dataset !== scene.recorded.dataset) {
      notice.wait(dataset)
      const state = await scene.prepare(await source.state(dataset))
      if (scene.wanted !== dataset) return // meanwhile another dataset was chosen
      scene.recorded = state
    }
    notice.end()
    view.dataset = dataset
  }

  function next() {
    const steps = scene.steps().filter(step => step > view.step)
    if (!steps.length) {
      scene.done = true
      screen.show()
      return false
    }
    view.step = steps[0]
    scene.done ||= view.step >= scene.net.plain.steps / 2
    refresh()
    return steps.length > 1
  }

  function toStep(step) {
    player.stop()
    const far = each => Math.abs(each - step)
    view.step = scene.steps().reduce((best, each) => (far(each) < far(best) ? each : best), 0)
    scene.done ||= view.step > 0
    live.follow = scene.state.live && view.step >= scene.lastStep()
    refresh()
  }

  function byFrames(count) {
    const steps = scene.steps(),
      at = steps.findLastIndex(step => step <= view.step)
    toStep(steps[Math.max(0, Math.min(steps.length - 1, at + count))])
  }

  function play() {
    if (scene.isTraining()) return source.live.send({ do: live.status === "running" ? "pause" : "resume" })
    if (player.playing) return player.stop()
    if (view.step >= scene.lastStep()) view.step = 0
    refresh()
    player.play()
  }

  function changeSpeed() {
    player.speed = SPEEDS[(SPEEDS.indexOf(player.speed) + 1) % SPEEDS.length]
    say($.speed, `${player.speed} ×`)
    $.speed.setAttribute("aria-label", `speed ${player.speed} times`)
  }

  $.flip.onclick = () => {
    scene.flipped = true
    take({ skip: !view.skip })
  }
  $.another.onclick = () => take({ picture: (view.picture + 1) % scene.state.pictures.length })
  $.play.onclick = play
  $.hint.onclick = () => (scene.flipped ? $.play : $.flip).click()
  $.previous.onclick = () => byFrames(-1)
  $.next.onclick = () => byFrames(1)
  $.speed.onclick = changeSpeed
  $.slide.oninput = () => toStep(Number($.slide.value))
  $.line.onchange = async () => {
    await take(readLine($.line.value, view))
    $.line.value = writeLine(view) // of what is shown: a line may name what there is not
  }
  const endKeys = keepKeys(root)
  const endPresent = presents(root, $.present, screen.rebuild, () => $.panel.box.hidden)
  if (source.live) {
    $.isLive.onclick = () => take({ live: true }, false)
    $.isRecorded.onclick = () => take({ live: false }, false)
    const draw = follow => {
      if (scene.choose()) screen.rebuild()
      follow()
      screen.show()
      screen.showControls()
    }
    listen(source.live, $, scene, player, { refresh, draw })
  }

  const watcher = new ResizeObserver(() => {
    const { width } = root.getBoundingClientRect()
    if (Math.abs(width - (watcher.width ?? -1)) > 1 && width) {
      watcher.width = width
      screen.rebuild()
    }
  })
  refresh()
  watcher.observe(root)
  if (scene.wanted !== view.dataset) take({ dataset: scene.wanted })
  if (!source.still) player.pass()
  return {
    root,
    view,
    take,
    player,
    open: screen.open,
    light: screen.light,
    lineTo: text => take(readLine(text, view)),
    close() {
      watcher.disconnect()
      endPresent()
      endKeys()
    },
  }
}
