// In one HTML file: the states are in the page, gzipped and in base64; its address may say what to show.
import { mount } from "./stage.js"
import { unzip } from "./unzip.js"
import { readLine } from "./words.js"

const MARGIN = 8

export async function open(films, view) {
  const states = {}
  const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  const asked = new URLSearchParams(location.search)
  if (asked.has("theme")) document.documentElement.setAttribute("theme", asked.get("theme"))
  window.stage = await mount(document.querySelector("main"), {
    names: Object.keys(films),
    isHere: () => true,
    needs: null,
    state: async name => (states[name] ??= await unzip(bytes(films[name]))),
    view: readLine(location.search, view),
    height: () => Number(asked.get("height")) || Math.max(540, Math.min(860, window.innerHeight - MARGIN)),
    still: asked.has("still"),
    note: asked.get("note"),
    changed() {},
    live: null,
  })
}
