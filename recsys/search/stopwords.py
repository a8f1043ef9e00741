"""Function words by language. They weigh little in a query and are never dropped: a film may be called "The Who"."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS: Mapping[str, str] = {
    "english": "a an and are as at be by for from has have how i in is it its me my of on or our that the their this to"
    " was we were what when where which who will with you your",
    "german": "als am an auf aus bei das dem den der des die ein eine einem einen einer eines es für im in ist mit nach"
    " oder und von vom zu zum zur",
    "french": "à au aux avec ce ces d dans de des du elle en est et il je l la le les leur mon ne ou par pas pour qui"
    " sa se ses son sur un une",
    "spanish": "a al con de del el ella en es la las lo los mi no o para por que se sin su sus un una unas unos y",
    "italian": "a al alla con da dal dei del della delle di e è gli i il in la le lo ma nel non o per su un una uno",
    "portuguese": "a ao as com da das de do dos e é em na no nas nos o os ou para pela pelo por que se sem um uma",
    "dutch": "aan als bij dat de den der des die dit een en er het in is met naar of om op te tot uit van voor zijn",
    "swedish": "att av de den det du en ett för i inte med och om på som till är",
    "danish": "af at de den der det du en er et for fra i ikke med og om på som til",
    "norwegian": "av at de den der det du en er et for fra i ikke med og om på som til",
}


def stop_words(language: str) -> frozenset[str]:
    """Return the function words of a language as they are typed; none for a language without a list."""
    return frozenset(_WORDS.get(language, "").split())
