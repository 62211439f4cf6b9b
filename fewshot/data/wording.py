"""The statistics of `hand.py` in an artist's words, for saying in which respects a drawing is different."""

_SIZES = {"finest": "the finest detail", "fine": "fine detail", "middle": "shapes", "coarse": "large shapes"}

_WORDS = {
    "tone: shadows": ("darker shadows", "lighter shadows"),
    "tone: middle": ("darker overall", "lighter overall"),
    "tone: lights": ("duller lights", "brighter lights"),
    "tone: black share": ("less black", "more black"),
    "tone: dark share": ("fewer dark areas", "more dark areas"),
    "tone: mid share": ("fewer middle tones", "more middle tones"),
    "tone: white share": ("less white", "more white"),
    "colour: mean saturation": ("paler colours", "stronger colours"),
    "colour: median saturation": ("paler colours", "stronger colours"),
    "colour: high saturation": ("paler accents", "stronger accents of colour"),
    "colour: grey share": ("less grey", "more grey"),
    "colour: warm or cold": ("colder colours", "warmer colours"),
    "colour: hue spread": ("fewer different hues", "more different hues"),
    "colour: number of colours": ("fewer colours", "more colours"),
    "edges: flat share": ("fewer flat areas", "more flat areas"),
    "edges: soft share": ("fewer soft transitions", "more soft transitions"),
    "edges: strong share": ("fewer hard edges", "more hard edges"),
    "edges: sharpness": ("softer edges", "sharper edges"),
    "edges: direction spread": ("strokes in fewer directions", "strokes in more directions"),
    "lines: thin share": ("thicker lines", "thinner lines"),
}
"""Statistic to the words for less of it and for more of it."""


def in_words(name: str, *, more: bool) -> str:
    """What more (or less) of the statistic `name` looks like; a name without words comes back as it is."""
    if name in _WORDS:
        return _WORDS[name][more]
    group, _, detail = name.partition(": ")
    part = _SIZES.get(detail.split(" ")[0], detail)
    if group == "contrast":
        return f"{'more' if more else 'less'} light and dark in {part}"
    if group == "colour contrast":
        return f"{'more' if more else 'less'} colour contrast in {part}"
    if group == "texture":
        if detail.endswith("evenness"):
            return f"{part} {'all over' if more else 'in some places only'}"
        return f"{'rougher' if more else 'smoother'} areas ({part})"
    if group == "lines":
        against = "against pale" in detail
        what = "dark rather than pale lines" if more else "pale rather than dark lines"
        return what if against else f"{'heavier' if more else 'lighter'} dark lines"
    return f"{name} {'higher' if more else 'lower'}"
