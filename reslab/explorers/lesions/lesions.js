// The explorer of lesson 05: two rows of blocks, the error of both nets, and three pictures with their answers.
import { html, say, set } from "../stage/elements.js"
import { keepKeys } from "../stage/keys.js"
import { watchKernel } from "../stage/kernel.js"
import { presentButton, presents } from "../stage/present.js"
import { percent, pictures, ribbon } from "./ribbon.js"

const BLOCKS = { 20: 9, 56: 27 }
const HEIGHT = { usual: 9.9, present: 13.8 } // of a ribbon, in em
const KINDS = ["plain", "residual"]

export default {
  render({ model, el }) {
    const root = html(el, "section", { class: "stage lesions", "aria-label": "Blocks out of two nets, and back in" })
    const sentence = html(root, "p", { class: "say", role: "status" })
    let busy = ""
    const kernel = watchKernel(words => {
      busy = words
      show()
    })
    const ask = message => {
      kernel.asked()
      model.send(message)
    }
    model.on("msg:custom", kernel.answered)
    const bar = html(root, "div", { class: "bar" })
    const group = (name, options, field) => {
      const owner = html(bar, "div", { class: "group", role: "group", "aria-label": name })
      html(owner, "span", {}, name)
      const choices = html(owner, "span", { class: "choices" })
      return { owner, buttons: options.map(([value, text]) => {
        const button = html(choices, "button", { type: "button", value }, text)
        button.onclick = () => change({ [field]: value, ...(field === "layers" ? { out: "none" } : {}) })
        return button
      }) }
    }
    const layers = group("Layers", [["20", "20"], ["56", "56"]], "layers")
    const statistics = group("BatchNorm", [["kept", "as trained"], ["anew", "measured again"]], "statistics")
    const data = group("Pictures", [["digits", "Digits"], ["cifar10", "Photographs"]], "data")
    const button = (text, title, act) => {
      const made = html(bar, "button", { type: "button", title }, text)
      made.onclick = act
      return made
    }
    button("Each block alone", "Take out every block, one at a time: the blocks fill up to the error", () =>
      ask({ do: "all" }))
    const back = button("Put all back", "Put all blocks back in", () => change({ out: "none" }))
    button("Three others", "Show three other pictures", () => change({ first: Number(fields().first ?? 0) + 3 }))

    const present = presentButton(root)

    const note = "Click a block. Filled: the error when it alone is out. Dotted: the error of the whole net. " +
      "Arrow, in a block that is out: the signal goes straight on."
    html(root, "p", { class: "note" }, note)
    const rows = KINDS.map(kind => {
      const row = html(root, "div", { class: `row ${kind}`, "data-kind": kind })
      const side = html(row, "div", { class: "side" })
      html(side, "h3", {}, kind === "plain" ? "Without skips" : "With skips")
      const error = html(side, "b", { class: "error" })
      const whole = html(side, "p", { class: "whole" })
      const plot = html(row, "div", { class: "plot" })
      const three = pictures(html(row, "div", { class: "three" }))
      const toggle = block => ask({ do: "toggle", block })
      return { kind, error, whole, plot, three, ribbon: ribbon(plot, kind, toggle) }
    })
    const share = html(root, "label", { class: "group share" })
    html(share, "span", {}, "Share this state")
    const line = html(share, "input", { type: "text", class: "line", spellcheck: "false" })
    line.onchange = () => ask({ do: "line", line: line.value })
    line.onkeydown = event => event.stopPropagation()
    const origin = html(share, "span", { class: "origin" })

    const fields = () => Object.fromEntries(model.get("line").split(" ").map(part => part.split("=")))
    function change(changes) {
      const wanted = { ...fields(), ...changes }
      ask({ do: "line", line: Object.entries(wanted).map(([name, value]) => `${name}=${value}`).join(" ") })
    }

    function show() {
      const now = fields(),
        answer = model.get("answer"),
        out = now.out === "none" ? [] : now.out.split(",").map(Number),
        n = BLOCKS[now.layers],
        current = answer.line === model.get("line"),
        box = rows[0].plot.getBoundingClientRect(),
        em = Number.parseFloat(getComputedStyle(root).fontSize),
        high = HEIGHT[root.classList.contains("present") ? "present" : "usual"]
      if (box.width < 10) return
      const size = { width: Math.floor(box.width), height: high * em, em: 0.9 * em }
      root.classList.toggle("waiting", !current)
      const wrong = model.get("wrong")
      say(sentence, busy ? busy : wrong ? `⚠ ${wrong}` : (answer.sentence ?? "The two nets are being loaded ..."))
      for (const { kind, error, whole, three, ribbon } of rows) {
        const net = answer.layers === Number(now.layers) ? answer[kind] : null
        ribbon.show(n, size, net, model.get("alone")[kind], out)
        say(error, net ? `${percent(net.error)} wrong` : "…")
        say(whole, net ? `whole net: ${percent(net.whole)}` : "")
        if (answer.pictures && net) three(answer.pictures, net.answers)
      }
      const usual = { statistics: "kept", data: "digits" }
      for (const [field, { buttons }] of Object.entries({ layers, statistics, data }))
        for (const each of buttons) set(each, { "aria-pressed": each.value === (now[field] ?? usual[field]) })
      data.owner.hidden = model.get("pictures").length < 2
      back.disabled = !out.length
      say(origin, model.get("words") || answer.origin || "")
      if (document.activeElement !== line) line.value = model.get("line")
    }
    const names = ["line", "answer", "alone", "words", "wrong", "pictures"].map(name => `change:${name}`)
    names.forEach(name => model.on(name, show))
    const watcher = new ResizeObserver(show)
    watcher.observe(root)
    show()
    const endKeys = keepKeys(root)
    const endPresent = presents(root, present, show)
    return () => {
      kernel.stop()
      model.off("msg:custom", kernel.answered)
      endPresent()
      endKeys()
      watcher.disconnect()
      names.forEach(name => model.off(name, show))
    }
  },
}
