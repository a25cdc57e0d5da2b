// Pictures that are not downloaded yet: what they are, a button that downloads them, and its progress.
import { html, say } from "./elements.js"

export function buildNotice(root) {
  const box = html(root, "section", { class: "notice", hidden: "", "aria-label": "Photographs" })
  html(box, "h3", {}, "Photographs")
  const words = html(box, "p", { role: "status" }),
    bar = html(box, "progress", { max: 1, value: 0, "aria-label": "download" }),
    buttons = html(box, "div", { class: "choices" })
  const fetch = html(buttons, "button", { type: "button", class: "fetch" }),
    close = html(buttons, "button", { type: "button" }, "Not now")
  return { box, words, bar, fetch, close }
}

// needs: null, or { of(name) → { status, words, share } or undefined, changed(function), download(name) }.
// → { wait(name): show what is needed for it, end(): hide that }.
export function makeNotice(parts, needs, cancelled) {
  let name = null
  needs?.changed(show)
  parts.close.onclick = () => {
    end()
    cancelled()
  }
  parts.fetch.onclick = () => needs.download(name)

  function show() {
    const need = name && needs.of(name)
    parts.box.hidden = !need || need.status === "here"
    if (parts.box.hidden) return
    say(parts.words, need.words)
    parts.bar.hidden = !["looking", "loading"].includes(need.status)
    if (need.status === "loading") parts.bar.value = need.share
    else parts.bar.removeAttribute("value")
    parts.fetch.hidden = !["missing", "failed"].includes(need.status)
    say(parts.fetch, need.status === "failed" ? "Try again" : "Download")
  }

  function end() {
    name = null
    show()
  }

  return { wait: wanted => ((name = wanted), show()), end }
}
