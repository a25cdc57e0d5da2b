// A button that takes a picture from the learner's computer and sends it to the kernel.

// A server ends the connection at a message of 10 MB, and says nothing. A larger picture is made smaller before.
const LARGE = 4e6  // bytes
const WIDTH = 1024  // pixels: as a PNG at most a few MB

async function smaller(file) {
    const picture = await createImageBitmap(file, { resizeWidth: WIDTH, resizeQuality: "high" })  // as EXIF turns it
    const canvas = document.createElement("canvas")
    canvas.width = picture.width
    canvas.height = picture.height
    canvas.getContext("2d").drawImage(picture, 0, 0)
    picture.close()
    return new Promise(done => canvas.toBlob(done, "image/png"))
}

// What is sent of a file: all of it; a smaller picture; or nothing, if it is large and the page cannot read it.
async function contentOf(file) {
    if (file.size <= LARGE) return file.arrayBuffer()
    const made = await smaller(file).catch(() => null)
    return made && made.size <= 2 * LARGE ? made.arrayBuffer() : new ArrayBuffer(0)
}

export default {
    render({ model, el }) {
        const button = document.createElement("button")
        button.className = "jupyter-widgets jupyter-button widget-button"
        button.title = "A PNG or a JPEG from your computer; it stays there"
        const icon = document.createElement("i")
        icon.className = "fa fa-upload"
        icon.setAttribute("aria-hidden", "true")
        button.append(icon, model.get("words"))
        const field = document.createElement("input")
        field.type = "file"
        field.accept = "image/*"
        field.hidden = true
        button.onclick = () => field.click()
        field.onchange = async () => {
            const [file] = field.files
            field.value = ""  // so that the same file can be taken again
            if (file) model.send({}, undefined, [await contentOf(file)])
        }
        el.append(button, field)
    },
}
