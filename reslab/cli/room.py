"""`reslab doctor --room`: what the machines of a class reported, those that need help first."""

import json

ORDER = ("problem", "unreadable", "note", "ok")
WORDS = {
    "problem": "need help: something is missing",
    "unreadable": "need help: the file is not what `reslab doctor --json` writes; run it again",
    "note": "will run, with a note",
    "ok": "ready",
}


def read_room(folder):
    """A dict for each *.json file of a folder: name, level (of the worst finding, or "unreadable") and findings.

    Those that need help are first; then by the time that their longest lesson takes, the slowest first.
    """
    machines = [_machine(file) for file in sorted(folder.glob("*.json"))]
    return sorted(machines, key=lambda machine: (ORDER.index(machine["level"]), -(machine["slowest"] or 0)))


def _machine(file):
    try:
        findings = json.loads(file.read_bytes())  # bytes, for PowerShell writes UTF-16
        levels = {finding["level"] for finding in findings}
        unsolved = [finding for finding in findings if finding["level"] != "ok"]
        times = [float(every) for finding in findings for _, every in finding.get("lesson_seconds", {}).values()]
        level = next(level for level in ORDER if level in levels)
        words = [f"{finding['check']}: {finding['found']}. {finding['advice']}" for finding in unsolved]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return {"name": file.stem, "level": "unreadable", "findings": [], "slowest": None}
    return {"name": file.stem, "level": level, "findings": words, "slowest": max(times, default=None)}


def in_words(machines):
    """Lines of text for the teacher: how many are ready, then each machine that is not, with what to do."""
    if not machines:
        return ["There are no .json files here. Each learner runs: reslab doctor --json > NAME.json"]
    lines = []
    for level in ORDER:
        group = [machine for machine in machines if machine["level"] == level]
        if group:
            lines.append(f"{len(group)} of {len(machines)} {WORDS[level]}")
        for machine in group:
            slowest = machine["slowest"]
            lines.append(f"  {machine['name']}" + (f" (longest lesson: {slowest / 60:.1f} min)" if slowest else ""))
            lines += [f"    {finding}" for finding in machine["findings"]]
    return lines
