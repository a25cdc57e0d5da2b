// In a notebook: the stage's data come from a kernel (anywidget).
import { mount } from "./stage.js"
import { unzip } from "./unzip.js"

const LAB_CHROME = 134 // px: menus, tabs, toolbar and status bar over and under a notebook
const HEIGHT = [548, 820]

export default {
  async render({ model, el }) {
    const loaded = new Map()
    const bytes = name => model.get("recorded")[name]
    const needs = {
      of: name => model.get("needs")[name],
      changed: show => model.on("change:needs", show),
      download: name => model.send({ do: "download", dataset: name }),
    }
    async function state(name) {
      if (!bytes(name)) {
        model.send({ do: "load", dataset: name })
        await new Promise(done => {
          const look = () => bytes(name) && (model.off("change:recorded", look), done())
          model.on("change:recorded", look)
        })
      }
      if (!loaded.has(name)) loaded.set(name, await unzip(bytes(name)))
      return loaded.get(name)
    }
    const receivers = []
    const deliver = message => receivers.forEach(receive => receive(message))
    model.on("msg:custom", deliver)
    let sent = JSON.stringify(model.get("view"))
    const stage = await mount(el, {
      names: model.get("datasets"),
      isHere: name => Boolean(bytes(name)),
      state,
      needs,
      view: model.get("view"),
      height: () => Math.max(HEIGHT[0], Math.min(HEIGHT[1], window.innerHeight - LAB_CHROME)),
      changed(view) {
        sent = JSON.stringify(view)
        model.set("view", view)
        model.save_changes()
      },
      live: { send: message => model.send(message), receive: receive => receivers.push(receive) },
    })
    const follow = () => JSON.stringify(model.get("view")) !== sent && stage.take(model.get("view"))
    model.on("change:view", follow)
    return () => {
      model.off("change:view", follow)
      model.off("msg:custom", deliver)
      stage.close()
    }
  },
}
