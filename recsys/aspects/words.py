"""The little English that the aspect parts know beforehand: function words, negation, seed opinions, attributes.

Everything else is learned from the reviews of the shop.
"""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


DETERMINERS = _set(
    """
    a an the this that these those its it's my our your his her their no any some each every another both all
    little much more enough less
    """
)
PREPOSITIONS = _set(
    """
    of in on at by for from with without about into onto over under after before between through during
    against inside outside around near across than as like
    """
)
PRONOUNS = _set(
    """
    i you he she it we they me him us them who which what that one nobody everybody somebody everyone someone
    anything nothing something everything myself itself
    """
)
COPULAS = _set(
    """
    is are was were be been being isn't aren't wasn't weren't seems seem seemed feels feel felt looks look
    looked sounds stays stayed becomes became gets got remains
    """
)
MODALS = _set(
    """
    will would can could should may might must shall to don't doesn't didn't won't wouldn't can't cannot
    couldn't shouldn't do does did
    """
)
CONJUNCTIONS = _set(
    """
    and or but so because if when while until unless although though however yet except
    """
)
CONTRAST = _set(
    """
    but although though however yet except whereas
    """
)
INTENSIFIERS = _set(
    """
    very so too really quite rather extremely incredibly wonderfully beautifully pretty fairly slightly
    somewhat far bit more most less least even just always never still almost absolutely completely perfectly
    totally super surprisingly not properly
    """
)
OTHER = _set(
    """
    have has had having there here then now also only again back up out off down away too well ever once twice
    i'm i've i'd it'll they're you're we've that's there's what's how why where am let i'll you'll otherwise
    already often sometimes maybe perhaps yes ok okay etc its' such same other own
    """
)
FUNCTION = DETERMINERS | PREPOSITIONS | PRONOUNS | COPULAS | MODALS | CONJUNCTIONS | INTENSIFIERS | OTHER

NEGATORS = _set(
    """
    not no never none nothing neither nor without hardly barely scarcely cannot isn't aren't wasn't weren't
    don't doesn't didn't won't wouldn't can't couldn't shouldn't hasn't haven't hadn't ain't lacks lack
    lacking
    """
)
# How many words after a negator are under it, unless the clause ends before.
NEGATION_REACH = 4

GOOD = _set(
    """
    good great excellent perfect perfectly nice lovely love loved loves amazing awesome fantastic wonderful
    superb best better beautiful beautifully brilliant happy pleased pleasant pleasure solid sturdy durable
    comfortable easy easily clear clean crisp smooth quiet reliable accurate useful helpful impressive
    impressed recommend recommended worth clever neat neatly fine fun well enjoy enjoyed delightful
    outstanding superior
    """
)
BAD = _set(
    """
    bad poor poorly terrible awful horrible worst worse useless cheap cheaply flimsy broken broke breaks break
    disappointing disappointed disappointment waste annoying hate hated difficult uncomfortable noisy
    unreliable wrong problem problems issue issues fail failed fails failure faulty defective return returned
    junk garbage weak awkward sloppy leak leaks scratch scratches overpriced unhappy unusable ugly dull
    missing cracked
    """
)

# Nouns that name no property of a thing, however often they are praised.
GENERIC = _set(
    """
    thing things one ones time times day days week weeks month months year years hour hours minute minutes
    night morning evening summer winter lot lots way ways people person man woman men women guy guys friend
    friends family son daughter wife husband kid kids child children boy girl sister brother mother father mom
    dad parents product products item items stuff purchase purchases order orders seller sellers shop store
    amazon company brand review reviews reviewer reviewers star stars picture pictures photo photos
    description page bit part parts kind type sort fact case point reason end side sides place places need
    needs use uses job work works money dollar dollars buck bucks gift gifts present birthday christmas luck
    problem problems issue issues question questions answer idea complaint complaints hope favourite favorite
    choice word words rest top bottom middle number half pair set piece pieces couple bunch plenty home house
    room kitchen world life else anyone nice good great best better new old first second third last next few
    many several two three four five six seven eight ten hundred today yesterday tomorrow moment while chance
    experience fan user users owner owners beginner beginners pro pros con cons hand hands today's it'll wait
    mind doubt sense deal ends version versions spot spots points mine model models modeling ive whatsoever
    white black country club opinion matter course amount others bits means tool tools result results
    difference options option feature features choices
    """
)

# Properties of things, and the words that judge each without naming it. Such a word counts only where its clause has
# no other aspect ("the print is too small" is about the print) and where no noun follows ("it is light", not "a light
# pan"); so words of many senses are left out.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "weight": ("heavy", "heavier", "lightweight", "light", "lighter", "weighs", "hefty", "bulky"),
    "noise": ("quiet", "quieter", "loud", "louder", "noisy", "silent", "squeaks", "hum", "hiss", "buzz"),
    "size": ("big", "bigger", "small", "smaller", "large", "larger", "tiny", "compact", "huge"),
    "price": ("expensive", "affordable", "overpriced", "pricey", "inexpensive", "costs", "cost", "prices", "pricing"),
    "value": ("money", "penny", "bargain", "bang"),
    "durability": ("durable", "sturdy", "flimsy", "robust", "rugged", "solid", "fragile", "lasts", "broke", "breaks"),
    "speed": ("fast", "faster", "slow", "slower"),
    "scent": ("smells", "smell", "fragrance", "fragrant", "scented", "odour", "odor", "stinks"),
    "taste": ("tastes", "tasty", "delicious", "flavour", "flavor"),
    "warmth": ("warm", "warmer", "cosy", "cozy", "chilly"),
    "heat": ("hot", "heats", "lukewarm"),
    "sharpness": ("sharp", "sharper", "blunt"),
    "comfort": ("comfy", "comfortable", "uncomfortable"),
    "stability": ("stable", "unstable", "wobbles", "wobble", "wobbly", "steady", "tips", "topples"),
    "accuracy": ("accurate", "inaccurate", "precise", "precision"),
    "brightness": ("bright", "dim", "brighter"),
    "softness": ("soft", "softer", "scratchy", "silky"),
    "storage": ("roomy", "stows", "stores", "store", "compartments", "room", "spacious", "cramped"),
    "waterproofing": ("waterproof", "watertight", "leaks", "leaking", "leak"),
    "quality": (),
    "finish": ("polished",),
    "setup": ("assembly", "assemble", "assembled", "assembling", "installation", "install", "installed"),
    "battery": ("charge", "charging", "recharge", "rechargeable"),
    "fit": ("snug", "snugly", "fits"),
    "grip": ("slippery", "slips"),
    "cleaning": ("clean", "wipes", "rinses", "stains", "washable"),
    "packaging": ("packed", "packaged", "package", "wrapped"),
    "sound": ("sounds", "audio", "acoustics"),
    "instructions": ("manual", "directions", "explained", "instruction"),
    "safety": ("safe", "unsafe", "dangerous"),
}
