"""Every challenge found holds to the conformance suite."""

from pathlib import Path

import pytest

from podium.challenges import challenges, conformance
from podium.types import Challenge, DataRequest, DataSet


@pytest.fixture(scope="module", params=sorted(challenges()))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Challenge, DataSet]:
    challenge = challenges()[request.param]
    into = tmp_path_factory.mktemp("conformance") / challenge.id
    return challenge, challenge.make_data(DataRequest(into=into, size="tiny", workers=2))


@pytest.mark.slow
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_every_challenge_holds(check: conformance.Check, made: tuple[Challenge, DataSet], tmp_path: Path) -> None:
    check(*made, tmp_path)
