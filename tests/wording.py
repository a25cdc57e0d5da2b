"""Read the sentences under charts."""


def says(sentence, *words):
    """Whether a sentence has these words and numbers, in this order."""
    place = 0
    for word in words:
        found = sentence.find(word, place)
        assert found >= 0, f"{word!r} is missing, or out of order, in: {sentence}"
        place = found + len(word)
