// What is shown: a state, one of its nets, and a step of its training. Nothing here draws.
import { pictures } from "./pictures.js"
import { other } from "./words.js"

const STOPS = 60 // of the slider, at most, for a film of few frames
const MANY = 20 // frames: with so many, the slider stops at frames only, where all that is shown is of the same step
const START = { dataset: "", net: "56", skip: false, picture: 0, step: 0, live: false }

// → the scene. view: what was asked for; `choose` sets state, net and draw(canvas, picture) by it.
// view.live: whether to show the training on this machine, if there is one, and not the recorded one.
// wanted: the dataset that was asked for, while its pictures are not there yet.
export async function makeScene(source) {
  const view = { ...START, ...source.view }
  if (!source.names.includes(view.dataset)) view.dataset = source.names[0]
  const wanted = view.dataset
  if (!source.isHere(wanted)) view.dataset = source.names[0]
  const drawings = new Map() // state → draw(canvas, picture)
  const live = { state: null, status: "", words: "", follow: false }
  const scene = { view, wanted, live, recorded: null, state: null, net: null, draw: null }

  // Get what a state needs to be drawn.
  scene.prepare = async state => {
    if (!drawings.has(state)) drawings.set(state, await pictures(state))
    return state
  }
  scene.recorded = await scene.prepare(await source.state(view.dataset))

  scene.kind = () => (view.skip ? "residual" : "plain")
  scene.recordedNet = () => scene.recorded.nets.find(each => each.key === scene.net.key)
  // The recorded training is drawn below the live one.
  scene.under = () => (scene.state.live ? scene.recordedNet() : null)
  const frameAt = film => film.frames.findLast(frame => frame.step <= view.step) ?? film.frames[0]
  scene.now = () => {
    const kind = scene.kind()
    return { kind, frame: frameAt(scene.net[kind]), back: frameAt(scene.net[other(kind)]) }
  }

  // Steps that can be shown: of a film's frames, and, where these are few, of its curve, a long one in larger strides.
  const stepsOf = film => {
    const frames = film.frames.map(frame => frame.step)
    if (frames.length >= MANY) return frames
    const stride = Math.ceil(film.curve.length / STOPS),
      passed = film.curve.filter((_, i) => (i + 1) % stride === 0).map(point => point[0])
    return [...new Set([...frames, ...passed])].sort((x, y) => x - y)
  }
  scene.steps = () => stepsOf(scene.net[scene.kind()])
  scene.lastStep = () => Math.max(...stepsOf(scene.net.plain), ...stepsOf(scene.net.residual))
  scene.isTraining = () => scene.state.live && ["running", "paused"].includes(live.status)

  // Take the state and the net that the view asks for; → whether the net has changed.
  scene.choose = () => {
    const before = scene.net,
      state = isLive() ? live.state : scene.recorded
    const net = key => state.nets.find(each => each.key === key)
    scene.state = state
    scene.draw = drawings.get(state)
    scene.net = net(view.net) ?? net("56") ?? state.nets[0]
    view.net = scene.net.key
    view.picture %= state.pictures.length
    view.step = Math.min(view.step, scene.lastStep())
    return scene.net !== before
  }

  function isLive() {
    const pair = drawings.has(live.state) && live.state.nets[0]
    const begun = pair?.plain?.frames.length && pair.residual.frames.length
    return view.live && begun && pair.key === view.net && live.state.dataset === view.dataset
  }

  return scene
}
