from __future__ import annotations

import pytest

from recsys.explain.extract import Extract
from recsys.explain.template import Template
from recsys.testing.kits import ExplainerTests


class TestTemplate(ExplainerTests):
    locales = ("en", "de")

    @pytest.fixture
    def component(self):
        return Template


class TestExtract(ExplainerTests):
    says = ("aspect",)
    locales = ("en", "de")

    @pytest.fixture
    def component(self):
        return Extract


class TestExtractOrTemplate(ExplainerTests):
    @pytest.fixture
    def component(self):
        return lambda: Extract(Extract.Config(fallback="template"))
