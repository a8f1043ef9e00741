"""The sample shop: a seeded simulator with a hand-written catalogue and known answers.

It shares no code with the candidate generators: what they find here, they found in the events.
"""

from recsys.data.shop.causes import CAUSES
from recsys.data.shop.queries import GradedQuery
from recsys.data.shop.reader import SampleShop
from recsys.data.shop.shop import Shop, make_shop
from recsys.data.shop.truth import EventCauses, Truth

__all__ = ["CAUSES", "EventCauses", "GradedQuery", "SampleShop", "Shop", "Truth", "make_shop"]
