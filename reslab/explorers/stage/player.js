// Animation: a pass through the net and back, and the film, frame by frame.
const FIRST = 1700,
  BACK = 1100 // ms: the first pass
const QUICK = 170,
  QUICK_BACK = 110 // ms: a pass while the film plays
const SPARING = 50 // ms between two drawings of a pass, while a training on this machine needs the processor

// light(way, at) shows a pass; next() shows the next frame, false at the end;
// changed() is told when playing starts or ends.
export function makePlayer({ light, next, changed }) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)")
  let run = 0 // every new request ends the one before
  const player = { playing: false, speed: 1, sparing: false, pass, play, stop }

  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds))

  function travel(way, milliseconds, mine) {
    if (calm.matches) return wait(milliseconds / 3)
    return new Promise(done => {
      let start
      requestAnimationFrame(function tick(time) {
        start ??= time
        if (mine !== run) return done()
        const at = Math.min(1, (time - start) / milliseconds)
        light(way, at)
        if (at === 1) done()
        else if (player.sparing) setTimeout(() => requestAnimationFrame(tick), SPARING)
        else requestAnimationFrame(tick)
      })
    })
  }

  // The picture goes through, and the gradient comes back.
  async function pass(forward = FIRST, backward = BACK, mine = ++run) {
    await travel("forward", forward, mine)
    if (mine === run && backward) await travel("backward", backward, mine)
    if (mine === run) light(null, 0)
  }

  // The first passes are slow enough to be followed; then they speed up.
  async function play() {
    const mine = ++run
    player.playing = true
    changed()
    for (let shown = 0; mine === run; shown++) {
      const slow = Math.max(1, 5 / (shown + 1) ** 0.9) / player.speed
      await pass(QUICK * slow, QUICK_BACK * slow, mine)
      if (mine !== run) return
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
