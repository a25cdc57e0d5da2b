// A training on this machine: what a kernel sends goes into the scene, and the stage follows it.
import { watchKernel } from "./kernel.js"

const PAUSE = 2500 // ms between two passes

// kernel: { send(message), receive(function) }. draw() is called when there is something new to show.
export function listen(kernel, $, scene, player, { refresh, draw }) {
  const { live, view } = scene
  const answers = watchKernel(words => {
    if (!words) return // the kernel has answered, with words of its own
    live.words = words
    refresh()
  })

  $.live.onclick = () => {
    if ($.live.classList.contains("busy")) return kernel.send({ do: "stop" })
    player.stop()
    Object.assign(live, { status: "starting", words: "Live: the kernel is asked", follow: true })
    view.live = true
    scene.done = true
    answers.asked()
    kernel.send({ do: "start", dataset: view.dataset, depth: scene.net.depth, variant: scene.net.variant })
    refresh()
  }

  kernel.receive(message => {
    answers.answered()
    if (message.state) {
      if (!message.again) {
        player.stop() // of the recorded film, if it was started while the kernel was asked
        view.live = true
      }
      if (!message.again || !live.state) live.follow = message.status === "running"
      live.state = message.state
      scene.prepare(message.state).then(refresh)
    }
    if (live.state) for (const patch of message.patches ?? []) apply(live.state, patch)
    if (message.status) Object.assign(live, { status: message.status, words: message.words })
    draw(() => {
      if (!scene.state.live || !live.follow) return
      view.step = Math.min(...["plain", "residual"].map(kind => scene.net[kind].curve.at(-1)?.[0] ?? 0))
      if (live.status === "running" && !player.passing) follow()
    })
  })
  kernel.send({ do: "catch up" })

  // While a training runs, passes through the net are shown, with pauses that leave the processor to the training.
  async function follow() {
    player.passing = true
    await player.pass(450, 300)
    await new Promise(done => setTimeout(done, PAUSE))
    player.passing = false
  }
}

// Apply a patch, which a training sent, to its state.
function apply(state, patch) {
  const film = state.nets.find(net => net.key === patch.net)[patch.film]
  film.state = patch.state
  if (patch.point) film.curve.push(patch.point)
  if (patch.frame) film.frames.push(patch.frame)
  film.test_error = patch.test_error ?? film.test_error
}
