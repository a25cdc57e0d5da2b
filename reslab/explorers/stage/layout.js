// Lengths in px for the available space. The row of pictures gets the largest part of it.
export function layout(width, height, em) {
  // A notebook beside JupyterLab's list of files, on a projector of 1280 × 720, is 51 em wide: "wide", and tight.
  const kind = width >= 50 * em ? "wide" : width >= 35 * em ? "medium" : "small",
    k = em / 16
  const narrow = kind !== "wide",
    small = kind === "small",
    tight = width < 56 * em
  const side = { wide: width < 64 * em ? 8 : 10.4, medium: 0, small: 0 }[kind] * em,
    answer = { wide: 9.2, medium: 8.2, small: 0 }[kind] * em
  const gap = 14,
    gutter = { wide: tight ? 4.2 : 5, medium: 5, small: 4 }[kind] * em
  const main = width - (side ? side + gap : 0) - (answer ? answer + gap : 0)
  const row = narrow ? main - (small ? 0 : 6.4 * em) : main - gutter // where the pictures are
  const count = Math.max(5, Math.min(9, Math.floor(row / (4 * em))))
  // What is left for pictures, bars and curves after the lines of text.
  const text = { wide: 16.2, medium: 23.2, small: 25 }[kind] * em
  const least = { wide: 15, medium: 20, small: 27 }[kind] * em // a narrow stage is scrolled; its charts stay readable
  const room = Math.max(least, height - text)
  const picture = Math.floor(Math.min(row / count - 0.5 * em, 7 * em, Math.max(3.2 * em, room * 0.3)))
  const rest = room - picture,
    bars = Math.floor(rest * 0.41 - 24 * k)
  return {
    kind,
    narrow,
    tight,
    enough: width >= 60 * em,
    inner: width,
    em,
    gutter,
    count,
    picture,
    width: main,
    gap,
    arcs: 24 * k,
    bars,
    row: small ? 1.32 * em : Math.max(1.32 * em, Math.min(1.75 * em, (picture + bars + 4.5 * em) / 10)), // of a class
    gradients: Math.floor(rest * 0.31),
    curve: Math.floor(rest * 0.28),
    end: small ? main - 8.8 * em : main, // where the error's axis ends; the names are right of it
    side,
    answer,
  }
}
