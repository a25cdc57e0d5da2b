"""What axe-core finds in a part of a page that people would miss who do not see it well, or not at all."""

from axe_playwright_python.sync_playwright import Axe

# Its own list, WCAG's A and AA and what it calls best practice; and the contrast of 7 that is asked for here.
OPTIONS = {"resultTypes": ["violations"], "rules": {"color-contrast-enhanced": {"enabled": True}}}


def violations(page, css, impacts=("minor", "moderate", "serious", "critical")):
    """A line for each fault of these impacts, as axe-core names them: "rule: which element"."""
    found = [rule for rule in Axe().run(page, css, OPTIONS).response["violations"] if rule["impact"] in impacts]
    return [f"{rule['id']}: {node['target'][-1]}" for rule in found for node in rule["nodes"]]


def unreached(page, root, most=80):
    """The controls in sight that Tab does not come to, or that do not show it, once the first of them has the focus."""
    root.evaluate(
        """root => {
            const all = root.querySelectorAll("button, input, select, textarea, summary, [tabindex='0']")
            window.left = new Set([...all].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled
                && e.tabIndex >= 0 && e.getBoundingClientRect().width > 1))
            window.first = [...window.left][0]
            window.first.focus()
        }"""
    )
    for _ in range(most):
        left = page.evaluate(
            """() => {
                const element = document.activeElement, style = getComputedStyle(element)
                const bare = style.outlineStyle === "none" && style.boxShadow === "none" && style.borderWidth === "0px"
                if (!bare || element === window.first) window.left.delete(element)
                return [...window.left].map(e => e.outerHTML.slice(0, 120))
            }"""
        )
        if not left:
            break
        page.keyboard.press("Tab")
    return left
