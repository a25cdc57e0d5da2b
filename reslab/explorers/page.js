import { keepKeys } from "./stage/keys.js"
import { watchKernel } from "./stage/kernel.js"

// anywidget gives a widget two seconds to load, and a chart loads all of plotly.js. Without this patch, a chart
// that takes longer is shown, but ignores every later change from Python. No other timeout is changed.
const timeout = AbortSignal.timeout
AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, milliseconds === 2000 ? 60000 : milliseconds)

const INNER = { width: 984, height: 553 }  // pixels of an explorer's page on a projector, before it is scaled
const LEAST = 1.3  // times larger, at least: texts of 14 pixels become 18

// Presentation mode: the explorer fills the window, and everything in it is enlarged by one factor.
function presenterOf(explorer, resized) {
    const button = document.createElement("button")
    button.className = "reslab-presenter"
    const label = on => {
        button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M1 5V1H5M11 1H15V5M15 11V15H11M5 15H1V11"/></svg>${on ? "Leave" : "Present"}`
        button.setAttribute("aria-pressed", on)
    }
    const presenting = () => explorer()?.classList.contains("reslab-present")
    const scale = () => {
        const fits = Math.min(window.innerWidth / INNER.width, window.innerHeight / INNER.height)
        explorer().style.setProperty("--reslab-scale", Math.max(LEAST, fits))
    }
    const present = on => {
        const box = explorer()
        label(on)
        scale()
        box.classList.toggle("reslab-present", on)
        box.toggleAttribute("data-lm-suppress-shortcuts", on)  // otherwise a key may be a command of JupyterLab
        // If the page forbids full screen, the explorer fills the window.
        if (on) box.requestFullscreen?.().catch(() => {})
        else if (document.fullscreenElement === box) document.exitFullscreen()
        resized()
    }
    const listeners = [
        [window, "resize", () => presenting() && scale()],
        [document, "fullscreenchange", () => presenting() && !document.fullscreenElement && present(false)],
        [document, "keydown", event => event.key === "Escape" && presenting() && present(false)],
    ]
    for (const [target, kind, listener] of listeners) target.addEventListener(kind, listener, true)
    const end = () => {
        for (const [target, kind, listener] of listeners) target.removeEventListener(kind, listener, true)
    }
    label(false)
    button.onclick = () => present(!presenting())
    return { button, end }
}

export default {
    render({ model, el }) {
        let box, endKeys
        const said = document.createElement("div")
        said.className = "reslab-kernel"
        said.setAttribute("role", "alert")
        const say = text => {
            said.textContent = text
            if (text) box.prepend(said)
            else said.remove()
        }
        const kernel = watchKernel(say)

        const asked = () => {
            kernel.asked()
            model.send({})
        }
        const lost = () => requestAnimationFrame(() => {
            if (!box.matches(".jupyter-widgets-disconnected")) return
            kernel.stop()
            say("The kernel was restarted. Run this cell again.")
            box.classList.add("reslab-lost")
            box.inert = true
        })
        // For screen readers, a slider's handle and the number field after it get the words of the slider's label.
        const named = () => {
            for (const slider of box?.querySelectorAll(".widget-slider") ?? []) {
                const words = slider.querySelector("label")?.textContent
                const field = slider.nextElementSibling?.querySelector("input")
                for (const part of [slider.querySelector(".noUi-handle"), field]) {
                    if (words && !part?.labels?.[0]?.textContent) part?.setAttribute("aria-label", words)
                }
            }
        }
        // plotly's charts follow the size of the window only, not the size of their box.
        const resized = () => requestAnimationFrame(() => {
            named()
            window.dispatchEvent(new Event("resize"))
        })
        const observer = new ResizeObserver(resized)

        const presenter = presenterOf(() => box, resized)
        if (model.get("presents")) el.append(presenter.button)
        el.classList.add("reslab-page")
        requestAnimationFrame(() => {  // by now the widget is inside its explorer
            box = el.closest(".reslab, .reslab-question") ?? el
            for (const part of [box, ...box.querySelectorAll(".reslab-charts")]) observer.observe(part)
            endKeys = keepKeys(box)
            for (const kind of ["click", "change"]) box.addEventListener(kind, asked, true)
        })
        model.on("msg:custom", message => {
            kernel.answered()
            if (message.show) box.querySelector(".reslab-charts")?.scrollIntoView({ block: "nearest" })
        })
        model.on("comm_live_update", lost)
        return () => {
            kernel.stop()
            observer.disconnect()
            presenter.end()
            endKeys?.()
        }
    },
}
