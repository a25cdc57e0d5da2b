// Pictures of the test set, cut out of the state's sprite, and tiles of what blocks compute.
const SIDE = 112 // px: a picture is drawn once at this size, and scaled by the page

// → draw(canvas, index): put test picture `index` on a canvas.
// Small grey pictures are smoothed and their edges sharpened.
export async function pictures(state) {
  const { url, size, columns, count, grey } = state.sprite
  const sheet = new Image()
  sheet.src = url
  await sheet.decode()
  const drawn = new Map()
  // One picture alone: otherwise smoothing would mix in its neighbours on the sheet.
  const cell = document.createElement("canvas")
  cell.width = cell.height = size
  const cut = cell.getContext("2d", { willReadFrequently: true })
  cut.globalCompositeOperation = "copy"

  function picture(index) {
    if (drawn.has(index)) return drawn.get(index)
    const canvas = document.createElement("canvas")
    canvas.width = canvas.height = SIDE
    const pen = canvas.getContext("2d", { willReadFrequently: true })
    cut.drawImage(sheet, (index % columns) * size, Math.floor(index / columns) * size, size, size, 0, 0, size, size)
    pen.imageSmoothingQuality = "high"
    pen.drawImage(cell, 0, 0, SIDE, SIDE)
    if (grey) ink(pen)
    drawn.set(index, canvas)
    return canvas
  }

  // While the page has nothing to do, pictures are drawn in advance, so that no frame of a film waits for them: as many
  // as there is time for, and at least one.
  const whenIdle = window.requestIdleCallback ?? (work => setTimeout(work, 30, { timeRemaining: () => 0 }))
  const ahead = index =>
    index < count &&
    whenIdle(idle => {
      do {
        picture(index++)
      } while (index < count && idle.timeRemaining() > 2)
      ahead(index)
    })
  ahead(0)

  return (canvas, index) => {
    if (canvas.shown === index) return
    canvas.shown = index
    if (canvas.width !== SIDE) canvas.width = canvas.height = SIDE
    canvas.getContext("2d").drawImage(picture(index), 0, 0)
  }
}

// White ink on black becomes dark ink on paper, with steeper edges.
function ink(pen) {
  const image = pen.getImageData(0, 0, SIDE, SIDE),
    data = image.data
  for (let i = 0; i < data.length; i += 4) {
    const t = Math.min(1, Math.max(0, (data[i] / 255 - 0.1) / 0.85))
    data[i] = data[i + 1] = data[i + 2] = 255 - 235 * t * t * (3 - 2 * t)
  }
  pen.putImageData(image, 0, 0)
}

export const PARTS = ["x", "F", "y"]

// → draw(canvas, part, channel): a tile of an opened block for one picture; darker is more, mid-grey is 0.
export function tiles(opened, picture, count) {
  const bytes = Uint8Array.from(atob(opened.tiles), letter => letter.charCodeAt(0))
  const area = opened.size ** 2
  return (canvas, part, channel) => {
    const start = ((picture * PARTS.length + PARTS.indexOf(part)) * count + channel) * area
    canvas.width = canvas.height = opened.size
    const pen = canvas.getContext("2d"),
      image = pen.createImageData(opened.size, opened.size)
    for (let i = 0; i < area; i++) {
      const value = bytes[start + i] / 127.5 - 1,
        strong = Math.sign(value) * Math.abs(value) ** 0.7 // so that small values can be seen
      image.data.set([...Array(3).fill(127.5 - 127.5 * strong), 255], 4 * i)
    }
    pen.putImageData(image, 0, 0)
  }
}
