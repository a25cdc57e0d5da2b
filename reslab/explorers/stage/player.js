// Animation: a pass through the net and back, and the film, frame by frame.
const FIRST = 1700,
  BACK = 1100 // ms: the first pass
const QUICK = 170,
  QUICK_BACK = 110 // ms: a pass while the film plays
const THROTTLED = 50 // ms between two drawings of a pass, while a training on this machine needs the processor

// light(way, at) shows a pass; next() shows the next frame, false at the end;
// changed() is called when playing starts or ends.
export function makePlayer({ light, next, changed }) {
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)")
  let run = 0 // the number of the last request; a newer one ends those before
  const player = { playing: false, speed: 1, throttled: false, pass, play, stop }

  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds))

  function travel(way, milliseconds, own) {
    if (reducedMotion.matches) return wait(milliseconds / 3)
    return new Promise(done => {
      let start
      requestAnimationFrame(function tick(time) {
        start ??= time
        if (own !== run) return done()
        const at = Math.min(1, (time - start) / milliseconds)
        light(way, at)
        if (at === 1) done()
        else if (player.throttled) setTimeout(() => requestAnimationFrame(tick), THROTTLED)
        else requestAnimationFrame(tick)
      })
    })
  }

  // The picture goes through, and the gradient comes back.
  async function pass(forward = FIRST, backward = BACK, own = ++run) {
    await travel("forward", forward, own)
    if (own === run && backward) await travel("backward", backward, own)
    if (own === run) light(null, 0)
  }

  // The first passes are slow enough to be followed; then they speed up.
  async function play() {
    const own = ++run
    player.playing = true
    changed()
    for (let shown = 0; own === run; shown++) {
      const slow = Math.max(1, 5 / (shown + 1) ** 0.9) / player.speed
      await pass(QUICK * slow, QUICK_BACK * slow, own)
      if (own !== run) return
      if (!next()) break
    }
    stop()
  }

  function stop() {
    run++
    light(null, 0)
    if (player.playing) {
      player.playing = false
      changed()
    }
  }

  return player
}
