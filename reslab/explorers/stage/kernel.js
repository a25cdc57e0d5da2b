// Says that the kernel is busy: it takes the messages of a page between two cells, and not while one of them runs.

const SILENCES = [ // ms without an answer, and what is said then
  [1500, "The kernel is busy. It answers when the cells that run have ended."],
  [60000, "The kernel is busy, or was restarted. If no cell runs, run this cell again."],
]

// say(text): shows a text, or with "" none. → { asked(): a message was sent; answered(): one came }
export function watchKernel(say) {
  let timers = []
  const stop = () => {
    timers.forEach(clearTimeout)
    timers = []
  }
  return {
    asked() {
      if (!timers.length) timers = SILENCES.map(([after, words]) => setTimeout(() => say(words), after))
    },
    answered() {
      stop()
      say("")
    },
    stop,
  }
}
