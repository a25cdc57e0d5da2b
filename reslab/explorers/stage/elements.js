// Elements are made once, and changed by setting attributes.
const SVG = "http://www.w3.org/2000/svg"

function append(parent, node, attributes, text) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  if (text !== undefined) node.textContent = text
  return parent.appendChild(node)
}

export const html = (parent, tag, attributes = {}, text) =>
  append(parent, document.createElement(tag), attributes, text)
export const svg = (parent, tag, attributes = {}, text) =>
  append(parent, document.createElementNS(SVG, tag), attributes, text)

// Set those attributes that have changed.
export function set(node, attributes) {
  const known = (node.known ??= {})
  for (const [name, value] of Object.entries(attributes)) {
    if (known[name] !== value) node.setAttribute(name, (known[name] = value))
  }
}

export function say(node, text) {
  if (node.said !== text) node.textContent = node.said = text
}

// "M10 20L30 40" through points [x, y]; null: a gap in the line.
export function path(points) {
  let pen = "M"
  return points
    .map(point => {
      if (!point || !Number.isFinite(point[1])) return ((pen = "M"), "")
      const part = `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`
      pen = "L"
      return part
    })
    .join("")
}
